"""A run as one HTML file that needs nothing else: no network, no other file, no server.

What tools returned is a stranger's text: it is escaped in the markup, kept as data in a JSON block, put on
the page by `textContent` alone, and a content security policy lets nothing run but the page's own script.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from agentrt.trace.critical import Step, critical_path
from agentrt.trace.details import acceptance, arguments_line, cut, details, seconds, tokens
from agentrt.trace.recorded import Phase, RunTrace, TaskTrace
from agentrt.trace.secrets import hide_in_text
from agentrt.trace.svg import MARKS, axis, bar, graph

_ASSETS = Path(__file__).parent / "assets"
_LONGEST_TEXT = 4_000
_MOST_EVIDENCE = 50
# More pieces of it would push the graph out of sight.
_FEW = 3
# What of a piece of evidence is shown, and how much of it.
_EVIDENCE = (("task", 200), ("title", 200), ("text", 600))


def run_page(trace: RunTrace) -> str:
    """The whole HTML document of a run.

    Long values are cut, all of them together to a few megabytes, and secrets are hidden; the trace itself
    is left as it is.
    """
    path = critical_path(trace)
    critical = {step.key for step in path}
    style = (_ASSETS / "page.css").read_text("utf-8")
    script = (_ASSETS / "page.js").read_text("utf-8")
    policy = f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; base-uri 'none'"
    title = _text(trace.question or f"Run {trace.run_id or f'of {len(trace.tasks):,} tasks'}", 300)
    order = [*trace.tasks, *(phase.key for phase in trace.phases)]
    data = json.dumps({"order": order, "details": details(trace, path)}, ensure_ascii=False, default=str)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="agentrt">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<a class="skip" href="#steps">Skip to the steps</a>
<header>
<h1>{title}</h1>
<button id="theme" type="button">Theme: as the system</button>
</header>
<main>
{_summary(trace, path)}
{_answer(trace)}
<section aria-labelledby="graph-title">
<div class="head"><h2 id="graph-title">Graph</h2>
<div class="tools" role="group" aria-label="Size of the graph">\
<button id="smaller" type="button" aria-label="Smaller">−</button>\
<button id="larger" type="button" aria-label="Larger">+</button><button id="fit" type="button">Fit</button>\
<button id="full" type="button">1:1</button></div></div>
<div id="canvas" tabindex="-1">{graph(trace, path)}</div>
<p class="legend">{_legend()}</p>
</section>
<div class="columns">
{_steps(trace, critical)}
<aside id="detail" aria-labelledby="detail-title">
<h2 id="detail-title" tabindex="-1">No step chosen</h2>
<div id="detail-body"><p>Choose a step in the graph or the table to see its arguments and its result.</p></div>
</aside>
</div>
</main>
<p id="told" class="unseen" role="status"></p>
<script type="application/json" id="data">{_inside_script(data)}</script>
<script>{script}</script>
</body>
</html>
"""


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _inside_script(data: str) -> str:
    # In a script block only `</` and `<!--` mean anything; without `<` neither can be written.
    return data.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _text(text: str, limit: int = _LONGEST_TEXT) -> str:
    return escape(cut(hide_in_text(text), limit))


def _summary(trace: RunTrace, path: list[Step]) -> str:
    states = {state: sum(task.state == state for task in trace.tasks.values()) for state in MARKS}
    retries = sum(len(task.retries) for task in trace.tasks.values())
    facts = [
        ("Tasks", ", ".join(f"{count:,} {state}" for state, count in states.items() if count) or "none"),
        ("Took", seconds(trace.wall)),
        ("One by one", seconds(trace.one_by_one)),
        ("Critical path", f"{len(path)} steps, {seconds(sum(step.seconds for step in path))}"),
    ]
    if trace.replans:
        facts.append(("Replans", str(trace.replans)))
    if trace.resumed:
        facts.append(("Resumed", f"{trace.resumed} time{'s' * (trace.resumed != 1)}, after a crash or a wait"))
    if asked := sum("Asked a person" in task.marks for task in trace.tasks.values()):
        facts.append(("Approvals", str(asked)))
    if tainted := sum("Rests on untrusted results" in task.marks for task in trace.tasks.values()):
        facts.append(("Tainted", f"{tainted} call{'s' * (tainted != 1)}"))
    if retries:
        facts.append(("Retries", f"{retries:,}"))
    if said := tokens(trace.usage):
        facts.append(("Model tokens", said))
    if said := acceptance(trace.usage):
        facts.append(("Speculation", said))
    if trace.run_id:
        facts.append(("Run", trace.run_id))
    items = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts)
    return f'<dl class="summary" aria-label="Summary">{items}</dl>'


