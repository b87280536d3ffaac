"""Plans that went well, kept to be shown as examples for questions like theirs."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, cast

from planner.choose import Similarity, called_in
from planner.errors import PlannerError
from planner.examples import Example

_CLOSE_ENOUGH = 0.05


class ExampleStore:
    """Examples by model, in memory or in a file of JSON lines.

    Small models copy what they see, and each copies in its own way: what helped one may mislead another, so examples
    are kept for each model by itself.

    Args:
        path: where they are kept; read at once, if it is there.
        most: examples kept for a model. Further ones are not taken: what is there has served well.

    Raises:
        PlannerError: the file holds something else; the message names the line.
    """

    def __init__(self, path: Path | None = None, *, most: int = 1_000) -> None:
        self._path = path
        self._most = most
        self._examples: dict[str, list[Example]] = {}
        if path is not None and path.exists():
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                try:
                    row = cast("dict[str, Any]", json.loads(line))
                    self._examples.setdefault(str(row["model"]), []).append(
                        Example(str(row["question"]), str(row["plan"]))
                    )
                except (ValueError, KeyError, TypeError) as error:
                    raise PlannerError(f"{path.name}, line {number} is no example: {error!r}") from error

    def add(self, example: Example, model: str) -> None:
        """Keeps an example, the first for its question."""
        examples = self._examples.setdefault(model, [])
        if len(examples) >= self._most or any(example.question == kept.question for kept in examples):
            return
        examples.append(example)
        if self._path is not None:
            row = {"model": model, "question": example.question, "plan": example.plan}
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def of(self, model: str) -> list[Example]:
        """All examples of a model, oldest first."""
        return list(self._examples.get(model, ()))

    def best(self, question: str, model: str, *, k: int = 3, tools: Collection[str] | None = None) -> list[Example]:
        """The `k` examples whose questions are most like this one, the best last: nearest to the question.

        Args:
            question: what is asked.
            model: whose examples.
            k: most examples.
            tools: names of the tools that are there; examples that call others are left out.
        """
        found = [
            example
            for example in self._examples.get(model, ())
            if tools is None or all(name in tools for name in called_in(example.plan))
        ]
        scores = Similarity([example.question for example in found]).to(question)
        ranked = sorted(range(len(found)), key=lambda at: -scores[at])[:k]
        return [found[at] for at in reversed(ranked) if scores[at] > _CLOSE_ENOUGH]
