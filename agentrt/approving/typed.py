"""A line that is typed key by key while something else is drawn, and the terminal modes for that."""

from __future__ import annotations

import codecs
import os
import select
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress

_LONGEST = 10_000
_ERASE = "\x7f\x08"
_ERASE_WORD = "\x17"
_ERASE_LINE = "\x15"
_END = "\x04"
_ENTER = "\r\n"


class TypedLine:
    """What has been typed of a line: characters, and the keys that take some back (Backspace, Ctrl-W, Ctrl-U).

    Attributes:
        text: so far.
        ended: whether Ctrl-D was pressed on an empty line.
    """

    def __init__(self) -> None:
        self.text = ""
        self.ended = False
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._escape = ""

    def feed(self, keys: bytes) -> Iterator[str]:
        """Takes what was typed; each line that was entered, as Enter comes by."""
        for key in self._decoder.decode(keys):
            if self._in_escape(key):
                continue
            if key in _ENTER:
                line, self.text = self.text, ""
                yield line
            elif key in _ERASE:
                self.text = self.text[:-1]
            elif key == _ERASE_WORD:
                self.text = self.text.rstrip().rpartition(" ")[0]
            elif key == _ERASE_LINE:
                self.text = ""
            elif key == _END:
                self.ended = self.ended or not self.text
            elif key.isprintable() and len(self.text) < _LONGEST:
                self.text += key

    def _in_escape(self, key: str) -> bool:
        """Whether `key` belongs to an arrow or another key that means nothing here."""
        if key == "\x1b":
            self._escape = key
            return True
        if not self._escape:
            return False
        self._escape += key
        if not (self._escape in ("\x1b[", "\x1bO") or (self._escape.startswith("\x1b[") and key in "0123456789;?")):
            self._escape = ""
        return True


@contextmanager
def typing(descriptor: int, *, lines: bool) -> Generator[bytes]:
    """Lets a person type: key by key and unseen, or in `lines` that the terminal itself shows.

    Gives what had been typed before, which was not meant for what is asked now.
    """
    import termios

    before = termios.tcgetattr(descriptor)
    keys = termios.tcgetattr(descriptor)
    keys[3] &= ~(termios.ECHO | termios.ICANON)
    keys[6][termios.VMIN], keys[6][termios.VTIME] = 1, 0
    shown = termios.tcgetattr(descriptor)
    shown[3] |= termios.ECHO | termios.ICANON
    try:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, keys)
        early = _drained(descriptor)
        if lines:
            termios.tcsetattr(descriptor, termios.TCSADRAIN, shown)
        yield early
    finally:
        with suppress(termios.error, OSError):
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _drained(descriptor: int) -> bytes:
    found = b""
    while len(found) < _LONGEST and select.select([descriptor], [], [], 0)[0]:
        try:
            piece = os.read(descriptor, 1_024)
        except OSError:
            break
        if not piece:
            break
        found += piece
    return found
