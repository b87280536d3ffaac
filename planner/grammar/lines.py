"""The grammar of a plan: lines in order, each a call that may use the lines before it, `join()` last."""

from __future__ import annotations

import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from executor import Parameter, Tool, Toolset
from planner.errors import PlannerError
from planner.grammar.grounds import Grounds, given_by_others, is_identifier
from planner.grammar.references import References
from planner.grammar.rules import Item, Rules, either, listed, literal
from planner.grammar.values import Values

LARGEST = 200_000
"""Characters a grammar may have. Servers compile it for each new one, on the first request that brings it."""

_CALLABLE = re.compile(r"[^\W\d][\w./-]*")
_ARGUMENT = re.compile(r"[^\W\d][\w-]*")
# At most forty words, for small models may never end a line. A bound in characters takes seconds to prepare.
_WORD = "[^ \\n()<>]{1,24}"
_THOUGHT = f'"Thought: " {_WORD} (" " {_WORD}){{0,39}} "\\n"'
_KEPT = 32


@dataclass(frozen=True, slots=True)
class PlanGrammar:
    """A grammar in which no malformed plan can be written.

    Attributes:
        text: for vLLM's `structured_outputs={"grammar": …}` and llama.cpp's `grammar` alike.
        lines: most calls a plan can have.
        levels: up to this line, a line may refer to all lines before it; further lines to those before this one.
        loose: what the grammar cannot say, one sentence each; the reader checks it after it is written.
    """

    text: str
    lines: int
    levels: int
    loose: tuple[str, ...] = ()


def plan_grammar(
    tools: Toolset,
    *,
    lines: int = 16,
    levels: int = 16,
    first: int = 1,
    known: Sequence[str] = (),
    thought: bool = False,
    least: int = 1,
    single: bool = False,
    largest: int = LARGEST,
    grounds: Grounds | None = None,
) -> PlanGrammar:
    """The grammar of plans over `tools`. Grammars are kept, by tool set and arguments.

    Args:
        tools: what may be called.
        lines: most calls; small models that find no end stop there.
        levels: most lines with references to all lines before them. Each makes the grammar longer.
        first: number of the first line.
        known: ids of earlier tasks that every line may refer to.
        thought: whether a one-line thought must come first.
        single: whether the text is one call and nothing else, not even `join()`.
        least: calls before `join()` may be written; 0 where there are no tools.
        largest: characters the grammar may have. What does not fit is taken from references: see `levels`.
        grounds: what the question gives. With them a required number, or a code that another tool gives, is one of the
            question's or a reference: it cannot be made up. Where no first line could be written so, they are not used.

    Raises:
        PlannerError: a tool has a name that cannot be written in a plan.
    """
    key = json.dumps([digest(tools), lines, levels, first, [*known], thought, least, single, largest, grounds])
    if (found := _GRAMMARS.get(key)) is not None:
        _GRAMMARS.move_to_end(key)
        return found
    made = _build(tools, lines, levels, first, known, thought, least, single, largest, grounds)
    if made is None:
        made = _build(tools, lines, levels, first, known, thought, least, single, largest, None)
    assert made is not None, "only grounds leave a first line without calls"
    _GRAMMARS[key] = made
    if len(_GRAMMARS) > _KEPT:
        _GRAMMARS.popitem(last=False)
    return made


_GRAMMARS: OrderedDict[str, PlanGrammar] = OrderedDict()


def forget() -> None:
    """Lets go of all grammars that are kept."""
    _GRAMMARS.clear()


def digest(tools: Toolset) -> str:
    """SHA-256 (hex) of what a tool set means for plans: names, parameters and results."""
    told = [[tool.name, tool.signature.to_json_schema(), tool.returns] for tool in tools.values()]
    return hashlib.sha256(json.dumps(told, sort_keys=False, default=str).encode()).hexdigest()


