"""Whether answers that are held to a form have it, and how evenly they come, with each way to draft.

Four forms, sampled at temperature 0.7 without seeds, eight requests at once: a decision under a JSON schema, a plan
under a grammar, a demanded tool call in one piece, and one streamed.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import anyio
from langchain_core.messages import AIMessageChunk
from langchain_core.tools import tool
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agentrt.serving import ChatVLLM
from agentrt.serving.tuning.questions import PLANS
from agentrt.serving.tuning.workload import JOIN, PLAN
from benchmarks.report import Report

PLANNED = re.compile(r"(\d\. \w+\(.*\)\n)+\d\. join\(\)")
_AT_ONCE = 8


class Decision(BaseModel):
    """What the joiner says."""

    model_config = ConfigDict(extra="forbid")

    thought: Annotated[str, Field(max_length=160)]
    answer: Annotated[str, Field(max_length=60)]
    tasks: Annotated[list[Literal["1", "2"]], Field(max_length=2)]


@tool
def weather(
    city: Annotated[str, Field(max_length=40)], days: Annotated[int, Field(ge=0, le=14)], unit: Literal["C", "F"]
) -> str:
    """The forecast for a city some days from now."""
    return f"{city} {days} {unit}"


@dataclass(slots=True)
class Cell:
    """One form with one way to draft.

    Attributes:
        sent: requests.
        good: answers that have the form.
        gap: longest wait between two pieces of a stream, in seconds.
    """

    sent: int = 0
    good: int = 0
    gap: float = 0.0

    @property
    def rate(self) -> float:
        """Share of answers that have the form."""
        return self.good / self.sent


async def _streamed(model: Any, prompt: Any, into: Cell, **options: Any) -> AIMessageChunk:
    whole: AIMessageChunk | None = None
    last: float | None = None
    async for chunk in model.astream(prompt, **options):
        now = time.perf_counter()
        if chunk.content or chunk.tool_call_chunks:
            into.gap = max(into.gap, now - last if last is not None else 0.0)
            last = now
        whole = chunk if whole is None else whole + chunk
    assert whole is not None
    return whole


async def _schema(model: ChatVLLM, number: int, into: Cell) -> bool:
    options = {**JOIN.options, "max_tokens": 240}
    said = await _streamed(model, JOIN.prompts[number % len(JOIN.prompts)], into, **options)
    Decision.model_validate_json(said.text)
    return True


async def _grammar(model: ChatVLLM, number: int, into: Cell) -> bool:
    options = {**PLAN.options, "max_tokens": 480}
    said = await _streamed(model, PLAN.prompts[number % len(PLAN.prompts)], into, **options)
    return PLANNED.fullmatch(said.text) is not None


def _called(message: Any) -> bool:
    for call in message.tool_calls:
        weather.get_input_schema().model_validate(call["args"])
    return bool(message.tool_calls) and not message.invalid_tool_calls


async def _tools(model: ChatVLLM, number: int, into: Cell) -> bool:
    asked = f"Call the tool for: {PLANS[number % len(PLANS)]}"
    bound = model.bind_tools([weather], tool_choice="required")
    return _called(await bound.ainvoke(asked, max_tokens=200))


async def _streaming(model: ChatVLLM, number: int, into: Cell) -> bool:
    asked = f"Call the tool for: {PLANS[number % len(PLANS)]}"
    bound = model.bind_tools([weather], tool_choice="required")
    said = await _streamed(bound, asked, into, max_tokens=200)
    return _called(said) and said.usage_metadata is not None and "finish_reason" in said.response_metadata


FORMS: dict[str, Callable[..., Any]] = {
    "JSON schema": _schema,
    "grammar": _grammar,
    "tools": _tools,
    "tools, streamed": _streaming,
}


async def measure(model: ChatVLLM, requests: int) -> dict[str, Cell]:
    """Every form, `requests` answers each."""
    warm = model.model_copy(update={"temperature": 0.7})
    cells: dict[str, Cell] = {}
    for form, ask in FORMS.items():
        cell = cells[form] = Cell()
        waiting = list(range(requests))

        async def work(ask: Callable[..., Any] = ask, cell: Cell = cell, waiting: list[int] = waiting) -> None:
            while waiting:
                number = waiting.pop(0)
                cell.sent += 1
                try:
                    held = await ask(warm, number, cell)
                except ValidationError:
                    held = False
                cell.good += held

        async with anyio.create_task_group() as group:
            for _ in range(_AT_ONCE):
                group.start_soon(work)
    return cells


COLUMNS = ("method", "form", "answers", "share that has it", "longest gap s")


def rows_of(cells: dict[str, dict[str, Cell]]) -> list[list[str | float | None]]:
    """A row for every way to draft and every form."""
    return [
        [way, form, cell.sent, cell.rate, cell.gap or None]
        for way, of_way in cells.items()
        for form, cell in of_way.items()
    ]


def record(report: Report, way: str, cells: dict[str, dict[str, Cell]]) -> None:
    """How far a way to draft is from `off`, and its longest gap."""
    of_way = cells[way]
    worst = max(abs(cell.rate - cells["off"][form].rate) for form, cell in of_way.items())
    report.add(f"{way}: share that parses, farthest from off", 100 * worst, unit="points", target=1.0)
    gap = max(cell.gap for cell in of_way.values())
    report.add(f"{way}: longest gap of a constrained stream", gap, unit="s", target=2.0)
