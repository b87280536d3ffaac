"""What the steps of one run share."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from agentrt.durable import recorded
from agentrt.policies import MakePolicy, Setting, Way
from executor import Account, Task, TaskAdded, ToolContext, Toolset
from executor.approval import Approvals
from executor.journal import RunLog, UnknownRun
from executor.refs import render_tree
from planner import Usage

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

Watch = Callable[[Any], None]
"""Told of every event; it must be quick."""


@dataclass
class Stage:
    """The model, the tools and the watchers of a run, and what its model has taken so far.

    Attributes:
        setting: how plans are made and run. Its tools are the caller's, without those of the kinds of step; its model
            is the one that is asked; it observes what happens inside `plan` and `run` steps too, under ids such as
            `detail/2`.
        way: how `plan` steps are answered.
        usage: model tokens.
    """

    setting: Setting
    way: Way | MakePolicy = "compiler"
    usage: Usage = field(default_factory=Usage)

    @property
    def tools(self) -> Toolset:
        """What the workflow's steps may call."""
        return self.setting.tools

    @property
    def log(self) -> RunLog | None:
        """Where the run is written down; None for nowhere."""
        return self.setting.means.log

    @cached_property
    def model(self) -> BaseChatModel:
        """The model, its replies written down and its tokens counted where that is wanted."""
        means = self.setting.means
        if means.log is None and means.account is None:
            return self.setting.model
        return recorded(self.setting.model, means.log, means.account)

    def started(self, log: RunLog | None, account: Account | None) -> Stage:
        """The stage of a run that has begun."""
        means = replace(self.setting.means, log=log, account=account)
        return Stage(replace(self.setting, means=means), self.way)

    def spend(self, usage: Usage) -> None:
        """Adds what a request to the model took."""
        self.usage += usage

    def inside(self, step: str) -> Watch:
        """A watcher for what happens inside a step: its tasks appear below the step's own id."""

        def watch(event: NamedTuple) -> None:
            self.setting.observe(cast(Any, below(step, event)))

        return watch

    @contextmanager
    def within(self, context: ToolContext, *, kind: str, title: str, head: Mapping[str, object]) -> Generator[Setting]:
        """How the plan inside a step is made and run, with the log of that: a run of its own beside this one.

        Its id is this run's, the step's and the attempt's, so that a resumed step goes on with it. What waits for a
        person inside a step waits in this process: only the run itself can park.
        """
        setting = replace(self.setting, observe=self.inside(context.task))
        if self.log is None:
            yield setting
            return
        means = setting.means
        approvals = Approvals(means.approvals.ask if means.approvals is not None else None, wait=True)
        attempt = "" if context.attempt == 1 else f".{context.attempt}"
        name = f"{self.log.id}-{context.task}{attempt}"
        try:
            log = RunLog.resume(self.log.journal, name, redactor=self.log.redactor)
        except UnknownRun:
            log = RunLog.start(
                self.log.journal, kind=kind, title=title, head=head, run_id=name, redactor=self.log.redactor
            )
        with log.closing():
            yield replace(setting, means=replace(means, log=log, approvals=approvals))


def below(step: str, event: NamedTuple) -> NamedTuple:
    """The event with the ids of its tasks put below `step`. References in it are for people only, and become text."""
    if isinstance(event, TaskAdded):
        task = event.task
        return event._replace(task=Task(f"{step}/{task.id}", task.call, _shown(task), thought=task.thought))
    found = {name: f"{step}/{getattr(event, name)}" for name in ("id", "because", "earlier") if hasattr(event, name)}
    return event._replace(**found) if found else event


def _shown(task: Task) -> dict[str, object]:
    shown = render_tree(task.args)
    return cast("dict[str, object]", shown)
