"""Text from tokens while they arrive: whole characters only, and nothing that a stop string may still take back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Decoder(Protocol):
    """The part of a tokenizer that turns token ids into text."""

    def decode(self, token_ids: list[int], *, skip_special_tokens: bool) -> str: ...


class TextStream:
    """Text of one request.

    Args:
        decoder: the tokenizer; None keeps no text (stop strings are then never seen).
        stop: strings that end the text.
    """

    def __init__(self, decoder: Decoder | None, stop: Sequence[str]) -> None:
        self._decoder = decoder
        self._stop = tuple(stop)
        self._hold = max((len(s) for s in stop), default=1) - 1
        self._tokens: list[int] = []
        self._read = 0
        self._text = ""
        self._given = 0
        self.stopped = False

    def push(self, token: int) -> None:
        """Take one token; sets `stopped` when it completes a stop string."""
        if self._decoder is None or self.stopped:
            return
        self._tokens.append(token)
        # The token before the new ones is decoded along, because many tokenizers write a word's space by context.
        start = max(self._read - 1, 0)
        before = self._decode(self._tokens[start : self._read])
        now = self._decode(self._tokens[start:])
        # A replacement character at the end is the first half of one that the next token completes.
        if now.endswith("\N{REPLACEMENT CHARACTER}") and len(self._tokens) - self._read < 8:
            return
        self._read = len(self._tokens)
        search = max(len(self._text) - self._hold, 0)
        self._text += now[len(before) :]
        ends = [at for s in self._stop if (at := self._text.find(s, search)) >= 0]
        if ends:
            self._text = self._text[: min(ends)]
            self.stopped = True

    def take(self, *, final: bool = False) -> str:
        """New text that is safe to show; with `final`, all that is left."""
        if final and not self.stopped and self._read < len(self._tokens):
            start = max(self._read - 1, 0)
            before = self._decode(self._tokens[start : self._read])
            self._text += self._decode(self._tokens[start:])[len(before) :]
            self._read = len(self._tokens)
        end = len(self._text) if final or self.stopped else max(len(self._text) - self._hold, self._given)
        new, self._given = self._text[self._given : end], max(end, self._given)
        return new

    def _decode(self, tokens: list[int]) -> str:
        assert self._decoder is not None
        return self._decoder.decode(tokens, skip_special_tokens=True) if tokens else ""
