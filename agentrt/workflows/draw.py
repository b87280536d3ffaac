"""A workflow as a picture: text for Mermaid, or SVG. What the file says is data and is escaped."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import NamedTuple

from agentrt.trace.layout import layout
from agentrt.workflows.schema import CallStep, RetrieveStep, RunStep
from agentrt.workflows.step import Step
from agentrt.workflows.workflow import Workflow

_MERMAID_ESCAPES = {ord(char): f"#{ord(char)};" for char in "&<>\"'#`\\{}[]()|;$*_~"}
_LONGEST = 44
_WIDTH, _HEIGHT, _RIGHT, _BELOW, _MARGIN = 240, 56, 56, 18, 12
_STYLE = """\
.s{fill:#f6f8fa;stroke:#57606a}.m{fill:#ddf4ff;stroke:#0969da}.i{fill:none;stroke:#8c959f;stroke-dasharray:4 3}
.e{fill:none;stroke:#57606a}.w{stroke-dasharray:5 4}text{fill:#1f2328;font:13px system-ui,sans-serif}
.k{fill:#57606a;font-size:11px}@media(prefers-color-scheme:dark){.s{fill:#161b22;stroke:#8b949e}.m{fill:#0c2d6b}
text{fill:#e6edf3}.k{fill:#9da7b3}.e{stroke:#8b949e}}"""


class _Edge(NamedTuple):
    """From the step that has a result to the one that waits for it. `weak`: it only orders, or decides."""

    need: str
    step: str
    weak: bool


def mermaid(workflow: Workflow) -> str:
    """The workflow as a Mermaid flowchart. Edges that only order, or that decide, are dotted."""
    names = {name: f"t{number}" for number, name in enumerate(workflow.steps)}
    lines = ["flowchart TD"]
    for step in workflow.steps.values():
        label = "<br/>".join(line.translate(_MERMAID_ESCAPES) for line in _lines(step))
        opening, closing = ("([", "])") if _asks(step) else ("[[", "]]") if step.foreach else ("[", "]")
        lines.append(f'    {names[step.id]}{opening}"{label}"{closing}')
    lines += [f"    {names[one.need]} {'-.->' if one.weak else '-->'} {names[one.step]}" for one in _edges(workflow)]
    return "\n".join(lines) + "\n"


def svg(workflow: Workflow) -> str:
    """The workflow as an SVG file, from left to right, that needs nothing else and follows the reader's colours."""
    spots = layout({name: step.needs for name, step in workflow.steps.items()})
    at = {
        name: (_MARGIN + spot.column * (_WIDTH + _RIGHT), _MARGIN + spot.row * (_HEIGHT + _BELOW))
        for name, spot in spots.items()
    }
    width = max((x for x, _ in at.values()), default=0) + _WIDTH + _MARGIN
    height = max((y for _, y in at.values()), default=0) + _HEIGHT + _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" role="img"><title>{escape(workflow.name)}</title><style>{_STYLE}</style>'
        '<defs><marker id="a" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#57606a"/></marker></defs>'
    ]
    for one in _edges(workflow):
        (x1, y1), (x2, y2) = at[one.need], at[one.step]
        x1, y1, y2 = x1 + _WIDTH, y1 + _HEIGHT / 2, y2 + _HEIGHT / 2
        bend = max(18.0, min((x2 - x1) / 2, 70.0))
        curve = f"M{x1:.0f} {y1:.1f}C{x1 + bend:.0f} {y1:.1f} {x2 - bend:.0f} {y2:.1f} {x2:.0f} {y2:.1f}"
        parts.append(f'<path class="e{" w" if one.weak else ""}" marker-end="url(#a)" d="{curve}"/>')
    for name, step in workflow.steps.items():
        parts.append(_box(step, *at[name]))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _box(step: Step, x: float, y: float) -> str:
    title, *further = _lines(step)
    kind = "m" if _asks(step) else "s"
    behind = f'<rect class="{kind}" x="{x + 4:.0f}" y="{y + 4:.1f}" width="{_WIDTH}" height="{_HEIGHT}" rx="8"/>'
    texts = "".join(
        f'<text class="k" x="{x + 12:.0f}" y="{y + 36 + 14 * index:.1f}">{escape(line)}</text>'
        for index, line in enumerate(further[:2])
    )
    return (
        f"<g><title>{escape(': '.join(_lines(step)))}</title>{behind if step.foreach else ''}"
        f'<rect class="{kind}" x="{x:.0f}" y="{y:.1f}" width="{_WIDTH}" height="{_HEIGHT}" rx="8"/>'
        f'<text x="{x + 12:.0f}" y="{y + 20:.1f}">{escape(title)}</text>{texts}</g>'
    )


def _lines(step: Step) -> list[str]:
    """What a box says: the step's name and kind, then what it is about, then what it depends on."""
    match step.spec:
        case CallStep(call=what) | RetrieveStep(graph=what) | RunStep(run=what):
            pass
        case spec:
            what = str(getattr(spec, step.kind))
    marks = [f"when {step.spec.when}"] if step.when is not None else []
    marks += ["for each"] if step.foreach is not None else []
    marks += ["after approval"] if step.spec.approve else []
    return [_fit(line) for line in (f"{step.id}: {step.kind}", what, ", ".join(marks)) if line]


def _edges(workflow: Workflow) -> Iterator[_Edge]:
    for step in workflow.steps.values():
        carried = {use.ref.task for use in step.uses if use.where != "when"}
        for need in step.needs:
            if need in workflow.steps:
                yield _Edge(need, step.id, need not in carried)


def _asks(step: Step) -> bool:
    return step.kind in ("ask", "plan", "converse")


def _fit(text: str) -> str:
    line = " ".join("".join(char if char.isprintable() else " " for char in text[: _LONGEST * 4]).split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
