"""Two agents, each with half of the facts, answer a question together; one watches them write.

    python examples/conversation.py [MODEL]

MODEL is a name from `agentrt model list`, a folder, or the URL of a server. The messages are compact; at the end
they are put into words.
"""

import sys

import anyio

from agentrt.runtime import DEFAULT_MODEL
from agentrt.serving import ServingError, open_model
from multiagent import (
    FORMATS,
    Agent,
    Agreement,
    Conversation,
    InfoExchange,
    MaxTurns,
    MultiagentError,
    Piece,
    Stopped,
    TokenBudget,
    TurnFinished,
    TurnStarted,
    gloss,
)

QUESTION = "Which door can Mara open?"
CONVERSATION = Conversation(
    agents=[
        Agent("alice", context=["Mara holds key 6.", "Abel holds key 7."], sampling={"temperature": 0.0}),
        Agent(
            "bob", context=["Key 6 opens the black door.", "Key 7 opens the grey door."], sampling={"temperature": 0.0}
        ),
    ],
    protocol=InfoExchange(),
    format="compact",
    until=Agreement() | MaxTurns(6) | TokenBudget(400),
)


async def main(name: str) -> None:
    async with open_model(name) as model, CONVERSATION.stream(QUESTION, model=model) as events:
        async for event in events:
            match event:
                case TurnStarted(speaker):
                    print(f"{speaker}: ", end="", flush=True)
                case Piece(text=text):
                    print(text, end="", flush=True)
                case TurnFinished():
                    print()
                case Stopped(result):
                    print(f"\n{gloss(result.transcript, FORMATS['compact'])}\n")
                    print(f"{result.answer} ({result.stop_reason}, {result.tokens} tokens)")


if __name__ == "__main__":
    try:
        anyio.run(main, sys.argv[1] if len(sys.argv) > 1 else DEFAULT_MODEL)
    except (MultiagentError, ServingError) as error:
        sys.exit(f"error: {error}")
