"""A plan that mixes a knowledge graph with other tools; a model writes one for a question of yours.

    python examples/knowledge_graph.py ["a question about drugs, genes and diseases"]

Without a question the plan below is run, without any model: two look-ups side by side in hetionet-open (built on first
use), then what both found, and a sum.
"""

import sys

import anyio

from agentrt import Runtime, tool
from agentrt.tools import calculator, knowledge_graph
from executor import Executor, Finished
from planner import read_plan

PLAN = """
1. knowledge_graph("Which drugs treat gout?")
2. knowledge_graph("Which drugs treat rheumatoid arthritis?")
3. in_both($1.names, $2.names)
4. calculator("$3.count * 100 / $3.first")
join()
"""


@tool(effect="pure")
def in_both(first: list[str], second: list[str]) -> dict[str, int | list[str]]:
    """The names that stand in two lists.

    Args:
        first: one list.
        second: the other.
    """
    names = [name for name in first if name in second]
    return {"names": names, "count": len(names), "first": len(first)}


async def main(question: str) -> None:
    tools = [knowledge_graph("hetionet-open"), in_both, calculator]
    if question:
        async with Runtime(tools=tools) as rt:
            answer = await rt.ask(question)
        print(answer.text)
        for item in answer.evidence:
            print(f"  {item.title} ({item.source})\n{item.text}")
        return
    plan = read_plan(PLAN, tools).plan
    outcomes = await Executor(tools).run(plan)
    values = {name: outcome.value for name, outcome in outcomes.items() if isinstance(outcome, Finished)}
    print(values["1"].text.splitlines()[0])
    print(f"Drugs against both: {', '.join(values['3']['names'])} ({values['4']:.0f}% of those against gout)")


if __name__ == "__main__":
    anyio.run(main, " ".join(sys.argv[1:]))
