"""Random derivations from a grammar's text, and an independent reading of plan lines to compare with.

The grammar is read by the small parser here, the plan by Python's own: neither shares a line with the code under
test.
"""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from executor import Ref, Text

_TOKEN = re.compile(
    r'\s*(?:(?P<literal>"(?:[^"\\]|\\.)*")|(?P<chars>\[(?:[^\]\\]|\\.)*\])|(?P<times>\{\d+,\d+\})'
    r"|(?P<mark>[()|?*])|(?P<name>[A-Za-z][A-Za-z0-9-]*))",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\x([0-9a-f]{2})|\\(.)", re.DOTALL)
_NAMED = {"n": "\n", "t": "\t", "r": "\r"}
# What negated classes are drawn from: awkward for a reader, where the class lets them through.
_SAMPLE = "ab Z09$.,()[]{}:='\"\\/<>é漢😀“”#\n\t%"
# Awkward texts to stand where free characters would, if every character of them is allowed.
Node = tuple[str, Any]


def parse_grammar(text: str) -> dict[str, Node]:
    """Rules by name; only the common part of EBNF and GBNF is understood."""
    rules: dict[str, Node] = {}
    for line in text.splitlines():
        name, arrow, body = line.partition(" ::= ")
        assert arrow, line
        assert re.fullmatch(r"[a-z]+[0-9]*", name), "a name that both dialects know"
        assert name not in rules, f"{name} is defined twice"
        tokens = _tokens(body)
        rules[name] = _alternatives(tokens)
        assert not tokens, line
    return rules


class Derivation:
    """Draws texts from a grammar. `short` is how likely optional parts and repetitions are left out."""

    def __init__(self, text: str, chance: random.Random, *, short: float = 0.5) -> None:
        self.rules = _parsed(text)
        self.chance = chance
        self.short = short

    def draw(self, name: str = "root") -> str:
        return self._draw(self.rules[name])

    def _draw(self, node: Node) -> str:
        kind, inner = node
        match kind:
            case "literal":
                return inner
            case "name":
                return self.draw(inner)
            case "chars":
                return self.chance.choice(inner)
            case "all":
                return "".join(self._draw(part) for part in inner)
            case "any":
                return self._draw(self.chance.choice(inner))
            case _:
                low, high, part = inner
                count = low
                while count < high and self.chance.random() > self.short:
                    count += 1
                return "".join(self._draw(part) for _ in range(count))


@cache
def _parsed(text: str) -> dict[str, Node]:
    return parse_grammar(text)


def _tokens(body: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(body):
        match = _TOKEN.match(body, at)
        assert match and match.lastgroup, f"not in both dialects: {body[at : at + 40]!r}"
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    found.reverse()
    return found


def _alternatives(tokens: list[tuple[str, str]]) -> Node:
    options = [_sequence(tokens)]
    while tokens and tokens[-1] == ("mark", "|"):
        tokens.pop()
        options.append(_sequence(tokens))
    return ("any", options) if len(options) > 1 else options[0]


def _sequence(tokens: list[tuple[str, str]]) -> Node:
    parts: list[Node] = []
    while tokens and tokens[-1] not in (("mark", "|"), ("mark", ")")):
        kind, text = tokens.pop()
        node: Node
        if kind == "literal":
            node = ("literal", _unescape(text[1:-1]))
        elif kind == "chars":
            node = ("chars", _members(text[1:-1]))
        elif kind == "name":
            node = ("name", text)
        else:
            assert (kind, text) == ("mark", "(")
            node = _alternatives(tokens)
            assert tokens.pop() == ("mark", ")")
        if tokens and (tokens[-1][0] == "times" or tokens[-1][1] in ("?", "*")):
            kind, text = tokens.pop()
            low, high = map(int, text[1:-1].split(",")) if kind == "times" else (0, 1 if text == "?" else 8)
            node = ("times", (low, high, node))
        parts.append(node)
    assert parts
    return ("all", parts) if len(parts) > 1 else parts[0]


def _members(text: str) -> str:
    """The characters of a class that a derivation draws from."""
    negated = text.startswith("^")
    pieces = re.findall(r"\\x[0-9a-f]{2}|\\.|[^\\]", text[negated:], re.DOTALL)
    found: set[str] = set()
    at = 0
    while at < len(pieces):
        first = _unescape(pieces[at])
        if at + 2 < len(pieces) and pieces[at + 1] == "-":
            found.update(map(chr, range(ord(first), ord(_unescape(pieces[at + 2])) + 1)))
            at += 3
        else:
            found.add(first)
            at += 1
    drawn = [char for char in _SAMPLE if char not in found] if negated else sorted(found)
    return "".join(drawn)


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)) if match[1] else _NAMED.get(match[2], match[2]), text)


