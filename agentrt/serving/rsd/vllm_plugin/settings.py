"""What the processes of a server must know: one environment variable with JSON."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from agentrt.serving.rsd.errors import InvalidTree, RSDError
from agentrt.serving.rsd.shape import TreeShape

VARIABLE = "AGENTRT_RSD"

VerifierName = Literal["recursive", "traversal"]

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class PluginSettings:
    """How a server drafts.

    Attributes:
        draft: checkpoint folder of the draft model.
        tree: `rsd-s:3x4` and the like, or `auto`.
        verifier: recursive rejection sampling, or traversal verification.
        support: tokens of the draft's distribution that are kept.
        rows: requests that are drafted for at the same time; more go on undrafted.
        budget: nodes a tree of `auto` may have.
    """

    draft: str
    tree: str = "rsd-s:3x4"
    verifier: VerifierName = "recursive"
    support: int = 64
    rows: int = 16
    budget: int = 16

    def __post_init__(self) -> None:
        if self.verifier not in get_args(VerifierName):
            raise RSDError(f"verifier {self.verifier!r} is unknown: use one of {', '.join(get_args(VerifierName))}")
        if min(self.support, self.rows, self.budget) < 1:
            raise InvalidTree(
                f"support, rows and budget are {self.support}, {self.rows} and {self.budget}: each must be at least 1"
            )
        if self.tree != AUTO:
            TreeShape.parse(self.tree)

    @property
    def nodes(self) -> int:
        """Draft nodes of the largest tree."""
        return self.budget if self.tree == AUTO else TreeShape.parse(self.tree).nodes

    def to_json(self) -> str:
        """The variable's value."""
        return json.dumps(asdict(self))

    @classmethod
    def from_environment(cls) -> PluginSettings:
        """What the server was started with.

        Raises:
            RSDError: the variable is missing or cannot be read.
        """
        text = os.environ.get(VARIABLE)
        if text is None:
            raise RSDError(f"the environment variable {VARIABLE} is not set: start the server as `launch` says")
        try:
            values: dict[str, Any] = json.loads(text)
            return cls(**values)
        except (ValueError, TypeError) as error:
            raise RSDError(f"the environment variable {VARIABLE} cannot be read: {error}") from error
