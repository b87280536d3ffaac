"""The door: a model and tools in, answers out."""

from __future__ import annotations

import json
import math
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Collection, Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import anyio
from anyio.abc import TaskGroup

from agentrt.answer import Answer, Timings, evidence_of
from agentrt.errors import NotOpen
from agentrt.policies import MakePolicy, Setting, Way, policy_for
from executor import Plan, TaskEvent, TaskFailed, TaskFinished, TaskStarted, Tool, Toolset
from planner import Conclusion, Joined, PlanFinished, PlannerEvent

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from agentrt.serving import Capabilities, ProgressSink, ServerSettings
    from planner import PlanForm

DEFAULT_MODEL = "qwen2.5-coder-1.5b"


class Answered(NamedTuple):
    """The last event of a stream: the question is answered."""

    time: float
    answer: Answer


Event = PlannerEvent | TaskEvent | Answered


class Runtime:
    """Answers questions with a language model and tools. Use it as an async context manager.

    Entering opens the model: a catalogue model is fetched, converted and served when that has not happened
    yet. Leaving cancels whatever still runs and lets go of the model's server.

    Args:
        model: a catalogue name (`agentrt model list`), a model folder, the base URL of an OpenAI-compatible
            server, or any langchain-core chat model.
        tools: what plans may call.
        plan: how questions are answered: `compiler` plans, `react` makes one call at a time, `dfsdt` also takes steps
            back, or a function that makes a policy.
        passes: passes over plans: merge, prune, fuse, priority. Only `merge` lets calls start while a plan is written.
        pairs: a file to which preference pairs are added as JSON lines, where the policy finds some.
        max_replans: further plans after the first, when the results do not answer the question.
        max_tasks: tasks a plan may have.
        max_plan_tokens: tokens a plan's text may have.
        concurrency: calls at the same time, over all tools and questions; None for no limit.
        settings: how a catalogue model or a folder is served; by default what suits this machine.
        progress: told what happens while the model is opened.

    Raises (on entering):
        ServingError: the model cannot be had; the message says what to do.
    """

    def __init__(
        self,
        model: str | Path | BaseChatModel = DEFAULT_MODEL,
        tools: Iterable[Tool] = (),
        *,
        plan: Way | MakePolicy = "compiler",
        passes: Collection[str] = ("merge",),
        pairs: Path | None = None,
        max_replans: int = 2,
        max_tasks: int = 64,
        max_plan_tokens: int = 1_024,
        concurrency: int | None = None,
        settings: ServerSettings | None = None,
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
        self._spec = model
        self._settings = settings
        self._progress = progress
        self._model: BaseChatModel | None = None
        self._form: PlanForm = "free"
        self._group: TaskGroup | None = None
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        from agentrt.serving import capabilities_of, open_model

        async with AsyncExitStack() as stack:
            # A plan should be the model's best guess, the same one every time.
            options: dict[str, Any] = {"temperature": 0.0} if isinstance(self._spec, str | Path) else {}
            opening = open_model(self._spec, settings=self._settings, progress=self._progress, **options)
            self._model = await stack.enter_async_context(opening)
            self._form = _form_of(await capabilities_of(self._model))
            self._group = await stack.enter_async_context(anyio.create_task_group())
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

    async def ask(self, question: str) -> Answer:
        """Answers one question. Questions may be asked side by side.

        Raises:
            PlannerError: the model could not be brought to a usable plan or decision.
            ServingError: the model's server failed.
            NotOpen: outside `async with`.
        """
        return await self._answer(question, _ignore)

    async def stream(self, question: str) -> AsyncGenerator[Event]:
        """Answers one question and yields every event on the way; the last one is `Answered`.

        Leaving the loop early and closing the generator cancels the question. Raises what `ask` raises.
        """
        if self._group is None:
            raise NotOpen
        # Unbounded in principle; in fact bounded by max_tasks, max_plan_tokens and max_replans.
        sender, receiver = anyio.create_memory_object_stream[Event](math.inf)
        failure: Exception | None = None
        scope = anyio.CancelScope()

        async def work() -> None:
            nonlocal failure
            with scope, sender:
                try:
                    answer = await self._answer(question, sender.send_nowait)
                    sender.send_nowait(Answered(time.monotonic(), answer))
                except Exception as error:  # handed to whoever reads the stream
                    failure = error

        self._group.start_soon(work)
        try:
            with receiver:
                async for event in receiver:
                    yield event
        finally:
            scope.cancel()
        if failure is not None:
            raise failure

    async def plan(self, question: str, observe: Callable[[Event], None] | None = None) -> Plan:
        """Writes a plan for `question` and runs nothing. Raises PlannerError as `ask` does."""
        planner = self._setting(observe or _ignore).planner()
        return Plan([task async for task in planner.plan(question)])

    def _setting(self, observe: Callable[[Event], None]) -> Setting:
        return Setting(
            model=self.model,
            tools=self.tools,
            form=self._form,
            passes=self.passes,
            max_replans=self.max_replans,
            max_tasks=self.max_tasks,
            max_plan_tokens=self.max_plan_tokens,
            concurrency=self.concurrency,
            observe=observe,
        )

    async def _answer(self, question: str, observe: Callable[[Event], None]) -> Answer:
        stopwatch = _Stopwatch(observe)
        policy = policy_for(self.way, self._setting(stopwatch.see))
        conclusion = await policy.answer(question)
        if self.pairs is not None and conclusion.pairs:
            rows = "".join(json.dumps(pair.to_json(), ensure_ascii=False) + "\n" for pair in conclusion.pairs)
            async with await anyio.open_file(self.pairs, "a", encoding="utf-8") as file:
                await file.write(rows)
        return _as_answer(conclusion, stopwatch.timings())


class _Stopwatch:
    """Passes events on and adds up where the time went."""

    def __init__(self, observe: Callable[[Event], None]) -> None:
        self._observe = observe
        self._began = time.monotonic()
        self._running: dict[str, float] = {}
        self._first: float | None = None
        self._planning = self._calls = self._joining = 0.0

    def see(self, event: Event) -> None:
        match event:
            case TaskStarted(now, name):
                self._running[name] = now
                if self._first is None:
                    self._first = now - self._began
            case TaskFinished(now, name) | TaskFailed(now, name):
                self._calls += now - self._running.pop(name, now)
            case PlanFinished():
                self._planning += event.seconds
            case Joined():
                self._joining += event.seconds
            case _:
                pass
        self._observe(event)

    def timings(self) -> Timings:
        wall = time.monotonic() - self._began
        return Timings(wall, self._first, self._planning, self._calls, self._joining)


def _as_answer(conclusion: Conclusion, timings: Timings) -> Answer:
    return Answer(
        text=conclusion.text,
        plan=conclusion.plan,
        results=conclusion.outcomes,
        run_id=uuid.uuid4().hex[:12],
        ending=conclusion.ending,
        evidence=evidence_of(conclusion.plan, conclusion.outcomes, conclusion.evidence),
        replans=len(conclusion.rounds) - 1,
        usage=conclusion.usage,
        timings=timings,
    )


def _form_of(can: Capabilities) -> PlanForm:
    """The strictest form of plan that an endpoint can hold its model to."""
    match can.grammar:
        case "vllm":
            return "grammar"
        case "llama.cpp":
            return "gbnf"
        case None:
            return "json" if can.json_schema else "free"


def _ignore(_: Event) -> None:
    pass
