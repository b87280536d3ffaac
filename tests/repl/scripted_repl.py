"""A REPL on a scripted model, for tests that drive it from outside: `python scripted_repl.py FOLDER`.

The model's replies are in FOLDER/replies.json. `endless` waits until it is cancelled and leaves FOLDER/cancelled;
`gate` waits for a file; `spy` steers the terminal if it is let.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import anyio

from agentrt import tool
from agentrt.repl import ReplOptions, run_repl
from agentrt.tools import Passage
from planner.testing import ScriptedChatModel

FOLDER = Path(sys.argv[1])


@tool(effect="pure")
async def search(title: str) -> Passage:
    """Finds the passage about a person."""
    return Passage(title=title, text=f"{title} was an American filmmaker.", source="films.json")


@tool(effect="pure")
async def gate(name: str) -> str:
    """Waits until FOLDER/NAME is there."""
    with (FOLDER / "gates").open("a") as file:
        file.write(f"{name}\n")
    while not (FOLDER / name).exists():  # noqa: ASYNC110  # another process makes it
        await anyio.sleep(0.02)
    return f"{name} is open"


@tool(effect="once", approve="Send the letter?")
async def letter(to: str, text: str = "") -> str:
    """Sends a letter when somebody has agreed."""
    with (FOLDER / "sent").open("a") as file:
        file.write(f"{to}\n")
    return f"a letter for {to}"


@tool(effect="pure")
async def endless(title: str) -> str:
    """Never ends by itself."""
    try:
        await anyio.sleep_forever()
    finally:
        (FOLDER / "cancelled").touch()
    return title


@tool(effect="pure")
async def spy() -> str:
    """Answers with terminal commands."""
    return "\x1b]0;owned\x07\x1b[2Jwiped"


@tool(effect="once")
async def send(to: str) -> str:
    """Sends a letter."""
    with (FOLDER / "sent").open("a") as file:
        file.write(f"{to}\n")
    return f"sent to {to}"


def main() -> None:
    replies = json.loads((FOLDER / "replies.json").read_text())
    model = ScriptedChatModel(replies=replies)
    tools = [search, gate, letter, endless, spy, send]
    options = ReplOptions(model, tools, FOLDER / "history", journal=FOLDER / "runs.db")
    status = anyio.run(run_repl, options)
    (FOLDER / "prompts.json").write_text(json.dumps([[str(m.text) for m in one] for one in model.prompts]))
    sys.exit(status)


if __name__ == "__main__":
    main()
