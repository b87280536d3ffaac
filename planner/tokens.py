"""The incremental tokenizer: one call's argument list, from its opening parenthesis to the matching one.

Text arrives in pieces of any size, and a piece may end anywhere: inside a string, an escape, a number.
What the tokenizer finds depends on the text alone, never on where the pieces were cut: it moves on only
when what it needs to see is there, and is told how far it may look.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from planner.errors import PlanSyntaxError

MAX_DEPTH = 32
"""Brackets inside brackets, the call's own included."""

_PAIRS = {"(": ")", "[": "]", "{": "}"}
_WORD_END = re.compile(r"[\s()\[\]{},:=]")
_SPACE = re.compile(r"\s*")
# Opening quote to what closes it. Typographic quotes are what some models write for straight ones.
_QUOTES = {'"': '"', "'": "'", "“": "”"}
_STRING_END = {quote: re.compile(rf"\\.|{quote}", re.DOTALL) for quote in ('"', "'", "”", '"""', "'''")}
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "\\": "\\", "'": "'", '"': '"', "/": "/", "\n": ""}
_SURROGATES = re.compile("[\ud800-\udfff]")
# The start of another plan line: seen inside a call, it means that the call was never closed.
_NEXT_LINE = re.compile(r"\s*(?:[0-9]{1,9}\s*[.):]\s*[^\W\d][\w./-]*|join)\s*")


class Kind(Enum):
    """What a token is."""

    WORD = "word"
    STRING = "string"
    OPEN = "open"
    CLOSE = "close"
    COMMA = ","
    COLON = ":"
    EQUALS = "="


_SEPARATORS = {",": Kind.COMMA, ":": Kind.COLON, "=": Kind.EQUALS}
_BEFORE_VALUE = (Kind.OPEN, Kind.COMMA, Kind.COLON, Kind.EQUALS)


class Token(NamedTuple):
    """One token. `start` and `end` are offsets in the text; `value` is a string's content, or the text itself."""

    kind: Kind
    start: int
    end: int
    value: str


class Misread(Exception):
    """Where the tokens stop making sense. `at` is the offset at fault, `seen` how far the text was looked at."""

    def __init__(self, at: int, seen: int, error: PlanSyntaxError) -> None:
        super().__init__(str(error))
        self.at = at
        self.seen = seen
        self.error = error


