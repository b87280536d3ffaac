"""Loads a checkpoint folder for training and saves it again, whole or not at all."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from multiagent.errors import DiskFull, TrainingError


def need_training_packages() -> None:
    """Says what to install where trl, peft or datasets is missing.

    Raises:
        TrainingError: names the missing packages.
    """
    missing = [name for name in ("trl", "peft", "datasets", "torch") if importlib.util.find_spec(name) is None]
    if missing:
        raise TrainingError(f"training needs {', '.join(missing)}: pip install 'agentrt[optima]'")


def load(model: str | Path, device: str) -> tuple[Any, Any]:
    """A model in training precision and its tokenizer, from a local folder only.

    Raises:
        TrainingError: the folder holds no model.
    """
    import transformers

    auto: Any = transformers  # its signatures are half typed
    try:
        with _no_bars():
            tokenizer = auto.AutoTokenizer.from_pretrained(str(model), local_files_only=True)
            weights = auto.AutoModelForCausalLM.from_pretrained(
                str(model), local_files_only=True, dtype=precision(device)
            )
    except (OSError, ValueError) as error:
        raise TrainingError(f"no model can be loaded from {Path(model).name}: {error}") from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return weights.to(device), tokenizer


@contextmanager
def quiet() -> Generator[None]:
    """Keeps the progress bars of transformers and datasets off while something is done: ours says what matters."""
    import datasets

    hidden = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        with _no_bars():
            yield
    finally:
        if not hidden:
            datasets.enable_progress_bars()


@contextmanager
def _no_bars() -> Generator[None]:
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def precision(device: str) -> Any:
    """bfloat16 on a GPU; float32 on a CPU, where bfloat16 loses small updates and gains no time."""
    import torch

    return torch.float32 if device == "cpu" else torch.bfloat16


def bfloat16_on_cpu() -> bool:
    """Whether this CPU has instructions for bfloat16 (AVX-512 or AMX). Without them it is slower than float32."""
    import torch

    asked: Any = torch.cpu
    return bool(asked._is_avx512_bf16_supported() or asked._is_amx_tile_supported())


def device_of(wanted: str) -> str:
    """`auto` settled: a GPU where there is one."""
    if wanted != "auto":
        return wanted
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def save(model: Any, tokenizer: Any, output: Path) -> None:
    """Saves a checkpoint folder; adapters are merged first. A folder by that name is complete.

    Raises:
        DiskFull: there is no room; nothing by that name is left.
    """
    part = output.with_name(output.name + ".part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        merged = model.merge_and_unload() if hasattr(model, "merge_and_unload") else model
        with _no_bars():
            merged.save_pretrained(str(part))
            tokenizer.save_pretrained(str(part))
        shutil.rmtree(output, ignore_errors=True)
        part.replace(output)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        if error.errno == 28:  # ENOSPC
            raise DiskFull(f"no room left for the trained model {output.name}; free some and train again") from error
        raise
