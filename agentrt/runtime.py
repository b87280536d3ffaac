"""The door: a model and tools in, answers out."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeAlias, cast, overload

import anyio
from anyio.abc import TaskGroup

from agentrt.answer import Answer, Answered
from agentrt.durable import RunMeans, retell
from agentrt.errors import NotOpen, UsageError
from agentrt.policies import MakePolicy, Setting, Way, given, strictest_form
from agentrt.questions import answered, head_of
from agentrt.remembering import Memory
from agentrt.replaying import Replayed, recorded_answer, replay
from agentrt.runs import Runs
from agentrt.serving.catalogue import DEFAULT_MODEL
from agentrt.stopwatch import Stopwatch
from agentrt.streaming import streamed
from agentrt.warming import warm_planner, warming_joiner
from executor import Account, Budget, Outcome, Plan, TaskEvent, Tool, Toolset
from executor.approval import Approval, Approvals, Verdict, answer, pending
from executor.cache import ResultCache
from executor.journal import Journal, RunInfo, RunLog, find_run
from planner import PlannerEvent

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from agentrt.serving import ProgressSink, ServerSettings, Speculation
    from agentrt.workflows import Workflow, WorkflowEnded, WorkflowResult
    from agentrt.workflows.steps.stage import Stage
    from planner import PlanForm
    from planner.example_store import ExampleStore


Event: TypeAlias = "PlannerEvent | TaskEvent | Answered | WorkflowEnded"
Resumed: TypeAlias = "Answer | WorkflowResult | dict[str, Outcome]"
"""What a resumed run came to."""


class Runtime:
    """Answers questions with a language model and tools. Use it as an async context manager.

    Entering opens the model: a catalogue model is fetched, converted and served when that has not happened
    yet. Leaving cancels whatever still runs and lets go of the model's server.

    Args:
        model: a catalogue name (`agentrt model list`), a model folder, the base URL of an OpenAI-compatible
            server, or any langchain-core chat model; None where only plans are run or runs replayed.
        tools: what plans may call.
        plan: how questions are answered: `compiler` plans, `react` makes one call at a time, `dfsdt` also takes steps
            back, or a function that makes a policy.
        passes: passes over plans: merge, prune, fuse, priority. Only `merge` lets calls start while a plan is written.
        examples: a file of plans that went well (JSON lines), or an `ExampleStore`: a question's prompt shows the
            nearest of this model's, and its own plan is added when it leads straight to an answer. None for neither.
        pairs: a file to which preference pairs are added as JSON lines, where the policy finds some.
        max_replans: further plans after the first, when the results do not answer the question.
        max_tasks: tasks a plan may have.
        max_plan_tokens: tokens a plan's text may have.
        concurrency: calls at the same time, over all tools and questions; None for no limit.
        journal: where runs are written down, so that they can be resumed and replayed: a file, or a `Journal`.
        budget: what one question or plan may spend.
        approvals: where calls wait that need a person's yes; by default the run parks.
        ask_when_tainted: whether a `once` tool whose arguments rest on what tools returned needs a yes.
        cache: whether equal calls of `pure` tools are made once.
        secrets: values that are never written to the journal.
        begun: told of every run that begins or goes on, once it is in the journal.
        settings: how a catalogue model or a folder is served; by default what suits this machine.
        speculation: how that model's tokens are drafted: a method, or one as people write it, such as `"ngram:4"`,
            `"off"`, `"auto"` or `"rsd:rsd-s:3x4@qwen2.5-coder-0.5b"`; see docs/serving.md.
        warm: whether a server of ours reads ahead what prompts begin with, while nobody waits for it.
        progress: told what happens while the model is opened.

    Raises (on entering):
        ServingError: the model cannot be had; the message says what to do.
    """

    def __init__(
        self,
        model: str | Path | BaseChatModel | None = DEFAULT_MODEL,
        tools: Iterable[Tool] = (),
        *,
        plan: Way | MakePolicy = "compiler",
        passes: Collection[str] = ("merge",),
        examples: str | Path | ExampleStore | None = None,
        pairs: Path | None = None,
        max_replans: int = 2,
        max_tasks: int = 64,
        max_plan_tokens: int = 1_024,
        concurrency: int | None = None,
        journal: str | Path | Journal | None = None,
        budget: Budget | None = None,
        approvals: Approvals | None = None,
        ask_when_tainted: bool = True,
        cache: bool = True,
        secrets: Iterable[str] = (),
        begun: Callable[[RunInfo], None] | None = None,
        settings: ServerSettings | None = None,
        speculation: Speculation | str | None = None,
        warm: bool = True,
        progress: ProgressSink | None = None,
    ) -> None:
        self.tools = Toolset(tools)
        self.max_replans = max_replans
        self.way: Way | MakePolicy = plan
        self.passes = passes
        self.pairs = pairs
        self.max_tasks = max_tasks
        self.max_plan_tokens = max_plan_tokens
        self.concurrency = concurrency
        self.approvals = approvals or Approvals()
        self.ask_when_tainted = ask_when_tainted
        self._cached = cache
        self._runs = Runs(journal, budget=budget, secrets=secrets, begun=begun)
        self._memory = Memory(examples, model, self.tools, self._runs.redactor.clean)
        self._cache: ResultCache | None = None
        self._spec = model
        self._settings = settings
        self._speculation = speculation
        self._warm = warm
        self._progress = progress
        self._model: BaseChatModel | None = None
        self._form: PlanForm = "free"
        self._group: TaskGroup | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        from agentrt.serving import capabilities_of, open_model

        async with AsyncExitStack() as stack:
            journal = stack.enter_context(self._runs.opened())
            self._cache = ResultCache(journal, redactor=self._runs.redactor) if self._cached else None
            if self._spec is None:
                self._group = await stack.enter_async_context(anyio.create_task_group())
                self._stack = stack.pop_all()
                return self
            # A plan should be the model's best guess, the same one every time.
            options: dict[str, Any] = {"temperature": 0.0} if isinstance(self._spec, str | Path) else {}
            means: dict[str, Any] = {"settings": self._settings, "speculation": self._speculation}
            opening = open_model(self._spec, progress=self._progress, **means, **options)
            self._model = await stack.enter_async_context(opening)
            self._form = strictest_form(await capabilities_of(self._model))
            self._group = await stack.enter_async_context(anyio.create_task_group())
            if self._warm and self.way == "compiler":
                self._group.start_soon(warm_planner, self._setting(_ignore))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        if self._group is not None:
            self._group.cancel_scope.cancel()
        self._model = self._group = None
        return await self._stack.__aexit__(kind, error, trace)

    @property
    def model(self) -> BaseChatModel:
        """The open model. Raises NotOpen outside `async with`."""
        if self._model is None:
            raise NotOpen
        return self._model

    async def ask(self, question: str, *, plan: Plan | None = None, title: str = "") -> Answer:
        """Answers one question. Questions may be asked side by side.

        Args:
            question: in words.
            plan: run as it is, and answered from; by default the model writes one.
            title: for lists of runs; by default the question.

        Raises:
            PlannerError: the model could not be brought to a usable plan or decision.
            ServingError: the model's server failed.
            NotOpen: outside `async with`.
        """
        return await self._answer(question, _ignore, plan=plan, title=title)

    @property
    def journal(self) -> Journal:
        """The open journal. Raises NotOpen outside `async with`, UsageError without one."""
        if self._group is None:
            raise NotOpen
        return self._runs.journal

    @overload
    async def run(self, what: Plan, /, **options: Any) -> dict[str, Outcome]: ...

    @overload
    async def run(self, what: Workflow | str | Path, /, **inputs: object) -> WorkflowResult: ...

    async def run(self, what: Plan | Workflow | str | Path, /, **inputs: Any) -> dict[str, Outcome] | WorkflowResult:
        """Runs a workflow, the one in a file, or a plan. Several may run side by side.

        Args:
            what: a plan is run as by `run_plan`, which takes the other arguments then.
            inputs: the workflow's.

        Raises:
            InvalidWorkflow: it cannot be run as written with these tools; the message has every problem's place.
            InvalidInputs: the inputs do not fit.
            Parked: calls wait for a person.
            NotOpen: outside `async with`.
        """
        if isinstance(what, Plan):
            return await self.run_plan(what, **inputs)
        return await self._run_workflow(what, inputs, _ignore)

    def stream_run(self, workflow: Workflow | str | Path, /, **inputs: object) -> AsyncGenerator[Event]:
        """Runs a workflow and yields every event on the way; the last one is `WorkflowEnded`. Else as `run`."""
        from agentrt.workflows import WorkflowEnded

        async def work(observe: Callable[[Event], None]) -> Event:
            result = await self._run_workflow(workflow, inputs, observe)
            return WorkflowEnded(time.monotonic(), result)

        return self._streaming(work)

    def stream_resume(self, run_id: str) -> AsyncGenerator[Event]:
        """Goes on with a run of a workflow or a question and yields every event; the last says what it came to.

        Raises what `resume` raises.
        """
        from agentrt.workflows import WorkflowEnded, WorkflowResult

        async def work(observe: Callable[[Event], None]) -> Event:
            found = await self.resume(run_id, observe)
            if isinstance(found, WorkflowResult):
                return WorkflowEnded(time.monotonic(), found)
            if isinstance(found, dict):
                raise UsageError(f"run {run_id} is a plan's; `resume` goes on with it")
            return Answered(time.monotonic(), found)

        return self._streaming(work)

    async def run_plan(
        self,
        plan: Plan,
        *,
        title: str = "",
        kind: str = "plan",
        head: Mapping[str, object] | None = None,
        run_id: str | None = None,
        observe: Callable[[TaskEvent], None] | None = None,
    ) -> dict[str, Outcome]:
        """Runs a plan that is there already, within the budget and, with a journal, so that it can be resumed.

        Args:
            plan: what is run.
            title: for lists of runs.
            kind: what kind of run it is; `plan`, `workflow`, or a word of the caller's.
            head: kept beside the plan, as plain JSON data.
            run_id: of the new run; made up by default.
            observe: receives every event.

        Raises:
            Parked: calls wait for a person.
            JournalError: the journal could not be written.
        """
        log = self._runs.start(kind, title, {**(head or {}), "plan": plan.to_json()}, run_id=run_id)
        return await self._run(plan, log, observe)

    async def resume(self, run_id: str, observe: Callable[[Event], None] | None = None) -> Resumed:
        """Goes on with a run: what has ended is not done again.

        Args:
            run_id: the run's, or an unambiguous beginning of it.
            observe: receives every event, those told again included.

        Returns:
            A question's answer; what a workflow gives; of a plan how its tasks ended. Of a run that has finished,
            what it came to.

        Raises:
            UnknownRun, NotResumable, JournalError: it cannot go on; the message says why.
            Parked: calls (still) wait for a person.
            Exception: what `ask` and `run` raise.
        """
        info = self._info(run_id)
        if info.kind == "workflow" and "workflow" in info.head:
            return await self._resume_workflow(info, observe or _ignore)
        if info.status == "finished":
            told = retell(self.journal, info.id, self.tools)
            return recorded_answer(self.journal, info.id, told) if info.kind == "ask" else told.outcomes
        log = self._runs.resume(info)
        if info.kind == "ask":
            return await self._answer(str(info.head["question"]), observe or _ignore, log)
        return await self._run(Plan.from_json(cast(Any, info.head["plan"])), log, observe)

    async def replay(self, run_id: str) -> Replayed:
        """Tells a finished run again, a question's or a workflow's, with the program of today, and calls nothing.

        Raises:
            Diverged: the program goes another way now; the message names the first difference.
            UnknownRun, UsageError: there is no such run, or it has not finished.
            ValueNotKept: a result that the journal could not keep.
        """
        info = self._info(run_id)
        if info.status != "finished":
            raise UsageError(f"run {info.id} is {info.status}, and only finished runs are replayed; resume it first")
        from agentrt.workflows.no_model import NoModel

        return await replay(self.journal, info, self._setting(_ignore, self._model or NoModel()), self.way)

    def approve(self, run_id: str, task: str, verdict: Verdict) -> None:
        """Answers a call that waits: at once if it waits in this process, else when the run is resumed.

        Raises:
            UnknownRun, JournalError: there is no such run, or nothing in it waits by that name.
        """
        info = self._info(run_id)
        if not self.approvals.answer(task, verdict, run=info.id):
            answer(self.journal, info.id, task, verdict)

    def waiting(self, run_id: str) -> list[Approval]:
        """Calls of a run that wait for a person's answer and have none yet. Raises UnknownRun."""
        return pending(self.journal, self._info(run_id).id)

    def stream(self, question: str, *, plan: Plan | None = None, title: str = "") -> AsyncGenerator[Event]:
        """Answers one question as `ask` does and yields every event on the way; the last one is `Answered`.

        Leaving the loop early and closing the generator cancels the question. Raises what `ask` raises.
        """

        async def work(observe: Callable[[Event], None]) -> Event:
            answer = await self._answer(question, observe, plan=plan, title=title)
            return Answered(time.monotonic(), answer)

        return self._streaming(work)

    def _streaming(self, working: Callable[[Callable[[Event], None]], Awaitable[Event]]) -> AsyncGenerator[Event]:
        if self._group is None:
            raise NotOpen
        return streamed(self._group, working)

    async def plan(self, question: str, observe: Callable[[Event], None] | None = None) -> Plan:
        """Writes a plan for `question` and runs nothing. Raises PlannerError as `ask` does."""
        planner = replace(self._setting(observe or _ignore), examples=self._memory.nearest(question)).planner()
        return Plan([task async for task in planner.plan(question)])

    def _setting(
        self, observe: Callable[[PlannerEvent | TaskEvent], None], model: BaseChatModel | None = None
    ) -> Setting:
        return Setting(
            model=model or self.model,
            tools=self.tools,
            form=self._form,
            passes=self.passes,
            max_replans=self.max_replans,
            max_tasks=self.max_tasks,
            max_plan_tokens=self.max_plan_tokens,
            concurrency=self.concurrency,
            observe=observe,
        )

    def _means(self, log: RunLog | None) -> RunMeans:
        return RunMeans(log, self._runs.account(log), self._cache, self.approvals, self.ask_when_tainted)

    async def _answer(
        self,
        question: str,
        observe: Callable[[Event], None],
        log: RunLog | None = None,
        *,
        plan: Plan | None = None,
        title: str = "",
    ) -> Answer:
        stopwatch = Stopwatch(observe)
        setting = replace(self._setting(stopwatch.see), examples=self._memory.nearest(question))
        if self._warm and self._group is not None:
            setting = warming_joiner(setting, question, self._group)
        if log is None:
            log = self._runs.start("ask", title or question, head_of(question, setting, self.way, plan))
        setting = replace(setting, means=self._means(log))
        way = self.way if plan is None else given(plan)
        return await answered(question, setting, way, stopwatch, self._memory, self.pairs)

    async def _run(
        self, plan: Plan, log: RunLog | None, observe: Callable[[TaskEvent], None] | None
    ) -> dict[str, Outcome]:
        if self._group is None:
            raise NotOpen
        means = self._means(log)
        executor = means.executor(self.tools, observe=observe, max_tasks=self.max_tasks, concurrency=self.concurrency)
        if log is None:
            return await executor.run(plan)
        with log.closing():
            return await executor.run(plan)

    def _stage(self, observe: Callable[[Event], None], log: RunLog | None = None) -> Stage:
        from agentrt.workflows.no_model import NoModel
        from agentrt.workflows.steps.stage import Stage

        if self._group is None:
            raise NotOpen
        setting = self._setting(observe, self._model or NoModel())
        return Stage(replace(setting, means=self._means(log)), self.way)

    async def _run_workflow(
        self, workflow: Workflow | str | Path, inputs: Mapping[str, object], observe: Callable[[Event], None]
    ) -> WorkflowResult:
        from agentrt.workflows.running import run_workflow

        def start(
            title: str, head: Mapping[str, object], limits: Budget | None
        ) -> tuple[RunLog | None, Account | None]:
            log = self._runs.start("workflow", title, head, budget=limits)
            return log, self._runs.account(log, limits)

        return await run_workflow(workflow, inputs, self._stage(observe), start)

    async def _resume_workflow(self, info: RunInfo, observe: Callable[[Event], None]) -> WorkflowResult:
        from agentrt.workflows.running import resume_workflow

        log = self._runs.resume(info)
        return await resume_workflow(self._stage(observe, log), log)

    def _info(self, run_id: str) -> RunInfo:
        return find_run(self.journal, run_id)


def _ignore(_: object) -> None:
    pass
