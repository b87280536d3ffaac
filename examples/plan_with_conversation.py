"""A conversation as a task of a plan: two look-ups run side by side, then two agents talk about what was found.

    python examples/plan_with_conversation.py [MODEL]

Each agent sees one of the two texts. The same tool can stand in `Runtime(tools=[…])`, where the model writes the plan.
"""

import sys

import anyio

from agentrt import Task, tool
from agentrt.runtime import DEFAULT_MODEL
from agentrt.serving import open_model
from agentrt.tools.conversation import conversation
from executor import Executor, Ref

SHELVES = {"people": "Mara holds key 6. Abel holds key 7.", "doors": "Key 6 opens the black door. Key 7 the grey one."}


@tool(effect="pure")
async def shelf(name: str) -> str:
    """Reads what lies on a shelf.

    Args:
        name: people or doors.
    """
    return SHELVES[name]


PLAN = [
    Task("1", "shelf", {"name": "people"}),
    Task("2", "shelf", {"name": "doors"}),
    Task("3", "converse", {"question": "Which door can Mara open?", "contexts": [Ref("1"), Ref("2")]}),
]


async def main(name: str) -> None:
    async with open_model(name, temperature=0.0) as model:
        outcomes = await Executor([shelf, conversation(model)]).run(PLAN)
    for task in PLAN:
        print(f"{task.id} {task.call}: {outcomes[task.id]}")


if __name__ == "__main__":
    anyio.run(main, sys.argv[1] if len(sys.argv) > 1 else DEFAULT_MODEL)
