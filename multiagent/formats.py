"""Ways to write a message: the pool of formats agents talk in, with a parser and a gloss for those that have one.

Optima (Chen et al. 2024) begins training from a pool of message formats so that generation finds short ones.
A format is an instruction to the model and, where it is regular enough, a reader of what came back. The reader
never fails: a model that does not keep to its format has said plain text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, cast

from multiagent.errors import UnknownFormat
from multiagent.transcript import Transcript

Kind = Literal["asks", "tells", "answers", "says"]

Duty = Literal["share", "answer", "settle", "solve", "review"]
"""What a turn is for, as the protocol sees it: tell what one knows, tell and answer, answer and nothing else, work out
an answer, or check one."""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing a message does. `says` is text that follows no rule of the format."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class Format:
    """A way to write messages.

    Attributes:
        name: how it is chosen.
        instruction: what the agents are told.
        read: splits a message into items; None where the format has no rules to read by.
        grammars: for each duty the EBNF (`root ::= …`) that a message keeps to, where endpoints can hold it to one.
        trims: for each duty what repairs the harm that its grammar may do to a message.
    """

    name: str
    instruction: str
    read: Callable[[str], list[Item]] | None = None
    grammars: Mapping[Duty, str] = field(default_factory=dict[Duty, str])
    trims: Mapping[Duty, Callable[[str], str]] = field(default_factory=dict[Duty, Callable[[str], str]])

    def items(self, text: str) -> list[Item]:
        """What a message does, in order; a single `says` for a format without a reader."""
        if self.read is not None:
            return self.read(text)
        return [Item("says", text.strip())] if text.strip() else []

    def answer(self, text: str) -> str | None:
        """The answer a message gives: the format's own mark, or a line `Answer: …`; the last one counts."""
        marked = answer_line(text)
        own = [item.text for item in self.items(text) if item.kind == "answers" and item.text]
        return own[-1] if own else marked

    def conforms(self, text: str) -> bool:
        """Whether a message keeps to the format's rules throughout."""
        found = self.items(text)
        return bool(found) and (self.read is None or all(item.kind != "says" for item in found))


def format_named(name: str) -> Format:
    """The format of the pool with that name.

    Raises:
        UnknownFormat: there is none.
    """
    if name not in FORMATS:
        raise UnknownFormat(name, sorted(FORMATS))
    return FORMATS[name]


def gloss(transcript: Transcript, form: Format) -> str:
    """A compact transcript made readable: one sentence for each thing that was asked, told or answered."""
    lines: list[str] = []
    for turn in transcript:
        items = form.items(turn.text)
        lines += [f"{turn.speaker} {_VERBS[item.kind]}: {item.text}" for item in items]
        if not items:
            lines.append(f"{turn.speaker} is silent.")
    return "\n".join(lines)


def answer_line(text: str) -> str | None:
    """The answer after the last `Answer:` of a text, up to the end of that line."""
    found = _ANSWER.findall(text)
    return _clean(found[-1]) or None if found else None


_VERBS: Mapping[Kind, str] = {"asks": "asks", "tells": "tells", "answers": "answers", "says": "says"}
_ANSWER = re.compile(r"(?:^|(?<=[\s.;|>*]))(?:final\s+)?answer(?:\s+is)?\**\s*[:=]\s*(.+)", re.IGNORECASE)
_MARKS: Mapping[str, Kind] = {"?": "asks", "+": "tells", "=": "answers"}


def _clean(answer: str) -> str:
    return answer.strip().strip("*`\"'").rstrip(".;").strip("*`\"' ")


def _read_marks(text: str) -> list[Item]:
    """`? ask`, `+ tell`, `= answer`: one item a line, or several with `;` between them."""
    items: list[Item] = []
    for line in re.split(r"\n|;\s*(?=[?+=])", text):
        part = line.strip().rstrip(";").strip()
        if not part:
            continue
        kind = _MARKS.get(part[0], "says")
        body = part[1:].strip() if kind != "says" else part
        marked = answer_line(part)
        if kind == "says" and marked is not None:
            kind, body = "answers", marked
        items.append(Item(kind, _clean(body) if kind == "answers" else body))
    return items


