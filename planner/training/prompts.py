"""Exercises as conversations: what a planner is asked, and what it should answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from executor import Toolset
from planner.choose import FEW, ToolChooser, called_in
from planner.examples import generic_examples
from planner.prompt import question_prompt, system_prompt
from planner.training.generate import Exercise

Message = dict[str, str]


def conversations(made: Iterable[Exercise], tools: Toolset, *, turns: int = 1) -> Iterator[list[Message]]:
    """Conversations in the very words in which `LLMPlanner` asks.

    With more than one turn the tools, which are most of what is read, are read once for several questions. Each
    question stands for itself; those after the first see others before them.

    Args:
        made: questions and plans.
        tools: all there are; of many, each question sees those that a planner would show it, and those it needs.
        turns: questions in one conversation, where they see the same tools.
    """
    chooser = ToolChooser(tools) if len(tools) > FEW else None
    for system, group in groupby(made, key=lambda item: _system(item, tools, chooser)):
        waiting: list[Exercise] = []
        for item in group:
            waiting.append(item)
            if len(waiting) == turns:
                yield _conversation(system, waiting)
                waiting = []
        if waiting:
            yield _conversation(system, waiting)


def _system(item: Exercise, tools: Toolset, chooser: ToolChooser | None) -> str:
    shown = tools if chooser is None else chooser.choose(item.question, called_in(item.plan))
    return system_prompt(shown, generic_examples(tools))


def _conversation(system: str, made: Sequence[Exercise]) -> list[Message]:
    messages = [{"role": "system", "content": system}]
    for item in made:
        asked = question_prompt(item.question, (), "", tools=Toolset(), first=1, budget=0)
        messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": item.plan}]
    return messages
