"""Drafts looked up in what stands there already: how the answer, its prompt or an earlier answer went on after the same
tokens the last time.

Prompt lookup decoding (Saxena 2023) with the newest place in place of the first, the memory of earlier answers of
SuffixDecoding (Oliaro et al. 2024, arXiv 2411.04975), and a length that follows what a draft is worth: a token is
drafted while the chance that it is kept is above what it costs. Both are learnt from the drafts before.

This file knows token ids and nothing of vLLM; `lookup_worker` brings it there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

SETTINGS = "AGENTRT_LOOKUP"
"""The variable in which a server's process finds `LookupDrafter`'s arguments, as JSON."""

_KEYS = 4
"""The longest run of tokens that is found by a key; longer matches are found by looking on from there."""
_LONGEST = 8
"""Matches of this length and more are as good as each other."""
_FADING = 0.98
"""What an outcome counts for, a later one of its kind having been seen."""
_OWN = 3.0
"""How many outcomes of a request's own weigh as much as those of all requests."""
_BREAK = -1
"""Stands between two answers in memory; no token has it."""

Place = Literal["text", "memory"]


class Kind(NamedTuple):
    """What tells how likely a drafted token is to be kept: where it was found, and how many tokens before it agree."""

    place: Place
    agreeing: int


class Match(NamedTuple):
    """A place whose last tokens are the given ones.

    Attributes:
        agreeing: how many, `_LONGEST` at most; 0 for no match.
        at: index of the token that follows.
    """

    agreeing: int
    at: int


class Text:
    """Tokens, and the newest place of every run of up to four of them that something follows."""

    def __init__(self, tokens: Sequence[int] = ()) -> None:
        self.tokens: list[int] = []
        self._after: dict[tuple[int, ...], int] = {}
        self.extend(tokens)

    def extend(self, tokens: Sequence[int]) -> None:
        """Adds tokens at the end."""
        for token in tokens:
            end = len(self.tokens)
            for length in range(1, min(_KEYS, end) + 1):
                self._after[tuple(self.tokens[end - length : end])] = end
            self.tokens.append(token)

    def match(self, last: Sequence[int]) -> Match:
        """The newest place of the longest run at the end of `last`."""
        for length in range(min(_KEYS, len(last)), 0, -1):
            at = self._after.get(tuple(last[-length:]))
            if at is not None:
                while length < min(_LONGEST, len(last), at) and self.tokens[at - length - 1] == last[-length - 1]:
                    length += 1
                return Match(length, at)
        return Match(0, 0)


class Memory:
    """Earlier answers, up to a number of tokens: when the newer half of that is full, the older one is forgotten."""

    def __init__(self, tokens: int) -> None:
        self._half = tokens // 2
        self._older, self._newer = Text(), Text()

    def add(self, answer: Sequence[int]) -> None:
        """Remembers an answer, its first tokens where it is longer than there is room."""
        kept = answer[: self._half]
        if len(self._newer.tokens) + len(kept) >= self._half:
            self._older, self._newer = self._newer, Text()
        self._newer.extend([*kept, _BREAK])

    def match(self, last: Sequence[int]) -> tuple[Match, Text]:
        """The longest match, of equal ones the newer; and the text that it is in."""
        newer, older = self._newer.match(last), self._older.match(last)
        return (older, self._older) if older.agreeing > newer.agreeing else (newer, self._newer)


class Odds:
    """How often drafted tokens of each kind were kept; the newer, the more it counts."""

    def __init__(self, before: tuple[float, float] = (1.5, 3.0)) -> None:
        self._before = before
        self._seen: dict[Kind, tuple[float, float]] = {}

    def of(self, kind: Kind) -> float:
        """The chance that a token of this kind is kept."""
        kept, drafted = self._seen.get(kind, self._before)
        return kept / drafted

    def beside(self, kind: Kind, general: float, weight: float) -> float:
        """That chance where few were seen: as if `weight` more of them had gone as they do in general."""
        kept, drafted = self._seen.get(kind, (0.0, 0.0))
        return (kept + weight * general) / (drafted + weight)

    def learn(self, kind: Kind, *, was_kept: bool) -> None:
        """Counts an outcome."""
        kept, drafted = self._seen.get(kind, self._before)
        self._seen[kind] = (_FADING * kept + was_kept, _FADING * drafted + 1)


