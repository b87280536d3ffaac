"""A child process that writes a GGUF file out as a checkpoint folder: bf16, int8 W8A8 or int4 W4A16.

It runs by path, so that torch and transformers live and die with it. Progress goes to standard output,
one JSON object a line (`text`, `done`, `total`); why it failed is the last line on standard error.

int8 is the compressed-tensors format that vLLM runs natively on CPUs: the weight of every projection
rounded to int8 with one symmetric scale an output channel, activations quantised per token at run time.
No calibration data: round to nearest, scale = max |w| / 127.

int4 stores weights only: groups of 32 along the input, of which the largest weight in magnitude becomes -8 (llama.cpp's
Q4_0), packed eight to a word; it is multiplied in bf16.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

MISSING_PACKAGE = 3
GROUP = 32


def _tell(text: str, done: int, total: int) -> None:
    print(json.dumps({"text": text, "done": done, "total": total}), flush=True)


def quantise(weight: Any) -> tuple[Any, Any]:
    """Round a weight `[out, in]` to int8 with one float32 scale an output channel, `[out, 1]`."""
    import torch

    weight = weight.float()
    scale = weight.abs().amax(dim=1, keepdim=True).clamp(min=1e-8) / 127.0
    return torch.clamp(torch.round(weight / scale), -127, 127).to(torch.int8), scale


def quantise4(weight: Any) -> tuple[Any, Any]:
    """Round a weight `[out, in]` to 4 bits: int32 `[out, in / 8]`, lowest bits first, and scales `[out, in / GROUP]`.

    What is stored is `q + 8` with `q` from -8 to 7; the weight is `scale * q`. Scales may be negative.
    """
    import torch

    rows, columns = weight.shape
    groups = weight.float().view(rows, columns // GROUP, GROUP)
    farthest = groups.gather(2, groups.abs().argmax(dim=2, keepdim=True))
    scale = (farthest / -8.0).to(torch.bfloat16)
    divisor = torch.where(scale == 0, torch.ones_like(scale), scale).float()
    stored = (torch.clamp(torch.round(groups / divisor), -8, 7) + 8).to(torch.int64).view(rows, columns // 8, 8)
    shifts = torch.arange(8) * 4
    packed = (stored << shifts).sum(dim=2)
    # The upper half of what fits 32 bits without a sign is negative with one.
    packed = torch.where(packed >= 2**31, packed - 2**32, packed).to(torch.int32)
    return packed, scale.squeeze(2)


def weight_only_config() -> dict[str, Any]:
    """The `quantization_config` that goes with `quantise4`."""
    weights = {"num_bits": 4, "type": "int", "symmetric": True, "strategy": "group", "group_size": GROUP}
    group = {"targets": ["Linear"], "weights": {**weights, "dynamic": False}, "input_activations": None}
    return {
        "quant_method": "compressed-tensors",
        "format": "pack-quantized",
        "quantization_status": "compressed",
        "ignore": ["lm_head"],
        "config_groups": {"group_0": {**group, "output_activations": None}},
    }


def compressed_tensors_config() -> dict[str, Any]:
    """The `quantization_config` that goes with `quantise`, for a checkpoint's `config.json`."""
    weights = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel", "dynamic": False}
    inputs = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "token", "dynamic": True}
    group = {"targets": ["Linear"], "weights": weights, "input_activations": inputs, "output_activations": None}
    return {
        "quant_method": "compressed-tensors",
        "format": "int-quantized",
        "quantization_status": "compressed",
        "ignore": ["lm_head"],
        "config_groups": {"group_0": group},
    }


def write_checkpoint(gguf: Path, out: Path, scheme: str) -> None:
    """Read `gguf` and write the folder `out` (made here): weights, config, tokenizer, chat template."""
    import torch

    transformers: Any = import_module("transformers")
    save_file: Any = import_module("safetensors.torch").save_file
    # Newer releases keep GGUF blocks packed unless told; older ones know only dense weights.
    gguf_config: Any = getattr(transformers, "GgufConfig", None)
    dense = {"quantization_config": gguf_config(dequantize=True)} if gguf_config else {}

    total = 4
    _tell("reading the GGUF", 0, total)
    here = str(gguf.parent)
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(
        here, gguf_file=gguf.name, dtype=torch.bfloat16, **dense
    )
    _tell("reading the tokenizer", 1, total)
    tokenizer: Any = transformers.AutoTokenizer.from_pretrained(here, gguf_file=gguf.name)

    _tell(f"rounding the weights to {scheme}", 2, total)
    config = model.config
    tensors: dict[str, Any] = {}
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        if scheme == "int8" and name.endswith("_proj.weight"):
            tensors[name], tensors[f"{name}_scale"] = quantise(tensor)
        elif scheme == "int4" and name.endswith("_proj.weight"):
            tensors[f"{name}_packed"], tensors[f"{name}_scale"] = quantise4(tensor)
            tensors[f"{name}_shape"] = torch.tensor(tensor.shape)
        else:
            tensors[name] = tensor.to(torch.bfloat16).contiguous()

    _tell("writing the checkpoint", 3, total)
    out.mkdir(parents=True)
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    described = config.to_dict()
    described.update(architectures=[type(model).__name__], dtype="bfloat16")
    for stale in ("_name_or_path", "quantization_config"):
        described.pop(stale, None)
    if scheme == "int8":
        described["quantization_config"] = compressed_tensors_config()
    if scheme == "int4":
        described["quantization_config"] = weight_only_config()
    (out / "config.json").write_text(json.dumps(described, indent=2, default=str))
    if model.generation_config is not None:
        model.generation_config.save_pretrained(out)
    tokenizer.save_pretrained(out)
    _tell("checkpoint written", 4, total)


def main(arguments: list[str]) -> int:
    """Parse the command line and write; the result is the exit status."""
    parser = argparse.ArgumentParser(description="GGUF to checkpoint folder")
    parser.add_argument("gguf", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--scheme", choices=["int8", "int4", "bf16"], required=True)
    options = parser.parse_args(arguments)
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        write_checkpoint(options.gguf, options.out, options.scheme)
    except ModuleNotFoundError as error:
        print(f"missing package: {error.name}", file=sys.stderr)
        return MISSING_PACKAGE
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
