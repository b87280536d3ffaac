from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentrt.tools import DocumentError
from agentrt.tools.documents import Limits, Passage, read_passages


def test_three_json_layouts(tmp_path: Path) -> None:
    documents = [{"title": "Ed Wood", "text": "American.", "id": 7, "source": "https://x"}, {"title": "B", "text": "b"}]
    file = tmp_path / "docs.json"
    file.write_text(json.dumps(documents))
    first, second = read_passages(file)
    assert (first.id, first.source) == ("7", "https://x")
    assert second.source == "docs.json[1]"
    assert second.id == Passage("B", "b", "elsewhere").id

    file.write_text(json.dumps({"Ed Wood": "American.", "B": "b"}))
    assert [passage.title for passage in read_passages(file)] == ["Ed Wood", "B"]

    questions = [
        {"question": "?", "passages": {"A": "a"}, "distractors": {"B": "b"}},
        {"passages": {"A": "a", "C": "c"}},
    ]
    file.write_text(json.dumps(questions))
    assert [(passage.title, passage.source) for passage in read_passages(file)] == [
        ("A", "docs.json[0]"),
        ("B", "docs.json[0]"),
        ("C", "docs.json[1]"),
    ]


def test_json_lines_know_their_line(tmp_path: Path) -> None:
    file = tmp_path / "docs.jsonl"
    file.write_text('{"title": "A", "text": "a\u2028b"}\n\n{"title": "B", "text": "b"}\n')
    assert [passage.source for passage in read_passages(file)] == ["docs.jsonl:1", "docs.jsonl:3"]


def test_a_folder_is_cut_at_headings_and_paragraphs(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "guide.md").write_text(
        "intro\n\n# One #\nfirst\n\n```\n# not a heading\n```\n## Two\nsecond\n"
    )
    (tmp_path / "long_list.txt").write_text("# plain\n" + "\n\n".join(f"{n} " + "word " * 60 for n in range(10)))
    (tmp_path / ".hidden.txt").write_text("no")
    (tmp_path / "code.py").write_text("no")
    passages = read_passages(tmp_path)
    guide = [passage for passage in passages if passage.source.startswith("deep/")]
    assert [(passage.title, passage.source) for passage in guide] == [
        ("guide", "deep/guide.md:1"),
        ("One", "deep/guide.md:4"),
        ("Two", "deep/guide.md:10"),
    ]
    assert guide[1].text.endswith("```\n# not a heading\n```")
    rest = passages[len(guide) :]
    assert {passage.title for passage in rest} == {"long list"}
    assert len(rest) > 1
    assert max(len(passage.text) for passage in rest) < 2_000
    assert rest[0].text.startswith("# plain")


@pytest.mark.parametrize(
    ("name", "content", "where", "problem"),
    [
        ("a.json", b'[{"title": "A"}]', "a.json: item 0", '"title" and "text"'),
        ("a.json", b'["x"]', "a.json: item 0", "not a string"),
        ("a.json", b'[\n{"title": }]', "a.json:2:11", "not valid JSON"),
        ("a.json", b"3", "a.json", "neither a list"),
        ("a.json", b'{"A": null}', "a.json", "not null"),
        ("a.json", b'{"A": true}', "a.json", "not true or false"),
        ("a.json", b'[{"passages": {"A": 1}}]', "item 0", "not a number"),
        ("a.json", b"[]", "a.json", "no passage"),
        ("a.json", b"[" * 100_000, "a.json:1", "nested too deeply"),
        ("a.jsonl", b'{"title": "A", "text": "a"}\n{"title', "a.jsonl:2:2", "not valid JSON"),
        ("a.jsonl", b'{"title": "A", "text": "a"}\n{"title": "A"}', "a.jsonl:2", '"title" and "text"'),
        ("a.txt", b"good\nb\xe9d", "a.txt:2", "not UTF-8: byte 0xe9"),
        ("a.txt", b"\x89PNG\0", "a.txt", "binary"),
        ("a.txt", b" \n ", "a.txt", "no passage"),
        ("a.txt", b"x" * 2_000, "a.txt", "larger than 1,000 bytes"),
        ("a.pdf", b"x", "a.pdf", "not read; documents are"),
    ],
)
def test_errors_say_where(tmp_path: Path, name: str, content: bytes, where: str, problem: str) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(DocumentError) as caught:
        read_passages(file, Limits(file_bytes=1_000 if name == "a.txt" else 200_000))
    assert where in caught.value.where
    assert problem in str(caught.value)


def test_limits_and_missing_paths(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="no such file or folder"):
        read_passages(tmp_path / "none.json")
    with pytest.raises(DocumentError, match=r"has no \.markdown"):
        read_passages(tmp_path)
    for name in "abc":
        (tmp_path / f"{name}.txt").write_text(name * 100)
    with pytest.raises(DocumentError, match=r"c\.txt: the folder has more than 250 bytes"):
        read_passages(tmp_path, Limits(total_bytes=250))
    with pytest.raises(DocumentError, match="this is passage 3; the limit is 2"):
        read_passages(tmp_path, Limits(passages=2))


def test_a_folder_with_a_link_to_itself_ends(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert len(read_passages(tmp_path)) == 1


@given(st.lists(st.sampled_from(["word", "", "# head", "```", "x" * 900]), max_size=30))
def test_no_word_of_a_file_is_lost(tmp_path_factory: pytest.TempPathFactory, rows: list[str]) -> None:
    file = tmp_path_factory.mktemp("notes") / "n.md"
    file.write_text("kept\n" + "\n".join(rows))
    text = "\n".join(passage.text for passage in _all(file))
    assert text.count("word") <= rows.count("word")
    assert ("word" in text) == ("word" in rows)
    assert text.count("kept") == 1


def _all(file: Path) -> list[Passage]:
    return read_passages(file)
