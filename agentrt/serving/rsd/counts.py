"""What an engine has done, depth by depth."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Counts:
    """Target passes, tokens, and acceptance by depth.

    Attributes:
        calls: target passes a request took part in, prompts not counted.
        tokens: tokens those passes gave.
        accepted: accepted draft tokens at depth 1, 2, …
        offered: how often the path had reached the depth above, so that this depth was on trial.
    """

    calls: int = 0
    tokens: int = 0
    accepted: list[int] = field(default_factory=list[int])
    offered: list[int] = field(default_factory=list[int])

    @property
    def tokens_per_call(self) -> float:
        """Tokens per target pass; 1 without drafts."""
        return self.tokens / self.calls if self.calls else 0.0

    def add(self, depth: int, accepted: int, tokens: int) -> None:
        """Count one request's round: a tree of `depth` levels, `accepted` of them, `tokens` kept."""
        self.calls += 1
        self.tokens += tokens
        short = depth - len(self.offered)
        self.accepted += [0] * short
        self.offered += [0] * short
        for level in range(min(accepted + 1, depth)):
            self.offered[level] += 1
            self.accepted[level] += level < accepted