def _answer(trace: RunTrace) -> str:
    if trace.answer is None:
        return ""
    ending = str(trace.answer.get("ending", "answered"))
    text = _text(str(trace.answer.get("answer", "")))
    parts = [f'<section aria-labelledby="answer-title"><h2 id="answer-title">Answer</h2><p class="answer">{text}</p>']
    if ending != "answered":
        parts.append(f'<p class="early">The search ended early ({escape(ending)}): this is the best it could say.</p>')
    evidence: list[dict[str, Any]] = trace.answer.get("evidence") or []
    if evidence:
        few = " open" if len(evidence) <= _FEW else ""
        parts.append(f'<details{few}><summary>Evidence ({len(evidence):,})</summary><ol class="evidence">')
        for item in evidence[:_MOST_EVIDENCE]:
            task, title, said = (_text(str(item.get(name, "")), limit) for name, limit in _EVIDENCE)
            source = f' <span class="source">{_text(str(item["source"]), 300)}</span>' if item.get("source") else ""
            link = f'<button type="button" class="link" data-key="{task}">{title}</button>'
            parts.append(f"<li>{link}{source}<blockquote>{said}</blockquote></li>")
        parts.append("</ol></details>")
    return "".join([*parts, "</section>"])


def _legend() -> str:
    states = "".join(f'<span class="key {state}">{mark} {state}</span>' for state, mark in MARKS.items())
    return (
        f'{states}<span class="key">↻ retried</span><span class="key crit">critical path</span>'
        '<span class="key">dashed: order, or a value inside a text</span>'
    )


def _steps(trace: RunTrace, critical: set[str]) -> str:
    rows = "".join(_row(step, number, trace.wall, critical) for number, step in _in_order(trace))
    options = "".join(f'<option value="{state}">{state}</option>' for state in (*MARKS, "retried", "critical"))
    return f"""<section aria-labelledby="steps-title">
<div class="head"><h2 id="steps-title">Steps over time</h2>
<div class="tools"><label>Filter <input id="filter" type="search" placeholder="tool, id or argument"></label>
<label>State <select id="state"><option value="">all</option>{options}</select></label></div></div>
<table id="steps"><thead><tr><th scope="col">Step</th><th scope="col">Arguments</th><th scope="col">State</th>\
<th scope="col" class="num">Took</th>\
<th scope="col" class="time"><span class="unseen">When</span>{axis(trace.wall)}</th></tr></thead>
<tbody>{rows}</tbody></table></section>"""


def _in_order(trace: RunTrace) -> Iterator[tuple[int, TaskTrace | Phase]]:
    """Every step with its number (tasks first), by when it began; what never began comes where it was planned."""
    steps: list[TaskTrace | Phase] = [*trace.tasks.values(), *trace.phases]

    def began(pair: tuple[int, TaskTrace | Phase]) -> float:
        step = pair[1]
        return step.added if isinstance(step, TaskTrace) and step.started is None else step.started or 0.0

    return iter(sorted(enumerate(steps), key=began))


def _row(step: TaskTrace | Phase, number: int, wall: float, critical: set[str]) -> str:
    if isinstance(step, TaskTrace):
        key, name, arguments = step.task.id, f"{step.task.id}. {step.task.call}", arguments_line(step, 160)
        state, took = step.state, seconds(step.seconds) if step.ended is not None else ""
        mark = MARKS[state] + ("↻" if step.retries else "")
        kind = f"{state}{' retried' if step.retries else ''}"
    else:
        key, name = step.key, f"plan {step.round + 1}" if step.kind == "plan" else f"answer {step.round + 1}"
        arguments = "the model writes the plan" if step.kind == "plan" else "the model reads the results"
        state, took = "finished" if step.ended is not None else "running", seconds(step.seconds) if step.ended else ""
        mark, kind = "✎", f"{step.kind} model {state}"
    marked = " critical" if key in critical else ""
    button = f'<button type="button" tabindex="-1">{_text(name, 80)}</button>'
    spoken = '<span class="unseen"> on the critical path</span>' if marked else ""
    return (
        f'<tr class="{kind}{marked}" data-i="{number}"><th scope="row">{button}</th>'
        f'<td class="args">{_text(arguments, 200)}</td><td class="state">{mark} {state}{spoken}</td>'
        f'<td class="num">{took}</td><td class="time">{bar(step, wall)}</td></tr>'
    )
