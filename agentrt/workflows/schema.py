"""What a workflow file may say, as pydantic models: the one source of the checks and of the editors' JSON Schema."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field

from executor import Budget

VERSION = 1
KINDS = ("call", "ask", "plan", "retrieve", "converse", "run")
"""The kinds of step; a step has exactly one of these keys."""
RESERVED = ("inputs", "item")
"""Names that references use for something else, so that no step may have them."""
FIRST_OF = "first_of"
"""In an output, `{first_of: [...]}` is the first of these that is not null."""
STEP_NAME = r"^[A-Za-z0-9_-]+$"

Name = Annotated[str, Field(min_length=1, pattern=STEP_NAME)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
ErrorClass = Literal[
    "ArithmeticError", "ConnectionError", "Exception", "LookupError", "OSError", "TimeoutError", "ValueError"
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, protected_namespaces=())


class RetrySpec(_Strict):
    """When a failed call is made again."""

    attempts: Annotated[int, Field(ge=1, le=100, description="Calls in all, the first included.")] = 3
    wait: Annotated[float, Field(ge=0, description="Seconds before the second call; doubled for each further one.")] = (
        0.2
    )
    longest_wait: Annotated[float, Field(ge=0, description="Longest wait in seconds.")] = 10.0
    on: Annotated[list[ErrorClass], Field(min_length=1, description="Errors worth another try; any by default.")] = (
        Field(default_factory=lambda: cast("list[ErrorClass]", ["Exception"]))
    )


class ForEachSpec(_Strict):
    """One call for each element of a list; the step's value is the list of results, in order."""

    items: Annotated[str | list[Any], Field(description='A reference to a list such as "${docs}", or a list.')]
    concurrency: Annotated[Count | None, Field(description="Elements at the same time.")] = None
    on_error: Annotated[
        Literal["fail", "skip", "continue"],
        Field(description="A failed element: `fail` fails the step, `skip` leaves it out, `continue` keeps its error."),
    ] = "fail"
    max_items: Annotated[int, Field(ge=0, description="A longer list fails the step before any call.")] = 10_000


class StepSpec(_Strict):
    """What every kind of step may say."""

    description: Annotated[str, Field(description="For people; shown in drawings and traces.")] = ""
    foreach: Annotated[
        str | list[Any] | ForEachSpec | None,
        Field(description="Make the call once for each element of a list; `${item}` is the element."),
    ] = None
    when: Annotated[
        str | bool | None,
        Field(description='Run only if this holds, such as "${verdict.same} == false and ${n} > 2".'),
    ] = None
    after: Annotated[str | list[str] | None, Field(description="Steps to wait for whose results are not used.")] = None
    retry: Annotated[Count | RetrySpec | None, Field(description="Calls in all, or when to call again.")] = None
    timeout: Annotated[Seconds | None, Field(description="Seconds one attempt may take.")] = None
    on_error: Annotated[
        Literal["fail", "skip", "continue"] | None,
        Field(
            description="`fail` ends the run, `skip` skips what needs this step, `continue` makes the error its value."
        ),
    ] = None
    approve: Annotated[
        bool | str | None, Field(description="Ask a person before the call: true, or the question to ask.")
    ] = None
    cache: Annotated[bool | None, Field(description="false: call even where the result is known.")] = None


class CallStep(StepSpec):
    """Calls a tool."""

    call: Annotated[str, Field(min_length=1, description="The tool's name.")]
    with_: Annotated[dict[str, Any], Field(alias="with", description="Its arguments.")] = Field(
        default_factory=dict[str, Any]
    )


class AskLimits(_Strict):
    """Limits of an `ask` step."""

    tokens: Annotated[Count | None, Field(description="Tokens the reply may have.")] = None


class AskStep(StepSpec):
    """Asks the language model."""

    ask: Annotated[str, Field(min_length=1, description="The prompt; references are filled in.")]
    schema_: Annotated[
        dict[str, Any] | None, Field(alias="schema", description="JSON Schema the reply is held to.")
    ] = None
    system: Annotated[str | None, Field(description="The system message.")] = None
    temperature: Annotated[float | None, Field(ge=0, le=2)] = None
    limits: AskLimits = AskLimits()


class PlanLimits(_Strict):
    """Limits of a `plan` step."""

    tasks: Annotated[Count, Field(description="Tasks one plan may have.")] = 16
    replans: Annotated[int, Field(ge=0, description="Further plans after the first.")] = 1
    tokens: Annotated[Count, Field(description="Tokens one plan's text may have.")] = 1_024


