from __future__ import annotations

from typing import Any

import pytest
from langchain_core.tools import BaseTool, StructuredTool, Tool, ToolException
from langchain_core.tools import tool as langchain_tool
from pydantic import BaseModel, Field

from agentrt.tools import SignatureError, from_langchain, to_langchain, tool
from executor import Executor, Failed, Finished, Retry, Task


class Query(BaseModel):
    title: str = Field(description="of the page")
    limit: int = Field(default=3, ge=1)


@langchain_tool(args_schema=Query)
async def search(title: str, limit: int = 3) -> list[str]:
    """Finds pages."""
    return [title] * limit


async def _run(made: Any, **arguments: object) -> Any:
    outcome = (await Executor([made]).run([Task("1", made.name, arguments)]))["1"]
    return outcome.value if isinstance(outcome, Finished) else outcome


@pytest.mark.asyncio
async def test_from_a_pydantic_schema() -> None:
    made = from_langchain(search, effect="pure", timeout=5)
    assert (made.name, made.description, made.effect, made.timeout) == ("search", "Finds pages.", "pure", 5)
    parts = made.signature.to_json_schema()
    assert parts["properties"]["title"]["description"] == "of the page"
    assert parts["required"] == ["title"]
    assert await _run(made, title="x", limit=2) == ["x", "x"]
    failed = await _run(made, title="x", limit=0)
    assert isinstance(failed, Failed)
    assert "limit" in str(failed.error)


@pytest.mark.asyncio
async def test_from_a_dict_schema_and_a_sync_function() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "title": "double"}
    made = from_langchain(
        StructuredTool(name="double", description="Doubles.", args_schema=schema, func=lambda a: a * 2)
    )
    assert made.effect == "once"
    assert made.signature.check({"a": "x"}) == ["a must be an integer, not 'x'"]
    assert await _run(made, a=2) == 4


@pytest.mark.asyncio
async def test_from_a_single_input_tool_with_a_name_plans_cannot_write() -> None:
    made = from_langchain(Tool(name="Web Search", description="d", func=lambda text: text.upper()))
    assert made.name == "Web_Search"
    (parameter,) = made.signature.parameters
    assert await _run(made, **{parameter.name: "x"}) == "X"


@pytest.mark.asyncio
async def test_content_and_artifact_both_arrive() -> None:
    @langchain_tool(response_format="content_and_artifact")
    def both(x: str) -> tuple[str, list[str]]:
        """Both."""
        return x, [x]

    assert await _run(from_langchain(both), x="a") == {"content": "a", "artifact": ["a"]}


@tool(effect="pure")
async def add(a: int, b: int = 1) -> int:
    """Adds.

    Args:
        a: one number
    """
    if a < 0:
        raise ValueError("negative")
    return a + b


@pytest.mark.asyncio
async def test_to_langchain() -> None:
    made = to_langchain(add)
    assert isinstance(made, BaseTool)
    assert (made.name, made.description) == ("add", "Adds.")
    assert made.args["a"] == {"type": "integer", "description": "one number"}
    assert made.metadata == {"effect": "pure"}
    assert await made.ainvoke({"a": 1}) == 2
    message = await made.ainvoke({"type": "tool_call", "id": "7", "name": "add", "args": {"a": 1, "b": 4}})
    assert (message.content, message.tool_call_id) == ("5", "7")
    with pytest.raises(ToolException, match="a: input should be a valid integer"):
        await made.ainvoke({"a": "x"})
    with pytest.raises(ToolException, match="negative") as caught:
        await made.ainvoke({"a": -1})
    assert isinstance(caught.value.__cause__, ValueError)


def test_to_langchain_without_a_loop() -> None:
    assert to_langchain(add).invoke({"a": 1}) == 2


@pytest.mark.asyncio
async def test_dollars_are_data_on_the_way_in() -> None:
    @tool(effect="pure")
    async def echo(text: str) -> str:
        return text

    assert await to_langchain(echo).ainvoke({"text": "$1 and $$"}) == "$1 and $$"


def test_there_and_back_is_the_same_tool() -> None:
    assert from_langchain(to_langchain(add)) is add
    assert to_langchain(from_langchain(search)) is search


def test_settings_that_contradict_are_refused() -> None:
    with pytest.raises(SignatureError, match="must not run twice"):
        from_langchain(search, retry=Retry())
