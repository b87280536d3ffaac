"""The trajectory store: append-only, resumable, redacted, and safe when the disk is full."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multiagent import RewardParts, Transcript, Turn, Usage
from multiagent.errors import DiskFull, StoreError
from multiagent.redaction import Redaction
from multiagent.trajectories import Pair, Rating, Trajectory, TrajectoryStore, read_pairs

TURN = Turn("alice", "write to ann@example.org", "x", Usage(5, 7, 1), logprobs=(-0.5, -0.1), flags=frozenset({"cut"}))


def trajectory(name="1/t/0", **fields):
    said = Transcript("Who?", (TURN,))
    chats = {"alice": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": TURN.text}]}
    return Trajectory(name, "1/t", "t", said, chats, iteration=1, answer="x", stop_reason="agreement", **fields)


@pytest.fixture
def store(tmp_path):
    store = TrajectoryStore(tmp_path / "t.sqlite")
    yield store
    store.close()


def test_what_goes_in_comes_out(store):
    store.add([trajectory(parent="1/t", model="m", prompt_hash="h")])
    assert list(store.trajectories(iteration=1)) == [trajectory(parent="1/t", model="m", prompt_hash="h")]
    assert list(store.trajectories(iteration=2)) == [] and store.tasks(1) == {"t"}


def test_nothing_is_overwritten_and_the_newest_rating_counts(store):
    store.add([trajectory()])
    store.add([trajectory(model="another")])
    assert [one.model for one in store.trajectories()] == [""]
    store.rate([Rating("1/t/0", 0.1)])
    store.rate([Rating("1/t/0", 0.9, RewardParts(1, 0.1, 0, 0, 0.9))])
    assert store.ratings()["1/t/0"].value == 0.9


def test_the_export_is_redacted_and_readable(store, tmp_path):
    store.add([trajectory()])
    store.rate([Rating("1/t/0", 0.5)])
    assert store.export(tmp_path / "out.jsonl", Redaction()) == 1
    row = json.loads((tmp_path / "out.jsonl").read_text())
    assert (
        row["rating"]["value"] == 0.5
        and "ann@" not in json.dumps(row)
        and "[email]" in row["chats"]["alice"][1]["content"]
    )


def test_a_store_may_redact_what_it_keeps(tmp_path):
    store = TrajectoryStore(tmp_path / "t.sqlite", Redaction())
    store.add([trajectory()])
    assert "[email]" in next(store.trajectories()).transcript[0].text
    store.close()


def test_a_full_disk_keeps_what_was_stored(store):
    store.add([trajectory()])
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count={pages + 2}")
    with pytest.raises(DiskFull, match="what was stored is kept"):
        store.add(trajectory(f"1/t/{n}", prompt_hash="x" * 3000) for n in range(1, 20))
    assert [one.id for one in store.trajectories()] == ["1/t/0"], "a task is stored whole or not at all"


def test_the_planners_pairs_join_ours(store, tmp_path):
    path = tmp_path / "planner.jsonl"
    row = {"prompt": "Plan it", "chosen": "1. search()", "rejected": [{"role": "assistant", "content": "2."}]}
    path.write_text(json.dumps(row) + "\n\n")
    ours = Pair([{"role": "user", "content": "q"}], [{"role": "assistant", "content": "a"}], [], iteration=1)
    store.add_pairs([ours, *read_pairs(path, source="planner"), *read_pairs(path, source="planner")])
    assert [pair.source for pair in store.pairs()] == ["optima", "planner"]
    assert next(store.pairs(source="planner")).chosen == [{"role": "assistant", "content": "1. search()"}]


@pytest.mark.parametrize("line", ["{", '{"prompt": "x"}', '{"prompt": [], "chosen": "a", "rejected": "b"}', "[]"])
def test_damaged_pairs_are_named(tmp_path, line):
    path = tmp_path / "pairs.jsonl"
    path.write_text(f"{line}\n")
    with pytest.raises(StoreError, match=r"pairs\.jsonl:1 is no preference pair"):
        read_pairs(path, source="planner")


@given(st.dictionaries(st.text(), st.text()))
def test_redacted_json_is_json(body):
    assert json.loads(Redaction().text(json.dumps(body))) is not None


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("key sk-abcdefghijklmnop1234 here", "key [key] here"),
        ("Bearer abcdefgh1234", "Bearer [bearer]"),
        ("call +49 170 1234567", "call [phone]"),
        ("at 192.168.0.1:80", "at [ip]:80"),
        ("in 1998.12.30.5 or 3.14", "in 1998.12.30.5 or 3.14"),
    ],
)
def test_what_is_taken_out(text, redacted):
    assert Redaction().text(text) == redacted
