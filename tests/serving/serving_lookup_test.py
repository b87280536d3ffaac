"""Looked-up drafts: what they are, how long they are, and what is remembered."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agentrt.serving.lookup_drafter import LookupDrafter, Memory, Text

tokens = st.lists(st.integers(0, 5), min_size=1, max_size=80)


class Conversation:
    """One request and what its drafter is told of it."""

    def __init__(self, drafter: LookupDrafter, prompt: list[int], name: str = "a") -> None:
        self.drafter = drafter
        self.written = [*prompt]
        self.name = name

    def draft(self, *said: int, at_once: int = 1, room: int = 100) -> list[int]:
        self.written += said
        return self.drafter.draft(self.name, said, len(self.written), lambda: self.written, at_once=at_once, room=room)

    def write(self, answer: list[int], at_once: int = 1) -> list[list[int]]:
        """The answer as a model would write it that keeps what it would have written: all drafts."""
        drafts: list[list[int]] = []
        said = answer[:1]
        rest = answer[1:]
        while said:
            drafts.append(self.draft(*said, at_once=at_once))
            kept = 0
            while kept < min(len(drafts[-1]), len(rest)) and drafts[-1][kept] == rest[kept]:
                kept += 1
            said, rest = rest[: kept + 1], rest[kept + 1 :]
        return drafts


def drafter(*, remembered: int = 1_000) -> LookupDrafter:
    return LookupDrafter(longest=8, remembered=remembered, cost=0.1)


@given(tokens, tokens)
def test_the_match_is_the_longest_and_of_these_the_newest(text: list[int], last: list[int]) -> None:
    match = Text(text).match(last)
    ends = range(1, len(text))  # something must follow
    agree = {end: _agreeing(text[:end], last) for end in ends}
    longest = max(agree.values(), default=0)
    assert match.agreeing == (longest if longest <= 4 else match.agreeing)
    if match.agreeing:
        assert agree[match.at] == match.agreeing
        assert match.at == max(end for end in ends if agree[end] >= min(longest, 4))


def _agreeing(text: list[int], last: list[int]) -> int:
    same = 0
    while same < min(8, len(text), len(last)) and text[-same - 1] == last[-same - 1]:
        same += 1
    return same


@given(tokens, tokens, st.integers(1, 16))
def test_a_draft_is_a_continuation_that_stands_somewhere_and_has_room(
    prompt: list[int], answer: list[int], at_once: int
) -> None:
    conversation = Conversation(drafter(), prompt)
    for draft in conversation.write(answer, at_once):
        assert len(draft) <= 8
        written = conversation.written
        assert not draft or any(written[at : at + len(draft)] == draft for at in range(len(written)))
    assert conversation.draft(0, room=0) == []


def test_what_follows_the_same_words_is_drafted() -> None:
    first = Conversation(drafter(), [1, 2, 3, 4, 5, 6]).draft(2)
    assert first == [3, 4, 5, 6, 2][: len(first)] and len(first) >= 2


def test_the_newest_place_wins() -> None:
    assert Conversation(drafter(), [7, 1, 8, 7, 2, 9]).draft(7)[0] == 2


def test_drafts_that_are_never_kept_are_given_up() -> None:
    conversation = Conversation(drafter(), [0, 1, 2, 3])
    # After 1 came 2 once; now it never does again.
    lengths = [len(conversation.draft(100 + number, 1)) for number in range(60)]
    assert lengths[0] > 0 and sum(lengths[-10:]) < sum(lengths[:10])


def test_drafts_that_are_always_kept_grow_to_their_full_length() -> None:
    conversation = Conversation(drafter(), [])
    drafts = conversation.write([1, 2, 3, 4, 5, 6, 7, 8, 9, 10] * 12)
    assert len(drafts[-2]) == 8


def test_a_full_server_drafts_only_what_is_sure() -> None:
    quiet, full = (Conversation(drafter(), [1, 2, 3, 4, 5, 6, 7, 8]) for _ in range(2))
    assert len(quiet.draft(2)) > len(full.draft(2, at_once=64)) == 0


def test_answers_are_remembered_for_others_but_prompts_are_not() -> None:
    shared = drafter()
    Conversation(shared, [50, 51, 52], "first").write([1, 2, 3, 4])
    shared.keep_only(["other"])
    assert Conversation(shared, [9], "second").draft(2)[:1] == [3]
    assert Conversation(shared, [9], "third").draft(51) == []


def test_memory_forgets_the_oldest_and_does_not_draft_across_answers() -> None:
    memory = Memory(20)
    for start in range(0, 400, 4):
        memory.add([start, start + 1, start + 2])
    assert sum(len(text.tokens) for text in (memory._older, memory._newer)) <= 20
    assert memory.match([0])[0].agreeing == 0
    assert memory.match([396, 397])[0].agreeing == 2
    shared = drafter()
    Conversation(shared, [9], "first").write([1, 2])
    shared.keep_only([])
    assert Conversation(shared, [8], "second").draft(1) == [2]  # and not what stands between two answers


def test_a_request_that_is_begun_again_is_read_again() -> None:
    shared = drafter()
    conversation = Conversation(shared, [1, 2, 3])
    conversation.draft(4)
    conversation.written += [5, 6]  # the server went on without asking
    assert conversation.draft(1)[:1] == [2]
    shared.keep_only([])
    assert Conversation(shared, [9], "other").draft(5)[:1] == [6]


@given(st.lists(st.tuples(st.integers(0, 3), tokens), max_size=12), st.integers(0, 40))
def test_any_order_of_requests_is_taken_and_memory_is_bounded(
    requests: list[tuple[int, list[int]]], remembered: int
) -> None:
    shared = drafter(remembered=remembered)
    for name, answer in requests:
        Conversation(shared, [name], f"{name}").write(answer)
        shared.keep_only([])
    kept = shared._memory
    assert len(kept._older.tokens) + len(kept._newer.tokens) <= max(2, remembered + 2)
