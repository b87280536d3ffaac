"""One comparison question of HotpotQA, answered from real passages by a model on this machine.

    python examples/quickstart.py ["another question about the passages"]

`make demo` runs this. The plan appears while the model writes it; searches run side by side; the answer
comes with the passages it rests on.
"""

import sys
from contextlib import aclosing
from pathlib import Path

import anyio
from rich.console import Console

from agentrt.errors import AgentrtError
from agentrt.runtime import Answered, Runtime
from agentrt.serving import ServingError
from agentrt.tools import PassageIndex, passage_search
from agentrt.trace import ProgressBar, TerminalView, show_answer
from planner import PlannerError

PASSAGES = Path(__file__).parent / "data" / "hotpotqa_comparison.json"
QUESTION = "Are King Vidor and Géza von Cziffra both American directors?"


async def main(question: str) -> None:
    console = Console()
    console.print(f"[bold]{question}[/bold]  [dim](HotpotQA, {PASSAGES.name})[/dim]")
    search = passage_search(PassageIndex.from_path(PASSAGES))
    with ProgressBar(console) as bar:
        async with Runtime(tools=[search], progress=bar) as rt, aclosing(rt.stream(question)) as events:
            bar.stop()
            with TerminalView(console) as view:
                async for event in events:
                    view.show(event)
                    if isinstance(event, Answered):
                        answer = event.answer
    show_answer(answer, console)


if __name__ == "__main__":
    try:
        anyio.run(main, " ".join(sys.argv[1:]) or QUESTION)
    except (AgentrtError, PlannerError, ServingError) as error:
        sys.exit(f"error: {error}")
