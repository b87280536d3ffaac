"""The whole training loop in half a minute: a random model of 30,000 weights learns which words are wanted.

    python examples/optima_tiny.py [FOLDER]

Needs the extra `optima`. A real run is `agentrt optima loop`; docs/optima.md has the commands.
"""

import sys
import tempfile
from pathlib import Path

import anyio

from agentrt.training import TorchReadability, TrlTrainer, machine_name
from agentrt.training.testing import make_tiny_llama, open_tiny
from multiagent import Format, MaxTurns, Reward, Weights
from multiagent.formats import Item
from multiagent.training import OptimaRun, Recipe, Setting, Task, TrainSettings

# A message is an answer: the model knows no language, and has nothing to learn but the words w0 to w2, and w5.
WORD = Format("words", "Write the word.", lambda text: [Item("answers", text)] if text else [])
TASKS = [Task(f"t{n}", f"w{n % 6}", (f"w{n % 3} w5",), {"alice": (), "bob": ()}) for n in range(30)]
RECIPE = Recipe(
    "isft, three iterations",
    ("sft",) * 3,
    samples=12,
    weights=Weights(tokens=0.1, loss=0.1, threshold=0.0),
    pool=(),
    train=TrainSettings(lr_sft=1e-2, batch=4, epochs=6, max_length=256, device="cpu"),
)


async def main(folder: Path) -> None:
    base = make_tiny_llama(folder / "base")
    run = OptimaRun(
        folder / "run",
        RECIPE,
        tasks=TASKS[:12],
        held_out=TASKS[12:],
        setting=Setting(format=WORD, until=MaxTurns(2), max_tokens=4),
        base=base,
        open_model=open_tiny,
        trainer=TrlTrainer(),
        readability=TorchReadability(base, device="cpu"),
        reward=Reward(least_tokens=1),
        machine=machine_name(),
    )
    try:
        report = await run.run()
    finally:
        run.close()
    print(report.read_text(encoding="utf-8").split("\n## ")[0])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        anyio.run(main, Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as place:
            anyio.run(main, Path(place))
