"""The shape of a draft tree: which sampler grows it, and how many nodes each level holds."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Literal, get_args

from agentrt.serving.rsd.errors import InvalidTree

Kind = Literal["chain", "iid", "kseq", "rsd-c", "rsd-s"]

MAX_NODES = 512
"""Bound on the nodes of one tree: past it the mask alone costs more than it can win."""


@dataclass(frozen=True, slots=True)
class TreeShape:
    """How a tree is grown.

    Attributes:
        kind: `chain` (one sequence), `iid` (sequences drawn with replacement, SpecInfer), `kseq` (the same draws,
            verified by K-SEQ), `rsd-c` (Gumbel-Top-k children at each node), `rsd-s` (stochastic beam search).
        branching: for `rsd-c` the children of each node at level 1, 2, …; for every other kind the nodes of the
            level, the same number throughout.
    """

    kind: Kind
    branching: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise InvalidTree(f"tree kind {self.kind!r} is unknown: use one of {', '.join(get_args(Kind))}")
        if not self.branching or min(self.branching) < 1:
            raise InvalidTree(f"tree {self.kind} has branching {self.branching}: every level needs at least one node")
        if self.kind == "chain" and max(self.branching) > 1:
            raise InvalidTree(f"a chain has one node a level, not {self.branching}")
        if self.kind != "rsd-c" and len(set(self.branching)) > 1:
            raise InvalidTree(f"tree {self.kind} needs one width for all levels, not {self.branching}")
        # The depth comes first: the widths of a long `rsd-c` vector are a product that could grow without end.
        if self.depth > MAX_NODES or self.nodes > MAX_NODES:
            raise InvalidTree(f"tree {self} has more than {MAX_NODES} nodes: make it narrower or shallower")

    @classmethod
    def chain(cls, depth: int) -> TreeShape:
        """One sequence of `depth` tokens (Leviathan et al. 2023, arXiv 2211.17192)."""
        return cls("chain", (1,) * depth)

    @classmethod
    def iid(cls, width: int, depth: int) -> TreeShape:
        """`width` sequences drawn independently (SpecInfer, Miao et al. 2023, arXiv 2305.09781)."""
        return cls("iid", (width,) * depth)

    @classmethod
    def kseq(cls, width: int, depth: int) -> TreeShape:
        """The draws of `iid`, verified by K-SEQ (SpecTr, Sun et al. 2023, arXiv 2310.15141)."""
        return cls("kseq", (width,) * depth)

    @classmethod
    def rsd_c(cls, *branching: int) -> TreeShape:
        """Constant branching: each node at level l has `branching[l]` children (Jeon et al. 2024, section 3.2.1)."""
        return cls("rsd-c", branching)

    @classmethod
    def rsd_s(cls, width: int, depth: int) -> TreeShape:
        """Stochastic beam search of `width` sequences (Jeon et al. 2024, section 3.2.2)."""
        return cls("rsd-s", (width,) * depth)

    @classmethod
    def parse(cls, text: str) -> TreeShape:
        """Read `chain:4`, `iid:3x4`, `kseq:3x4`, `rsd-s:3x4` (width x depth) or `rsd-c:3-1-1-1`.

        Raises:
            InvalidTree: the text is none of these.
        """
        kind, _, rest = text.strip().partition(":")
        try:
            if kind == "rsd-c":
                return cls.rsd_c(*(_number(part) for part in rest.split("-")))
            if kind == "chain":
                return cls.chain(_number(rest))
            if kind in ("iid", "kseq", "rsd-s"):
                width, depth = rest.split("x")
                return cls(kind, (_number(width),) * _number(depth))
        except ValueError:
            pass
        raise InvalidTree(
            f"cannot read the tree {text!r}: write chain:4, iid:3x4, kseq:3x4, rsd-s:3x4 or rsd-c:3-1-1-1"
        )

    @property
    def depth(self) -> int:
        """Levels below the root."""
        return len(self.branching)

    @property
    def widths(self) -> tuple[int, ...]:
        """Nodes of level 1, 2, …"""
        if self.kind != "rsd-c":
            return self.branching
        return tuple(itertools.accumulate(self.branching, lambda width, k: min(width * k, MAX_NODES + 1)))

    @property
    def nodes(self) -> int:
        """Draft nodes of the whole tree, the root not counted."""
        return sum(self.widths)

    def cut(self, depth: int) -> TreeShape:
        """The same tree with at most `depth` (>= 1) levels."""
        return TreeShape(self.kind, self.branching[:depth])

    def __str__(self) -> str:
        if self.kind == "rsd-c":
            return "rsd-c:" + "-".join(map(str, self.branching))
        if self.kind == "chain":
            return f"chain:{self.depth}"
        return f"{self.kind}:{self.branching[0]}x{self.depth}"


def _number(text: str) -> int:
    # `int` alone would take "+3", " 3", "1_0" and digits of other scripts; four digits are past every bound.
    if not (text.isascii() and text.isdigit() and len(text) <= 4) or int(text) > MAX_NODES:
        raise ValueError(text)
    return int(text)
