"""Warm paths: the model's server reads what prompts begin with while nobody waits for it.

What every plan's prompt begins with is read when the server is up; when the last task of a plan is running, the
joiner's prompt is read with the results that are known. Both are one request for one token, later than any other,
and only to servers that keep prefixes (`agentrt.serving.priming`). Neither is counted in an answer's usage.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import anyio
from anyio.abc import TaskGroup

from agentrt.policies import Setting, joiner_for
from agentrt.serving.priming import keeps_prefixes, prime
from executor import (
    Failed,
    Finished,
    Outcome,
    Plan,
    Skipped,
    Task,
    TaskAdded,
    TaskEvent,
    TaskFailed,
    TaskFinished,
    TaskSkipped,
)
from planner import PlanFinished, PlannerEvent, PlanStarted, Round
from planner.choose import FEW

# A call that ends at once is not worth a request: the joiner would wait for it.
_AT_ONCE = 0.1
# Prompts do not tell when a call began and ended.
_WHENEVER = (0.0, 0.0)


async def warm_planner(setting: Setting) -> bool:
    """Has the server read instructions, tools and examples, and compile the grammar of plans.

    Args:
        setting: as questions will be asked with. With so many tools that each question has its own choice of
            them, prompts begin differently and nothing is done.

    Returns:
        Whether the server has read it.
    """
    if not keeps_prefixes(setting.model) or len(setting.tools) > FEW:
        return False
    planner = setting.planner()
    messages, options = planner.request("")
    return await prime(setting.model, messages, **options)


def warming_joiner(setting: Setting, question: str, group: TaskGroup) -> Setting:
    """A setting for one question in which the joiner's prompt is read while the last call of a plan runs.

    Args:
        setting: as the question is asked with; unchanged where the server keeps no prefixes.
        question: what was asked.
        group: where the request runs.
    """
    if not keeps_prefixes(setting.model):
        return setting
    return replace(setting, observe=_JoinerWarmer(setting, question, group).see)


class _JoinerWarmer:
    """Builds the joiner's prompt from the events it passes on."""

    def __init__(self, setting: Setting, question: str, group: TaskGroup) -> None:
        self._group = group
        self._question = question
        self._joiner = joiner_for(setting)
        self._max_replans = setting.max_replans
        self._observe = setting.observe
        self._round = 0
        self._written = False
        self._tasks: dict[str, Task] = {}
        self._ends: dict[str, Outcome] = {}
        self._waiting: anyio.CancelScope | None = None

    def see(self, event: PlannerEvent | TaskEvent) -> None:
        """Takes an event, in order."""
        self._observe(event)
        match event:
            case PlanStarted():
                self._round, self._written = event.round, False
            case PlanFinished():
                self._written = True
            case TaskAdded(_, task):
                self._tasks[task.id] = task
            case TaskFinished(_, name, value):
                self._ends[name] = Finished(value, *_WHENEVER)
            case TaskFailed(_, name, error):
                self._ends[name] = Failed(RuntimeError(error), *_WHENEVER)
            case TaskSkipped(_, name, because):
                self._ends[name] = Skipped(because)
            case _:
                return
        left = len(self._tasks) - len(self._ends)
        if self._waiting is not None and left != 1:
            self._waiting.cancel()
            self._waiting = None
        elif self._waiting is None and self._written and left == 1 and self._ends:
            self._waiting = anyio.CancelScope()
            self._group.start_soon(partial(self._warm, self._waiting))

    async def _warm(self, scope: anyio.CancelScope) -> None:
        with scope:
            await anyio.sleep(_AT_ONCE)
            # The line of the call that runs says so, which no prompt will: what follows it is read in vain.
            known = Round(Plan(self._tasks.values()), dict(self._ends))
            messages = self._joiner.opening(self._question, [known], final=self._round == self._max_replans)
            await prime(self._joiner.model, messages)
