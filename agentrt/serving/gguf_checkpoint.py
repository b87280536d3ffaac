"""A child process that writes a GGUF file out as a checkpoint folder: bf16, or int8 W8A8.

It runs by path, so that torch and transformers live and die with it. Progress goes to standard output,
one JSON object a line (`text`, `done`, `total`); why it failed is the last line on standard error.

int8 is the compressed-tensors format that vLLM runs natively on CPUs: the weight of every projection
rounded to int8 with one symmetric scale an output channel, activations quantised per token at run time.
No calibration data: round to nearest, scale = max |w| / 127.
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


def _tell(text: str, done: int, total: int) -> None:
    print(json.dumps({"text": text, "done": done, "total": total}), flush=True)


def quantise(weight: Any) -> tuple[Any, Any]:
    """Round a weight `[out, in]` to int8 with one float32 scale an output channel, `[out, 1]`."""
    import torch

    weight = weight.float()
    scale = weight.abs().amax(dim=1, keepdim=True).clamp(min=1e-8) / 127.0
    return torch.clamp(torch.round(weight / scale), -127, 127).to(torch.int8), scale


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
    parser.add_argument("--scheme", choices=["int8", "bf16"], required=True)
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
