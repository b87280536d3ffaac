"""Who takes part: a name, what only they know, and how their model is called."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from multiagent.errors import ConversationError, DuplicateAgent, WrongAgents

if TYPE_CHECKING:  # half a second of imports that only annotations need
    from langchain_core.documents import Document
    from langchain_core.language_models import BaseChatModel
    from langchain_core.tools import BaseTool

Context: TypeAlias = "str | Sequence[str | Document]"
"""What an agent knows: a text, or several texts or documents."""

_NAME = re.compile(r"[A-Za-z][\w-]{0,31}")


@dataclass(frozen=True)
class Agent:
    """One participant.

    Attributes:
        name: how the others address it; letters, digits, `_` and `-`.
        context: what it alone knows. It is put into this agent's prompts and into nobody else's.
        role: one sentence about who it is, beside what the protocol makes it.
        model: its own model; None takes the run's.
        tools: what it may call. Calls and results stay private, the others see the message only.
        sampling: keyword arguments of its model calls, such as `temperature`, `top_p` or `seed`.
        max_tokens: longest message.
        window: tokens its model can read and write at once, where known; checked before a call is made.
        max_tool_rounds: model calls with tool results in one turn; after that it has to speak.
    """

    name: str
    context: Context = ()
    role: str | None = None
    model: BaseChatModel | None = None
    tools: Sequence[BaseTool] = ()
    sampling: Mapping[str, Any] = field(default_factory=dict[str, Any])
    max_tokens: int = 256
    window: int | None = None
    max_tool_rounds: int = 4

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConversationError(
                f"{self.name!r} cannot name an agent; use up to 32 letters, digits, `_` and `-`, a letter first"
            )
        if self.max_tokens < 1:
            raise ConversationError(f"agent {self.name}: max_tokens is {self.max_tokens}; it must be at least 1")


def as_text(context: Context) -> str:
    """A context as prompts show it: each part a paragraph, documents under their titles."""
    return "\n".join(_part(part) for part in ([context] if isinstance(context, str) else context))


def check_names(agents: Sequence[Agent]) -> None:
    """Refuses a conversation without agents or with two of one name (case does not tell names apart).

    Raises:
        DuplicateAgent: two agents bear one name.
        WrongAgents: there is no agent.
    """
    if not agents:
        raise WrongAgents("a conversation needs at least one agent")
    seen: set[str] = set()
    for agent in agents:
        if agent.name.lower() in seen:
            raise DuplicateAgent(agent.name)
        seen.add(agent.name.lower())


def _part(part: str | Document) -> str:
    if isinstance(part, str):
        return part
    title: object = part.metadata.get("title")  # pyright: ignore[reportUnknownMemberType]  # langchain's bare dict
    return f"{title}: {part.page_content}" if title else part.page_content
