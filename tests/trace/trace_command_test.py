"""`agentrt trace` as its user runs it, and what other programs get from it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import anyio
import pytest
from traced_runs import CANARY, answered_run

from agentrt.trace import otlp_json, run_mermaid, run_page, run_spans, run_trace
from agentrt.trace.secrets import without_secrets
from executor.journal import REDACTED

ROOT = Path(__file__).parents[2]


def agentrt(*arguments: str, cwd: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from agentrt.cli.main import main; main()", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "100"},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def events() -> list[dict[str, Any]]:
    return anyio.run(answered_run)


@pytest.fixture
def folder(tmp_path: Path, events: list[dict[str, Any]]) -> Path:
    (tmp_path / "run.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    return tmp_path


def test_the_terminal_shows_every_step_and_the_figures(folder: Path) -> None:
    done = agentrt("trace", "run.jsonl", cwd=folder)
    assert done.returncode == 0, done.stderr
    for line in ("Same nationality?", "✓↻ 3. weather(city=Rome)", "✗  4. broken", "–  5. search", "Both are American."):
        assert line in done.stdout
    assert "6 tasks · 1 replan · 2 retries" in done.stdout
    assert all(len(line) <= 100 for line in done.stdout.splitlines()[:-1])
    assert CANARY not in done.stdout


def test_standard_input_is_a_run_too(folder: Path) -> None:
    done = agentrt("trace", "-", "--json", cwd=folder, stdin=(folder / "run.jsonl").read_text())
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert data["replans"] == 1
    assert data["critical_path"][-1]["key"] == "join 2"
    assert {task["id"]: task["state"] for task in data["tasks"]}["4"] == "failed"
    assert CANARY not in done.stdout


def test_a_page_is_written_and_says_where(folder: Path) -> None:
    done = agentrt("trace", "run.jsonl", "--html", "page.html", cwd=folder)
    assert (done.returncode, done.stdout) == (0, "")
    assert "wrote page.html" in done.stderr
    text = (folder / "page.html").read_text("utf-8")
    assert text.startswith("<!doctype html>")
    assert "http://" not in text and "https://" not in text


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["trace", "none.jsonl"], 2, "none.jsonl"),
        (["trace", "bad.jsonl"], 1, "bad.jsonl:1: this line is not JSON"),
        (["trace", "run.jsonl", "--html", "no/such/folder.html"], 2, "cannot be written"),
        (["trace", "run.jsonl", "--otel-to", "http://127.0.0.1:9"], 2, "127.0.0.1:9/v1/traces did not take"),
        (["trace", "run.jsonl", "--otel-to", "localhost"], 2, "no collector's address"),
    ],
)
def test_what_goes_wrong_is_one_paragraph(arguments: list[str], code: int, said: str, folder: Path) -> None:
    (folder / "bad.jsonl").write_text("nonsense\n")
    done = agentrt(*arguments, cwd=folder)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_mermaid_colours_states_and_marks_the_critical_path(events: list[dict[str, Any]]) -> None:
    text = run_mermaid(run_trace(events))
    assert text.startswith("flowchart TD\n")
    assert "class t3 failed" in text and "class t4 skipped" in text and "class t0,t1,t2,t5 finished" in text
    chain = [
        {"event": "TaskAdded", "time": 0, "task": {"id": "1", "call": "step"}},
        {"event": "TaskAdded", "time": 0, "task": {"id": "2", "call": "step", "after": ["1"]}},
        {"event": "TaskStarted", "time": 0, "id": "1"},
        {"event": "TaskFinished", "time": 1, "id": "1", "value": 1},
        {"event": "TaskStarted", "time": 1, "id": "2"},
        {"event": "TaskFinished", "time": 2, "id": "2", "value": 1},
    ]
    assert "linkStyle 0 stroke" in run_mermaid(run_trace(chain))


def test_spans_are_a_tree_with_links_along_the_data_and_the_conventions_names(events: list[dict[str, Any]]) -> None:
    spans = run_spans(run_trace(events))
    root, *others = spans
    assert root.attributes["gen_ai.operation.name"] == "invoke_workflow"
    assert {span.parent_id for span in others} == {root.span_id}
    assert {span.trace_id for span in spans} == {root.trace_id}
    assert len({span.span_id for span in spans}) == len(spans)
    assert all(root.start <= span.start <= span.end <= root.end for span in others)
    by_name = {span.attributes.get("gen_ai.tool.call.id"): span for span in spans}
    assert by_name["7"].links == (by_name["2"].span_id,)
    assert [event.name for event in by_name["3"].events] == ["agentrt.retry", "agentrt.retry"]
    assert "no luck" in by_name["4"].error
    assert by_name["4"].name == "execute_tool broken"
    assert "5" not in by_name, "a task that never ran has no span"
    kinds = [span.attributes["gen_ai.operation.name"] for span in spans]
    assert (kinds.count("plan"), kinds.count("chat"), kinds.count("execute_tool")) == (2, 2, 5)
    assert run_spans(run_trace(events)) == spans, "the same run is the same trace"


def test_spans_carry_texts_only_when_asked_and_never_secrets(events: list[dict[str, Any]]) -> None:
    trace = run_trace(events)
    assert "Ed Wood" not in json.dumps(otlp_json(run_spans(trace)))
    told = json.dumps(otlp_json(run_spans(trace, content=True)))
    assert "Ed Wood" in told
    assert CANARY not in told


def test_a_collector_receives_the_spans(folder: Path) -> None:
    received: list[tuple[str, Any]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.path, json.loads(body)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        done = agentrt("trace", "run.jsonl", "--otel-to", f"http://127.0.0.1:{server.server_port}", cwd=folder)
        thread.join(30)
    assert done.returncode == 0, done.stderr
    ((path, data),) = received
    assert path == "/v1/traces"
    assert len(data["resourceSpans"][0]["scopeSpans"][0]["spans"]) == 10


def test_otlp_json_is_what_opentelemetrys_own_reader_takes(events: list[dict[str, Any]]) -> None:
    proto = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")
    json_format = pytest.importorskip("google.protobuf.json_format")
    # Protobuf's JSON has bytes in base64, OTLP's has trace and span ids in hex: the one difference.
    data = json.loads(json.dumps(otlp_json(run_spans(run_trace(events), content=True))))
    for span in data["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        for holder in (span, *span["links"]):
            for name in ("traceId", "spanId", "parentSpanId"):
                if name in holder:
                    assert len(bytes.fromhex(holder.pop(name))) == (16 if name == "traceId" else 8)
    read = json_format.ParseDict(data, proto.ExportTraceServiceRequest())
    assert len(read.resource_spans[0].scope_spans[0].spans) == 10


@pytest.mark.parametrize(
    ("value", "clean"),
    [
        ({"api_key": "abc", "x-api-key": "abc", "Authorization": "abc", "title": "abc"}, 3),
        ({"db_password": "abc", "client_secret": "abc", "access_token": "abc", "tokens": 5, "keyboard": "abc"}, 3),
    ],
)
def test_fields_named_like_a_secret_are_hidden(value: dict[str, object], clean: int) -> None:
    found = without_secrets(value)
    assert isinstance(found, dict)
    assert list(found.values()).count(REDACTED) == clean


@pytest.mark.parametrize(
    "text",
    [
        f"use {CANARY} here",
        "Authorization: Bearer abcdef0123456789",
        "postgres://user:hunter22@db/x",
        "-----BEGIN RSA PRIVATE KEY-----\nhunter22\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_texts_that_look_like_a_secret_are_hidden(text: str) -> None:
    found = str(without_secrets(["deep", {"in": text}]))
    assert REDACTED in found
    assert not any(part in found for part in (CANARY, "abcdef0123456789", "hunter22"))


def test_a_page_is_bounded_however_large_the_values_are(events: list[dict[str, Any]]) -> None:
    grown = [
        {**event, "value": {"text": "x" * 20_000_000}} if event["event"] == "TaskFinished" else event
        for event in events
    ]
    text = run_page(run_trace(grown))
    assert len(text) < 500_000
    assert "more characters" in text