@dataclass(slots=True)
class _Request:
    text: Text
    prompt: int
    drafted: list[int] = field(default_factory=list[int])
    kinds: list[Kind] = field(default_factory=list[Kind])
    odds: Odds = field(default_factory=lambda: Odds((0.0, 0.0)))


class LookupDrafter:
    """Drafts for the requests of one server.

    Args:
        longest: tokens of a draft at most.
        remembered: tokens of earlier answers that are kept.
        cost: what one more token costs in a pass of the model, as a share of what a pass costs at least. With `n`
            requests at once a token that is kept saves `1 / n` of a pass and its own cost, so one is drafted while its
            chance is above `cost / (cost + 1 / n)`: the fuller the server, the surer a draft must be.
    """

    def __init__(self, *, longest: int, remembered: int, cost: float) -> None:
        self.longest = longest
        self.cost = cost
        self._memory = Memory(remembered)
        self._odds = Odds()
        self._requests: dict[str, _Request] = {}

    def draft(
        self,
        name: str,
        said: Sequence[int],
        length: int,
        whole: Callable[[], Sequence[int]],
        *,
        at_once: int,
        room: int,
    ) -> list[int]:
        """How a request may go on.

        Args:
            name: of the request; the same in every call.
            said: its tokens since the last call, at least one: those of the last draft that were kept, and one more.
            length: tokens of prompt and answer, `said` included.
            whole: gives all of them; called for a request that is new, or was begun again.
            at_once: requests that are drafted for in this pass.
            room: tokens that may follow.
        """
        request = self._requests.get(name)
        if request is None or len(request.text.tokens) + len(said) != length:
            tokens = whole()
            prompt = length - len(said) if request is None else request.prompt
            request = self._requests[name] = _Request(Text(tokens), prompt)
        else:
            self._learn(request, said)
            request.text.extend(said)
        request.drafted, request.kinds = self._look_up(request, self.cost / (self.cost + 1 / at_once), room)
        return request.drafted

    def keep_only(self, names: Collection[str]) -> None:
        """Requests with other names are over: their answers go to memory."""
        for name in [name for name in self._requests if name not in names]:
            over = self._requests.pop(name)
            self._memory.add(over.text.tokens[over.prompt :])

    def _look_up(self, request: _Request, least: float, room: int) -> tuple[list[int], list[Kind]]:
        last = request.text.tokens[-_LONGEST:]
        match, source = request.text.match(last), request.text
        place: Place = "text"
        remembered, memory = self._memory.match(last)
        if remembered.agreeing > match.agreeing:
            match, source, place = remembered, memory, "memory"
        drafted: list[int] = []
        kinds: list[Kind] = []
        if not match.agreeing:
            return drafted, kinds
        chance = 1.0
        for token in source.tokens[match.at : match.at + min(self.longest, room)]:
            kind = Kind(place, min(_LONGEST, match.agreeing + len(drafted)))
            chance *= request.odds.beside(kind, self._odds.of(kind), _OWN)
            if token == _BREAK or chance < least:
                break
            drafted.append(token)
            kinds.append(kind)
        return drafted, kinds

    def _learn(self, request: _Request, said: Sequence[int]) -> None:
        kept = 0
        while kept < min(len(request.drafted), len(said)) and request.drafted[kept] == said[kept]:
            kept += 1
        # Behind the first token that was not kept nothing was tried.
        for at, kind in enumerate(request.kinds[: kept + 1]):
            for odds in (self._odds, request.odds):
                odds.learn(kind, was_kept=at < kept)
