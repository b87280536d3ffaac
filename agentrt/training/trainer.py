"""The `Trainer` port with trl: SFT on own tokens, DPO with a likelihood term, SimPO; all weights or LoRA."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from agentrt.training.checkpoint import device_of, load, need_training_packages, quiet, save
from agentrt.training.rows import chat_tokens, token_row
from multiagent.errors import TrainingError
from multiagent.training.port import ModelAt, SftRow, Trainer, TrainOutcome, TrainSettings
from multiagent.trajectories import Pair


class TrlTrainer(Trainer):
    """Trains with Hugging Face trl and peft. Nothing is sent anywhere and nothing is fetched."""

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
                **_common(settings, folder, settings.lr_sft), max_length=settings.max_length, packing=False
            )
            return SFTTrainer(
                weights, config, train_dataset=data, processing_class=tokenizer, peft_config=_lora(settings)
            )

        return _train(build, tokenizer, output, len(fitting), len(tokens) - len(fitting), began)

    def prefer(self, pairs: Sequence[Pair], *, model: ModelAt, output: Path, settings: TrainSettings) -> TrainOutcome:
        """See `Trainer.prefer`: DPO plus `nll` times the chosen message's likelihood, or SimPO."""
        need_training_packages()
        began = time.monotonic()
        weights, tokenizer = load(model, device_of(settings.device))
        fitting = [pair for pair in pairs if _length(pair, tokenizer) <= settings.max_length]
        _check(fitting, pairs, settings)
        data = _dataset([_row(pair) for pair in fitting])

        def build(folder: str) -> Any:
            common = _common(settings, folder, settings.lr_preference)
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

        return _train(build, tokenizer, output, len(fitting), len(pairs) - len(fitting), began)


def _common(settings: TrainSettings, folder: str, rate: float) -> dict[str, Any]:
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
        "bf16": device != "cpu",
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


def _train(
    build: Callable[[str], Any], tokenizer: Any, output: Path, rows: int, left_out: int, began: float
) -> TrainOutcome:
    from transformers import PrinterCallback

    with tempfile.TemporaryDirectory() as folder, quiet():
        trainer = build(folder)
        trainer.remove_callback(PrinterCallback)
        trainer.train()
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
