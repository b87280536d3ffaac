"""The text of `when`, read into the executor's conditions.

    "${verdict.same} == false and not (${hits} in ['none', 'few'] or ${score} < 0.5)"

Comparisons (`==  !=  <  <=  >  >=  in  not in`), `and`, `or`, `not`, brackets, references and literals. That is all:
there is no arithmetic, no function and nothing to call.
"""

from __future__ import annotations

import re
from typing import NamedTuple, cast

from executor import All, AnyOf, Compare, Condition, Not, Ref, Truth, parse
from executor.conditions import Operator

MAX_LENGTH = 2_000
_MAX_DEPTH = 20
_TOKEN = re.compile(
    r"""\s*(?:(?P<ref>\$\{)
      | (?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?(?![\w.]))
      | (?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
      | (?P<op>==|!=|<=|>=|<|>)
      | (?P<mark>[()\[\],])
      | (?P<word>[A-Za-z_]\w*)
      | (?P<end>\Z))""",
    re.VERBOSE | re.DOTALL,
)
_LITERALS = {"true": True, "false": False, "null": None}
_WORDS = {"and", "or", "not", "in", *_LITERALS}
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_FOREIGN = {"=": "==", "&": "and", "|": "or", "!": "not", "~": "not"}


class ConditionError(ValueError):
    """Text that is no condition. `offset` is where it stops being one."""

    def __init__(self, message: str, offset: int, hint: str = "") -> None:
        super().__init__(message)
        self.offset = offset
        self.hint = hint


class Operand(NamedTuple):
    """One side of a comparison, and where it stands in the text."""

    value: object
    offset: int


class Comparison(NamedTuple):
    """A comparison, or (without `op`) a value that stands for itself."""

    left: Operand
    op: Operator | None = None
    right: Operand | None = None


class Parsed(NamedTuple):
    """A condition, with what a check of its types needs."""

    condition: Condition
    comparisons: tuple[Comparison, ...]


class _Token(NamedTuple):
    kind: str
    text: str
    offset: int
    value: object = None


def parse_condition(text: str) -> Parsed:
    """Reads a condition.

    Raises:
        ConditionError: with the offset at which it goes wrong, and a hint.
    """
    if len(text) > MAX_LENGTH:
        raise ConditionError(f"a condition has at most {MAX_LENGTH} characters", 0, "decide it in an `ask` or a tool")
    return _Parser(text).whole()


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    while True:
        match = _TOKEN.match(text, at)
        if match is None:
            raise _foreign(text, len(text) - len(text[at:].lstrip()))
        kind = cast(str, match.lastgroup)
        at = match.start(kind)
        token = _reference(text, at) if kind == "ref" else _Token(kind, match[kind], at, _value(kind, match[kind], at))
        found.append(token)
        if kind == "end":
            return found
        at += len(token.text)


def _foreign(text: str, at: int) -> ConditionError:
    char = text[at]
    if char in "'\"":
        return ConditionError("this text has no closing quote", at, f"end it with {char}")
    if char in _FOREIGN:
        return ConditionError(f"{char!r} means nothing in a condition", at, f"write {_FOREIGN[char]}")
    if char == "$":
        return ConditionError("a reference is written ${step} or ${step.field}", at)
    if char in "+-*/%":
        return ConditionError(f"{char!r}: a condition does not calculate", at, "calculate in a `call` and compare here")
    return ConditionError(f"{char!r} means nothing in a condition", at, "texts are written in quotes")


def _reference(text: str, at: int) -> _Token:
    end = at
    for _ in range(20):  # a quoted key may hold a brace
        end = text.find("}", end) + 1
        if not end:
            break
        if isinstance(found := parse(text[at:end]), Ref):
            return _Token("value", text[at:end], at, found)
    raise ConditionError("a reference is written ${step} or ${step.field}", at, "it names a step and parts of it")


def _value(kind: str, text: str, at: int) -> object:
    if kind == "number":
        if not re.fullmatch(r"-?[0-9]+", text):
            return float(text)
        if len(text) > 300:
            raise ConditionError("this number has too many digits", at)
        return int(text)
    return _ESCAPE.sub(r"\1", text[1:-1]) if kind == "text" else None


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens = _tokens(text)
        self.at = 0
        self.comparisons: list[Comparison] = []

    def whole(self) -> Parsed:
        if self.next.kind == "end":
            raise ConditionError("the condition is empty", 0, 'write one such as "${step.field} == true"')
        condition = self.any_of(0)
        if self.next.kind != "end":
            self.fail(f"{self.next.text!r} is not expected here", "join conditions with and, or")
        return Parsed(condition, tuple(self.comparisons))

    @property
    def next(self) -> _Token:
        return self.tokens[self.at]

    def take(self, *texts: str) -> bool:
        if self.next.kind in ("word", "mark") and self.next.text in texts:
            self.at += 1
            return True
        return False

    def fail(self, message: str, hint: str = "") -> None:
        raise ConditionError(message, self.next.offset, hint)

    def any_of(self, depth: int) -> Condition:
        parts = [self.all_of(depth)]
        while self.take("or"):
            parts.append(self.all_of(depth))
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def all_of(self, depth: int) -> Condition:
        parts = [self.negation(depth)]
        while self.take("and"):
            parts.append(self.negation(depth))
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def negation(self, depth: int) -> Condition:
        if depth > _MAX_DEPTH:
            self.fail(f"a condition is nested at most {_MAX_DEPTH} deep")
        if self.take("not"):
            return Not(self.negation(depth + 1))
        if self.take("("):
            inner = self.any_of(depth + 1)
            if not self.take(")"):
                self.fail("a closing bracket is missing", "add )")
            return inner
        return self.comparison()

    def comparison(self) -> Condition:
        left = self.operand()
        op = self.operator()
        if op is None:
            self.comparisons.append(Comparison(left))
            return Truth(left.value)
        right = self.operand()
        self.comparisons.append(Comparison(left, op, right))
        if self.next.kind == "op":
            self.fail("comparisons cannot be chained", "write a < b and b < c")
        return Compare(left.value, op, right.value)

    def operator(self) -> Operator | None:
        if self.next.kind == "op":
            self.at += 1
            return cast(Operator, self.tokens[self.at - 1].text)
        if self.take("in"):
            return "in"
        if self.next.text == "not" and self.tokens[self.at + 1].text == "in":
            self.at += 2
            return "not in"
        return None

    def operand(self) -> Operand:
        token = self.next
        if token.kind in ("value", "number", "text"):
            self.at += 1
            return Operand(token.value, token.offset)
        if token.kind == "word" and token.text in _LITERALS:
            self.at += 1
            return Operand(_LITERALS[token.text], token.offset)
        if self.take("["):
            return Operand(self.items(), token.offset)
        if token.kind == "word" and token.text not in _WORDS:
            self.fail(f"{token.text!r} is no value", f"write '{token.text}' for a text, ${{{token.text}}} for a step")
        self.fail(f"a value is missing {'at the end' if token.kind == 'end' else f'before {token.text!r}'}")
        raise AssertionError("fail raises")

    def items(self) -> list[object]:
        found: list[object] = []
        if self.take("]"):
            return found
        while True:
            found.append(self.operand_of_list())
            if self.take("]"):
                return found
            if not self.take(","):
                self.fail("a list is written [1, 2, 3]", "add ]")

    def operand_of_list(self) -> object:
        if self.next.text == "[":
            self.fail("a list in a condition holds no lists")
        return self.operand().value
