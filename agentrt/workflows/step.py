"""One step of a workflow, read but not yet checked against tools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from agentrt.workflows.schema import ForEachSpec, StepSpec
from agentrt.workflows.tree import Key, Node
from executor import Ref

if TYPE_CHECKING:
    from agentrt.workflows.conditions import Parsed

Where = Literal["argument", "items", "when", "output"]


class Use(NamedTuple):
    """One reference, and where it stands.

    Attributes:
        ref: what it refers to.
        whole: whether it stands for a whole value; else it is part of a longer text.
        node: the scalar it is written in.
        where: what it is used for.
        path: the place of its value in the step's arguments, or in the output.
    """

    ref: Ref
    whole: bool
    node: Node
    where: Where
    path: tuple[Key, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """A step.

    Attributes:
        id: its name.
        kind: which of the kinds of step it is.
        spec: what the file says, as plain data.
        node: where the file says it.
        args: its arguments with the references in them found; what they are called depends on the kind.
        after: steps it waits for without using their results.
        when: its condition.
        items: what it is done for each element of; None for a step that is done once.
        foreach: the limits of that.
        uses: every reference in it.
        approve: whether a person is asked first; the question, with the references to inputs in it.
        complete: whether all of it could be read; where not, more may be missing than the file lacks.
    """

    id: str
    kind: str
    spec: StepSpec
    node: Node
    args: Mapping[str, object]
    after: tuple[str, ...] = ()
    when: Parsed | None = None
    items: object = None
    foreach: ForEachSpec | None = None
    uses: tuple[Use, ...] = ()
    approve: object = None
    complete: bool = True

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of what it refers to or waits for, `inputs` and `item` left out."""
        used = {use.ref.task: None for use in self.uses if use.ref.task not in ("inputs", "item")}
        return (*(used | dict.fromkeys(self.after)),)
