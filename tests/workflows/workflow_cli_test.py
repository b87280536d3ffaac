"""`agentrt run` and `agentrt workflow` as their user runs them."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from agentrt.workflows import Workflow
from agentrt.workflows.draw import mermaid, svg

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "workflows"
TOOLS = str(EXAMPLES / "tools.py")


def agentrt(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from agentrt.cli.main import main; main()", *arguments],
        cwd=cwd,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "NO_COLOR": "1",
            "COLUMNS": "200",
            "AGENTRT_HOME": str(cwd / "home"),
            **env,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_workflow_runs_and_its_output_is_all_of_stdout(tmp_path: Path) -> None:
    done = agentrt("run", str(EXAMPLES / "nested.yaml"), "--tools", TOOLS, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["profiles"][0] == {"title": "ferry", "words": 40}
    assert "profiles[0]/note" in done.stderr


def test_json_has_results_and_failures_and_the_code_says_whether_there_were_any(tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_text(
        "agentrt: 1\nname: w\ntasks:\n  r: {call: live_rate, with: {currency: EUR}}\n  n: {call: list_notes}\n"
    )
    done = agentrt("run", "w.yaml", "--tools", TOOLS, "--json", "--events", "e.jsonl", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    assert told["ok"] is False
    assert "does not answer" in told["failures"]["r"]
    assert told["output"]["n"] == ["ferry.txt", "harbour.txt", "weather.txt"]
    assert told["results"]["n"]["state"] == "finished"
    last = json.loads((tmp_path / "e.jsonl").read_text().splitlines()[-1])
    assert last["event"] == "WorkflowEnded"
    assert agentrt("trace", "e.jsonl", cwd=tmp_path).returncode == 0


def test_inputs_come_from_options_and_files(tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_text(
        "agentrt: 1\nname: w\ninputs: {n: integer, l: array, t: string}\ntasks:\n"
        "  a: {call: word_count, with: {text: '${inputs.n} ${inputs.l[0]} ${inputs.t}'}}\n"
    )
    (tmp_path / "in.yaml").write_text("n: 1\nl: [x, y]\nt: no\n")
    (tmp_path / "in.json").write_text('{"n": 2, "l": ["z"], "t": "yes"}')
    args = ("run", "w.yaml", "--tools", TOOLS, "--dry-run")
    one = agentrt(*args, "--inputs", "in.yaml", "-i", "n=7", cwd=tmp_path)
    assert json.loads(one.stdout)[0]["args"] == {"text": "7 x no"}
    two = agentrt(*args, "--inputs", "in.json", "-i", 'l=["q"]', cwd=tmp_path)
    assert json.loads(two.stdout)[0]["args"] == {"text": "2 q yes"}


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["run", "missing.yaml"], 1, "missing.yaml:1:1: the file cannot be read"),
        (["run", "w.yaml", "-i", "n=x"], 2, "'x' is not integer written as JSON"),
        (["run", "w.yaml", "-i", "n"], 2, "write it NAME=VALUE"),
        (["run", "w.yaml"], 2, "input 'n' is missing"),
        (["run", "w.yaml", "-i", "n=1", "-i", "m=2"], 2, "there is no input 'm'; there are: n"),
        (["run", "w.yaml", "--inputs", "missing.json"], 2, "missing.json cannot be read"),
        (["run", "w.yaml", "--inputs", "w.yaml"], 2, "there is no input 'agentrt'"),
        (["run", "w.yaml", "-i", "n=1", "--tools", "missing.py"], 1, "there is no such file"),
        (["workflow", "check", "bad.yaml"], 1, "bad.yaml:4:7: step a does not say what it does"),
        (["workflow", "draw", "bad.yaml"], 1, "bad.yaml:4:7"),
        (["workflow", "draw", "w.yaml", "--out", "no/such/folder.svg"], 2, "cannot be written"),
        (["run", "binary.yaml"], 1, "binary.yaml:1:1: byte 0x89 is not UTF-8 text"),
        (["run", "w.yaml", "-i", "n=1", "--graph", "nowhere"], 1, "nowhere"),
    ],
)
def test_what_goes_wrong_is_one_message_and_an_exit_code(
    arguments: list[str], code: int, says: str, tmp_path: Path
) -> None:
    (tmp_path / "w.yaml").write_text(
        "agentrt: 1\nname: w\ninputs: {n: integer}\ntasks:\n"
        "  a: {call: calculator, with: {expression: '${inputs.n} + 1'}}\n"
    )
    (tmp_path / "bad.yaml").write_text("agentrt: 1\nname: w\ntasks:\n  a: {aks: x}\n")
    (tmp_path / "binary.yaml").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    done = agentrt(*arguments, cwd=tmp_path)
    assert says in done.stderr
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout


ASKS = """agentrt: 1
name: asks
tasks:
  n: {call: list_notes}
  s: {call: send, approve: 'Send it?', with: {to: ann, text: hello}}