class CallTokenizer:
    """Tokens of one argument list.

    Args:
        start: offset of the opening parenthesis in the text that `scan` is given.

    Attributes:
        tokens: what was found so far, the outer parentheses included.
        mates: for each opening bracket's index in `tokens`, the index of its closing one.
        end: offset behind the closing parenthesis, once `scan` has returned True.
    """

    def __init__(self, start: int) -> None:
        self.start = start
        self.end = start
        self.tokens: list[Token] = []
        self.mates: dict[int, int] = {}
        self._open: list[int] = []
        self._at = start
        self._word: int | None = None
        self._string: tuple[int, str] | None = None

    def scan(self, text: str, limit: int) -> bool:
        """Reads on in `text`, which has grown since the last call, up to `limit`; True at the end of the list.

        Raises:
            Misread: brackets that do not match, or are nested too deep, or a call that the next line cuts off.
        """
        while self._at < limit:
            if self._string is not None:
                going = self._scan_string(text, limit, *self._string)
            elif self._word is not None:
                going = self._scan_word(text, limit, self._word)
            else:
                going = self._scan_start(text, limit)
            if not going:
                return False
            if self.tokens and not self._open:
                self.end = self._at
                return True
        return False

    @property
    def between_values(self) -> bool:
        """Whether what was read so far ends behind a value that cannot go on: a text, or a list or object."""
        ended = self.tokens and self.tokens[-1].kind in (Kind.STRING, Kind.CLOSE)
        return bool(ended) and len(self._open) == 1 and self._word is None and self._string is None

    def unfinished(self, seen: int) -> Misread:
        """What is wrong when the text ends here."""
        if self._string is not None:
            at, quote = self._string
            hint = f"end the text with {quote}, and write quotes inside it with a backslash before them"
            return Misread(at, seen, PlanSyntaxError("the text that starts here has no closing quote", hint))
        at = self.tokens[self._open[-1]].start if self._open else self.start
        return Misread(
            at, seen, PlanSyntaxError("the bracket that opens here is never closed", "close the call with )")
        )

    def _scan_start(self, text: str, limit: int) -> bool:
        space = _SPACE.match(text, self._at, limit)
        self._at = at = space.end() if space else self._at
        if at >= limit:
            return False
        char = text[at]
        if char in _PAIRS:
            self._push(text, at)
        elif char in ")]}":
            self._pop(at, char)
        elif char in _SEPARATORS:
            self._add(_SEPARATORS[char], at, at + 1, char)
        elif char in _QUOTES and self.tokens[-1].kind in _BEFORE_VALUE:
            return self._start_string(text, at, limit)
        else:
            self._word = at
            self._at = at + 1
            return self._at < limit
        return True

    def _scan_word(self, text: str, limit: int, start: int) -> bool:
        end = _WORD_END.search(text, self._at, limit)
        if end is None:
            self._at = limit
            return False
        self._add(Kind.WORD, start, end.start(), text[start : end.start()])
        self._word = None
        return True

    def _start_string(self, text: str, at: int, limit: int) -> bool:
        quote = text[at]
        closing = _QUOTES[quote]
        opening = 1
        if closing == quote and at + 1 < limit and text[at + 1] == quote:
            if at + 2 >= limit:
                return False  # "" or """: the next character tells
            if text[at + 2] == quote:
                closing = quote * 3
                opening = 3
        elif closing == quote and at + 1 >= limit:
            return False
        self._string = (at, closing)
        self._at = at + opening
        return True

    def _scan_string(self, text: str, limit: int, start: int, closing: str) -> bool:
        pattern = _STRING_END[closing]
        while found := pattern.search(text, self._at, limit):
            if found[0][0] == "\\":
                self._at = found.end()
            elif closing == "'" and text[found.start() - 1].isalnum() and found.start() > start + 1:
                # An apostrophe, as in 'Rosemary's Baby', if a letter follows as well.
                if found.end() >= limit:
                    self._at = found.start()
                    return False
                if not text[found.end()].isalnum():
                    return self._end_string(text, start, found.start(), closing)
                self._at = found.end()
            else:
                return self._end_string(text, start, found.start(), closing)
        # The last characters may be half of an escape, or of a closing triple quote.
        tail = len(closing) - 1
        self._at = max(self._at, limit - max(tail, 1 if text[limit - 1] == "\\" else 0))
        return False

    def _end_string(self, text: str, start: int, end: int, closing: str) -> bool:
        self._at = end + len(closing)
        self._add(Kind.STRING, start, self._at, unescape(text[start + len(closing) : end]))
        self._string = None
        return True

    def _push(self, text: str, at: int) -> None:
        if text[at] == "(" and self._open:
            line = text.rfind("\n", self.start, at) + 1
            if line and _NEXT_LINE.fullmatch(text, line, at):
                raise self.unfinished(at)
        if len(self._open) == MAX_DEPTH:
            hint = "give the parts their own lines"
            raise Misread(at, at + 1, PlanSyntaxError(f"brackets are nested deeper than {MAX_DEPTH}", hint))
        self._open.append(len(self.tokens))
        self._add(Kind.OPEN, at, at + 1, text[at])

    def _pop(self, at: int, char: str) -> None:
        opener = self.tokens[self._open[-1]]
        if _PAIRS[opener.value] != char:
            hint = f"write {_PAIRS[opener.value]} before it, or put the text in quotes"
            raise Misread(at, at + 1, PlanSyntaxError(f"{char} does not close the {opener.value} before it", hint))
        self.mates[self._open.pop()] = len(self.tokens)
        self._add(Kind.CLOSE, at, at + 1, char)

    def _add(self, kind: Kind, start: int, end: int, value: str) -> None:
        self.tokens.append(Token(kind, start, end, value))
        self._at = end


def unescape(text: str) -> str:
    r"""The content of a string as written, with the escapes of Python and JSON resolved.

    Escapes that neither has (`\d`) stay as they are; halves of surrogate pairs become U+FFFD.
    """
    if "\\" in text:
        text = _ESCAPE.sub(_unescape_one, text)
    if _SURROGATES.search(text):
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _unescape_one(match: re.Match[str]) -> str:
    code = match[1] or match[2] or match[3]
    if code is None:
        return _ESCAPES.get(match[4], match[0])
    value = int(code, 16)
    return chr(value) if value <= 0x10FFFF else "\ufffd"
