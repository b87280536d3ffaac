"""From the name of a way to answer questions to the policy that goes it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from agentrt.durable import RunMeans, ThriftyJoiner
from agentrt.errors import UsageError
from executor import Executor, Plan, TaskEvent, TaskStarted, Toolset
from planner import CompilerPolicy, LLMPlanner, PlanForm, PlannerEvent
from planner.choose import FEW, ToolChooser
from planner.examples import example_in
from planner.passes import Pipeline
from planner.passes.speculate import Speculation
from planner.policies import DfsdtPolicy, Fallback, GivenPlan, Policy, ReactPolicy, StepWriter

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from agentrt.serving import Capabilities
    from executor.journal import RunInfo

Way = Literal["compiler", "react", "dfsdt"]
"""`compiler` plans, runs and joins; `react` makes one call at a time; `dfsdt` also takes steps back."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What a policy is made from.

    Attributes:
        model: an open chat model.
        tools: what may be called.
        form: how the model is held to the form of plans and calls.
        passes: names of the passes over plans.
        max_replans: further plans after the first.
        max_tasks: tasks a plan may have.
        max_plan_tokens: tokens a plan's text may have.
        concurrency: calls at the same time; None for no limit.
        examples: questions and plans of earlier runs that prompts for plans show, the nearest last.
        observe: receives every event.
        means: what calls are made with besides: journal, budget, cache, approvals.
    """

    model: BaseChatModel
    tools: Toolset
    form: PlanForm
    passes: Collection[str]
    max_replans: int
    max_tasks: int
    max_plan_tokens: int
    concurrency: int | None
    observe: Callable[[PlannerEvent | TaskEvent], None]
    means: RunMeans = field(default_factory=RunMeans)
    examples: Sequence[Sequence[str]] = ()

    def executor(self, tools: Toolset | None = None, observe: Callable[[TaskEvent], None] | None = None) -> Executor:
        """An executor for one question."""
        return self.means.executor(
            tools or self.tools,
            observe=observe or self.observe,
            max_tasks=self.max_tasks,
            concurrency=self.concurrency,
        )

    def planner(self, speculation: Speculation | None = None) -> LLMPlanner:
        """What writes plans."""
        return LLMPlanner(
            self.model,
            self.tools,
            max_tasks=self.max_tasks,
            max_tokens=self.max_plan_tokens,
            form=self.form,
            choose=ToolChooser(self.tools) if len(self.tools) > FEW else None,
            nearest=[example_in(self.form, question, plan, self.tools) for question, plan in self.examples],
            speculation=speculation,
            observe=self.observe,
        )


MakePolicy = Callable[[Setting], Policy]


def policy_for(way: Way | MakePolicy, setting: Setting) -> Policy:
    """The policy for one question.

    Raises:
        UsageError: there is no way of that name.
    """
    if callable(way):
        return way(setting)
    if way == "compiler":
        return _compiler(setting)
    if way == "react":
        return _react(setting, setting.executor())
    if way != "dfsdt":
        raise UsageError(f"there is no way {way!r} to answer; there are: {', '.join(get_args(Way))}")
    writer = StepWriter(setting.model, setting.tools, form=setting.form, backwards=True, observe=setting.observe)
    return DfsdtPolicy(writer, setting.executor(), observe=setting.observe)


def given(plan: Plan) -> MakePolicy:
    """The way that runs `plan` as it is, makes no other one, and answers from its results."""

    def policy(setting: Setting) -> Policy:
        joiner = ThriftyJoiner(setting.model, setting.tools, reason_first=True, observe=setting.observe)
        return GivenPlan(plan, setting.executor(), joiner)

    return policy


def way_of(info: RunInfo, way: Way | MakePolicy) -> Way | MakePolicy:
    """The way a recorded question was answered.

    Raises:
        UsageError: by a policy of the caller's own, and `way` is none.
    """
    kept = str(info.head.get("way", "compiler"))
    if kept == "given":
        return given(Plan.from_json(cast(Any, info.head["plan"])))
    if kept != "own":
        return cast("Way", kept)
    if isinstance(way, str):
        raise UsageError(f"run {info.id} was answered by a policy of the caller's own; give it again as plan=…")
    return way


def strictest_form(can: Capabilities) -> PlanForm:
    """The strictest form of plan that an endpoint can hold its model to."""
    match can.grammar:
        case "vllm":
            return "grammar"
        case "llama.cpp":
            return "gbnf"
        case None:
            return "json" if can.json_schema else "free"


def joiner_for(setting: Setting) -> ThriftyJoiner:
    """What reads the results of plans."""
    return ThriftyJoiner(setting.model, setting.tools, reason_first=True, observe=setting.observe)


def _compiler(setting: Setting) -> Policy:
    """Plans first; one call at a time where there is no plan and nothing has been done yet."""
    touched = False

    def watch(event: PlannerEvent | TaskEvent) -> None:
        nonlocal touched
        touched = touched or isinstance(event, TaskStarted)
        setting.observe(event)

    speculation = None
    if any(tool.speculative for tool in setting.tools.values()):
        speculation = Speculation(setting.tools, observe=setting.observe)
    tools = setting.tools if speculation is None else speculation.tools
    executor = setting.executor(tools, watch)
    compiler = CompilerPolicy(
        setting.planner(speculation),
        executor,
        joiner_for(setting),
        pipeline=Pipeline(setting.tools, setting.passes),
        speculation=speculation,
        max_replans=setting.max_replans,
        may_go_on=setting.means.may_go_on(setting.max_plan_tokens),
        observe=setting.observe,
    )
    return Fallback(compiler, _react(setting, executor), untouched=lambda: not touched, observe=setting.observe)


def _react(setting: Setting, executor: Executor) -> ReactPolicy:
    writer = StepWriter(setting.model, setting.tools, form=setting.form, observe=setting.observe)
    return ReactPolicy(writer, executor, observe=setting.observe)
