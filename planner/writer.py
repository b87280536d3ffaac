"""The language-model planner: streams tasks out of a chat model while it still writes."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from executor import Task, Tool, Toolset
from executor.refs import render_tree
from planner.checks import Item, PlanChecker
from planner.choose import ToolChooser
from planner.errors import PlannerError, PlanningFailed, PlanProblem, PlanTooLong
from planner.events import (
    PlanFinished,
    PlannerObserver,
    PlanRejected,
    PlanStarted,
    PlanText,
    PlanWarning,
    Usage,
    ignore,
)
from planner.example_store import ExampleStore
from planner.examples import Example, generic_examples
from planner.forms import PlanForm, request_options
from planner.grammar import check_names, grounds_of
from planner.lines import as_lines
from planner.passes.speculate import Speculation
from planner.prompt import correction_prompt, question_prompt, system_prompt
from planner.reader import END_OF_PLAN, JOIN, PlanReader
from planner.rounds import Round

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessageChunk, BaseMessage

# Some models take no limit of tokens. No tokenizer packs more characters of a plan into one token on average.
_CHARACTERS_A_TOKEN = 16
# A model that is held to a form and finds no end would fill every line it is given.
_MOST_LINES = 24


class LLMPlanner:
    """Asks a chat model for a plan and gives its tasks while they are being written.

    Args:
        model: any langchain-core chat model; one that cannot stream gives all tasks at once.
        tools: what plans may call.
        max_tasks: tasks a plan may have.
        max_tokens: tokens a plan may take. A plan that does not end by then is refused; one that is held to a
            form ends there, at its last whole call.
        form: how the model is held to the form of a plan; see `forms`. Other options of the request stay.
        thought: whether the model writes one line of thought before its calls.
        grounded: whether, under a grammar, numbers and codes must be the question's or references: see `plan_grammar`.
            Each question then has a grammar of its own, which its server has to prepare.
        corrections: how often the model may correct a plan that cannot be run.
        examples: shown to the model; by default a few that show the form with invented tools.
        choose: picks the tools that a question's prompt and grammar carry; without it they carry all.
        store: examples of earlier plans, of which the nearest are shown as well.
        called: the name under which `store` keeps this model's examples.
        nearest: examples over these tools that are shown whatever is asked, for callers that have chosen them.
        speculation: begins calls before their line is complete, where their tools allow it.
        options: further arguments of the model's `astream`, such as `temperature` or `structured_outputs`.
        preview: characters that results of earlier rounds may take in the prompt, together.
        observe: receives every event.
        clock: monotonic seconds.

    Raises:
        PlannerError: a tool has the name `join`, which ends plans, or one that no line can call.
    """

    def __init__(
        self,
        model: BaseChatModel,
        tools: Iterable[Tool] | Toolset,
        *,
        max_tasks: int = 64,
        max_tokens: int = 1_024,
        form: PlanForm = "free",
        thought: bool = False,
        grounded: bool = False,
        corrections: int = 1,
        examples: Sequence[Example] | None = None,
        choose: ToolChooser | None = None,
        store: ExampleStore | None = None,
        called: str = "",
        nearest: Sequence[Example] = (),
        speculation: Speculation | None = None,
        options: Mapping[str, Any] | None = None,
        preview: int = 4_000,
        observe: PlannerObserver | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.model = model
        self.tools = tools if isinstance(tools, Toolset) else Toolset(tools)
        if JOIN in self.tools:
            raise PlannerError(f"a tool is called {JOIN!r}, but that is how a plan ends; give the tool another name")
        check_names(self.tools)
        self.max_tasks = max_tasks
        self.max_tokens = max_tokens
        self.form: PlanForm = form
        self.thought = thought and form != "json"
        self.grounded = grounded
        self.corrections = corrections
        self.speculation = speculation
        self.options = dict(options or {})
        self.preview = preview
        self.observe = observe or ignore
        self.clock = clock
        as_json = form == "json"
        self._choose = choose
        self._store = store
        self._called = called
        self._examples = generic_examples(self.tools, as_json=as_json) if examples is None else tuple(examples)
        self._nearest = tuple(nearest)
        self.system = self._system(self.tools, self._nearest)

    def _system(self, tools: Toolset, nearest: Sequence[Example]) -> str:
        as_json = self.form == "json"
        return system_prompt(tools, self._examples, nearest=nearest, as_json=as_json, thought=self.thought)

    def view(self, question: str, keep: Collection[str] = ()) -> tuple[Toolset, str]:
        """The tools and the system prompt for a question. `keep` names tools that must be among them."""
        if self._choose is None and self._store is None:
            return self.tools, self.system
        tools = self.tools if self._choose is None else self._choose.choose(question, keep)
        nearest = [] if self._store is None else self._store.best(question, self._called, tools=tools)
        return tools, self._system(tools, [*nearest, *self._nearest])

    def plan(self, question: str, *, earlier: Sequence[Round] = (), reason: str = "") -> PlanStream:
        """Starts a plan for `question`; nothing is asked of the model until its tasks are.

        Args:
            question: what is to be answered.
            earlier: rounds whose results the plan may refer to; line numbers go on from theirs.
            reason: why those rounds were not enough.
        """
        return PlanStream(self, question, earlier, reason)

    def request(self, question: str) -> tuple[list[BaseMessage], dict[str, Any]]:
        """What the model is sent for a first plan, and with which options: to have its beginning read ahead."""
        stream = PlanStream(self, question, (), "")
        return stream.opening, stream.options()


class PlanStream(AsyncIterator[Task]):
    """The tasks of one plan, each the moment its call is written, after everything it needs.

    When the plan has a problem, the model is told it and goes on; what was given stands. Closing the
    stream stops the model.

    Attributes:
        opening: what the model is sent first.
        usage: what the model said the plan took, over all attempts so far.
        text: what the model wrote in the last attempt.
        reads: ids that the plan's `join($1, …)` names; empty when it reads all.

    Raises:
        PlanningFailed: the plan and its correction cannot be run.
        PlanTooLong: the plan did not end within `max_tokens`.
        Exception: whatever the model raised.
    """

    def __init__(self, planner: LLMPlanner, question: str, earlier: Sequence[Round], reason: str) -> None:
        from langchain_core.messages import HumanMessage, SystemMessage

        self.usage = Usage()
        self.text = ""
        self.reads: tuple[str, ...] = ()
        self._planner = planner
        self._question = f"{question} {reason}"
        self._round = len(earlier)
        known = [task.id for done in earlier for task in done.plan]
        self._checker = PlanChecker(planner.tools, max_tasks=planner.max_tasks, known=known)
        asked = question_prompt(
            question,
            earlier,
            reason,
            tools=planner.tools,
            first=self._checker.next_id,
            budget=planner.preview,
        )
        called = {task.call for done in earlier for task in done.plan}
        self._tools, system = planner.view(f"{question} {reason}".strip(), called)
        self.opening: list[BaseMessage] = [SystemMessage(content=system), HumanMessage(content=asked)]
        self._given = 0
        self._tasks = self._write()

    def __aiter__(self) -> PlanStream:
        return self

    async def __anext__(self) -> Task:
        return await anext(self._tasks)

    async def aclose(self) -> None:
        """Stops the model. Safe to call more than once."""
        await self._tasks.aclose()

    async def _write(self) -> AsyncGenerator[Task]:
        observe, clock, corrections = self._planner.observe, self._planner.clock, self._planner.corrections
        began = clock()
        messages = self.opening
        problems: list[PlanProblem] = []
        for attempt in range(corrections + 1):
            observe(PlanStarted(clock(), self._round, attempt))
            problems = []
            async with aclosing(self._attempt(messages, last=attempt == corrections)) as items:
                async for item in items:
                    if isinstance(item, Task):
                        self._given += 1
                        yield item
                    elif isinstance(item, PlanProblem):
                        problems.append(item)
                    else:
                        observe(PlanWarning(clock(), item.message, item.place.line, item.place.column))
            if not problems:
                observe(PlanFinished(clock(), self._given, self.usage, clock() - began))
                return
            observe(PlanRejected(clock(), tuple(str(problem) for problem in problems), attempt < corrections))
            messages = self._correction(problems)
        raise PlanningFailed(problems, attempts=corrections + 1, text=self.text)

    async def _attempt(self, messages: Sequence[BaseMessage], *, last: bool) -> AsyncGenerator[Item]:
        """What the model writes to `messages`, up to the first piece of text that has a problem in it."""
        planner = self._planner
        reader = PlanReader(self._checker, ends_at_join=True)
        said = Usage()
        pieces = 0
        cut = False
        self.text = ""
        try:
            async with aclosing(self._ask(messages)) as stream:
                async for chunk in stream:
                    pieces += 1
                    said += Usage.of(chunk)
                    cut = cut or chunk.response_metadata.get("finish_reason") == "length"
                    if not (text := str(chunk.text)):
                        continue
                    self.text += text
                    planner.observe(PlanText(planner.clock(), text))
                    items = reader.feed(text)
                    for item in items:
                        if planner.speculation is not None and isinstance(item, Task):
                            planner.speculation.confirm(item)
                        yield item
                    if planner.speculation is not None:
                        planner.speculation.guess(reader.guess())
                    if any(isinstance(item, PlanProblem) for item in items):
                        return
                    if reader.overran:
                        # Not at join() itself: a stream that is closed early does not tell what it cost.
                        break
                    if len(self.text) > planner.max_tokens * _CHARACTERS_A_TOKEN:
                        cut = True
                        break
        finally:
            self.usage += replace(said, output_tokens=said.output_tokens or pieces, model_calls=1)
        held = planner.form != "free"
        if cut and not reader.joined and held and (self._given or not last):
            for item in reader.cut() if self._given else reader.endless(planner.max_tokens):
                yield item
            return
        if cut and not reader.joined:
            raise PlanTooLong(
                f"the plan did not end within {planner.max_tokens} tokens ({self._given} tasks so far); "
                "raise max_tokens, or ask for less at once"
            )
        for item in reader.close():
            yield item
        self.reads = reader.reads

    def _correction(self, problems: Sequence[PlanProblem]) -> list[BaseMessage]:
        """What the model is sent after `problems`; what it wrote well stands as its own turn."""
        from langchain_core.messages import AIMessage, HumanMessage

        checker = self._checker
        checker.repeats = True
        stands = as_lines(checker.accepted, checker.tools) or "(none of it can be used)"
        if self._planner.form == "json":
            calls = [{"tool": task.call, "args": render_tree(task.args)} for task in checker.accepted]
            stands = json.dumps({"calls": calls}, ensure_ascii=False)
        request = correction_prompt(problems, checker.broken, checker.next_id)
        return [*self.opening, AIMessage(content=stands), HumanMessage(content=request)]

    def options(self) -> dict[str, Any]:
        """What the next request to the model says besides its messages."""
        planner = self._planner
        checker = self._checker
        known = [*checker.known, *(task.id for task in checker.accepted)]
        known.sort(key=lambda name: (len(name), name))
        held_to = request_options(
            planner.form,
            self._tools,
            lines=min(planner.max_tasks, _MOST_LINES),
            first=checker.next_id,
            known=known,
            thought=planner.thought and not checker.accepted,
            grounds=grounds_of(self._question) if planner.grounded else None,
        )
        return {"max_tokens": planner.max_tokens, **held_to, **planner.options}

    def _ask(self, messages: Sequence[BaseMessage]) -> AsyncGenerator[AIMessageChunk]:
        stream = self._planner.model.astream(messages, None, stop=[END_OF_PLAN], **self.options())
        return cast("AsyncGenerator[AIMessageChunk]", stream)
