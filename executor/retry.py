"""When a failed call is made again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from executor.errors import PlanError

# The error classes that a plan written as data may name: nothing is ever imported by a name out of one.
_BY_NAME: dict[str, type[Exception]] = {
    kind.__name__: kind
    for kind in (ArithmeticError, ConnectionError, Exception, LookupError, OSError, TimeoutError, ValueError)
}


@dataclass(frozen=True, slots=True)
class Retry:
    """When and how often a failed call is made again.

    Attributes:
        attempts: calls in all, the first included.
        wait: seconds before the second call; doubled for each further one, with full jitter.
        longest_wait: upper bound of one wait in seconds.
        on: exception types worth another try. A `ToolTimeout` counts as `TimeoutError`.
    """

    attempts: int = 3
    wait: float = 0.2
    longest_wait: float = 10.0
    on: tuple[type[Exception], ...] = (OSError, TimeoutError)

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.wait < 0 or self.longest_wait < 0:
            raise ValueError(f"{self}: at least one attempt is made, and waits are not negative")

    def to_json(self) -> dict[str, object]:
        """The policy as plain JSON data; error classes by name."""
        names = [kind.__name__ for kind in self.on]
        return {"attempts": self.attempts, "wait": self.wait, "longest_wait": self.longest_wait, "on": names}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Retry:
        """The inverse of `to_json`. An error class that only code knows cannot be named in data.

        Raises:
            PlanError: a field that is not known, or an error class that cannot be named.
        """
        known = {"attempts", "wait", "longest_wait", "on"}
        if unknown := sorted(set(data) - known):
            raise PlanError(f"retry has no {', '.join(unknown)}; it takes {', '.join(sorted(known))}")
        fields = dict(data)
        if "on" in fields:
            names = [str(name) for name in cast("list[object]", fields["on"])]
            if foreign := [name for name in names if name not in _BY_NAME]:
                raise PlanError(f"retry on {', '.join(foreign)}: a plan may name {', '.join(_BY_NAME)}")
            fields["on"] = tuple(_BY_NAME[name] for name in names)
        try:
            return cls(**fields)
        except (TypeError, ValueError) as error:
            raise PlanError(f"retry: {error}") from error
