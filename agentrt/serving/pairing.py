"""Whether a way to draft can work with this target, engine and machine: asked before a server is started."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any, cast

from agentrt.serving.errors import SpeculationRefused
from agentrt.serving.speculation import RSD, DraftModel, Eagle3, Ngram, Speculation, Suffix


def check_speculation(speculation: Speculation, target: Path) -> None:
    """Refuse what cannot work.

    Args:
        speculation: The method; models in it are checkpoint folders by now.
        target: Checkpoint folder of the model it drafts for.

    Raises:
        SpeculationRefused: With the reason in words, and what would work.
    """
    match speculation:
        case Suffix():
            if importlib.util.find_spec("arctic_inference") is None:
                raise SpeculationRefused(
                    "Suffix drafts need the package arctic-inference, which is not installed. Run: "
                    f"{sys.executable} -m pip install --no-deps arctic-inference (it compiles for some minutes), "
                    "or use lookup, which needs nothing."
                )
        case DraftModel():
            _check_pair(Path(speculation.model), target)
        case RSD():
            _check_pair(Path(speculation.draft), target)
        case Eagle3():
            _check_head(Path(speculation.model), target)
        case _:
            pass
    if isinstance(speculation, Ngram | DraftModel | Eagle3) and speculation.load and not _engine_follows_load():
        raise SpeculationRefused(
            "The installed vLLM cannot let drafts follow the load (it has no num_speculative_tokens_per_batch_size, "
            "which came with 0.32). Upgrade it, or give the method load=()."
        )


def _check_pair(draft: Path, target: Path) -> None:
    """A draft's tokens must mean the same to the target, one by one."""
    ours, theirs = _config(target), _config(draft)
    sizes = ours.get("vocab_size"), theirs.get("vocab_size")
    if sizes[0] != sizes[1]:
        raise SpeculationRefused(
            f"{draft} cannot draft for {target}: their vocabularies have {sizes[1]} and {sizes[0]} tokens. "
            "Take a smaller model of the same family, or lookup, which needs no model."
        )
    marks = _vocabulary(target), _vocabulary(draft)
    if None not in marks and marks[0] != marks[1]:
        raise SpeculationRefused(
            f"{draft} cannot draft for {target}: both have {sizes[0]} tokens, but not the same ones. "
            "Take a smaller model of the same family, or lookup, which needs no model."
        )


def _check_head(head: Path, target: Path) -> None:
    config = _config(head)
    names = " ".join(str(name) for name in cast("list[object]", config.get("architectures") or []))
    if "eagle" not in names.lower():
        raise SpeculationRefused(
            f"{head} is no EAGLE-3 head: its config.json names {names or 'no architecture'}. Use draft_model for a "
            "whole model."
        )
    widths = _config(target).get("hidden_size"), config.get("target_hidden_size", config.get("hidden_size"))
    if None not in widths and widths[0] != widths[1]:
        raise SpeculationRefused(
            f"{head} was trained for a model {widths[1]} wide, {target} is {widths[0]} wide. Each target needs its own."
        )


def _config(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise SpeculationRefused(
            f"{folder} is no checkpoint folder: its config.json cannot be read ({error})."
        ) from None


def _vocabulary(folder: Path) -> str | None:
    """A hash of a fast tokenizer's tokens and their numbers; None where there is no such file."""
    try:
        described = json.loads((folder / "tokenizer.json").read_text())
        tokens = described["model"]["vocab"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return hashlib.sha256(json.dumps(tokens, sort_keys=True).encode()).hexdigest()


def _engine_follows_load() -> bool:
    """Read from vLLM's source: importing it takes seconds."""
    found = importlib.util.find_spec("vllm")
    for place in (found.submodule_search_locations or ()) if found else ():
        source = Path(place) / "config" / "speculative.py"
        if source.is_file():
            return "num_speculative_tokens_per_batch_size" in source.read_text(encoding="utf-8")
    # A vLLM that is laid out otherwise will say itself what it does not know.
    return True
