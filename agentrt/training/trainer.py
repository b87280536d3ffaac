"""The `Trainer` port with trl: SFT on own tokens, DPO with a likelihood term, SimPO; all weights or LoRA."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from agentrt.training.checkpoint import bfloat16_on_cpu, device_of, load, need_training_packages, quiet, save
from agentrt.training.rows import chat_tokens, token_row
from multiagent.errors import TrainingError
from multiagent.training.port import ModelAt, SftRow, Trainer, TrainOutcome, TrainSettings
from multiagent.trajectories import Pair


class TrlTrainer(Trainer):
    """Trains with Hugging Face trl and peft. Nothing is sent anywhere and nothing is fetched.

    Args:
        keep: a folder for checkpoints on the way: a training that was stopped goes on from the last one there, with
            the same rows and settings. Emptied by whoever made it, when the training is done.
        keep_every: steps between them.
        on_step: told after each step how many are done, how many there are, and the loss.
        mixed: whether a CPU that can do so multiplies in bfloat16 (three times as fast on a Zen 4; weights, and what
            is added to them, stay in float32). A GPU always does.
    """

    def __init__(
        self,
        *,
        keep: Path | None = None,
        keep_every: int = 10,
        on_step: Callable[[int, int, float], None] | None = None,
        mixed: bool = False,
    ) -> None:
        self._mixed = mixed
        self._keep = keep
        self._keep_every = keep_every
        self._on_step = on_step

    def sft(self, rows: Sequence[SftRow], *, model: ModelAt, output: Path, settings: TrainSettings) -> TrainOutcome:
        """See `Trainer.sft`. Rows longer than `max_length` are left out: cut in half they would teach to break off."""
        need_training_packages()
        from trl.trainer.sft_config import SFTConfig
        from trl.trainer.sft_trainer import SFTTrainer

        began = time.monotonic()
        weights, tokenizer = load(model, device_of(settings.device))
        tokens = [token_row(row.messages, tokenizer) for row in rows]
        fitting = [row for row in tokens if len(row.input_ids) <= settings.max_length]
        _check(fitting, tokens, settings)
        data = _dataset([{"input_ids": row.input_ids, "labels": row.labels} for row in fitting])

        def build(folder: str) -> Any:
            config = SFTConfig(
                **_common(settings, folder, settings.lr_sft, self._mixed), max_length=settings.max_length, packing=False
            )
            return SFTTrainer(
                weights, config, train_dataset=data, processing_class=tokenizer, peft_config=_lora(settings)
            )

        return self._train(build, tokenizer, output, len(fitting), len(tokens) - len(fitting), began)

    def prefer(self, pairs: Sequence[Pair], *, model: ModelAt, output: Path, settings: TrainSettings) -> TrainOutcome:
        """See `Trainer.prefer`: DPO plus `nll` times the chosen message's likelihood, or SimPO."""
        need_training_packages()
        began = time.monotonic()
        weights, tokenizer = load(model, device_of(settings.device))
        fitting = [pair for pair in pairs if _length(pair, tokenizer) <= settings.max_length]
        _check(fitting, pairs, settings)
        data = _dataset([_row(pair) for pair in fitting])

        def build(folder: str) -> Any:
            common = _common(settings, folder, settings.lr_preference, self._mixed)
            if settings.loss == "simpo":
                from trl.experimental.cpo import CPOConfig, CPOTrainer

                config = CPOConfig(
                    **common,
                    loss_type="simpo",
                    cpo_alpha=settings.nll,
                    beta=settings.beta,
                    simpo_gamma=settings.simpo_gamma,
                    max_length=settings.max_length,
                )
                return CPOTrainer(
                    weights, config, train_dataset=data, processing_class=tokenizer, peft_config=_lora(settings)
                )
            from trl.trainer.dpo_config import DPOConfig
            from trl.trainer.dpo_trainer import DPOTrainer

            losses = ["sigmoid", "sft"] if settings.nll else ["sigmoid"]
            config = DPOConfig(
                **common,
                loss_type=losses,
                loss_weights=[1.0, settings.nll][: len(losses)],
                beta=settings.beta,
                max_length=settings.max_length,
                precompute_ref_log_probs=True,
            )
            return DPOTrainer(
                weights, args=config, train_dataset=data, processing_class=tokenizer, peft_config=_lora(settings)
            )

        return self._train(build, tokenizer, output, len(fitting), len(pairs) - len(fitting), began)

    def _train(
        self, build: Callable[[str], Any], tokenizer: Any, output: Path, rows: int, left_out: int, began: float
    ) -> TrainOutcome:
        from transformers import IntervalStrategy, PrinterCallback

        with tempfile.TemporaryDirectory() as folder, quiet():
            trainer = build(folder if self._keep is None else str(self._keep))
            trainer.remove_callback(PrinterCallback)
            if self._keep is not None:
                self._keep.mkdir(parents=True, exist_ok=True)
                trainer.args.save_strategy, trainer.args.save_steps = IntervalStrategy.STEPS, self._keep_every
                trainer.args.save_total_limit = 1
            if self._on_step is not None:
                trainer.add_callback(_telling(self._on_step))
            trainer.train(resume_from_checkpoint=None if self._keep is None else _last(self._keep))
        losses = [float(entry["loss"]) for entry in trainer.state.log_history if "loss" in entry]
        if not losses or not all(math.isfinite(loss) for loss in losses):
            raise TrainingError(
                f"the loss is not finite after {len(losses)} steps, nothing was saved; lower the learning rate"
            )
        save(trainer.model, tokenizer, output)
        return TrainOutcome(
            rows=rows,
            left_out=left_out,
            steps=int(trainer.state.global_step),
            first_loss=losses[0],
            last_loss=losses[-1],
            seconds=time.monotonic() - began,
        )


