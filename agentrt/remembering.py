"""What a runtime remembers of questions that went well: their plans, as examples for questions like theirs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from executor import Toolset
from planner import Conclusion
from planner.example_store import ExampleStore

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel


class Memory:
    """Examples of one model over one set of tools.

    Args:
        store: where they are kept; a path is a file of JSON lines. None remembers nothing.
        model: as the runtime was given it; small models copy what they see, each in its own way.
        tools: what plans may call.
        clean: takes secrets out of a text. What holds one is not kept.
    """

    def __init__(
        self,
        store: str | Path | ExampleStore | None,
        model: str | Path | BaseChatModel | None,
        tools: Toolset,
        clean: Callable[[str], str],
    ) -> None:
        self.store = ExampleStore(Path(store)) if isinstance(store, str | Path) else store
        self.called = _name_of(model)
        self._tools = tools
        self._clean = clean

    def nearest(self, question: str) -> list[list[str]]:
        """Question and plan of the nearest examples, the best last, as plain data that a journal keeps."""
        if self.store is None:
            return []
        return [[*example] for example in self.store.best(question, self.called, tools=self._tools)]

    def learn(self, question: str, conclusion: Conclusion) -> None:
        """Keeps the plan that answered a question, where it is an example of anything and holds no secret."""
        if self.store is None:
            return
        found = conclusion.example(question, self._tools)
        if found is not None and all(self._clean(text) == text for text in found):
            self.store.add(found, self.called)


def _name_of(model: str | Path | BaseChatModel | None) -> str:
    if model is None or isinstance(model, str | Path):
        return str(model or "")
    return str(getattr(model, "model_name", None) or getattr(model, "model", None) or type(model).__name__)
