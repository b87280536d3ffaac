"""Tools that the workflows beside this file call."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypedDict

from agentrt import tool

HERE = Path(__file__).parent


class Note(TypedDict):
    """A text file."""

    title: str
    text: str


class Rate(TypedDict):
    """How many dollars a unit of a currency is worth, and who says so."""

    currency: str
    dollars: float
    source: str


@tool(effect="pure")
def list_notes() -> list[str]:
    """The names of all notes."""
    return sorted(path.name for path in (HERE / "notes").glob("*.txt"))


@tool(effect="pure")
def read_note(name: str) -> Note:
    """Reads one note.

    Args:
        name: as `list_notes` gives it.
    """
    path = HERE / "notes" / Path(name).name
    return {"title": path.stem, "text": path.read_text(encoding="utf-8").strip()}


@tool(effect="pure")
def word_count(text: str) -> int:
    """How many words a text has."""
    return len(text.split())


@tool(effect="idempotent")
def live_rate(currency: str) -> Rate:
    """Asks the exchange. It is down unless EXCHANGE_IS_UP is set."""
    if not os.environ.get("EXCHANGE_IS_UP"):
        raise ConnectionError("the exchange does not answer")
    return {"currency": currency, "dollars": 1.1, "source": "exchange"}


@tool(effect="pure")
def stored_rate(currency: str) -> Rate:
    """Yesterday's rate."""
    return {"currency": currency, "dollars": 1.08, "source": "yesterday"}


@tool(effect="once")
def send(to: str, text: str) -> str:
    """Sends a message: here, a line in the file that OUTBOX names.

    Args:
        to: who gets it.
        text: what it says.
    """
    outbox = Path(os.environ.get("OUTBOX", "outbox.txt"))
    with outbox.open("a", encoding="utf-8") as file:
        file.write(f"{to}: {text}\n")
    return f"sent to {to}"


@tool(effect="idempotent")
def archive(name: str) -> str:
    """Archives a note: here, a line in the file that ARCHIVE names. Doing it again does no harm.

    Args:
        name: of the note.
    """
    if os.environ.get("CRASH_AT") == name:
        os._exit(70)  # as a power cut would
    with Path(os.environ.get("ARCHIVE", "archive.txt")).open("a", encoding="utf-8") as file:
        file.write(f"{name}\n")
    return f"{name} is archived"
