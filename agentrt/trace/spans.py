"""A run as OpenTelemetry spans, with the names of the semantic conventions for generative AI.

The names are in this module alone: the conventions are still in development, and change.
https://opentelemetry.io/docs/specs/semconv/gen-ai/
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from agentrt.trace.details import cut
from agentrt.trace.recorded import Phase, RunTrace, TaskTrace
from agentrt.trace.secrets import hide_in_text, without_secrets
from executor import plain

INTERNAL, CLIENT = 1, 3
_LONGEST = 4_000
_NANO = 1_000_000_000


class SpanEvent(NamedTuple):
    """Something that happened in a span, at nanoseconds since the epoch."""

    name: str
    time: int
    attributes: Mapping[str, Any]


class Span(NamedTuple):
    """One span. Ids are lower-case hex; times are nanoseconds since the epoch; `error` is empty without one."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: int
    start: int
    end: int
    attributes: Mapping[str, Any]
    error: str = ""
    events: tuple[SpanEvent, ...] = ()
    links: tuple[str, ...] = ()


def run_spans(trace: RunTrace, *, content: bool = False) -> list[Span]:
    """The spans of a run: the run itself, and below it each phase and each task that began.

    A task links to the spans of those it waited for. Ids come from the run's id, so that a run which is
    exported twice is the same trace.

    Args:
        trace: of a run.
        content: also texts, arguments and results, cut and without secrets. The conventions ask that this
            is chosen, as traces often go to others than the run's own data.
    """
    make = _Spans(trace, content)
    root = make.root()
    return [root, *(make.phase(phase) for phase in trace.phases), *make.tasks()]


def otlp_json(found: list[Span]) -> dict[str, Any]:
    """The spans as one OTLP/JSON `ExportTraceServiceRequest`, which collectors read from files and over HTTP."""
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _pairs({"service.name": "agentrt"})},
                "scopeSpans": [{"scope": {"name": "agentrt"}, "spans": [_otlp(span) for span in found]}],
            }
        ]
    }


class _Spans:
    def __init__(self, trace: RunTrace, content: bool) -> None:
        self.trace = trace
        self.content = content
        seed = trace.run_id or json.dumps([trace.question, list(trace.tasks), trace.began], default=str)
        self.seed = hashlib.sha256(seed.encode()).hexdigest()
        self.origin = int((trace.began or 0.0) * _NANO)

    def at(self, seconds: float | None) -> int:
        return self.origin + int((self.trace.wall if seconds is None else seconds) * _NANO)

    def id_of(self, key: str) -> str:
        return hashlib.sha256(f"{self.seed}/{key}".encode()).hexdigest()[:16]

    def text(self, value: object) -> str:
        clean = without_secrets(plain(value))
        return cut(clean if isinstance(clean, str) else json.dumps(clean, ensure_ascii=False, default=str), _LONGEST)

    def root(self) -> Span:
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": "invoke_workflow",
            "gen_ai.agent.name": "agentrt",
            "agentrt.run.id": self.trace.run_id,
            "agentrt.tasks": len(self.trace.tasks),
            "agentrt.replans": self.trace.replans,
            **_usage(self.trace.usage),
        }
        if self.content:
            attributes["gen_ai.input.messages"] = self.text(self.trace.question)
            attributes["gen_ai.output.messages"] = self.text((self.trace.answer or {}).get("answer", ""))
        name = "invoke_workflow agentrt"
        return Span(self.seed[:32], self.id_of("run"), "", name, INTERNAL, self.at(0), self.at(None), attributes)

    def phase(self, phase: Phase) -> Span:
        operation = "plan" if phase.kind == "plan" else "chat"
        attributes: dict[str, Any] = {"gen_ai.operation.name": operation, "agentrt.round": phase.round}
        attributes |= _usage(phase.usage)
        if self.content:
            attributes["gen_ai.output.messages"] = self.text(phase.text)
        events = tuple(
            SpanEvent("agentrt.note", self.at(phase.ended), {"message": cut(hide_in_text(note), _LONGEST)})
            for note in phase.notes
        )
        start, end = self.at(phase.started), self.at(phase.ended)
        name = "plan" if phase.kind == "plan" else "chat joiner"
        parent, kind = self.id_of("run"), INTERNAL if phase.kind == "plan" else CLIENT
        return Span(self.seed[:32], self.id_of(phase.key), parent, name, kind, start, end, attributes, "", events)

    def tasks(self) -> list[Span]:
        return [self.task(one) for one in self.trace.tasks.values() if one.started is not None]

    def task(self, one: TaskTrace) -> Span:
        name = one.task.call
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": name,
            "gen_ai.tool.type": "function",
            "gen_ai.tool.call.id": one.task.id,
            "agentrt.attempts": len(one.retries) + 1,
        }
        if self.content:
            attributes["gen_ai.tool.call.arguments"] = self.text(one.task.to_json()["args"])
            if one.state == "finished":
                attributes["gen_ai.tool.call.result"] = self.text(one.value)
        events = tuple(
            SpanEvent(
                "agentrt.retry",
                self.at(retry.time),
                {"attempt": retry.attempt, "wait": retry.wait, "error": cut(hide_in_text(retry.error), _LONGEST)},
            )
            for retry in one.retries
        )
        links = tuple(self.id_of(f"task {need}") for need in one.needs if need in self.trace.tasks)
        error = cut(hide_in_text(one.note), _LONGEST) if one.state == "failed" else ""
        if error:
            attributes["error.type"] = "_OTHER"  # the events keep the message, not the type
        return Span(
            self.seed[:32],
            self.id_of(f"task {one.task.id}"),
            self.id_of("run"),
            f"execute_tool {name}",
            INTERNAL,
            self.at(one.started),
            self.at(one.ended),
            attributes,
            error,
            events,
            links,
        )


def _usage(usage: Mapping[str, int]) -> dict[str, int]:
    names = {
        "input_tokens": "gen_ai.usage.input_tokens",
        "output_tokens": "gen_ai.usage.output_tokens",
        "cached_tokens": "gen_ai.usage.cache_read.input_tokens",
    }
    return {name: usage[key] for key, name in names.items() if usage.get(key)}


def _otlp(span: Span) -> dict[str, Any]:
    data: dict[str, Any] = {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": str(span.start),
        "endTimeUnixNano": str(span.end),
        "attributes": _pairs(span.attributes),
        "events": [
            {"name": event.name, "timeUnixNano": str(event.time), "attributes": _pairs(event.attributes)}
            for event in span.events
        ],
        "links": [{"traceId": span.trace_id, "spanId": link} for link in span.links],
        "status": {"code": 2, "message": span.error} if span.error else {},
    }
    if span.parent_id:
        data["parentSpanId"] = span.parent_id
    return data


def _pairs(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in attributes.items()]


def _value(value: object) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"stringValue": str(value)}
