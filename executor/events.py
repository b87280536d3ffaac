"""What happens while a plan runs. One stream of these is all that any reader (terminal, trace, journal) needs.

Events are tuples because thousands a second are made. Times are seconds on the run's monotonic clock.
"""

from __future__ import annotations

from typing import NamedTuple

from executor.plan import Task
from executor.refs import plain


class TaskAdded(NamedTuple):
    """A task joined the plan."""

    time: float
    task: Task


class TaskStarted(NamedTuple):
    """A task's call begins; its inputs exist and any limit has let it through."""

    time: float
    id: str


class TaskRetried(NamedTuple):
    """An attempt failed and another will follow after `wait` seconds."""

    time: float
    id: str
    attempt: int
    wait: float
    error: str


class TaskFinished(NamedTuple):
    """A task has its value."""

    time: float
    id: str
    value: object


class TaskFailed(NamedTuple):
    """A task ended without a value. `type` names the class of the tool's exception."""

    time: float
    id: str
    error: str
    type: str = ""


class TaskSkipped(NamedTuple):
    """A task will not run because `because`, which it needs, has no value or the run is ending."""

    time: float
    id: str
    because: str


class TaskCached(NamedTuple):
    """A task's result was known already, from an equal call: `source` says where it was found."""

    time: float
    id: str
    source: str


class ApprovalAsked(NamedTuple):
    """A call waits for a person.

    Attributes:
        why: `approve`, `tainted` or `unknown`; see `executor.approval.Why`.
        question: what the person is asked.
        tool: what would be called.
        arguments: with what, shortened.
        origins: chains of task ids from untrusted results to this task, such as `1 > 3`.
        digest: of the whole arguments.
    """

    time: float
    id: str
    why: str
    question: str
    tool: str
    arguments: str
    origins: tuple[str, ...] = ()
    digest: str = ""


class ApprovalGiven(NamedTuple):
    """A person answered `yes`, `no` or `value`, for arguments with this digest."""

    time: float
    id: str
    answer: str
    note: str = ""
    value: object = None
    digest: str = ""


TaskEvent = (
    TaskAdded
    | TaskStarted
    | TaskRetried
    | TaskFinished
    | TaskFailed
    | TaskSkipped
    | TaskCached
    | ApprovalAsked
    | ApprovalGiven
)


def to_json(event: NamedTuple) -> dict[str, object]:
    """An event as plain JSON data, its kind under `event`."""
    data: dict[str, object] = {"event": type(event).__name__}
    for name, value in event._asdict().items():
        data[name] = value.to_json() if isinstance(value, Task) else plain(value)
    return data
