"""Asks a local model many questions, keeps every reply in a file, and stops when its time is up.

Questions come in the order of a digest of their text, so that any beginning of them is a random sample. Replies that
are kept already are not asked for again: several short runs add up.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage

from agentrt.serving import open_model
from kg_rag.answer.conflict import Reply, confidence

AT_ONCE = 8


@dataclass(frozen=True)
class Request:
    """What is asked under a key: the question's name and the way it is asked."""

    question: str
    way: str
    messages: Sequence[BaseMessage]


class Replies:
    """Replies by question and way, in a file of JSON lines."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._found: dict[tuple[str, str], Reply] = {}
        if path is not None and path.exists():
            for line in path.read_text("utf-8").splitlines():
                row = json.loads(line)
                self._found[row["question"], row["way"]] = Reply(row["text"], row["confidence"])

    def get(self, question: str, way: str) -> Reply | None:
        return self._found.get((question, way))

    def put(self, request: Request, reply: Reply) -> None:
        self._found[request.question, request.way] = reply
        if self._path is not None:
            row = {
                "question": request.question,
                "way": request.way,
                "text": reply.text,
                "confidence": reply.confidence,
            }
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")


async def ask_all(
    name: str, groups: Sequence[Callable[[], Sequence[Request]]], replies: Replies, *, seconds: float
) -> None:
    """Asks group after group, `AT_ONCE` groups at a time; no group is begun once `seconds` are over."""
    began = time.monotonic()
    async with open_model(name, temperature=0, max_tokens=16) as model:
        limiter = anyio.CapacityLimiter(AT_ONCE)

        async def one(make: Callable[[], Sequence[Request]]) -> None:
            async with limiter:
                if time.monotonic() - began > seconds:
                    return
                for request in make():
                    if replies.get(request.question, request.way) is None:
                        replies.put(request, await _ask(model, request.messages))

        async with anyio.create_task_group() as tasks:
            for make in groups:
                tasks.start_soon(one, make)


async def _ask(model: BaseChatModel, messages: Sequence[BaseMessage]) -> Reply:
    reply = await model.bind(logprobs=True).ainvoke(list(messages))
    return Reply(str(reply.text).strip(), confidence(reply))
