"""Training for real on a tiny random model: the reward must rise, and only own tokens are learnt."""

import errno
import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytest.importorskip("trl", reason="needs the extra optima")

from agentrt.training import (
    EndpointReadability,
    TorchReadability,
    TrlTrainer,
    ches_scores,
    influence_on,
    mutual_influence,
    token_row,
)
from agentrt.training.testing import make_tiny_llama, open_tiny
from multiagent import Format, MaxTurns, Reward, Weights
from multiagent.errors import DiskFull, RewardError, TrainingError
from multiagent.formats import Item
from multiagent.training import OptimaRun, PairRules, Recipe, Setting, SftRow, Task, TrainSettings, TreeSettings
from multiagent.trajectories import Pair

# Libraries of others warn about their own futures; ours must not.
pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.timeout(600),
]

WORD = Format("words", "Write the word.", lambda text: [Item("answers", text)] if text else [])
SETTING = Setting(format=WORD, until=MaxTurns(2), max_tokens=4)
TASKS = [Task(f"t{n}", f"w{n}", (f"w{n % 3} w5",), {"alice": (), "bob": ()}) for n in range(6)]
# One dialogue more or less moves the mean of six tasks by a tenth: what is asserted needs many.
HELD_OUT = [replace(TASKS[n % len(TASKS)], id=f"h{n}") for n in range(48)]
TRAIN = TrainSettings(
    lr_sft=1e-2, lr_preference=1e-3, batch=4, micro_batch=4, epochs=4, max_length=256, device="cpu", beta=0.5
)
RECIPE = Recipe(
    "tiny", ("sft", "sft", "sft"), samples=24, keep=1.0, weights=Weights(0.1, 0.0, 0.0), pool=(),
    train=replace(TRAIN, epochs=8),
)  # fmt: skip
FAST = Reward(least_tokens=1)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """A model this small loses time to a second thread, the more the busier the machine is."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return make_tiny_llama(tmp_path_factory.mktemp("tiny") / "base")


def rewards(folder):
    return [one["reward"] for one in json.loads((folder / "report.json").read_text())["iterations"]]


def optima(folder, tiny, recipe, **more):
    settings = {"tasks": TASKS, "held_out": TASKS, "setting": SETTING, "base": tiny, "open_model": open_tiny}
    return OptimaRun(folder, recipe, trainer=TrlTrainer(), reward=FAST, say=lambda _: None, **{**settings, **more})


@pytest.mark.asyncio
async def test_the_reward_rises_over_supervised_iterations(tmp_path, tiny):
    run = optima(tmp_path, tiny, RECIPE, held_out=HELD_OUT)
    report = await run.run()
    run.close()
    first, *_, last = rewards(tmp_path)
    assert last > first + 0.2, rewards(tmp_path)
    text = report.read_text()
    assert "| 3 | sft |" in text and "Iteration 3, answer" in text and (tmp_path / "reward.svg").exists()


@pytest.mark.asyncio
async def test_the_reward_rises_from_pairs_out_of_trees(tmp_path, tiny):
    recipe = replace(
        RECIPE,
        steps=("dpo",) * 3,
        tree=TreeSettings(expansions=3, rollouts=8),
        weights_dpo=Weights(0.1, 0.0),
        pairs=PairRules(least=-1.0, gap=0.05, keep=1.0),
        train=replace(TRAIN, lr_preference=1e-2, epochs=6),
    )
    run = optima(tmp_path, tiny, recipe, held_out=HELD_OUT, setting=replace(SETTING, until=MaxTurns(4)))
    await run.run()
    assert rewards(tmp_path)[-1] > rewards(tmp_path)[0] + 0.05, rewards(tmp_path)
    pairs = [json.loads(line) for line in (tmp_path / "iteration-1/pairs.jsonl").read_text().splitlines()]
    assert all(pair["value_chosen"] > pair["value_rejected"] + 0.05 for pair in pairs)
    refuel = [json.loads(line) for line in (tmp_path / "iteration-1/refuel.jsonl").read_text().splitlines()]
    assert len(refuel) >= len(pairs) and all(len(row["rewards_to_go"]) == 2 for row in refuel)
    run.close()


@pytest.mark.asyncio
async def test_a_killed_run_goes_on_where_it_was_and_ends_the_same(tmp_path, tiny):
    recipe = replace(RECIPE, steps=("sft",), samples=4)
    whole = optima(tmp_path / "whole", tiny, recipe)
    await whole.run()
    whole.close()

    class Killed(BaseException):
        pass

    class Dying(TrlTrainer):
        def sft(self, rows, **settings):
            raise Killed

    broken = OptimaRun(
        tmp_path / "killed", recipe, TASKS, TASKS, SETTING, tiny, open_tiny, Dying(), reward=FAST, say=lambda _: None
    )
    with pytest.raises(Killed):
        await broken.run()
    broken.close()
    said = []
    rest = optima(tmp_path / "killed", tiny, recipe)
    rest.say = said.append
    await rest.run()
    rest.close()
    assert said[0] == "iteration 1 of 1: train"
    assert rewards(tmp_path / "killed") == pytest.approx(rewards(tmp_path / "whole"))


def chat(*said):
    return [{"role": role, "content": text} for role, text in said]


def test_only_own_tokens_are_learnt(tiny):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny)
    row = token_row(
        chat(("system", "w0"), ("user", "w1"), ("assistant", "w2 w3"), ("user", "w4"), ("assistant", "w5")), tokenizer
    )
    learnt = tokenizer.decode([token for token in row.labels if token != -100])
    assert learnt == "w2 w3 </s> w5 </s>"
    assert len(row.labels) == len(row.input_ids)


def test_templates_that_rewrite_the_past_are_refused(tiny):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny)
    tokenizer.chat_template = "w{{ messages | length }} " + tokenizer.chat_template
    with pytest.raises(TrainingError, match="renders earlier messages differently"):
        token_row(chat(("user", "w1"), ("assistant", "w2"), ("user", "w1"), ("assistant", "w3")), tokenizer)


@pytest.mark.parametrize("settings", [{"lora": 4}, {"loss": "simpo"}, {"nll": 0.0}])
def test_preference_losses_and_adapters(tmp_path, tiny, settings):
    pairs = [Pair(chat(("user", f"w{n}")), chat(("assistant", "w5")), chat(("assistant", "w6 w7"))) for n in range(4)]
    outcome = TrlTrainer().prefer(
        pairs, model=tiny, output=tmp_path / "out", settings=replace(TRAIN, lr_preference=1e-2, **settings)
    )
    assert outcome.last_loss < outcome.first_loss and outcome.steps == 4
    assert (tmp_path / "out/model.safetensors").exists() and (tmp_path / "out/tokenizer.json").exists()


def test_a_disk_that_fills_up_while_the_model_is_saved_leaves_no_half_of_it(tmp_path, tiny, monkeypatch):
    import transformers

    def full(self, folder, **_):
        (Path(folder) / "half").write_text("x")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(transformers.PreTrainedModel, "save_pretrained", full)
    rows = [SftRow(chat(("user", "w1"), ("assistant", "w2")))]
    with pytest.raises(DiskFull, match="no room left for the trained model out"):
        TrlTrainer().sft(rows, model=tiny, output=tmp_path / "out", settings=replace(TRAIN, epochs=1))
    assert list(tmp_path.iterdir()) == []


def test_rows_that_are_too_long_are_left_out_and_counted(tmp_path, tiny):
    rows = [SftRow(chat(("user", "w1 " * size), ("assistant", "w2"))) for size in (2, 400)]
    outcome = TrlTrainer().sft(rows, model=tiny, output=tmp_path / "out", settings=TRAIN)
    assert (outcome.rows, outcome.left_out) == (1, 1)
    with pytest.raises(TrainingError, match="all 1 rows are longer than max_length=256"):
        TrlTrainer().sft(rows[1:], model=tiny, output=tmp_path / "none", settings=TRAIN)
    assert not (tmp_path / "none").exists()


@pytest.mark.asyncio
async def test_readability_is_the_mean_cross_entropy(tiny):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = AutoModelForCausalLM.from_pretrained(tiny), AutoTokenizer.from_pretrained(tiny)
    texts = ["w1 w2 w3", "w4 w5 w6 w7 w8", "w9"]
    found = await TorchReadability(tiny, device="cpu").losses(texts)
    for text, loss in zip(texts[:2], found[:2], strict=True):
        ids = tokenizer(text, return_tensors="pt", add_special_tokens=False)["input_ids"]
        with torch.inference_mode():
            assert loss == pytest.approx(float(model(ids, labels=ids).loss), rel=1e-4)
    assert found[2] == 0.0, "a single token without BOS is predicted by nothing"


def test_ches_is_highest_where_both_messages_are_the_same(tiny):
    prompt = chat(("user", "w1"))
    same = Pair(prompt, chat(("assistant", "w5")), chat(("assistant", "w5")))
    other = Pair(prompt, chat(("assistant", "w5")), chat(("assistant", "w9")))
    scores = ches_scores([same, other], tiny, device="cpu")
    assert scores[0] == pytest.approx(0.0, abs=1e-3) and scores[1] < scores[0]


def test_influence_is_positive_for_what_is_wanted_and_negative_for_its_reverse(tiny):
    prompt = chat(("user", "w1"))
    wanted = Pair(prompt, chat(("assistant", "w5")), chat(("assistant", "w9")))
    reverse = Pair(prompt, wanted.rejected, wanted.chosen)
    helps, harms = influence_on([wanted], tiny, device="cpu")([wanted, reverse])
    assert helps > 0 and harms == pytest.approx(-helps)
    with pytest.raises(ValueError, match="give some"):
        influence_on([], tiny)


def test_mutual_influence_prefers_what_the_others_want_and_measures_no_pair_on_itself(tiny):
    wanted = [Pair(chat(("user", f"w{n}")), chat(("assistant", "w5")), chat(("assistant", "w9"))) for n in range(5)]
    odd = Pair(chat(("user", "w1")), wanted[0].rejected, wanted[0].chosen)
    scores = mutual_influence(tiny, [*wanted, odd])
    assert min(scores[:5]) > 0 > scores[5]
    assert mutual_influence(tiny, wanted[:1]) == [0.0]
    with pytest.raises(ValueError, match="the model that will be trained"):
        mutual_influence(None, wanted)


@pytest.fixture
def endpoint():
    """A server that answers as vLLM does with `prompt_logprobs`, or without, as others do."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            choice = {"index": 0, "text": "", "finish_reason": "length", "logprobs": None}
            if asked.get("prompt_logprobs") == 0 and asked["model"] == "vllm":
                words = asked["prompt"].split()
                choice["prompt_logprobs"] = [None, *({"7": {"logprob": -float(len(word))}} for word in words[1:])]
            body = json.dumps({"id": "1", "object": "text_completion", "created": 0, "model": "m", "choices": [choice]})
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


