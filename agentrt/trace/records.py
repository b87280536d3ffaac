"""Events as JSON: written while a run goes on, read back when somebody wants to see it.

A file of events has one JSON object a line, as `executor.to_json` makes it; a JSON list of them, or an object
with such a list under `events`, is read too. A first record `Run` may carry what no event says: the run's id,
its question, and the time of day at which its clock stood at `time`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO, cast

from agentrt.trace.errors import TraceError
from executor import to_json

if TYPE_CHECKING:
    from agentrt.answer import Answer

Record = Mapping[str, Any]
"""One event as JSON data; its kind under `event`, seconds on the run's clock under `time`."""

_EXAMPLE = "a file of events has lines such as {'event': 'TaskStarted', 'time': 1.5, 'id': '1'}"


def record(event: NamedTuple) -> dict[str, Any]:
    """An event of `Runtime.stream` or of an executor as JSON data."""
    if type(event).__name__ == "Answered":
        answered = cast("Any", event)
        answer: Answer = answered.answer
        return {"event": "Answered", "time": answered.time, "answer": answer.to_json()}
    if type(event).__name__ == "WorkflowEnded":
        ended = cast("Any", event)
        return {"event": "WorkflowEnded", "time": ended.time, "result": ended.result.to_json()}
    return to_json(event)


class EventWriter:
    """Writes events to a text file, one JSON object a line, each flushed so that a crash loses none.

    Args:
        file: where to.
        question: what the run is about.
        run_id: its id, where it has one already.
    """

    def __init__(self, file: TextIO, *, question: str = "", run_id: str = "") -> None:
        self._file = file
        self.write_record(
            {"event": "Run", "time": time.monotonic(), "at": time.time(), "question": question, "run_id": run_id}
        )

    def write(self, event: NamedTuple) -> None:
        """Appends one event."""
        self.write_record(record(event))

    def write_record(self, data: Record) -> None:
        """Appends one event that is JSON data already; what JSON cannot say becomes its text."""
        self._file.write(json.dumps(data, ensure_ascii=False, default=str) + "\n")
        self._file.flush()


def read_records(path: Path) -> list[Record]:
    """The events in a file.

    A last line that was cut off by a crash is left out.

    Raises:
        TraceError: the file cannot be read, or is no file of events; with path and line.
    """
    try:
        with path.open(encoding="utf-8") as file:
            return list(records_in(file, str(path)))
    except UnicodeDecodeError as error:
        raise TraceError(f"{path} is not text ({error.reason} at byte {error.start}); {_EXAMPLE}") from error
    except OSError as error:
        raise TraceError(f"{path} cannot be read: {error.strerror or error}") from error


def records_in(file: TextIO, name: str) -> Iterator[Record]:
    """The events in an open text file that messages call `name`. Raises TraceError as `read_records` does."""
    text = file.read()
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise TraceError(f"{name} is empty; {_EXAMPLE}")
    first, last = lines[0][0], lines[-1][0]
    for number, line in lines:
        try:
            data: object = json.loads(line)
        except (ValueError, RecursionError) as error:
            if first < number == last:
                return  # what a crash leaves of the last line
            if number == first:
                yield from _whole(text, name, TraceError(f"{name}:{number}: {_not_json(error)}; {_EXAMPLE}"))
                return
            raise TraceError(f"{name}:{number}: {_not_json(error)}; {_EXAMPLE}") from error
        if number == first and not (isinstance(data, dict) and "event" in data):
            yield from _whole(text, name, TraceError(f"{name}:{number}: this is no event; {_EXAMPLE}"))
            return
        yield _checked(cast(object, data), f"{name}:{number}")


def _not_json(error: Exception) -> str:
    return "this line is nested too deeply" if isinstance(error, RecursionError) else f"this line is not JSON ({error})"


def _whole(text: str, name: str, otherwise: TraceError) -> Iterator[Record]:
    """The events of a document that is one JSON value; what is no JSON at all is told of by `otherwise`."""
    try:
        data: object = json.loads(text)
    except (ValueError, RecursionError):
        raise otherwise from None
    if isinstance(data, dict):
        data = cast("dict[str, object]", data).get("events")
    if not isinstance(data, list):
        raise TraceError(f"{name} is JSON, but no list of events; {_EXAMPLE}")
    for number, item in enumerate(cast("list[object]", data)):
        yield _checked(item, f"{name}: events[{number}]")


def _checked(data: object, where: str) -> Record:
    if not isinstance(data, dict):
        raise TraceError(f"{where}: an event is a JSON object, not {type(data).__name__}; {_EXAMPLE}")
    event = cast("dict[str, Any]", data)
    clock = event.get("time")
    if not isinstance(event.get("event"), str) or isinstance(clock, bool) or not isinstance(clock, int | float):
        raise TraceError(f"{where}: an event has its kind under 'event' and seconds under 'time'; {_EXAMPLE}")
    return event
