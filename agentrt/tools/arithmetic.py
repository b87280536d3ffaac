"""Reading arithmetic the way people and models write it, into an expression that Python evaluates.

    7,300 * 1.15     thousands separators
    2^10   3 x 4     ^ is a power; x, ×, ·, ÷ and − are what they look like
    15% of 80        a percentage; `17 % 5` is still a remainder
    $2.5 million     currency signs are dropped, words for large numbers multiplied
    sqrt(16) + pi    the functions and constants named in `FUNCTIONS` and `CONSTANTS`

Nothing else passes: no names, attributes, strings, comparisons or keywords. What could be read in two ways
is refused with both readings, rather than guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import Literal, NamedTuple

from agentrt.tools.errors import CalculationError

BUILT_IN = frozenset({"abs", "max", "min", "pow", "round", "sum"})
FUNCTIONS = BUILT_IN | {
    *("acos", "asin", "atan", "atan2", "cos", "cosh", "degrees", "hypot", "radians", "sin", "sinh", "tan", "tanh"),
    *("cbrt", "ceil", "exp", "floor", "log", "log10", "log2", "sqrt", "trunc"),
    *("comb", "factorial", "gcd", "lcm", "perm"),
}
CONSTANTS = frozenset({"e", "pi", "tau"})
_OTHER_NAMES = {"ln": "log", "fabs": "abs", "ceiling": "ceil", "π": "pi"}
_LARGE = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_SIGNS = str.maketrans({"×": "*", "·": "*", "⋅": "*", "∗": "*", "÷": "/", "∕": "/", "−": "-", "–": "-", "—": "-"})

_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<number>[0-9][0-9_]*(?:,[0-9]{3}(?![0-9]))*(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<currency>[$€£¥](?=\s*[0-9.]))"
    r"|(?P<times>[xX](?![^\W\d]))"
    r"|(?:math\.)?(?P<name>[^\W\d]\w*)"
    r"|(?P<operator>\*\*|//|[-+*/^%])"
    r"|(?P<open>[(\[])|(?P<close>[)\]])|(?P<comma>,)"
)
_TAIL = re.compile(r"\s*(?:=\s*\??|\?)\s*$")
_OF = re.compile(r"\s*of\b", re.IGNORECASE)
_AFTER_PERCENT = re.compile(r"(of\b|x(?![^\W\d]))", re.IGNORECASE)
_MOST_CHARACTERS = 2_000
_MOST_DEPTH = 64

_Kind = Literal["value", "operator", "open", "close", "comma", "function"]


class _Part(NamedTuple):
    kind: _Kind
    text: str
    at: int


class _Bracket(NamedTuple):
    text: str
    at: int
    start: int  # index of the first part of the bracketed value, its function's name included
    call: bool


def to_python(expression: str) -> str:
    """`expression` as a Python expression made of numbers, operators, brackets and `FUNCTIONS` only.

    Raises:
        CalculationError: it is empty, too long, not arithmetic, or could be read in two ways.
    """
    if len(expression) > _MOST_CHARACTERS:
        raise CalculationError(
            f"the expression has {len(expression):,} characters; at most {_MOST_CHARACTERS:,} are read"
        )
    text = _TAIL.sub("", expression.translate(_SIGNS))
    if not text.strip():
        raise CalculationError("the expression is empty")
    return _Reader(text).read()


class _Reader:
    """One pass over the text; `parts` is what has been written so far."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.parts: list[_Part] = []
        self.brackets: list[_Bracket] = []
        self.last_start = 0  # where in `parts` the value just closed begins

    def read(self) -> str:
        steps: dict[str, Callable[[str, int], None]] = {
            "number": self.number,
            "name": self.name,
            "operator": self.operator,
            "times": self.times,
            "open": self.open,
            "close": self.close,
            "comma": self.comma,
        }
        at = 0
        while at < len(self.text):
            match = _TOKEN.match(self.text, at)
            if match is None:
                raise self.error(f"{self.text[at]!r} is not arithmetic", at)
            kind = match.lastgroup or ""
            if self.parts and self.parts[-1].kind == "function" and match["space"] is None and match["open"] != "(":
                raise self.needs_brackets()
            at = match.end()
            if kind == "number" and "," in match[kind] and self.in_call:
                raise self.two_numbers_or_one(match[kind], match.start())
            if kind in steps:
                steps[kind](match[kind], match.start())
        if self.parts and self.parts[-1].kind == "function":
            raise self.needs_brackets()
        if self.brackets:
            raise self.error(f"{self.brackets[-1].text!r} is never closed", self.brackets[-1].at)
        if self.expects_value:
            raise self.error("the expression ends where a number should follow", len(self.text) - 1)
        return "".join(part.text for part in self.parts)

    @property
    def in_call(self) -> bool:
        return bool(self.brackets) and (self.brackets[-1].call or self.brackets[-1].text == "[")

    @property
    def expects_value(self) -> bool:
        return not self.parts or self.parts[-1].kind not in ("value", "close")

    def add(self, kind: _Kind, text: str, at: int) -> None:
        self.parts.append(_Part(kind, text, at))

    def value(self, text: str, at: int) -> None:
        if not self.expects_value:
            raise self.error(f"an operator is missing before {text!r}; write * for times", at)
        self.last_start = len(self.parts)
        self.add("value", text, at)

    def number(self, written: str, at: int) -> None:
        if "," in written and not re.match(r"\d{1,3}(,\d{3})+(?![\d,_])", written):
            raise self.error(f"{written!r} does not part thousands; write 7,300 or 7300", at)
        plain = written.replace(",", "").replace("_", "")
        whole, dot, rest = plain.partition(".")
        self.value((whole.lstrip("0") or "0") + dot + rest if dot or whole.isdigit() else plain, at)

    def name(self, written: str, at: int) -> None:
        name = _OTHER_NAMES.get(written.lower(), written.lower())
        if name in CONSTANTS:
            self.value(name, at)
        elif name in FUNCTIONS:
            self.function(name, at)
        elif name in _LARGE and not self.expects_value:
            self.wrap(f"*{_LARGE[name]})", at)
        elif name == "of" and not self.expects_value and self.parts[-1].text.endswith("/100)"):
            self.percent_of(at)
        else:
            near = get_close_matches(name, FUNCTIONS | CONSTANTS, n=1, cutoff=0.7)
            hint = f"did you mean {near[0]!r}?" if near else "write numbers, + - * / ^ % and functions such as sqrt(2)"
            raise self.error(f"{written[:40]!r} is not a number or a function; {hint}", at)

    def function(self, name: str, at: int) -> None:
        if not self.expects_value:
            raise self.error(f"an operator is missing before {name!r}; write * for times", at)
        self.add("function", name, at)

    def operator(self, written: str, at: int) -> None:
        if self.expects_value:
            if written not in "+-":
                raise self.error(f"a number should stand before {written!r}", at)
        elif written == "%" and not self.is_remainder(at + 1):
            self.percent(at)
            return
        self.add("operator", "**" if written == "^" else written, at)

    def times(self, _: str, at: int) -> None:
        self.operator("*", at)

    def is_remainder(self, after: int) -> bool:
        following = self.text[after:].lstrip()
        starts_value = bool(following) and (following[0] in "([.$€£¥" or following[0].isalnum())
        return starts_value and not _AFTER_PERCENT.match(following)

    def percent(self, at: int) -> None:
        before = self.parts[self.last_start - 1] if self.last_start else None
        adds = before is not None and before.kind == "operator" and before.text in "+-" and self.last_start > 1
        if adds and not _OF.match(self.text, at + 1):
            left = self.parts[self.last_start - 2]
            opening = self.last_start < 3 or self.parts[self.last_start - 3].kind in ("open", "comma")
            if left.kind in ("value", "close") and left.text != "/100)" and not (left.text == "1" and opening):
                problem = "a percentage after + or - can mean two things; write 15% of 80, 15/100, or multiply by 1.15"
                raise self.error(problem, at)
        self.wrap("/100)", at)

    def percent_of(self, at: int) -> None:
        before = self.parts[self.last_start - 1] if self.last_start else None
        if before is not None and before.text in ("/", "//", "**", "%"):
            raise self.error(f"'of' after {before.text!r} can mean two things; put it in brackets: (15% of 80)", at)
        self.add("operator", "*", at)

    def wrap(self, suffix: str, at: int) -> None:
        """Puts the value just written, from `last_start` on, in brackets that end with `suffix`."""
        self.parts.insert(self.last_start, _Part("open", "(", at))
        self.add("close", suffix, at)

    def open(self, written: str, at: int) -> None:
        call = bool(self.parts) and self.parts[-1].kind == "function"
        if not self.expects_value:
            raise self.error(f"an operator is missing before {written!r}; write * for times", at)
        if len(self.brackets) == _MOST_DEPTH:
            raise self.error(f"more than {_MOST_DEPTH} brackets lie inside each other", at)
        self.brackets.append(_Bracket(written, at, len(self.parts) - call, call))
        self.add("open", written, at)

    def close(self, written: str, at: int) -> None:
        if not self.brackets or self.brackets[-1].text + written not in ("()", "[]"):
            raise self.error(f"{written!r} closes nothing", at)
        if self.expects_value:
            raise self.error(f"a number should stand before {written!r}", at)
        self.last_start = self.brackets.pop().start
        self.add("close", written, at)

    def comma(self, written: str, at: int) -> None:
        if not self.in_call:
            problem = "a comma only parts thousands (7,300) or a function's arguments; write a decimal point: 1.5"
            raise self.error(problem, at)
        if self.expects_value:
            raise self.error("a number should stand before the comma", at)
        self.add("comma", ",", at)

    def needs_brackets(self) -> CalculationError:
        function = self.parts[-1]
        return self.error(f"{function.text} needs its argument in brackets: {function.text}(2)", function.at)

    def two_numbers_or_one(self, written: str, at: int) -> CalculationError:
        apart, together = written.replace(",", ", "), written.replace(",", "")
        return self.error(f"{written!r} between brackets can mean two things; write {apart} or {together}", at)

    def error(self, problem: str, at: int) -> CalculationError:
        around = self.text[max(0, at - 20) : at + 20]
        return CalculationError(f"{problem} (at character {at + 1}, near {around!r})")