@pytest.mark.asyncio
async def test_readability_from_a_servers_prompt_logprobs(endpoint):
    assert await EndpointReadability(endpoint, "vllm").losses(["a bb cccc", "a b"]) == [3.0, 1.0]
    with pytest.raises(RewardError, match="gives no prompt logprobs"):
        await EndpointReadability(endpoint, "other").losses(["a b"])


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_the_recipe_for_a_cpu_runs_on_smollm2(tmp_path):
    """The recipe of docs/optima.md, on fewer tasks: SmolLM2-135M, LoRA, one supervised and one preference iteration."""
    from typer.testing import CliRunner

    from agentrt.cli.optima import app

    tasks = Path(__file__).parents[2] / "examples/data/simple_facts.json"
    options = (
        f"loop {tmp_path / 'run'} --tasks {tasks} --limit 6 --model smollm2-135m --recipe isft-dpo --iterations 2 "
        "--samples 2 --concurrency 8 --batch 4 --epochs 1 --lr-sft 5e-4 --lr-preference 5e-5 --threshold -1 "
        "--least -1 --gap 0 --rollouts 2 --expansions 2 --max-turns 3 --max-tokens 32 --least-tokens 10 --json"
    )
    done = CliRunner().invoke(app, options.split(), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert [one["kind"] for one in json.loads(done.stdout)["iterations"]] == ["base", "sft", "dpo"]
    assert (tmp_path / "run/iteration-2/model/model.safetensors").exists()
