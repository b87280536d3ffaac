"""What a question gives a plan to write: its numbers and its codes. A number it has not, a plan can only refer to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple, cast

from executor import Parameter, Tool
from planner.choose import words
from planner.fits import fit, parts

_NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?|(?<=\w)\d+(?:\.\d+)?")
_CODE = re.compile(r"[\w.:/@#-]*\d[\w.:/@#-]*|(?<![^\W_])[A-Z][A-Z_]+(?![^\W_])")
_QUOTED = re.compile(r"['\"“‘]([^'\"“”‘’]{1,60})['\"”’]")
_SAID = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_WORDS = {word: str(number) for number, word in enumerate(_SAID)}
_MOST = 24
_IDENTIFIERS = frozenset(("id", "uid", "uuid", "key", "code", "token", "identifier"))


class Grounds(NamedTuple):
    """What may be written without looking anything up.

    Attributes:
        numbers: of the question, as a plan writes them; of percentages also the share.
        codes: words of the question that may be identifiers: with a digit in them, in capitals, or in quotes.
    """

    numbers: tuple[str, ...]
    codes: tuple[str, ...]


def grounds_of(question: str) -> Grounds:
    """The grounds that a question gives."""
    numbers: dict[str, None] = {}
    for found in _NUMBER.findall(question):
        text = found.replace(",", "").rstrip(".")
        numbers[_short(float(text))] = None
    numbers |= {_WORDS[word]: None for word in re.findall(r"[a-z]+", question.lower()) if word in _WORDS}
    shares = [_short(float(text) / 100) for text in [*numbers] if f"{text}%" in question or f"{text} per" in question]
    codes = dict.fromkeys([*_QUOTED.findall(question), *(code.strip(".:/-") for code in _CODE.findall(question))])
    return Grounds((*numbers, *shares)[:_MOST], tuple(code for code in codes if code)[:_MOST])


def _short(number: float) -> str:
    return str(int(number)) if number.is_integer() else f"{number:.12g}"


def is_identifier(parameter: Parameter) -> bool:
    """Whether an argument names something as a machine does: `geoId`, `product_id`, `api_key`."""
    name = [*words(parameter.name)]
    return bool(name) and name[-1] in _IDENTIFIERS


def given_by_others(parameter: Parameter, taker: Tool, tools: Iterable[Tool]) -> bool:
    """Whether another tool declares an identifier of that name, or a bare `id`, that fits."""
    wanted = words(parameter.name)
    for tool in tools:
        if tool.name == taker.name or tool.returns is None:
            continue
        definitions = cast(Mapping[str, object], tool.returns.get("$defs", {}))
        for path, schema in parts(tool.returns):
            named = words(path[-1]) if path and isinstance(path[-1], str) else []
            if (
                named in (wanted, wanted[-1:])
                and fit(schema, parameter.schema, given_in=definitions, wanted_in=taker.signature.definitions) != "no"
            ):
                return True
    return False
