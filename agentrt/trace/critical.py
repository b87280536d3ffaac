"""The critical path: the chain of steps that the run's length is made of."""

from __future__ import annotations

from typing import NamedTuple

from agentrt.trace.recorded import Phase, RunTrace, TaskTrace


class Step(NamedTuple):
    """A task (by id) or a phase (by key) on the path, and the seconds it is on it for."""

    key: str
    seconds: float


def critical_path(trace: RunTrace) -> list[Step]:
    """From the run's first step to its last, each one what the next was waiting for.

    It is read backwards from the step that ended last. A task waited for whichever came last of the results
    it needs and the end of its own line in the plan; a joiner for its round's last task or the plan's end;
    a replan for the joiner before it. The seconds add up to the run, less the time nothing ran.
    """
    path: list[Step] = []
    step = _last(trace)
    until = _end(step)
    seen: set[str] = set()
    while step is not None and until is not None:
        key = _key(step)
        if key in seen:  # only broken clocks can lead here
            break
        seen.add(key)
        began = step.started
        before, released = _waited_for(trace, step)
        if began is not None and isinstance(step, TaskTrace) and step.elements and released is not None:
            began = max(began, released)  # while its elements run, they are the path
        path.append(Step(key, max(0.0, until - began) if began is not None else 0.0))
        step, until = before, released
    return path[::-1]


def _key(step: TaskTrace | Phase) -> str:
    return step.key if isinstance(step, Phase) else step.task.id


def _end(step: TaskTrace | Phase | None) -> float | None:
    return None if step is None else step.ended


def _last(trace: RunTrace) -> TaskTrace | Phase | None:
    ended = [step for step in (*trace.tasks.values(), *trace.phases) if step.ended is not None]
    return max(ended, key=lambda step: step.ended or 0.0, default=None)


def _waited_for(trace: RunTrace, step: TaskTrace | Phase) -> tuple[TaskTrace | Phase | None, float | None]:
    """The step that `step` had to wait for, and the moment at which it no longer had to."""
    plans = {phase.round: phase for phase in trace.phases if phase.kind == "plan"}
    if isinstance(step, TaskTrace):
        needs = [trace.tasks[name] for name in step.needs if name in trace.tasks]
        last = max((need for need in needs if need.ended is not None), key=lambda need: need.ended or 0.0, default=None)
        if last is not None and last.ended is not None and last.ended > step.added:
            return last, last.ended
        return plans.get(step.round), step.added
    if step.kind == "plan":
        before = [phase for phase in trace.phases if phase.kind == "join" and phase.round < step.round]
        return (before[-1], before[-1].ended) if before else (None, None)
    of_round = [task for task in trace.tasks.values() if task.round == step.round and task.ended is not None]
    candidates = [*of_round, *([plans[step.round]] if step.round in plans else [])]
    last_one = max(candidates, key=lambda one: one.ended or 0.0, default=None)
    return last_one, _end(last_one)
