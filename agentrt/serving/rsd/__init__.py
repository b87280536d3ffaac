"""Recursive speculative decoding: draft trees sampled without replacement, verified so that the text is the target's.

Jeon et al. 2024 (arXiv 2402.14160). The mathematics (`shape`, `sampling`, `growth`, `tree`, `rules`, `verify`,
`traversal`, `baselines`) is numpy alone; `engine` runs any pair of transformers models, `chat_model` puts a langchain
chat model in front of it. Names resolve on first use, so that importing this package loads neither numpy nor torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentrt.serving.rsd.adaptive import TreeChooser as TreeChooser
    from agentrt.serving.rsd.chat_model import ChatRSD as ChatRSD
    from agentrt.serving.rsd.engine import Engine as Engine
    from agentrt.serving.rsd.errors import RSDError as RSDError
    from agentrt.serving.rsd.load import load_engine as load_engine
    from agentrt.serving.rsd.opening import open_chat as open_chat
    from agentrt.serving.rsd.request import Request as Request
    from agentrt.serving.rsd.request import Sampling as Sampling
    from agentrt.serving.rsd.shape import TreeShape as TreeShape
    from agentrt.serving.rsd.traversal import TraversalVerification as TraversalVerification
    from agentrt.serving.rsd.verify import RecursiveRejection as RecursiveRejection
    from agentrt.serving.rsd.verify import Verifier as Verifier

_HOME = {
    "ChatRSD": "chat_model",
    "Engine": "engine",
    "RSDError": "errors",
    "RecursiveRejection": "verify",
    "Request": "request",
    "Sampling": "request",
    "TraversalVerification": "traversal",
    "TreeChooser": "adaptive",
    "TreeShape": "shape",
    "Verifier": "verify",
    "load_engine": "load",
    "open_chat": "opening",
}

__all__ = [
    "ChatRSD",
    "Engine",
    "RSDError",
    "RecursiveRejection",
    "Request",
    "Sampling",
    "TraversalVerification",
    "TreeChooser",
    "TreeShape",
    "Verifier",
    "load_engine",
    "open_chat",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
