"""The loop: collect, rank, select, train, evaluate; iteration by iteration, each step once, resumable after any."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from anyio import to_thread

from multiagent.conversation import Conversation
from multiagent.errors import MultiagentError, NothingSelected, StepFailed, StepNotReady
from multiagent.events import ConversationResult
from multiagent.rewards import Readability, Reward
from multiagent.sampling import Case, converse_all
from multiagent.training.collect import Collector, Say
from multiagent.training.port import ModelAt, OpenModel, SftRow, Trainer
from multiagent.training.rank import rank
from multiagent.training.recipe import Kind, Recipe
from multiagent.training.report import Iteration, Sample, write_report
from multiagent.training.select import AtRandom, PairSelector, best_dialogues, refuel_rows, sft_rows, tree_pairs
from multiagent.training.tasks import Setting, Task
from multiagent.training.workspace import Workspace, fingerprint
from multiagent.trajectories import Pair, TrajectoryStore, write_lines
from multiagent.transcript import Transcript

STEPS = ("collect", "rank", "select", "train", "eval")
"""The steps of an iteration, in order. Iteration 0 has only `eval`: the model before training."""


@dataclass
class OptimaRun:
    """One training run in a folder. Make it again with the same settings and it goes on where it stopped.

    Attributes:
        folder: of the run.
        recipe: what is done.
        tasks: practised on.
        held_out: evaluated on; never trained on.
        setting: how tasks become conversations.
        base: the model training begins with.
        open_model: opens a checkpoint to speak.
        trainer: trains it.
        readability: the frozen model of the readability term; None leaves the term out.
        selector: which pairs are kept.
        more_pairs: pairs from elsewhere, such as the planner's, trained on in every preference iteration.
        drop_pairs: filters pairs by the model they are for (CHES); None keeps all.
        reward: what the rewards are made from, beside the recipe's weights.
        machine: where it runs, for the report.
        say: receives a line of progress.
    """

    folder: Path
    recipe: Recipe
    tasks: Sequence[Task]
    held_out: Sequence[Task]
    setting: Setting
    base: ModelAt
    open_model: OpenModel
    trainer: Trainer
    readability: Readability | None = None
    selector: PairSelector = field(default_factory=AtRandom)
    more_pairs: Sequence[Pair] = ()
    drop_pairs: Callable[[ModelAt, Sequence[Pair]], Sequence[Pair]] | None = None
    reward: Reward = field(default_factory=Reward)
    machine: str = ""
    say: Say = print
    place: Workspace = field(init=False)
    store: TrajectoryStore = field(init=False)

    def __post_init__(self) -> None:
        self.place = Workspace(self.folder)
        self.place.begin(
            {
                "recipe": asdict(self.recipe),
                "base": str(self.base),
                "tasks": fingerprint([task.id for task in self.tasks]),
                "held_out": fingerprint([task.id for task in self.held_out]),
                "selector": type(self.selector).__name__,
                "setting": self.setting.description,
                "readability": self.readability is not None,
            }
        )
        self.store = TrajectoryStore(self.place.store_path)
        if self.more_pairs:
            self.store.add_pairs(self.more_pairs)

    def close(self) -> None:
        """Closes the store."""
        self.store.close()

    async def run(self) -> Path:
        """Every step that is not finished yet, then the report. Returns the report's path.

        Raises:
            NothingSelected: an iteration's filters let nothing through; the report of what was done is written.
            StepFailed: a step broke off; running again goes on there.
        """
        try:
            await self.step("eval", 0)
            for iteration in range(1, len(self.recipe.steps) + 1):
                for step in STEPS:
                    await self.step(step, iteration)
        finally:
            report = self.report()
        return report

    async def step(self, step: str, iteration: int) -> dict[str, Any]:
        """One step, unless it is finished. Returns what it came to.

        Raises:
            StepNotReady: there is no such step or iteration, or the step before is not finished.
        """
        if step not in STEPS or not 0 <= iteration <= len(self.recipe.steps) or (iteration == 0 and step != "eval"):
            raise StepNotReady(f"there is no step {step!r} in iteration {iteration} of {self.recipe.name}")
        if (known := self.place.done(step, iteration)) is not None:
            return known
        self._check_order(step, iteration)
        self.say(f"iteration {iteration} of {len(self.recipe.steps)}: {step}")
        try:
            came_to = await getattr(self, f"_{step}")(iteration)
        except MultiagentError:
            raise
        except Exception as error:
            raise StepFailed(
                f"{step} of iteration {iteration} broke off ({type(error).__name__}: {error}); "
                "what it finished is kept, run it again to go on"
            ) from error
        self.place.finish(step, iteration, came_to)
        return came_to

    def report(self) -> Path:
        """Writes the report of what is finished so far; returns its path."""
        iterations: list[Iteration] = []
        samples: dict[str, list[Sample]] = {}
        for number in range(len(self.recipe.steps) + 1):
            evaluated = self.place.done("eval", number)
            if evaluated is None:
                continue
            kind = self.recipe.steps[number - 1] if number else "base"
            came_to = {step: self.place.done(step, number) or {} for step in STEPS if step != "eval"}
            scores = {key: float(evaluated[key]) for key in ("reward", "task", "tokens", "answered", "agreed")}
            iterations.append(Iteration(number, kind, **scores, steps=came_to))
            for sample in evaluated["samples"]:
                samples.setdefault(sample["question"], []).append(
                    Sample(number, sample["transcript"], sample["answer"], sample["reference"])
                )
        return write_report(self.folder, self.recipe, str(self.base), iterations, samples, machine=self.machine)

    def model_before(self, iteration: int) -> ModelAt:
        """The model an iteration begins with."""
        return self.base if iteration <= 1 else self.place.iteration(iteration - 1) / "model"

    def kind(self, iteration: int) -> Kind:
        """What an iteration trains on."""
        return self.recipe.steps[iteration - 1]

    def reward_for(self, iteration: int) -> Callable[[Task], Reward]:
        """The reward of a task in an iteration."""
        weights = self.recipe.weights if iteration == 0 or self.kind(iteration) == "sft" else self.recipe.weights_dpo
        return lambda task: replace(self.reward, metric=task.measure, weights=weights, readability=self.readability)

    async def _collect(self, iteration: int) -> dict[str, Any]:
        name = str(self.model_before(iteration))
        collector = Collector(self.store, self.setting, self.recipe, iteration, Path(name).name, self.say)
        async with self.open_model(self.model_before(iteration)) as model:
            if self.kind(iteration) == "sft":
                failures = await collector.dialogues(self.tasks, model)
            else:
                failures = await collector.trees(self.tasks, model, self.reward_for(iteration))
        return {"trajectories": sum(1 for _ in self.store.trajectories(iteration=iteration)), "failed": failures}

    async def _rank(self, iteration: int) -> dict[str, Any]:
        return asdict(await rank(self.store, self.tasks, iteration, self.reward_for(iteration)))

    async def _select(self, iteration: int) -> dict[str, Any]:
        nodes, ratings = list(self.store.trajectories(iteration=iteration)), self.store.ratings()
        folder = self.place.iteration(iteration)
        if self.kind(iteration) == "sft":
            kept = best_dialogues(nodes, ratings, keep=self.recipe.keep, threshold=self.recipe.weights.threshold)
            if not kept:
                best = max((ratings[node.id].value for node in nodes if node.id in ratings), default=float("nan"))
                raise NothingSelected(
                    f"no dialogue of iteration {iteration} is worth {self.recipe.weights.threshold} or more (the best "
                    f"is {best:.2f}); lower the threshold, sample more, or give easier tasks"
                )
            rows = sft_rows(kept)
            write_lines(folder / "rows.jsonl", (json.dumps({"messages": row.messages}) for row in rows))
            return {"dialogues": len(kept), "rows": len(rows)}
        found = tree_pairs(nodes, ratings, self.recipe.pairs)
        if not found and not self.more_pairs:
            raise NothingSelected(
                f"no pair of iteration {iteration} passes: the better turn must be worth more than "
                f"{self.recipe.pairs.least}, and {self.recipe.pairs.gap} more than the worse; lower these"
            )
        model, keep = self.model_before(iteration), self.recipe.pairs.keep
        # Some selectors ask the model, which takes its time.
        kept = await to_thread.run_sync(lambda: self.selector.for_model(model).select(found, keep))
        if self.drop_pairs is not None and kept:
            kept = list(await to_thread.run_sync(self.drop_pairs, model, kept))
        self.store.add_pairs(kept)
        trained_on = [*kept, *self.more_pairs]
        write_lines(folder / "pairs.jsonl", (json.dumps(asdict(pair)) for pair in trained_on))
        write_lines(folder / "refuel.jsonl", (json.dumps(row) for row in refuel_rows(nodes, ratings)))
        return {"passed": len(found), "pairs": len(trained_on)}

    async def _train(self, iteration: int) -> dict[str, Any]:
        folder = self.place.iteration(iteration)
        model, output, settings = self.model_before(iteration), folder / "model", self.recipe.train

        def work() -> dict[str, Any]:
            if self.kind(iteration) == "sft":
                lines = (folder / "rows.jsonl").read_text(encoding="utf-8").splitlines()
                rows = [SftRow(json.loads(line)["messages"]) for line in lines]
                return asdict(self.trainer.sft(rows, model=model, output=output, settings=settings))
            lines = (folder / "pairs.jsonl").read_text(encoding="utf-8").splitlines()
            pairs = [Pair(**json.loads(line)) for line in lines]
            return asdict(self.trainer.prefer(pairs, model=model, output=output, settings=settings))

        came_to = await to_thread.run_sync(work)
        self.say(f"loss {came_to['first_loss']:.3f} to {came_to['last_loss']:.3f} in {came_to['steps']} steps")
        return came_to

    async def _eval(self, iteration: int) -> dict[str, Any]:
        model_at = self.base if iteration == 0 else self.place.iteration(iteration) / "model"
        return await evaluate(self.held_out, self.setting, self.recipe, self.reward_for(0), self.open_model, model_at)

    def _check_order(self, step: str, iteration: int) -> None:
        at = STEPS.index(step)
        before = (STEPS[at - 1], iteration) if at else ("train", iteration - 1)
        if iteration == 0 or before == ("train", 0):
            return
        if self.place.done(*before) is None:
            raise StepNotReady(f"{step} of iteration {iteration} comes after {before[0]} of iteration {before[1]}")


async def evaluate(
    tasks: Sequence[Task],
    setting: Setting,
    recipe: Recipe,
    reward: Callable[[Task], Reward],
    open_model: OpenModel,
    model_at: ModelAt,
) -> dict[str, Any]:
    """Holds each task once and reports means: `reward`, `task`, `tokens`, `answered`, `agreed`, and three `samples`.

    The token term of a single dialogue compares it with the longest a conversation may be by its setting; that keeps
    rewards of different iterations comparable.
    """
    cases = [Case(setting.conversation(task), task.question, seed=recipe.seed_for("eval", task.id)) for task in tasks]
    async with open_model(model_at) as model:
        results = await converse_all(cases, model=model, concurrency=recipe.concurrency)
    rows: list[tuple[float, float, ConversationResult]] = []
    for task, case, result in zip(tasks, cases, results, strict=True):
        if isinstance(result, ConversationResult):
            rater = reward(task)
            measured = (await rater.measure([(result.answer, result.transcript)], task.references))[0]
            longest = replace(measured, task=0.0, loss=None, tokens=longest_of(case.conversation))
            rows.append((rater.combine([measured, longest])[0].total, measured.task, result))
    if not rows:
        raise StepFailed(f"none of {len(tasks)} evaluation dialogues came to an end; the first error: {results[0]}")
    count = len(rows)
    return {
        "reward": sum(total for total, _, _ in rows) / count,
        "task": sum(score for _, score, _ in rows) / count,
        "tokens": sum(result.tokens for _, _, result in rows) / count,
        "answered": sum(result.answer is not None for _, _, result in rows) / count,
        "agreed": sum(result.stop_reason == "agreement" for _, _, result in rows) / count,
        "failed": len(tasks) - count,
        "samples": [
            {
                "question": task.question,
                "transcript": result.transcript.render(),
                "answer": result.answer,
                "reference": task.references[0],
            }
            for task, result in zip(tasks[:3], results[:3], strict=True)
            if isinstance(result, ConversationResult)
        ],
    }


def longest_of(conversation: Conversation) -> int:
    """The most tokens a conversation may write, by its budget or by ten turns of every agent's longest message."""
    allowed = conversation.until.allowance(Transcript(""))
    return allowed if allowed is not None else 10 * max(agent.max_tokens for agent in conversation.agents)