class PlanStep(StepSpec):
    """Lets the model plan tool calls, runs them, and gives the answer as text."""

    plan: Annotated[str, Field(min_length=1, description="The question; references are filled in.")]
    tools: Annotated[list[str] | None, Field(min_length=1, description="Tools it may call; all by default.")] = None
    limits: PlanLimits = PlanLimits()


class RetrieveStep(StepSpec):
    """Looks a question up in a knowledge graph."""

    retrieve: Annotated[str, Field(min_length=1, description="The question, or names of things to look up.")]
    graph: Annotated[str, Field(min_length=1, description="The tool that knows the graph.")] = "knowledge_graph"


class ConverseLimits(_Strict):
    """Limits of a `converse` step."""

    turns: Annotated[Count, Field(description="Turns at most.")] = 10
    tokens: Annotated[int, Field(ge=60, description="Tokens the agents may write.")] = 800


class ConverseStep(StepSpec):
    """Lets agents talk a question through."""

    converse: Annotated[str, Field(min_length=1, description="What they talk about.")]
    contexts: Annotated[
        list[str] | str | None,
        Field(description="What each agent alone knows: texts, or a reference to a list of texts."),
    ] = None
    agents: Annotated[int, Field(ge=2, le=8, description="Agents, at least.")] = 2
    protocol: Annotated[
        Literal["exchange", "debate", "feedback", "judge", "jury"] | None,
        Field(description="The kind of conversation; exchange with contexts, debate without."),
    ] = None
    format: Annotated[str, Field(description="How messages are written: plain, compact, json, …")] = "compact"
    limits: ConverseLimits = ConverseLimits()


class RunStep(StepSpec):
    """Runs another workflow."""

    run: Annotated[
        str, Field(min_length=1, description="A workflow the caller gave, or a .yaml file beside or below this one.")
    ]
    with_: Annotated[dict[str, Any], Field(alias="with", description="Its inputs.")] = Field(
        default_factory=dict[str, Any]
    )


class Limits(_Strict):
    """Limits of the whole run."""

    seconds: Annotated[Seconds | None, Field(description="Wall seconds the run may take.")] = None
    concurrency: Annotated[Count | None, Field(description="Calls at the same time.")] = None
    calls: Annotated[Count | None, Field(description="Calls in all, repeated ones included.")] = None
    tokens: Annotated[Count | None, Field(description="Model tokens in all.")] = None

    def budget(self) -> Budget | None:
        """What the run may spend; None where nothing is said."""
        found = Budget(calls=self.calls, tokens=self.tokens, seconds=self.seconds)
        return None if found == Budget() else found


STEPS: dict[str, type[StepSpec]] = {
    "call": CallStep,
    "ask": AskStep,
    "plan": PlanStep,
    "retrieve": RetrieveStep,
    "converse": ConverseStep,
    "run": RunStep,
}


class WorkflowSpec(_Strict):
    """A whole file, its steps and inputs not yet looked into."""

    agentrt: Annotated[Literal[1], Field(description="Version of the format.")]
    name: Annotated[str, Field(min_length=1, max_length=100, description="What the workflow is called.")]
    description: Annotated[str, Field(description="For people.")] = ""
    inputs: Annotated[
        dict[Name, Any],
        Field(description="Inputs by name: a JSON type, or a JSON Schema with an optional `default`."),
    ] = Field(default_factory=dict[str, Any])
    tasks: Annotated[dict[Name, Any], Field(min_length=1, description="Steps by name, in any order.")]
    output: Annotated[Any, Field(description="What the run gives; by default the steps that no other step uses.")] = (
        None
    )
    limits: Limits = Limits()


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a workflow file, for editors."""
    schema = WorkflowSpec.model_json_schema(by_alias=True)
    definitions: dict[str, Any] = schema.setdefault("$defs", {})
    for spec in STEPS.values():
        part = spec.model_json_schema(by_alias=True, ref_template="#/$defs/{model}")
        definitions.update(part.pop("$defs", {}))
        definitions[spec.__name__] = part
    step = {"oneOf": [{"$ref": f"#/$defs/{spec.__name__}"} for spec in STEPS.values()]}
    types = ["string", "integer", "number", "boolean", "array", "object"]
    taken = {"anyOf": [{"enum": types}, {"type": "object"}]}
    properties = schema["properties"]
    properties["tasks"] |= {"additionalProperties": step, "propertyNames": {"pattern": STEP_NAME}}
    properties["inputs"] |= {"additionalProperties": taken, "propertyNames": {"pattern": STEP_NAME}}
    for name in ("tasks", "inputs"):
        properties[name].pop("patternProperties", None)
    schema |= {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "agentrt workflow"}
    return schema