def _last(kept: Path) -> str | None:
    """The checkpoint with the most steps, if there is one."""
    found = [path for path in kept.glob("checkpoint-*") if path.name.removeprefix("checkpoint-").isdecimal()]
    return str(max(found, key=lambda path: int(path.name.removeprefix("checkpoint-")))) if found else None


def _telling(on_step: Callable[[int, int, float], None]) -> Any:
    from transformers import TrainerCallback

    class Telling(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if logs and "loss" in logs:
                on_step(int(state.global_step), int(state.max_steps), float(logs["loss"]))

    return Telling()


def _common(settings: TrainSettings, folder: str, rate: float, mixed: bool) -> dict[str, Any]:
    device = device_of(settings.device)
    micro = min(settings.micro_batch, settings.batch)
    return {
        "output_dir": folder,
        "learning_rate": rate,
        "num_train_epochs": settings.epochs,
        "per_device_train_batch_size": micro,
        "gradient_accumulation_steps": max(1, settings.batch // micro),
        "seed": settings.seed,
        "use_cpu": device == "cpu",
        "bf16": device != "cpu" or (mixed and bfloat16_on_cpu()),
        "dataloader_pin_memory": device != "cpu",
        "gradient_checkpointing": False,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
    }


def _dataset(rows: list[dict[str, Any]]) -> Any:
    import datasets

    made: Any = datasets.Dataset  # its signatures are half typed
    return made.from_list(rows)


def _lora(settings: TrainSettings) -> Any:
    if settings.lora is None:
        return None
    from peft import LoraConfig

    return LoraConfig(
        r=settings.lora,
        lora_alpha=2 * settings.lora,
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )


def _check(fitting: Sequence[object], rows: Sequence[object], settings: TrainSettings) -> None:
    if not rows:
        raise TrainingError("there is nothing to train on")
    if not fitting:
        raise TrainingError(
            f"all {len(rows)} rows are longer than max_length={settings.max_length}; raise it or shorten contexts"
        )


def _row(pair: Pair) -> dict[str, Any]:
    return {"prompt": list(pair.prompt), "chosen": list(pair.chosen), "rejected": list(pair.rejected)}


def _length(pair: Pair, tokenizer: Any) -> int:
    return max(
        len(chat_tokens([*pair.prompt, *answer], tokenizer, prompt=False)) for answer in (pair.chosen, pair.rejected)
    )
