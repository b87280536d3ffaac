"""Tools to and from langchain-core, without losing anything on the way there and back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import anyio
from langchain_core.tools import BaseTool, StructuredTool, ToolException
from langchain_core.tools import Tool as LangchainTool
from pydantic import BaseModel, PrivateAttr

from agentrt.tools.decorator import check_settings
from executor import Effect, Executor, Failed, FailurePolicy, Finished, Retry, Signature, Task, Tool


@dataclass(frozen=True, slots=True, kw_only=True)
class _FromLangchain(Tool):
    """A `Tool` that remembers the langchain tool it came from."""

    source: BaseTool


class _ToLangchain(StructuredTool):
    """A langchain tool that remembers the `Tool` it came from."""

    _source: Tool = PrivateAttr()


def from_langchain(
    tool: BaseTool,
    *,
    effect: Effect = "once",
    timeout: float | None = None,
    retry: Retry | None = None,
    concurrency: int | None = None,
    on_error: FailurePolicy = "skip",
) -> Tool:
    """A langchain-core tool as a tool for plans.

    It is called through `ainvoke`, so its own callbacks, error handling and validation stay in force; a
    tool that is only sync is run by langchain in a thread. A tool that returns content and artifact gives
    `{"content": …, "artifact": …}`.

    Args:
        tool: any `BaseTool`. One that `to_langchain` made gives back the tool it was made from.
        effect: langchain does not say; where the caller does not either, the careful one.
        timeout: seconds one attempt may take.
        retry: when to call again.
        concurrency: calls at the same time.
        on_error: what a failure means for the run.

    Raises:
        SignatureError: a setting that cannot be used; the message says which and why.
    """
    if isinstance(tool, _ToLangchain):
        return tool._source  # pyright: ignore[reportPrivateUsage]  # both classes live in this file
    name = re.sub(r"[^\w.-]+", "_", tool.name)  # langchain allows spaces, plans do not
    check_settings(name, effect, timeout, retry, concurrency)
    return _FromLangchain(
        name=name,
        function=partial(_invoke, tool),
        description=tool.description,
        signature=Signature.from_json_schema(_schema(tool)),
        effect=effect,
        timeout=timeout,
        retry=retry,
        concurrency=concurrency,
        on_error=on_error,
        source=tool,
    )


def to_langchain(tool: Tool) -> BaseTool:
    """A tool as a langchain-core `StructuredTool`, for agents and chat models of that world.

    Timeout, retries and validation stay in force. A failure is a `ToolException`, whose cause is the error.
    `invoke` needs a thread without a running event loop; `ainvoke` works everywhere.
    """
    if isinstance(tool, _FromLangchain):
        return tool.source
    adapted = _ToLangchain(
        name=tool.name,
        description=tool.description or tool.name,
        args_schema=tool.signature.to_json_schema(),
        func=partial(_run_sync, tool),
        coroutine=partial(_run, tool),
        metadata={"effect": tool.effect},
    )
    adapted._source = tool  # pyright: ignore[reportPrivateUsage]  # both classes live in this file
    return adapted


async def _invoke(tool: BaseTool, /, **arguments: object) -> object:
    if tool.response_format != "content_and_artifact":
        return await tool.ainvoke(arguments)
    call = {"type": "tool_call", "id": "call", "name": tool.name, "args": arguments}
    message = await tool.ainvoke(cast(Any, call))
    return {"content": message.content, "artifact": message.artifact}


def _schema(tool: BaseTool) -> dict[str, Any]:
    if isinstance(tool, LangchainTool) and tool.args_schema is None:
        # The old single-input kind: what it shows as its schema is that of its internals.
        return {"type": "object", "properties": dict(tool.args), "required": list(tool.args)}
    # `tool_call_schema` leaves out what langchain injects (state, run manager), which no plan can write.
    schema: Any = tool.tool_call_schema
    if isinstance(schema, Mapping):
        return dict(cast(Mapping[str, Any], schema))
    if issubclass(schema, BaseModel):
        return schema.model_json_schema()
    return schema.schema()  # a pydantic 1 model


async def _run(tool: Tool, /, **arguments: object) -> object:
    outcomes = await Executor([tool]).run([Task("1", tool.name, arguments)])
    outcome = outcomes["1"]
    if isinstance(outcome, Finished):
        return outcome.value
    assert isinstance(outcome, Failed)  # a single task waits for nothing, so nothing can skip it
    raise ToolException(str(outcome.error)) from (outcome.error.__cause__ or outcome.error)


def _run_sync(tool: Tool, /, **arguments: object) -> object:
    return anyio.run(partial(_run, tool, **arguments))
