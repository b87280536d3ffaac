"""A tiny server that speaks the chat completions protocol, as a program of its own.

What it does with a request is said by the last message:
    "die"        two words, then the process is gone
    "forever"    words until the client hangs up, which `GET /hung-up` then counts
    "too long"   400, as vLLM says it
    "busy"       429, with the word to come back in seven seconds
    "later"      429 with the word to come back in a second, once for each server, then an answer
    "half"       two words, then the connection closes without an end
    "torn"       two words, then half an event
    "split"      an event that comes in two pieces, then an answer
    "stall"      two words, then nothing until the client hangs up
    "flood"      32 MiB of words, as fast as they are read; `GET /sent` has the bytes so far
    "overloaded" 503, once for each server, then an answer
    "crash"      gone before a word, once for each folder in FAKE_CRASHED
    "call"       a tool call, in pieces
    "silence"    no answer until the client hangs up
    "request"    the request itself, as JSON
    anything     three words, a finish reason, the usage
Faults at the start are asked for by environment: FAKE_EXIT, FAKE_PORT_TAKEN_ONCE (a folder).
So is what it can do: FAKE_CAN names kinds of requests it obeys (grammar, gbnf, choice, schema, tools, logprobs);
it ignores the others in silence, or refuses schemas with FAKE_NO_SCHEMA.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any

hung_up = threading.Semaphore(0)
overloaded = threading.Semaphore(1)
later = threading.Semaphore(1)
sent = 0
FLOOD = 32 * 2**20
METRICS = """\
# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="fake"} 2.0
vllm:prompt_tokens_total{engine="0",model_name="fake"} 100.0
vllm:generation_tokens_total{engine="0",model_name="fake"} 40.0
vllm:generation_tokens_total{engine="1",model_name="fake"} 20.0
vllm:prefix_cache_queries_total{engine="0",model_name="fake"} 100.0
vllm:prefix_cache_hits_total{engine="0",model_name="fake"} 75.0
vllm:spec_decode_num_draft_tokens_total{engine="0",model_name="fake"} 50.0
vllm:spec_decode_num_accepted_tokens_total{engine="0",model_name="fake"} 30.0
vllm:time_to_first_token_seconds_sum{engine="0",model_name="fake"} 1.5
vllm:time_to_first_token_seconds_count{engine="0",model_name="fake"} 3.0
process_open_fds 12
"""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        if not self._authorised():
            return
        if self.path == "/hung-up":
            self._json(200, {"hung_up": hung_up.acquire(timeout=10)})
        elif self.path == "/sent":
            self._json(200, {"sent": sent})
        elif self.path == "/metrics":
            self._text(METRICS)
        elif self.path == "/v1/models":
            self._json(200, {"object": "list", "data": [{"id": "fake", "object": "model", "owned_by": "fake"}]})
        else:
            self._json(404, {"detail": "Not Found"})

    def do_POST(self) -> None:
        body: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._authorised():
            return
        if body["model"] != "fake":
            self._error(404, f"The model `{body['model']}` does not exist.", "NotFoundError")
            return
        if "response_format" in body and "FAKE_NO_SCHEMA" in os.environ:
            self._error(400, "response_format is not supported", "BadRequest")
            return
        what = body["messages"][-1]["content"]
        match what:
            case "too long":
                self._error(400, "This model's maximum context length is 8 tokens. You asked for 9.", "BadRequest")
            case "busy":
                self._error(429, "slow down", "RateLimit", retry_after=7)
            case "later" if later.acquire(blocking=False):
                self._error(429, "slow down", "RateLimit", retry_after=1)
            case "overloaded" if overloaded.acquire(blocking=False):
                self._error(503, "no capacity", "Overloaded")
            case "crash" if (crashed := Path(os.environ["FAKE_CRASHED"], "crashed")).parent and not crashed.exists():
                crashed.touch()
                print("RuntimeError: the engine fell over", flush=True)
                os._exit(9)
            case "silence":
                self.connection.recv(1)
            case _ if body.get("stream"):
                self._stream(what, body)
            case _:
                answer = _completion(json.dumps(body) if what == "request" else f"echo: {what}")
                self._json(200, _obeyed(answer, body, os.environ.get("FAKE_CAN", "").split()))

    def _stream(self, what: str, body: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self._event(_delta("one "))
        self._event(_delta("two "))
        if what == "die":
            print("RuntimeError: the engine is out of memory", flush=True)
            os._exit(7)
        if what == "torn":
            self.close_connection = True
            self._chunk(b'data: {"id": "1", "choices": [{"ind\n\n')
            self.wfile.write(b"0\r\n\r\n")
            return
        if what == "split":
            whole = f"data: {json.dumps(_delta('and a half '))}\n\n".encode()
            self._chunk(whole[:40])
            time.sleep(0.05)
            self._chunk(whole[40:])
        if what == "stall":
            self.close_connection = True
            self.connection.recv(1)
            return
        if what == "call":
            for piece in _CALL_PIECES:
                self._event(piece)
            self._event(_delta("", finish="tool_calls"))
            self._chunk(b"data: [DONE]\n\n")
            self.wfile.write(b"0\r\n\r\n")
            return
        if what == "half":
            self.close_connection = True
            self.wfile.write(b"0\r\n\r\n")
            return
        try:
            while what == "forever":
                self._event(_delta("more "))
                time.sleep(0.01)
            while what == "flood" and sent < FLOOD:
                self._event(_delta("x" * 4096))
        except OSError:
            hung_up.release()
            self.close_connection = True
            return
        self._event(_delta("three"))
        self._event(_delta("", finish="stop"))
        if body.get("stream_options", {}).get("include_usage"):
            self._event({**_delta(""), "choices": [], "usage": _USAGE})
        self._chunk(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def _event(self, event: dict[str, Any]) -> None:
        self._chunk(f"data: {json.dumps(event)}\n\n".encode())

    def _chunk(self, data: bytes) -> None:
        global sent
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()
        sent += len(data)

    def _authorised(self) -> bool:
        key = os.environ.get("VLLM_API_KEY")
        if key is None or self.headers.get("Authorization") == f"Bearer {key}":
            return True
        self._error(401, "Unauthorized", "AuthenticationError")
        return False

    def _error(self, status: int, message: str, kind: str, retry_after: int | None = None) -> None:
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        self._json(status, {"error": {"message": message, "type": kind, "code": status}}, headers)

    def _text(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def _json(self, status: int, value: dict[str, Any], headers: Mapping[str, str] = MappingProxyType({})) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        for name, said in headers.items():
            self.send_header(name, said)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


_USAGE = {
    "prompt_tokens": 5,
    "completion_tokens": 3,
    "total_tokens": 8,
    "prompt_tokens_details": {"cached_tokens": 4},
}


def _delta(text: str, finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "fake", "choices": [choice]}


def _call_delta(**call: Any) -> dict[str, Any]:
    event = _delta("")
    event["choices"][0]["delta"] = {"tool_calls": [call]}
    return event


_CALL_PIECES = (
    _call_delta(index=0, id="c0", type="function", function={"name": "add", "arguments": ""}),
    _call_delta(index=0, function={"arguments": '{"a": 1, '}),
    _call_delta(index=0, function={"arguments": '"b": 2}'}),
    _call_delta(index=1, id="c1", type="function", function={"name": "add", "arguments": '{"a": 3, "b": 4}'}),
)


def _completion(text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return {
        "id": "1", "object": "chat.completion", "created": 1, "model": "fake", "choices": [choice], "usage": _USAGE,
    }  # fmt: skip


def _obeyed(answer: dict[str, Any], body: dict[str, Any], can: list[str]) -> dict[str, Any]:
    """`answer` under the constraints of the request that the server knows: each allows one answer only."""
    choice = answer["choices"][0]
    message = choice["message"]
    constraint = body.get("structured_outputs", {})
    if "grammar" in can and "grammar" in constraint:
        message["content"] = constraint["grammar"].split('"')[1]
    if "gbnf" in can and "grammar" in body:
        message["content"] = body["grammar"].split('"')[1]
    if "choice" in can and "choice" in constraint:
        message["content"] = constraint["choice"][0]
    if "schema" in can and "response_format" in body:
        rules = body["response_format"]["json_schema"]["schema"]["properties"]
        message["content"] = json.dumps({name: rule["enum"][0] for name, rule in rules.items()})
    if "tools" in can and "tools" in body:
        function = {"name": body["tools"][0]["function"]["name"], "arguments": "{}"}
        message["tool_calls"] = [{"id": "1", "type": "function", "function": function}]
    if "logprobs" in can and body.get("logprobs"):
        choice["logprobs"] = {"content": [{"token": "e", "logprob": 0.0, "top_logprobs": []}]}
    return answer


class QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    if "FAKE_EXIT" in os.environ:
        print("(EngineCore pid=1) ERROR 11-24 00:00:00 [core.py:1] ValueError: the weights are not weights")
        sys.exit(int(os.environ["FAKE_EXIT"]))
    once = os.environ.get("FAKE_PORT_TAKEN_ONCE")
    if once:
        starts = Path(once) / "starts"
        first = not starts.exists()
        with starts.open("a") as file:
            file.write(f"{port}\n")
        if first:
            sys.exit("OSError: [Errno 98] Address already in use")
    # A grandchild, because the real server has some too and none may be left behind.
    if "FAKE_GRANDCHILD" in os.environ and os.fork() == 0:
        Path(os.environ["FAKE_GRANDCHILD"]).write_text(str(os.getpid()))
        while True:
            time.sleep(60)
    QuietServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main()
