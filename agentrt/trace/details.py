"""What the page tells about one step when it is chosen: bounded, and without secrets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TypedDict

from agentrt.trace.critical import Step
from agentrt.trace.recorded import Phase, RunTrace, TaskTrace
from agentrt.trace.secrets import hide_in_text, without_secrets
from executor import as_text, plain

# Characters that all values of a page may take together, and bounds for one of them.
_ALL = 3_000_000
_LEAST = 600
_MOST = 12_000


class Block(TypedDict):
    """A longer text under a heading."""

    title: str
    text: str


class Detail(TypedDict):
    """One step: a heading, short facts, links to other steps, longer texts."""

    title: str
    facts: list[tuple[str, str]]
    needs: list[str]
    feeds: list[str]
    blocks: list[Block]


def details(trace: RunTrace, path: list[Step]) -> dict[str, Detail]:
    """Details by key: tasks by id, phases by theirs."""
    limit = max(_LEAST, min(_MOST, _ALL // (2 * max(1, len(trace.tasks)))))
    feeds: dict[str, list[str]] = {name: [] for name in trace.tasks}
    for name, task in trace.tasks.items():
        for need in task.needs:
            if need in feeds:
                feeds[need].append(name)
    critical = {step.key: step.seconds for step in path}
    found = {phase.key: _phase(phase, critical, limit) for phase in trace.phases}
    found.update({name: _task(task, trace, feeds[name], critical, limit) for name, task in trace.tasks.items()})
    return found


def shown(value: object, limit: int) -> str:
    """A value as a person reads it, at most about `limit` characters and without secrets."""
    clean = without_secrets(plain(value))
    text = clean if isinstance(clean, str) else json.dumps(clean, ensure_ascii=False, indent=2, default=str)
    return cut(text, limit)


def cut(text: str, limit: int) -> str:
    """`text`, or its beginning and how much is missing."""
    return text if len(text) <= limit else f"{text[:limit]}\n[… {len(text) - limit:,} more characters]"


def seconds(value: float) -> str:
    """A duration with three significant digits or so, in the unit that suits it."""
    if value < 0.000_95:
        return f"{value * 1_000_000:.0f} µs"
    if value < 0.995:
        return f"{value * 1_000:.{1 if value < 0.01 else 0}f} ms"
    if value < 100:
        return f"{value:.2f} s"
    whole = round(value)
    return f"{whole // 60}:{whole % 60:02} min"


def tokens(usage: Mapping[str, int]) -> str:
    """Model tokens in a few words; empty where none are known."""
    if not usage:
        return ""
    parts = [f"{usage.get('input_tokens', 0):,} in"]
    if usage.get("cached_tokens"):
        parts[0] += f" ({usage['cached_tokens']:,} cached)"
    parts.append(f"{usage.get('output_tokens', 0):,} out")
    return " · ".join(parts)


def acceptance(usage: Mapping[str, int]) -> str:
    """How many drafted tokens the model took; empty where it drafted none."""
    drafted = usage.get("drafted_tokens", 0)
    accepted = usage.get("accepted_tokens", 0)
    return f"{accepted / drafted:.0%} of {drafted:,} drafted tokens" if drafted else ""


def _task(task: TaskTrace, trace: RunTrace, feeds: list[str], critical: Mapping[str, float], limit: int) -> Detail:
    facts = [("State", task.state)]
    if task.started is not None:
        facts.append(("Began", f"{seconds(task.started)} into the run"))
        facts.append(("Took", seconds(task.seconds) if task.ended is not None else "it had not ended"))
        ready = max([task.added, *(trace.tasks[need].ended or 0.0 for need in task.needs if need in trace.tasks)])
        if task.started - ready > 0.001:
            facts.append(("Waited to start", seconds(task.started - ready)))
    if task.task.id in critical:
        facts.append(("Critical path", f"on it for {seconds(critical[task.task.id])}"))
    if trace.replans:
        facts.append(("Plan", str(task.round + 1)))
    if task.task.on_error:
        facts.append(("On error", task.task.on_error))
    facts += [(name, cut(hide_in_text(text), limit)) for name, text in task.marks.items()]
    blocks: list[Block] = []
    if task.task.thought:
        blocks.append({"title": "Why", "text": cut(hide_in_text(task.task.thought), limit)})
    arguments = task.task.to_json()["args"]
    blocks.append({"title": "Arguments", "text": shown(arguments, limit) if arguments else "none"})
    if task.retries:
        lines = [
            f"attempt {one.attempt} failed at {seconds(one.time)}, next after {seconds(one.wait)}: {one.error}"
            for one in task.retries
        ]
        blocks.append({"title": "Retries", "text": cut(hide_in_text("\n".join(lines)), limit)})
    if task.state == "finished":
        blocks.append({"title": "Result", "text": shown(task.value, limit)})
    elif task.note:
        blocks.append(
            {"title": "Error" if task.state == "failed" else "Note", "text": cut(hide_in_text(task.note), limit)}
        )
    needs = [need for need in task.needs if need in trace.tasks]
    return {
        "title": f"{task.task.id}. {task.task.call}",
        "facts": facts,
        "needs": needs,
        "feeds": feeds,
        "blocks": blocks,
    }


def _phase(phase: Phase, critical: Mapping[str, float], limit: int) -> Detail:
    planning = phase.kind == "plan"
    facts = [("Began", f"{seconds(phase.started)} into the run")]
    facts.append(("Took", seconds(phase.seconds) if phase.ended is not None else "it had not ended"))
    if phase.key in critical:
        facts.append(("Critical path", f"on it for {seconds(critical[phase.key])}"))
    if said := tokens(phase.usage):
        facts.append(("Tokens", said))
    if said := acceptance(phase.usage):
        facts.append(("Speculation", said))
    blocks: list[Block] = []
    if phase.text.strip():
        title = "Plan as the model wrote it" if planning else "Answer"
        blocks.append({"title": title, "text": cut(hide_in_text(phase.text), _MOST)})
    if phase.notes:
        blocks.append({"title": "Notes", "text": cut(hide_in_text("\n".join(phase.notes)), _MOST)})
    title = f"Writing plan {phase.round + 1}" if planning else f"Reading the results of plan {phase.round + 1}"
    return {"title": title, "facts": facts, "needs": list(phase.tasks), "feeds": [], "blocks": blocks}


def arguments_line(task: TaskTrace, limit: int) -> str:
    """A task's arguments on one line."""
    args = without_secrets(task.task.to_json()["args"])
    assert isinstance(args, dict)
    text = ", ".join(f"{name}={as_text(value)}" for name, value in args.items())  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  # JSON data
    text = " ".join(text[: 2 * limit].split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
