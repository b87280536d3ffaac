"""Random compositions of tools: chains, fan-out and joins, put together by what tools return and take."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from executor import JsonSchema, Parameter, Ref, Task, Text, Tool, Toolset
from executor.refs import references
from planner.choose import words
from planner.fits import fit, parts
from planner.training.values import made_up

MOST_CALLS = 5
_MOST_STEPS = 3
# Of a required argument that some tool gives: how often it is given by one, at each depth.
_REFER = (0.75, 0.55, 0.3)
_SHARE = 0.3
_OPTIONAL = 0.25
_SAME_TOOL = 0.5
_NAMED_ALIKE = 6.0
# What is only read is used by others oftener than what a call that does something gives back.
_READ, _DONE = 1.0, 0.1
_TRIES = 40


@dataclass(frozen=True, slots=True)
class Giver:
    """A part of a tool's result that fits a parameter, and how likely it is meant for it."""

    tool: str
    path: tuple[str | int, ...]
    weight: float


class Composer:
    """Composes plans at random.

    Args:
        tools: what plans may call. Those whose arguments nobody can make up are left out.

    Attributes:
        tools: those that are used.
    """

    def __init__(self, tools: Toolset) -> None:
        self.tools = Toolset(tool for tool in tools.values() if _can_be_called(tool))
        self._givers = {
            (tool.name, parameter.name): [*_givers(parameter, tool, self.tools)]
            for tool in self.tools.values()
            for parameter in tool.signature.parameters
        }

    def compose(self, chance: random.Random, *, most: int = MOST_CALLS) -> list[Task]:
        """A plan of at most `most` calls, in the order their results are needed.

        Raises:
            ValueError: there is no tool to call.
        """
        if not self.tools:
            raise ValueError("there is no tool whose arguments can be made up")
        for _ in range(_TRIES):
            draft = _Draft(self, chance, most)
            first = chance.choice([*self.tools])
            draft.call(first, 0)
            further = chance.choices((0, 1, 2), (6, 3, 1))[0]
            for _ in range(further):
                again = chance.random() < _SAME_TOOL
                draft.call(first if again else chance.choice([*self.tools]), 0)
            if len(draft.tasks) <= most:
                return draft.tasks
        name = min(self.tools, key=lambda name: len(self.tools[name].signature.parameters))
        draft = _Draft(self, chance, 1)
        draft.call(name, len(_REFER))
        return draft.tasks

    def givers(self, tool: str, parameter: str) -> Sequence[Giver]:
        """What can be given to a parameter."""
        return self._givers[tool, parameter]


@dataclass(slots=True)
class _Draft:
    """A plan on its way."""

    composer: Composer
    chance: random.Random
    most: int
    tasks: list[Task] = field(default_factory=list[Task])

    def call(self, name: str, depth: int) -> str:
        """Adds a call, and before it those that its arguments need. Returns its id."""
        tool = self.composer.tools[name]
        args: dict[str, object] = {}
        for parameter in tool.signature.parameters:
            if parameter.required or self.chance.random() < _OPTIONAL:
                args[parameter.name] = self._argument(tool, parameter, depth)
        same = next((task for task in self.tasks if task.call == name and task.args == args), None)
        if same is not None:
            return same.id
        task = Task(str(len(self.tasks) + 1), name, args)
        self.tasks.append(task)
        return task.id

    def _argument(self, tool: Tool, parameter: Parameter, depth: int) -> object:
        chance = self.chance
        givers = self.composer.givers(tool.name, parameter.name)
        odds = _REFER[depth] if parameter.required and depth < len(_REFER) else 0.0
        if givers and len(self.tasks) < self.most and chance.random() < odds:
            giver = chance.choices(givers, [giver.weight for giver in givers])[0]
            there = [task.id for task in self.tasks if task.call == giver.tool]
            if there and chance.random() < _SHARE:
                return Ref(chance.choice(there), giver.path)
            return Ref(self.call(giver.tool, depth + 1), giver.path)
        return made_up(parameter.schema, parameter.name, tool.signature.definitions, chance)


def _can_be_called(tool: Tool) -> bool:
    chance = random.Random(0)
    try:
        for parameter in tool.signature.parameters:
            made_up(parameter.schema, parameter.name, tool.signature.definitions, chance)
        made_up(tool.returns or {}, tool.name, _definitions(tool), chance)
    except ValueError:
        return False
    return True


def _definitions(tool: Tool) -> JsonSchema:
    return cast(JsonSchema, (tool.returns or {}).get("$defs", {}))


def _givers(parameter: Parameter, taker: Tool, tools: Toolset) -> list[Giver]:
    """Every part of a result that fits a parameter. One that is named alike is likelier."""
    found: list[Giver] = []
    wanted = {*words(parameter.name)}
    for tool in tools.values():
        if tool.returns is None:
            continue
        for path, schema in parts(tool.returns, depth=_MOST_STEPS):
            how = fit(schema, parameter.schema, given_in=_definitions(tool), wanted_in=taker.signature.definitions)
            if how != "yes":
                continue
            last = next((step for step in reversed(path) if isinstance(step, str)), tool.name)
            alike = wanted & {*words(last)} or {*words(taker.name)} & {*words(last)}
            if tool is taker and not alike:
                continue
            weight = _NAMED_ALIKE if alike else 1.0
            found.append(Giver(tool.name, path, weight * (_READ if tool.effect == "pure" else _DONE)))
    return found


def terms(tasks: Sequence[Task], *, literals: bool = True) -> Counter[str]:
    """A plan as a bag of terms, one for each call, in which references are written out.

    Two plans with the same terms do the same, whatever the numbers and the order of their lines.

    Args:
        tasks: in an order in which references point backwards.
        literals: whether values count; without them the terms are the plan's composition: which results go where.
    """
    written: dict[str, str] = {}
    for task in tasks:
        inner = [f"{name}={_term(value, written, literals)}" for name, value in sorted(task.args.items())]
        if not literals:
            inner = [part for part in inner if "<" in part]
        written[task.id] = f"{task.call}({', '.join(inner)})"
    return Counter(written.values())


def _term(value: object, written: Mapping[str, str], literals: bool) -> str:
    if isinstance(value, Ref):
        return f"<{written.get(value.task, '?')}{''.join(f'.{step}' for step in value.path)}>"
    if isinstance(value, Text):
        return "+".join(_term(part, written, literals) for part in value.parts)
    if isinstance(value, Mapping):
        inner = cast(Mapping[str, object], value).items()
        return "{" + ", ".join(f"{key}: {_term(item, written, literals)}" for key, item in sorted(inner)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_term(item, written, literals) for item in cast(Sequence[object], value)) + "]"
    if not literals:
        return ""
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else repr(value)


def composition(tasks: Sequence[Task]) -> str:
    """The name of a plan's composition: tools and which results go where, without values."""
    return " + ".join(sorted(terms(tasks, literals=False).elements()))


def edges(tasks: Sequence[Task]) -> Counter[str]:
    """Which part of which tool's result goes into which argument of which."""
    calls = {task.id: task.call for task in tasks}
    return Counter(
        f"{task.call} {name} {calls.get(ref.task, '?')}{''.join(f'.{step}' for step in ref.path)}"
        for task in tasks
        for name, value in task.args.items()
        for ref, _ in references(value)
    )
