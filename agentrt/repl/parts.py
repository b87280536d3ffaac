"""`/kg` and `/talk`: the knowledge graph and conversations between agents, from the prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentrt.errors import UsageError
from agentrt.repl.screen import quiet_typing
from agentrt.repl.session import Session

if TYPE_CHECKING:
    from kg_rag import KnowledgeGraphRAG


async def graph(session: Session, text: str) -> None:
    """`/kg NAME` makes a graph a tool; `/kg NAME QUESTION` shows what it has on a question."""
    from anyio import to_thread

    from agentrt.tools.knowledge_graph import knowledge_graph

    name, _, question = text.strip().partition(" ")
    if not name:
        raise UsageError("write /kg GRAPH to let plans use a graph, or /kg GRAPH QUESTION to look into it")
    pipeline = await to_thread.run_sync(_open, name)
    if question.strip():
        found = await to_thread.run_sync(pipeline.find, question)
        session.say(found.context.text or "The graph has nothing on this.")
        return
    session.add_tools([knowledge_graph(pipeline)])
    held = pipeline.graph.info
    session.say(f"plans can now call knowledge_graph: {held.name}, {held.nodes:,} nodes, {held.edges:,} edges")


def _open(name: str) -> KnowledgeGraphRAG:
    from agentrt.cli.kg_show import opened
    from kg_rag import KnowledgeGraphRAG

    return KnowledgeGraphRAG(opened(name))


def graph_names(_: Session, before: list[str]) -> list[str]:
    """Completes `/kg`."""
    from agentrt.serving.home import home

    folder = home() / "graphs"
    return [] if before or not folder.is_dir() else [one.name for one in folder.iterdir() if one.is_dir()]


async def talk(session: Session, question: str) -> None:
    """`/talk`: two agents debate a question; their turns are shown as they are spoken."""
    from agentrt.tools.conversation import agents_for
    from agentrt.trace import ProgressBar
    from agentrt.trace.timeline import printable
    from multiagent import (
        Agent,
        Agreement,
        Conversation,
        Debate,
        MaxTurns,
        Piece,
        Stopped,
        TokenBudget,
        TurnFinished,
        TurnStarted,
    )

    if not question.strip():
        raise UsageError("say what they shall talk about: /talk QUESTION")
    until = Agreement() | MaxTurns(10) | TokenBudget(800)
    setup = Conversation(agents_for([], Agent), Debate(), format="plain", until=until)
    console = session.console
    with quiet_typing():
        with ProgressBar() as bar:
            model = await session.model.get(bar)
        async with setup.stream(question, model=model) as events:
            async for event in events:
                match event:
                    case TurnStarted(speaker=name):
                        console.print(f"{name}: ", style="bold", end="", markup=False, highlight=False)
                    case Piece(text=said):
                        console.print(
                            printable(said), end="", markup=False, highlight=False, soft_wrap=True, style="dim"
                        )
                    case TurnFinished():
                        console.print()
                    case Stopped(result=result):
                        session.say(result.answer or "They found no answer.", "bold")
                        session.say(f"{result.stop_reason}, {result.tokens} tokens", "dim")