def check_names(tools: Toolset) -> None:
    """Raises PlannerError for a tool that no plan line can call."""
    for name in tools:
        if not _CALLABLE.fullmatch(name):
            raise PlannerError(
                f"a tool is called {name!r}, which cannot be written in a plan; names are letters, digits, "
                "and _ . / - and begin with a letter"
            )


def _build(
    tools: Toolset,
    lines: int,
    levels: int,
    first: int,
    known: Sequence[str],
    thought: bool,
    least: int,
    single: bool,
    largest: int,
    grounds: Grounds | None,
) -> PlanGrammar | None:
    check_names(tools)
    rules = Rules()
    loose: dict[str, None] = {}
    references = References(rules, tools.values(), known)
    calls: list[str | None] = []
    if not tools:
        lines = least = 0
    numbers = [str(first + at) for at in range(lines)]
    for level in range(1 if single else min(lines, max(1, levels))):
        before = rules.size
        calls.append(_calls(_Line(rules, tools, references, numbers[:level], loose, grounds)))
        if grounds is not None and calls[0] is None and lines:
            return None
        if rules.size + (rules.size - before) > largest - 60 * lines:
            break
    if single and calls and calls[0]:
        only = f"{literal(f'{first}. ')} {calls[0]}"
        rules.named("root", f"{_THOUGHT} {only}" if thought else only)
        return PlanGrammar(rules.text(), 1, 1, tuple(loose))
    # The last line first, because each names the one behind it.
    after = _line(rules, first + lines, None, "", may_end=True)
    for at in reversed(range(lines)):
        call = calls[min(at, len(calls) - 1)]
        after = _line(rules, first + at, call, after, may_end=at >= least)
    rules.named("root", f"{_THOUGHT} {after}" if thought else after)
    return PlanGrammar(rules.text(), lines, len(calls), tuple(loose))


def _line(rules: Rules, number: int, call: str | None, after: str, *, may_end: bool) -> str:
    options = [f'{call} "\\n" {after}'] if call else []
    if may_end or not call:
        options.append('"join()"')
    return rules.named(f"line{number}", f"{literal(f'{number}. ')} {either(options)}")


@dataclass(frozen=True, slots=True)
class _Line:
    """What the calls of one line are made from."""

    rules: Rules
    tools: Toolset
    references: References
    earlier: Sequence[str]
    loose: dict[str, None]
    grounds: Grounds | None


def _calls(line: _Line) -> str | None:
    options = [call for tool in line.tools.values() if (call := _call(line, tool)) is not None]
    return line.rules.add("call", " | ".join(options)) if options else None


def _call(line: _Line, tool: Tool) -> str | None:
    """One call. Arguments go without their names up to the first that may be left out."""
    items: list[Item] = []
    named = False
    for parameter in tool.signature.parameters:
        named = named or not parameter.required
        if named and not _ARGUMENT.fullmatch(parameter.name):
            what = "a name of this kind cannot be written, so it is left out"
            line.loose[f"{tool.name}.{parameter.name}: {what}"] = None
            if parameter.required:
                return None
            continue
        before = f"{parameter.name}=" if named else ""
        items.append(Item(before, _value(line, tool, parameter), parameter.required))
    inner = listed(line.rules, items)
    if inner is None:
        return None
    return f'{literal(f"{tool.name}(")} {inner} ")"' if inner else literal(f"{tool.name}()")


def _value(line: _Line, tool: Tool, parameter: Parameter) -> str | None:
    definitions = tool.signature.definitions
    identifier = line.grounds is not None and is_identifier(parameter)
    identifier = identifier and given_by_others(parameter, tool, line.tools.values())
    values = Values(
        line.rules,
        line.references.at(line.earlier),
        definitions,
        line.loose,
        f"{tool.name}.{parameter.name}",
        fitting=lambda schema: line.references.fitting(line.earlier, schema, definitions),
        # What may be left out is seldom in a question: pages, limits, units.
        grounds=line.grounds if parameter.required or identifier else None,
        identifier=identifier,
    )
    return values.value(parameter.schema)
