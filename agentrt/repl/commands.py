"""Commands as data: names, what they take, what they do. Parsing and completing them is pure."""

from __future__ import annotations

import shlex
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentrt.errors import UsageError

if TYPE_CHECKING:
    from agentrt.repl.session import Session

Words = Callable[["Session", list[str]], Iterable[str]]
"""What the last word of a command could be, given the words before it."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Attributes:
        name: without its slash.
        usage: what follows the name.
        help: one sentence.
        run: does it; the text after the name is its argument.
        words: completes its arguments.
        paths: whether its last word may be a file.
        more: further sentences, for `/help NAME`.
    """

    name: str
    usage: str
    help: str
    run: Callable[[Session, str], Awaitable[None]]
    words: Words | None = None
    paths: bool = False
    more: str = ""


class Commands:
    """All commands, by name."""

    def __init__(self, commands: Iterable[Command]) -> None:
        self._commands = {command.name: command for command in commands}

    def __iter__(self) -> Iterator[Command]:
        return iter(self._commands.values())

    def find(self, name: str) -> Command:
        """The command called `name`, or the only one that begins so. Raises UsageError with the nearest."""
        if name in self._commands:
            return self._commands[name]
        begins = [known for known in self._commands if name and known.startswith(name)]
        if len(begins) == 1:
            return self._commands[begins[0]]
        near = begins or get_close_matches(name, self._commands, n=1, cutoff=0.5)
        hint = f"did you mean {' or '.join('/' + one for one in near)}?" if near else "/help lists all of them"
        raise UsageError(f"there is no command /{name}; {hint}")

    def complete(self, session: Session, line: str) -> list[str]:
        """What the last word of `line` could be, in alphabetical order."""
        head, _, _ = line.partition(" ")
        if not line.startswith("/"):
            return []
        if " " not in line:
            return sorted("/" + name for name in self._commands if ("/" + name).startswith(line))
        try:
            command = self.find(head[1:])
        except UsageError:
            return []
        before = line[len(head) :].split(" ")
        last = before.pop()
        found = command.words(session, [word for word in before if word]) if command.words else ()
        matching = [word for word in found if word.startswith(last)]
        return sorted(matching) + (_paths(last) if command.paths else [])


def split(text: str) -> list[str]:
    """The words of a command's argument; quotes hold words together. Raises UsageError for one left open."""
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"{text!r} cannot be read: {str(error).lower()}") from error


def _paths(start: str) -> list[str]:
    folder = Path(start).expanduser() if start.endswith("/") else Path(start).expanduser().parent
    begun = "" if start.endswith("/") else Path(start).name
    shown = start[: len(start) - len(begun)]
    try:
        inside = sorted(folder.iterdir())[:500]
    except OSError:
        return []
    return [
        f"{shown}{one.name}{'/' if one.is_dir() else ''}"
        for one in inside
        if one.name.startswith(begun) and (begun.startswith(".") or not one.name.startswith("."))
    ]


def completer(commands: Commands, session: Session) -> Any:
    """The commands as prompt-toolkit completes them."""
    from prompt_toolkit.completion import CompleteEvent, Completer, Completion
    from prompt_toolkit.document import Document

    class FromCommands(Completer):
        def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
            line = document.text_before_cursor
            last = line.rpartition(" ")[2]
            for word in commands.complete(session, line):
                yield Completion(word, start_position=-len(last))

    return FromCommands()
