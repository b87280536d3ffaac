"""What an endpoint can be asked for: schemas, grammars, tools, log-probabilities.

    can = await capabilities_of(model)
    if can.grammar:
        model = model.bind(**can.grammar_options(ebnf))

A server of ours is known. Any other is asked: servers that do not know a member of a request mostly
ignore it in silence, so each question demands an answer no model gives by itself and looks whether it
came. Answers are kept for the life of the model object.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

GrammarDialect = Literal["vllm", "llama.cpp"]
"""How a grammar travels: in vLLM's `structured_outputs`, or as llama.cpp's `grammar`. Both are EBNF with `root ::=`."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an endpoint does when it is asked to.

    Attributes:
        grammar: How a grammar is sent; None where answers cannot be held to one.
        json_schema: Whether answers are held to a JSON schema (`response_format`).
        tools: Whether it writes tool calls in a member of their own.
        logprobs: Whether it tells log-probabilities.
        choices: Whether vLLM's `structured_outputs` with `regex` and `choice` work.
    """

    grammar: GrammarDialect | None = None
    json_schema: bool = False
    tools: bool = False
    logprobs: bool = False
    choices: bool = False

    @property
    def constraint(self) -> Literal["grammar", "json_schema"] | None:
        """The tightest form that answers can be held to."""
        if self.grammar:
            return "grammar"
        return "json_schema" if self.json_schema else None

    def grammar_options(self, ebnf: str) -> dict[str, Any]:
        """Options of `bind`, `ainvoke` or `astream` that hold an answer to a grammar.

        Args:
            ebnf: Rules `name ::= …`, the first one `root`.

        Returns:
            Nothing where the endpoint knows no grammars: the answer is then free.
        """
        match self.grammar:
            case "vllm":
                return {"structured_outputs": {"grammar": ebnf}}
            case "llama.cpp":
                return {"extra_body": {"grammar": ebnf}}
            case None:
                return {}


async def held_to(model: BaseChatModel, ebnf: str) -> dict[str, Any]:
    """The options that hold this model's text to a grammar; none where its endpoint knows no grammars."""
    return (await capabilities_of(model)).grammar_options(ebnf)


OF_VLLM = Capabilities(grammar="vllm", json_schema=True, tools=True, logprobs=True, choices=True)
"""Every vLLM that agentrt starts itself."""

NOTHING = Capabilities()
"""An endpoint of which nothing is known."""


async def capabilities_of(model: BaseChatModel) -> Capabilities:
    """What a chat model's endpoint can do; `NOTHING` for a kind of model that cannot be asked.

    Raises:
        RequestError: The endpoint cannot be reached, or refuses every request.
    """
    from agentrt.serving.chat_model import ChatVLLM

    return await model.capabilities() if isinstance(model, ChatVLLM) else NOTHING
