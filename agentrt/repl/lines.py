"""Where lines come from: an editor on a terminal, or plain text from a pipe or a terminal that can do nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import anyio

from agentrt.errors import UsageError
from agentrt.repl.interrupts import Interrupts

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import Completer
    from prompt_toolkit.key_binding import KeyBindings

_LONGEST_LINE = 1_000_000


class LineSource(Protocol):
    """What a person or a script says next."""

    interactive: bool

    async def read(self, prompt: str, *, default: str = "", commands: bool = False) -> str:
        """One entry, which may have several lines. With `commands`, they are completed and kept in the history.

        Raises:
            EOFError: there is nothing more.
            KeyboardInterrupt: Ctrl-C.
        """
        ...

    def keep(self, typed: str) -> None:
        """Takes what was typed before it was asked for; the next entry begins with it."""
        ...


def line_source(
    interrupts: Interrupts, completer: Completer, history: Path | None, status: Callable[[], str]
) -> LineSource:
    """What suits standard input."""
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if terminal and os.environ.get("TERM", "dumb") != "dumb":
        return Editor(completer, history, status)
    return PlainLines(sys.stdin.fileno(), interrupts, interactive=terminal)


class PlainLines:
    """Lines as they are. One that ends in a backslash goes on in the next."""

    def __init__(self, descriptor: int, interrupts: Interrupts, *, interactive: bool) -> None:
        self.interactive = interactive
        self._descriptor = descriptor
        self._interrupts = interrupts
        self._held = b""
        self._ended = False

    async def read(self, prompt: str, *, default: str = "", commands: bool = False) -> str:
        from agentrt.repl.interrupts import Interrupted

        parts: list[str] = []
        asked = f"{default}\n{prompt}" if default else prompt
        while True:
            if self.interactive:
                sys.stdout.write(asked)
                sys.stdout.flush()
            try:
                with self._interrupts.stoppable():
                    line = await self._line()
            except Interrupted:
                raise KeyboardInterrupt from None
            if not line.endswith("\\"):
                return "\n".join([*parts, line])
            parts.append(line[:-1])
            asked = "... "

    def keep(self, typed: str) -> None:
        self._held += typed.encode()

    async def _line(self) -> str:
        while b"\n" not in self._held and not self._ended:
            # A file is always ready, and cannot be waited for.
            with suppress(PermissionError):
                await anyio.wait_readable(self._descriptor)
            await anyio.lowlevel.checkpoint()
            try:
                piece = os.read(self._descriptor, 65_536)
            except OSError:  # the terminal was closed
                piece = b""
            self._ended = not piece
            self._held += piece
            if len(self._held) > _LONGEST_LINE and b"\n" not in self._held:
                raise UsageError(f"a line of more than {_LONGEST_LINE:,} bytes is no question")
        line, found, self._held = self._held.partition(b"\n")
        if not found and not line:
            raise EOFError
        return line.decode("utf-8", errors="replace").rstrip("\r")


class Editor:
    """prompt-toolkit: history over sessions, completion, several lines (Alt-Enter, or a backslash before Enter)."""

    interactive = True

    def __init__(self, completer: Completer, history: Path | None, status: Callable[[], str]) -> None:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.history import InMemoryHistory

        kept = InMemoryHistory() if history is None else _file_history(history)
        self._completer = completer
        self._status = status
        self._kept = ""
        self._entries: PromptSession[str] = PromptSession(history=kept)
        self._asides: PromptSession[str] = PromptSession(history=InMemoryHistory())

    async def read(self, prompt: str, *, default: str = "", commands: bool = False) -> str:
        session = self._entries if commands else self._asides
        options: dict[str, Any] = {}
        if commands:
            default, self._kept = self._kept + default, ""
            options = {"completer": self._completer, "bottom_toolbar": self._status, "complete_while_typing": False}
        text: str = await session.prompt_async(
            prompt,
            default=default,
            multiline=True,
            prompt_continuation=lambda width, _line, _wraps: "... ".rjust(width),
            key_bindings=_keys(),
            handle_sigint=False,
            reserve_space_for_menu=4 if commands else 0,
            **options,
        )
        return text

    def keep(self, typed: str) -> None:
        self._kept += "".join(key for key in typed.replace("\r", "\n") if key == "\n" or key.isprintable())


def _keys() -> KeyBindings:
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

    keys = KeyBindings()

    def enter(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.complete_state is not None and buffer.complete_state.current_completion is not None:
            buffer.complete_state = None  # Enter takes what is chosen in the menu
        elif buffer.document.text_before_cursor.endswith("\\"):
            buffer.delete_before_cursor()
            buffer.insert_text("\n")
        else:
            buffer.validate_and_handle()

    def new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    keys.add("enter")(enter)
    keys.add("escape", "enter")(new_line)
    return keys


def _file_history(path: Path) -> Any:
    from prompt_toolkit.history import FileHistory, InMemoryHistory

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # What one asks may be private: the file is for its owner alone.
        os.close(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600))
    except OSError as error:
        sys.stderr.write(f"the history is not kept: {path} cannot be written ({error.strerror})\n")
        return InMemoryHistory()
    return FileHistory(str(path))