"""


def test_where_nobody_can_be_asked_a_call_is_refused_or_allowed_or_waits(tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_text(ASKS)
    run = ("run", "w.yaml", "--tools", TOOLS)
    refused = agentrt(*run, cwd=tmp_path, OUTBOX=str(tmp_path / "out"))
    assert refused.returncode == 1
    assert "with --yes, or with --journal FILE to answer later" in refused.stderr
    assert not (tmp_path / "out").exists()
    parked = agentrt(*run, "--journal", "my runs.db", cwd=tmp_path, OUTBOX=str(tmp_path / "out"))
    assert parked.returncode == 3
    assert not parked.stdout
    approve, resume = (line for line in parked.stderr.split("`") if line.startswith("agentrt "))
    for line in (approve, resume):  # as they are printed
        done = agentrt(*shlex.split(line)[1:], cwd=tmp_path, OUTBOX=str(tmp_path / "out"))
        assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["n"] == ["ferry.txt", "harbour.txt", "weather.txt"]
    assert (tmp_path / "out").read_text().count("hello") == 1
    allowed = agentrt(*run, "--yes", cwd=tmp_path, OUTBOX=str(tmp_path / "out"))
    assert allowed.returncode == 0, allowed.stderr
    assert (tmp_path / "out").read_text().count("hello") == 2


def test_what_is_printed_for_an_event_is_one_line_and_says_why_a_step_was_left_out(tmp_path: Path) -> None:
    (tmp_path / "w.yaml").write_text(
        'agentrt: 1\nname: w\ntasks:\n  a: {call: word_count, with: {text: "one\\ntwo\\nthree"}}\n'
        "  b: {call: word_count, when: '${a} > 3', with: {text: x}}\n  c: {call: word_count, with: {text: 'is ${b}'}}\n"
    )
    done = agentrt("run", "w.yaml", "--tools", TOOLS, "--events", "e.jsonl", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert '  plan    a. word_count(text="one two three")' in lines
    assert "  skipped b. its condition does not hold" in lines
    assert "  skipped c. needs task b, which has no value" in lines
    assert "its condition does not hold" in agentrt("trace", "e.jsonl", cwd=tmp_path).stdout


def test_watch_draws_off_a_terminal_too(tmp_path: Path) -> None:
    run = ("run", str(EXAMPLES / "nested.yaml"), "--tools", TOOLS)
    drawn = agentrt(*run, "--watch", cwd=tmp_path)
    assert "✓" in drawn.stderr and "\x1b[?25h" in drawn.stderr
    json.loads(drawn.stdout)
    printed = agentrt(*run, "--no-watch", cwd=tmp_path)
    assert "  done    " in printed.stderr and "\x1b" not in printed.stderr


def test_check_tells_problems_as_json(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("agentrt: 1\nname: w\ntasks:\n  a: {aks: x}\n  b: {ask: '${c}'}\n")
    done = agentrt("workflow", "check", "bad.yaml", "--json", cwd=tmp_path)
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert [(one["line"], one["column"]) for one in told["problems"]] == [(4, 7), (5, 13)]
    assert told["problems"][1]["hint"] == "there are: a, b"


@pytest.mark.parametrize("file", sorted(path.name for path in EXAMPLES.glob("*.yaml")))
def test_a_workflow_can_be_drawn(file: str) -> None:
    workflow = Workflow.load(EXAMPLES / file)
    text = mermaid(workflow)
    assert text.startswith("flowchart TD\n")
    assert all(f"t{number}" in text for number in range(len(workflow.steps)))
    root = ElementTree.fromstring(svg(workflow))
    named = {title.text or "" for title in root.iter("{http://www.w3.org/2000/svg}title")}
    assert workflow.name in named
    assert all(any(title.startswith(f"{name}: ") for title in named) for name in workflow.steps)


def test_what_a_file_says_cannot_break_out_of_its_picture() -> None:
    step = {"ask": '"]; click t0 "javascript:alert(1)" <script>alert(1)</script> & ${inputs.x}'}
    workflow = Workflow.from_data(
        {"agentrt": 1, "name": "</title><script>", "inputs": {"x": "string"}, "tasks": {"a": step}}
    )
    assert "<script>" not in svg(workflow)
    assert "javascript:" not in "".join(mermaid(workflow).split('"')[::2])
    assert mermaid(workflow).count('"') == 2