def _read_json(text: str) -> list[Item]:
    """One object with `ask`, `tell` and `answer`, a code fence around it allowed."""
    found = re.search(r"\{.*\}", text, re.DOTALL)
    try:
        value: object = json.loads(found[0]) if found else None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        return [Item("says", text.strip())] if text.strip() else []
    fields = cast(dict[str, object], value)
    kinds: Mapping[str, Kind] = {"ask": "asks", "tell": "tells", "answer": "answers"}
    items: list[Item] = []
    for key, content in fields.items():
        parts = cast(list[object], content) if isinstance(content, list) else [content]
        for part in parts:
            said = part if isinstance(part, str) else json.dumps(part, ensure_ascii=False)
            if part is not None and said.strip():
                items.append(Item(kinds.get(key.lower(), "says"), said.strip()))
    return items


def _read_triples(text: str) -> list[Item]:
    """`subject | relation | object` a line; `?` for what is not known; `answer | x` for the answer."""
    items: list[Item] = []
    for line in filter(None, (line.strip().strip("|").strip() for line in text.splitlines())):
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 2 and cells[0].lower() == "answer":
            items.append(Item("answers", _clean(cells[1])))
        elif len(cells) == 3 and all(cells):
            items.append(Item("asks" if "?" in cells else "tells", " ".join(cells)))
        else:
            marked = answer_line(line)
            items.append(Item("answers", marked) if marked is not None else Item("says", line))
    return items


_FACT_WORDS = 20
"""More than the instruction says: held to 12 the 1.5B breaks facts off before what matters."""

_NOTES = f"""
fact ::= "+ " start (" " word){{0,{_FACT_WORDS - 2}}} (" " [^ \\n])?
answer ::= "= " start (" " word){{0,7}}
start ::= [^ \\n=?+] [^ \\n]{{0,23}}
word ::= [^ \\n]{{1,24}}"""

_COMPACT: Mapping[Duty, str] = {
    "share": f"root ::= fact{_NOTES}",
    "answer": f'root ::= fact "\\n" answer{_NOTES}',
    "settle": f"root ::= answer{_NOTES}",
    "solve": f'root ::= (fact "\\n"){{0,6}} answer{_NOTES}',
    "review": f'root ::= "AGREE" | fact{_NOTES}',
}
"""What `compact` is held to. Whole words, so that nothing ends in the middle of one; only the last word of a fact,
which is not kept (see `_without_run_on`), has one character, so that it costs one token."""


def _without_run_on(text: str) -> str:
    """Facts without their last word where a grammar ended them: the model had more to say than one."""
    lines = text.strip().split("\n")
    for at, line in enumerate(lines):
        mark, *words = line.split(" ")
        if mark == "+" and len(words) >= _FACT_WORDS:
            lines[at] = " ".join([mark, *words[: _FACT_WORDS - 1]])
    return "\n".join(lines)


ONE_LINE = 'root ::= word (" " word){0,9}\nword ::= [^ \\n]{1,24}'
"""What a last answer is held to, in every format."""

_ANSWER_RULE = "When you know the answer, end your message with a line `Answer: …` that holds only the answer itself."

_POOL = (
    Format("plain", f"Write in plain language, in full sentences. {_ANSWER_RULE}"),
    Format(
        "compact",
        # No line of it may look like a message: small models copy such lines word for word.
        "Write short notes, never sentences, at most 3 lines. Begin each line with one mark: `+` before a fact or a "
        "step (at most 12 words), `?` before what you need to know, `=` before the answer (1 to 5 words). "
        "No greeting, no explanation, no repetition.",
        _read_marks,
        _COMPACT,
        dict.fromkeys(("share", "answer", "review"), _without_run_on),
    ),
    Format(
        "json",
        'Write one JSON object and nothing else: {"ask": "…", "tell": ["…"], "answer": "…"}. Leave out what is empty.',
        _read_json,
    ),
    Format(
        "triples",
        "Write facts as lines `subject | relation | object`, with ? for what you need to know. "
        "Once you know the answer, write a line `answer | …`. Nothing else.",
        _read_triples,
    ),
    Format(
        "telegram", f"Write like a telegram: key words only, no articles, no verbs that can be left out. {_ANSWER_RULE}"
    ),
    Format("list", f"Write a numbered list of at most three points of at most eight words each. {_ANSWER_RULE}"),
    Format("symbols", f"Write with symbols instead of words where you can: -> = != & ? + . {_ANSWER_RULE}"),
)

FORMATS: Mapping[str, Format] = {form.name: form for form in _POOL}
"""The pool, by name."""
