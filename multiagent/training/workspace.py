"""The folder of a training run: what is finished, so that a killed run goes on, and where everything lies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from multiagent.errors import RunMismatch, StepFailed
from multiagent.trajectories import write_lines


@dataclass(frozen=True)
class Workspace:
    """One run's folder.

    run.json             the settings it was begun with
    state.json           what each finished step came to
    trajectories.sqlite  all trajectories, ratings and pairs
    iteration-N/         rows.jsonl or pairs.jsonl, refuel.jsonl, and the trained model
    report.md, report.json, reward.svg, tokens.svg
    """

    folder: Path

    def begin(self, settings: Mapping[str, Any]) -> None:
        """Makes the folder, or checks that it was begun with the same settings.

        Raises:
            RunMismatch: it was begun with others; the message names them.
        """
        path = self.folder / "run.json"
        wanted = json.loads(json.dumps(settings, default=str))
        if path.exists():
            known = self._read(path)
            differing = sorted(key for key in {*known, *wanted} if known.get(key) != wanted.get(key))
            if differing:
                raise RunMismatch(
                    f"the run in {self.folder.name} was begun with another {', '.join(differing)}; "
                    "go on with the same settings, or take another folder"
                )
            return
        write_lines(path, [json.dumps(wanted, indent=1, ensure_ascii=False)])

    @property
    def store_path(self) -> Path:
        """The trajectory store."""
        return self.folder / "trajectories.sqlite"

    def iteration(self, number: int) -> Path:
        """The folder of one iteration."""
        return self.folder / f"iteration-{number}"

    def done(self, step: str, iteration: int) -> dict[str, Any] | None:
        """What a finished step came to; None where it is not finished."""
        return self._state().get(f"{iteration}/{step}")

    def finish(self, step: str, iteration: int, came_to: Mapping[str, Any]) -> None:
        """Notes that a step is finished. The state file is replaced whole."""
        state = self._state()
        state[f"{iteration}/{step}"] = dict(came_to)
        write_lines(self.folder / "state.json", [json.dumps(state, indent=1, ensure_ascii=False)])

    def _state(self) -> dict[str, dict[str, Any]]:
        path = self.folder / "state.json"
        return self._read(path) if path.exists() else {}

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            return cast(dict[str, Any], json.loads(path.read_text(encoding="utf-8")))
        except ValueError as error:
            raise StepFailed(f"{path.name} of the run in {self.folder.name} is damaged: {error}") from error


def fingerprint(value: object) -> str:
    """A short hash of anything JSON or `str` can tell apart."""
    return hashlib.sha256(json.dumps(value, default=str, sort_keys=True).encode()).hexdigest()[:16]
