"""Language models on this machine: fetched, converted, served by vLLM, and spoken to.

    async with open_model("qwen2.5-coder-1.5b") as model:
        async for chunk in model.astream("One sentence about rivers."):
            print(chunk.text, end="")

Importing this package imports neither torch nor vLLM nor the openai client.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentrt.serving.capabilities import Capabilities, capabilities_of, held_to
    from agentrt.serving.catalogue import CATALOGUE, CatalogueEntry, lookup
    from agentrt.serving.chat_model import ChatVLLM
    from agentrt.serving.errors import ServingError
    from agentrt.serving.local_model import ModelSpec, open_model
    from agentrt.serving.probe import Machine, probe
    from agentrt.serving.progress import Progress, ProgressSink
    from agentrt.serving.pull import pull
    from agentrt.serving.settings import Patience, ServerSettings
    from agentrt.serving.speculation import (
        RSD,
        DraftModel,
        Eagle3,
        Lookup,
        Ngram,
        Off,
        Speculation,
        Suffix,
        parse_speculation,
    )

__all__ = [
    "CATALOGUE",
    "RSD",
    "Capabilities",
    "CatalogueEntry",
    "ChatVLLM",
    "DraftModel",
    "Eagle3",
    "Lookup",
    "Machine",
    "ModelSpec",
    "Ngram",
    "Off",
    "Patience",
    "Progress",
    "ProgressSink",
    "ServerSettings",
    "ServingError",
    "Speculation",
    "Suffix",
    "capabilities_of",
    "held_to",
    "lookup",
    "open_model",
    "parse_speculation",
    "probe",
    "pull",
]

_HOME_OF = {
    "CATALOGUE": "catalogue",
    "RSD": "speculation",
    "Capabilities": "capabilities",
    "CatalogueEntry": "catalogue",
    "ChatVLLM": "chat_model",
    "DraftModel": "speculation",
    "Eagle3": "speculation",
    "Lookup": "speculation",
    "Machine": "probe",
    "ModelSpec": "local_model",
    "Ngram": "speculation",
    "Off": "speculation",
    "Patience": "settings",
    "Progress": "progress",
    "ProgressSink": "progress",
    "ServerSettings": "settings",
    "ServingError": "errors",
    "Speculation": "speculation",
    "Suffix": "speculation",
    "capabilities_of": "capabilities",
    "held_to": "capabilities",
    "lookup": "catalogue",
    "open_model": "local_model",
    "parse_speculation": "speculation",
    "probe": "probe",
    "pull": "pull",
}


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
