"""Generates what is trained on: sampled dialogues for supervised steps, trees of turns for preference steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import TYPE_CHECKING, cast

import anyio
from langchain_core.messages import AIMessage, BaseMessage, convert_to_openai_messages

from multiagent.conversation import Conversation
from multiagent.errors import MultiagentError, RewardError
from multiagent.events import ConversationResult
from multiagent.rewards import Reward
from multiagent.sampling import Case, converse_all
from multiagent.side_by_side import together
from multiagent.training.recipe import Recipe, seed_of
from multiagent.training.tasks import Setting, Task
from multiagent.training.tree import TurnTree
from multiagent.trajectories import Message, Trajectory, TrajectoryStore
from multiagent.transcript import Transcript

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

Say = Callable[[str], None]
"""Receives a line of progress."""


@dataclass(frozen=True)
class Collector:
    """Collects for one iteration, task by task; a task that has trajectories already is not done again.

    Attributes:
        store: where trajectories go. A task's are stored together, so a killed run loses the tasks it was at, no more.
        setting: how tasks become conversations.
        recipe: how many samples, which trees.
        iteration: number of this iteration.
        model_name: for the records.
        say: told about each task.
    """

    store: TrajectoryStore
    setting: Setting
    recipe: Recipe
    iteration: int
    model_name: str
    say: Say

    async def dialogues(self, tasks: Sequence[Task], model: BaseChatModel) -> int:
        """Samples dialogues, several tasks at once. Those of the first iteration are held in the formats of
        the pool.

        Returns:
            Dialogues that failed; the others are stored.
        """
        failures = [0]
        limiter = anyio.CapacityLimiter(self.recipe.concurrency)
        forms = self.recipe.pool if self.recipe.pool and self.iteration == 1 else (None,)

        async def sample(task: Task) -> None:
            cases = [
                Case(
                    self.setting.conversation(task, forms[at % len(forms)]),
                    task.question,
                    seed=self.recipe.seed_for(self.iteration, task.id, at),
                )
                for at in range(self.recipe.samples)
            ]
            results = await converse_all(cases, model=model, concurrency=limiter)
            own = self.setting.conversation(task)
            held = [result for result in results if isinstance(result, ConversationResult)]
            failures[0] += len(results) - len(held)
            if not held:
                raise cast(Exception, results[0])
            self.store.add(self._dialogue(task, own, result, at) for at, result in enumerate(held))
            self.say(f"{task.id}: {len(held)} dialogues, {sum(result.tokens for result in held)} tokens")

        await together([partial(sample, task) for task in self._open(tasks)])
        return failures[0]

    async def trees(self, tasks: Sequence[Task], model: BaseChatModel, reward: Callable[[Task], Reward]) -> int:
        """Grows a tree of turns on each task, several tasks at once. Returns rollouts that failed."""
        failures = [0]
        limiter = anyio.CapacityLimiter(max(1, self.recipe.concurrency // self.recipe.tree.rollouts))

        async def grow(task: Task) -> None:
            async with limiter:
                tree, conversation = TurnTree(task.question, self.recipe.tree), self.setting.conversation(task)
                failures[0] += await self._grow(tree, conversation, task, model, reward(task))
                self.store.add(self._nodes(task, tree, conversation))
                self.say(f"{task.id}: {len(tree.nodes)} nodes, {len(tree.rollouts)} rollouts")

        await together([partial(grow, task) for task in self._open(tasks)])
        return failures[0]

    def _open(self, tasks: Sequence[Task]) -> list[Task]:
        done = self.store.tasks(self.iteration)
        return [task for task in tasks if task.id not in done]

    async def _grow(
        self, tree: TurnTree, conversation: Conversation, task: Task, model: BaseChatModel, reward: Reward
    ) -> int:
        random = Random(seed_of(self.recipe.seed, self.iteration, task.id, 0))
        values: Mapping[int, float] = {}
        failures = 0
        for expansion in range(self.recipe.tree.expansions):
            number = tree.choose(values, random)
            if number is None:
                break
            tree.nodes[number].expanded = True
            cases = [
                Case(
                    conversation,
                    task.question,
                    seed=self.recipe.seed_for(self.iteration, task.id, expansion, at),
                    start=tree.transcript(number),
                )
                for at in range(self.recipe.tree.rollouts)
            ]
            results = await converse_all(cases, model=model, concurrency=len(cases))
            for result in results:
                if isinstance(result, ConversationResult):
                    tree.insert(number, result.transcript, result.answer, result.stop_reason)
            failures += sum(isinstance(result, MultiagentError) for result in results)
            if not tree.rollouts and isinstance(results[0], MultiagentError):
                raise results[0]
            values = tree.values(await rate_rollouts(tree, task, reward))
        return failures

    def _dialogue(self, task: Task, own: Conversation, result: ConversationResult, at: int) -> Trajectory:
        return Trajectory(
            id=f"{self.iteration}/{task.id}/{at}",
            tree=f"{self.iteration}/{task.id}",
            task=task.id,
            iteration=self.iteration,
            transcript=result.transcript,
            chats=chats_of(own, result.transcript),
            answer=result.answer,
            stop_reason=result.stop_reason,
            model=self.model_name,
            prompt_hash=own.view.fingerprint("")[:16],
        )

    def _nodes(self, task: Task, tree: TurnTree, conversation: Conversation) -> list[Trajectory]:
        """The tree's nodes, and under `…/r0`, `…/r1` the whole dialogues of its rollouts."""
        name = f"{self.iteration}/{task.id}"
        found = [
            Trajectory(
                id=f"{name}/{node.number}",
                tree=name,
                parent=None if node.parent is None else f"{name}/{node.parent}",
                task=task.id,
                iteration=self.iteration,
                transcript=tree.transcript(node.number),
                chats=chats_of(conversation, tree.transcript(node.number)),
                model=self.model_name,
                prompt_hash=conversation.view.fingerprint("")[:16],
                visits=tree.visits(node.number),
            )
            for node in tree.nodes
        ]
        for at, rollout in enumerate(tree.rollouts):
            found.append(
                Trajectory(
                    id=f"{name}/r{at}",
                    tree=name,
                    parent=f"{name}/{rollout.path[-1]}",
                    task=task.id,
                    iteration=self.iteration,
                    transcript=rollout.transcript,
                    chats={},
                    answer=rollout.answer,
                    stop_reason=rollout.stop_reason,
                    model=self.model_name,
                    prompt_hash=conversation.view.fingerprint("")[:16],
                )
            )
        return found


async def rate_rollouts(tree: TurnTree, task: Task, reward: Reward) -> list[float]:
    """The rewards of a tree's rollouts, compared with each other; NaN for one that cannot be rated."""
    dialogues = [(rollout.answer, rollout.transcript) for rollout in tree.rollouts]
    try:
        return [parts.total for parts in await reward.rate(dialogues, task.references)]
    except RewardError:
        return [float("nan")] * len(dialogues)


def chats_of(conversation: Conversation, transcript: Transcript) -> dict[str, list[Message]]:
    """Each agent's side of a dialogue as chat messages, up to its own last turn."""
    said = Transcript(transcript.question, transcript.regular)
    found: dict[str, list[Message]] = {}
    for name in conversation.names:
        prompt: list[BaseMessage] = conversation.view.prompt(name, said)[:-1]
        if any(isinstance(message, AIMessage) for message in prompt):
            found[name] = convert_to_openai_messages(prompt)
    return found
