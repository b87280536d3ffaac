"""Passes in their order, each of which can be switched off."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Literal, get_args

from executor import Plan, Ref, Toolset
from planner.errors import PlannerError
from planner.passes.fuse import fuse
from planner.passes.merge import merge
from planner.passes.priority import prioritise
from planner.passes.prune import prune
from planner.passes.rewriting import Rewritten

PassName = Literal["merge", "prune", "fuse", "priority"]
PASSES: tuple[PassName, ...] = get_args(PassName)
"""All passes over whole plans, in the order they are applied."""

OnNote = Callable[[PassName, str], None]


class Pipeline:
    """Applies passes to plans.

    Args:
        tools: what plans call; their `effect` and `batch` decide what may be done.
        passes: names of the passes to apply.
        seconds: how long a call of a tool takes, for `priority`.

    Raises:
        PlannerError: there is no pass of that name.
    """

    def __init__(
        self, tools: Toolset, passes: Collection[str] = PASSES, *, seconds: Mapping[str, float] | None = None
    ) -> None:
        unknown = [name for name in passes if name not in PASSES]
        if unknown:
            raise PlannerError(f"there is no pass {unknown[0]!r}; there are: {', '.join(PASSES)}")
        self.tools = tools
        self.passes: tuple[PassName, ...] = tuple(name for name in PASSES if name in passes)
        self.seconds = seconds

    def apply(self, plan: Plan, *, reads: Iterable[str] | None = None, on_note: OnNote | None = None) -> Rewritten:
        """The plan after all passes, with where the results of its tasks are now.

        Args:
            plan: to be rewritten.
            reads: ids whose results are read afterwards; None for all.
            on_note: told what each pass did.
        """
        read = None if reads is None else tuple(reads)
        moved: dict[str, Ref] = {}
        notes: list[str] = []
        for name in self.passes:
            wanted = None if read is None else [moved[one].task if one in moved else one for one in read]
            done = self._run(name, plan, wanted)
            plan = done.plan
            moved = {old: _onwards(ref, done.moved) for old, ref in moved.items()} | {
                old: ref for old, ref in done.moved.items() if old not in moved
            }
            notes += done.notes
            for note in done.notes:
                if on_note is not None:
                    on_note(name, note)
        return Rewritten(plan, moved, tuple(notes))

    def _run(self, name: PassName, plan: Plan, reads: Iterable[str] | None) -> Rewritten:
        match name:
            case "merge":
                return merge(plan, self.tools)
            case "prune":
                return prune(plan, self.tools, reads)
            case "fuse":
                return fuse(plan, self.tools)
            case "priority":
                return prioritise(plan, self.tools, self.seconds)


def _onwards(ref: Ref, moved: Mapping[str, Ref]) -> Ref:
    to = moved.get(ref.task)
    return ref if to is None else Ref(to.task, (*to.path, *ref.path))
