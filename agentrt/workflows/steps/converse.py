"""`converse`: agents that talk a question through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agentrt.tools import tool
from agentrt.tools.conversation import Talk, agents_for
from agentrt.workflows.steps.stage import Stage
from executor import Tool, as_text
from planner import Usage

if TYPE_CHECKING:
    from multiagent import Protocol


def converse_tool(stage: Stage, name: str) -> Tool:
    """The tool behind `converse` steps."""

    @tool(effect="idempotent", name=name)
    async def converse(
        question: Any,
        contexts: list[Any] | None = None,
        agents: int = 2,
        protocol: str | None = None,
        format: str = "compact",
        max_turns: int = 10,
        max_tokens: int = 800,
    ) -> Talk:
        """Lets agents talk a question through.

        Args:
            question: what they talk about.
            contexts: what each agent alone knows.
            agents: how many take part, at least.
            protocol: the kind of conversation; contexts are exchanged and a question without any is debated.
            format: how messages are written.
            max_turns: turns at most.
            max_tokens: tokens they may write.
        """
        from multiagent import Agent, Agreement, Conversation, MaxTurns, TokenBudget

        known = [as_text(context) for context in contexts or []]
        chosen = protocol or ("exchange" if known else "debate")
        taking_part = agents_for(known, Agent, least=max(agents, 4 if chosen == "jury" else 2))
        until = Agreement() | MaxTurns(max_turns) | TokenBudget(max_tokens)
        talk = Conversation(taking_part, _protocol(chosen), format=format, until=until)
        result = await talk.run(as_text(question), model=stage.model)
        for used in result.usage_by_agent.values():
            stage.spend(Usage(used.prompt, used.completion, model_calls=used.calls))
        return {
            "answer": result.answer,
            "stop_reason": result.stop_reason,
            "tokens": result.tokens,
            "transcript": result.transcript.render(),
        }

    return converse


def _protocol(name: str) -> Protocol:
    from multiagent import Debate, FeedbackLoop, InfoExchange, Judge, Jury

    made = {"exchange": InfoExchange, "debate": Debate, "feedback": FeedbackLoop, "judge": Judge, "jury": Jury}
    return made[name]()
