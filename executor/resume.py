"""What a resumed run need not do again."""

from __future__ import annotations

from executor.errors import ToolFailed
from executor.events import TaskAdded, TaskEvent, TaskFailed, TaskFinished, TaskSkipped
from executor.journal import NotResumable, PastTask, RunLog, ValueNotKept
from executor.journal.past import kept_failure
from executor.outcomes import Finished
from executor.plan import Task
from executor.tool import Toolset


class Recall:
    """The past of a run, for the run that goes on with it.

    Args:
        log: the resumed run's.
        tools: those of this process.

    Attributes:
        known: ids of tasks whose end was taken from the journal.

    Raises:
        NotResumable: a tool that unfinished tasks need is gone, or has other parameters or another effect.
    """

    def __init__(self, log: RunLog, tools: Toolset) -> None:
        self._log = log
        self._past = log.past.tasks
        self.known: set[str] = set()
        self._doubts: dict[str, str] = {}
        self._check(log, tools)

    def outcome(self, task: Task) -> Finished | ToolFailed | None:
        """How the task ended before, with the times of then; None where it has to run.

        Raises:
            CorruptJournal: its result is damaged.
        """
        past = self._past.get(task.id)
        if past is None:
            return None
        if not self._same(past, task):
            if past.state in ("started", "finished") and past.intent:
                self._doubts[task.id] = f"Another call of this run, under the same id {task.id}, had begun already."
            return None
        if past.state == "finished":
            try:
                value = self._log.value(past.data, f"task {task.id}")
            except ValueNotKept as error:
                self._doubts[task.id] = f"The call ended well, but {error}."
                return None
            self.known.add(task.id)
            return Finished(value, past.started, past.ended)
        if past.state == "failed":
            self.known.add(task.id)
            message, kind = kept_failure(past.data)
            return ToolFailed(message, task=task.id, kind=kind)
        if past.state == "started" and past.intent:
            self._doubts[task.id] = "The call had begun when the process ended, and nobody knows whether it happened."
        return None

    def doubt(self, task: Task) -> str | None:
        """Why nobody knows whether this `once` call has happened, if nobody does."""
        return self._doubts.get(task.id)

    def write(self, event: TaskEvent) -> None:
        """Writes an event down, unless it tells what the journal knows."""
        if isinstance(event, TaskAdded):
            past = self._past.get(event.task.id)
            if past is not None and self._same(past, event.task):
                return
        elif isinstance(event, TaskFinished | TaskFailed):
            if event.id in self.known:
                return
        elif isinstance(event, TaskSkipped):
            past = self._past.get(event.id)
            if past is not None and past.state == "skipped":
                return
        self._log.write(event)

    def _same(self, past: PastTask, task: Task) -> bool:
        return past.written == self._log.task_text(task)

    def _check(self, log: RunLog, tools: Toolset) -> None:
        recorded = log.past.tool_versions
        for name, past in self._past.items():
            if past.state not in ("added", "started"):
                continue
            call = past.task.call
            if call not in recorded:
                continue
            tool = tools.get(call)
            if tool is None:
                raise NotResumable(
                    f"run {log.id} cannot go on: task {name} calls {call}, which is not among the tools; "
                    "resume it with the tools it was started with"
                )
            if tool.version != recorded[call]:
                raise NotResumable(
                    f"run {log.id} cannot go on: {call}, which task {name} calls, has other parameters or another "
                    "effect than when the run was started; resume it with the tool as it was, or start a new run"
                )
