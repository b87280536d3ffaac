"""Tools of your own: typed functions, with what repeating a call would do.

python examples/custom_tool.py
"""

import anyio

from agentrt import Retry, Runtime, tool

RAINFALL = {"Bergen": 2_250, "Cairo": 18, "Lima": 16, "Vienna": 670}


@tool(effect="pure", timeout=10, retry=Retry(attempts=3))
async def rainfall(city: str) -> int:
    """How much rain falls in a city in one year, in millimetres.

    Args:
        city: its English name.
    """
    return RAINFALL[city]


async def main() -> None:
    async with Runtime(tools=[rainfall]) as rt:
        answer = await rt.ask("Does it rain more in Bergen or in Vienna, and by how much?")
    print(answer.text)
    for item in answer.evidence:
        print(f"  task {item.task}, {item.title}: {item.text}")


if __name__ == "__main__":
    anyio.run(main)