_LINE = re.compile(r"([0-9]+)\. ([\w./-]+)\((.*)\)", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_REFERENCE = re.compile(r"\$(?:(\$)|([0-9]+)((?:\.[A-Za-z_][A-Za-z0-9_]*|\[[0-9]+\])*))")
_STEP = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)|\[([0-9]+)\]")


def intended(text: str, parameters: Mapping[str, list[str]]) -> list[tuple[str, str, dict[str, object]]]:
    """Id, tool and arguments of each line, by Python's parser. `parameters` names each tool's, in order."""
    *lines, last = [line for line in text.split("\n") if not line.startswith("Thought: ")]
    assert re.fullmatch(r"[0-9]+\. join\(\)", last)
    return [_call(line, parameters) for line in lines]


def _call(line: str, parameters: Mapping[str, list[str]]) -> tuple[str, str, dict[str, object]]:
    match = _LINE.fullmatch(line)
    assert match, line
    number, name, inner = match.groups()
    # A reference outside a text becomes a name that Python can read: $1.a[0] is _ref1.a[0].
    pieces: list[str] = []
    end = 0
    for found in _STRING.finditer(inner):
        pieces += [_for_python(inner[end : found.start()]), found[0]]
        end = found.end()
    pieces.append(_for_python(inner[end:]))
    call = ast.parse(f"f({''.join(pieces)})", mode="eval").body
    assert isinstance(call, ast.Call)
    arguments = dict(zip(parameters[name], map(_value, call.args), strict=False))
    arguments |= {keyword.arg or "": _value(keyword.value) for keyword in call.keywords}
    return number, name, arguments


def _for_python(text: str) -> str:
    # Keys go into brackets: one may be a word of Python's own.
    return re.sub(r"\.([A-Za-z_][A-Za-z0-9_]*)", r'["\1"]', text.replace("$", "_ref"))


def _value(node: ast.expr) -> object:
    match node:
        case ast.Constant(value=str(text)):
            return _text(text)
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.List(elts=items):
            return [_value(item) for item in items]
        case ast.Dict(keys=keys, values=values):
            pairs = [(key, _value(value)) for key, value in zip(keys, values, strict=True)]
            return {key.value: value for key, value in pairs if isinstance(key, ast.Constant)}
        case ast.Name(id="true" | "false" | "null" as word):
            return {"true": True, "false": False, "null": None}[word]
        case _:
            path: list[str | int] = []
            while not isinstance(node, ast.Name):
                if isinstance(node, ast.Attribute):
                    path.insert(0, node.attr)
                else:
                    assert isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant)
                    path.insert(0, node.slice.value)  # type: ignore[arg-type]  # a text or a number
                node = node.value
            return Ref(node.id.removeprefix("_ref"), tuple(path))


def _text(text: str) -> object:
    parts: list[str | Ref] = []
    end = 0
    for match in _REFERENCE.finditer(text):
        parts += [text[end : match.start()], "$" if match[1] else _ref(match[2], match[3])]
        end = match.end()
    merged: list[str | Ref] = []
    for part in [*parts, text[end:]]:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        elif part != "":
            merged.append(part)
    if len(merged) == 1:
        return merged[0]
    return Text(tuple(merged)) if merged else ""


def _ref(task: str, path: str) -> Ref:
    return Ref(task, tuple(int(index) if index else key for key, index in _STEP.findall(path)))
