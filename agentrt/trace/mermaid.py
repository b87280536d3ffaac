"""A run as a Mermaid flowchart: the plan's own, coloured by how each task ended, the critical path thick."""

from __future__ import annotations

from itertools import pairwise

from agentrt.trace.critical import critical_path
from agentrt.trace.recorded import RunTrace
from agentrt.trace.secrets import without_secrets
from executor import Plan, Task, mermaid
from executor.refs import render_tree

_STYLES = {
    "finished": "fill:#e6f3ea,stroke:#1b6e3c,color:#1c1d1f",
    "failed": "fill:#fbe7e5,stroke:#b3261e,color:#1c1d1f",
    "skipped": "fill:#fbf0dc,stroke:#855300,color:#1c1d1f,stroke-dasharray:5 3",
    "running": "fill:#e4eefc,stroke:#0b5bd3,color:#1c1d1f",
}


def run_mermaid(trace: RunTrace) -> str:
    """The Mermaid text of a run. Secrets are hidden as on the page."""
    tasks = list(trace.tasks.values())
    plan = Plan(
        (_clean(one.task, without_secrets(render_tree(one.task.args))) for one in tasks),
        known={need for one in tasks for need in one.needs},
    )
    names = {task.id: f"t{number}" for number, task in enumerate(plan)}
    lines = [mermaid(plan).rstrip("\n")]
    for state, style in _STYLES.items():
        if of_state := [names[one.task.id] for one in tasks if one.state == state]:
            lines += [f"    classDef {state} {style}", f"    class {','.join(of_state)} {state}"]
    path = [step.key for step in critical_path(trace)]
    steps = set(pairwise(path))
    edges = [(need, task.id) for task in plan for need in plan.waits_for(task)]
    if thick := [str(number) for number, edge in enumerate(edges) if edge in steps]:
        lines.append(f"    linkStyle {','.join(thick)} stroke:#9c1f77,stroke-width:3px")
    return "\n".join(lines) + "\n"


def _clean(task: Task, args: object) -> Task:
    return Task.from_json({**task.to_json(), "args": args})
