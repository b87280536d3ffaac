"""How questions ask for what a plan does: slot templates over the words of the tools' own schemas."""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, cast

from executor import Ref, Task, Tool, Toolset
from planner.training.values import said

_PART = re.compile(r"[^\W_]+")
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_VERBS = frozenset(
    [
        "calculate", "check", "compute", "fetch", "find", "get", "list", "look", "lookup", "make", "query", "read",
        "retrieve", "search", "show", "up",
    ]
)  # fmt: skip


class Wording(NamedTuple):
    """One way to ask.

    Attributes:
        name: tells it from the others.
        whole: the question; `{asked}` are the things that are wanted.
        both: between the last two of them.
        of: between what is wanted and what it belongs to.
        given: before a named argument.
        steps: whether results are told one after the other, each call a sentence, instead of one inside another.
        step: a sentence for a call whose result another uses; `{thing}` is the call.
    """

    name: str
    whole: str
    both: str = " and "
    of: str = "of"
    given: str = "with"
    steps: bool = False
    step: str = "First find {thing}."


TRAINED: tuple[Wording, ...] = (
    Wording("what", "What is {asked}?"),
    Wording("tell", "Tell me {asked}.", of="of"),
    Wording("need", "I need {asked}.", both=", and also ", of="for"),
    Wording("find", "Find {asked}.", both=" and then ", of="of"),
    Wording("please", "Please look up {asked}.", of="for", given="given"),
    Wording("bare", "{asked}", both=", ", of="of"),
    Wording("steps", "What is {asked}?", steps=True, step="Look up {thing}."),
    Wording("then", "Then give me {asked}.", both=" and ", of="for", steps=True, step="First get {thing}."),
    Wording("use", "Use that to find {asked}.", both=" as well as ", of="of", steps=True, step="I want {thing}."),
)
"""What questions to learn from are worded in."""

HELD_OUT: tuple[Wording, ...] = (
    Wording("know", "I would like to know {asked}, if you can.", both=" together with ", of="belonging to"),
    Wording("could", "Could you work out {asked} for me?", both=" plus ", of="from", given="using"),
    Wording(
        "after", "With that in hand, what would be {asked}?", both=" and ", steps=True, step="Start by finding {thing}."
    ),
)
"""Wordings that nothing is learnt from."""


def question(tasks: Sequence[Task], tools: Toolset, wording: Wording, chance: random.Random) -> str:
    """Asks for what the plan does: the results that nothing uses, or one field of them."""
    used = {ref.task for task in tasks for ref in _refs(task.args)}
    teller = _Teller(tasks, tools, wording, used)
    told: list[str] = []
    for task in tasks:
        if wording.steps and task.id in used:
            told.append(wording.step.format(thing=teller.thing(task)))
            teller.told.add(task.id)
    wanted: list[str] = []
    for task in tasks:
        if task.id in used:
            continue
        fields = [*cast(Mapping[str, object], (tools[task.call].returns or {}).get("properties", {}))]
        path = (chance.choice(fields),) if fields and chance.random() < 0.7 else ()
        wanted.append(teller.part(task, path))
    last = f"{', '.join(wanted[:-1])}{wording.both}{wanted[-1]}" if len(wanted) > 1 else wanted[0]
    asked = " ".join([*told, wording.whole.format(asked=last)])
    return asked[0].upper() + asked[1:]


class _Teller:
    """Words for the parts of one plan."""

    def __init__(self, tasks: Sequence[Task], tools: Toolset, wording: Wording, used: Collection[str]) -> None:
        self._tasks = {task.id: task for task in tasks}
        self._tools = tools
        self._wording = wording
        self.used = used
        self.told: set[str] = set()

    def part(self, task: Task, path: tuple[str | int, ...]) -> str:
        """A part of a result, or all of it."""
        thing = self._again(task) if task.id in self.told else self.thing(task)
        if not path:
            return thing
        names = [spoken(step) if isinstance(step, str) else "first of them" for step in path]
        return f"the {f' {self._wording.of} the '.join(reversed(names))} {self._wording.of} {thing}"

    def thing(self, task: Task) -> str:
        """A call: what it is for, and its arguments."""
        tool = self._tools[task.call]
        names = [parameter.name for parameter in tool.signature.parameters if parameter.name in task.args]
        required = [parameter.name for parameter in tool.signature.parameters if parameter.required]
        first = f"the {noun(tool)}"
        if len(required) == 1 and names[:1] == required:
            first += f" {self._wording.of} {self._value(task.args[names.pop(0)])}"
        if not names:
            return first
        named = " and ".join(f"{spoken(name)} {self._value(task.args[name])}" for name in names)
        return f"{first} {self._wording.given} {named}"

    def _again(self, task: Task) -> str:
        """A call that was told before: by its name, and by its place among those of that name."""
        alike = [other.id for other in self._tasks.values() if other.call == task.call and other.id in self.used]
        which = "that" if len(alike) == 1 else f"the {_ORDINALS[alike.index(task.id)]}"
        return f"{which} {noun(self._tools[task.call])}"

    def _value(self, value: object) -> str:
        if isinstance(value, Ref):
            return self.part(self._tasks[value.task], value.path)
        return said(value)


def spoken(name: str) -> str:
    """A name as words: `birthPlace` is `birth place`."""
    return " ".join(part.lower() for word in _PART.findall(name) for part in _CAMEL.split(word)) or name


def noun(tool: Tool) -> str:
    """What a tool finds, by its name: `get_weather` is `weather`."""
    parts = spoken(tool.name).split()
    while len(parts) > 1 and parts[0] in _VERBS:
        del parts[0]
    return " ".join(parts)


def nested(tasks: Sequence[Task]) -> bool:
    """Whether a call with several arguments is used by another: told inside it, nobody could tell whose they are."""
    used = {ref.task for task in tasks for ref in _refs(task.args)}
    return any(task.id in used and len(task.args) > 1 for task in tasks)


def told_first(tasks: Sequence[Task]) -> list[Task]:
    """The same plan with the lines in the order in which a question in steps tells them."""
    used = {ref.task for task in tasks for ref in _refs(task.args)}
    order = sorted(tasks, key=lambda task: task.id not in used)
    moved = {task.id: str(at) for at, task in enumerate(order, 1)}
    return [
        Task(moved[task.id], task.call, {name: _moved(value, moved) for name, value in task.args.items()})
        for task in order
    ]


def _moved(value: object, moved: Mapping[str, str]) -> object:
    return Ref(moved[value.task], value.path) if isinstance(value, Ref) else value


def _refs(args: Mapping[str, object]) -> list[Ref]:
    return [value for value in args.values() if isinstance(value, Ref)]
