"""Everything speculative decoding with draft trees refuses, and why.

    RSDError
    ├── InvalidTree                the tree cannot be built, or is too large for what must verify it
    ├── NonFiniteLogits            a model returned NaN, or nothing but minus infinity
    ├── ModelPairError             these two models cannot work together
    │   ├── VocabularyMismatch     token ids do not mean the same to both
    │   └── DraftLargerThanTarget  drafting would cost more than decoding
    ├── InvalidRequest             a request that cannot be run
    │   ├── InvalidSampling        temperature, top-k, top-p or the token limit is out of range
    │   └── ContextExceeded        prompt and answer do not fit the context
    ├── InvalidLayers              a draft cannot be made of these layers
    ├── DistillationError          a draft could not be taught
    ├── EngineClosed               the engine was closed while it was needed
    └── UnsupportedVLLM            the installed vLLM lacks a hook the plugin needs

Every message says what happened, where, and what to do next.
"""

from __future__ import annotations


class RSDError(Exception):
    """Root of the tree; catch this to catch everything `agentrt.serving.rsd` raises on purpose."""


class InvalidTree(RSDError):
    """A tree's shape is malformed, or has more nodes than the verifier's budget allows."""


class NonFiniteLogits(RSDError):
    """A model's logits hold NaN, or a row has no finite entry: no distribution can be made of it."""


class ModelPairError(RSDError):
    """A draft and a target that cannot be used together."""


class VocabularyMismatch(ModelPairError):
    """The draft's token ids are not the target's."""


class DraftLargerThanTarget(ModelPairError):
    """The draft has more parameters than the target."""


class InvalidRequest(RSDError):
    """A request that cannot be run as it stands."""


class InvalidSampling(InvalidRequest):
    """A sampling setting is out of its range."""


class ContextExceeded(InvalidRequest):
    """The prompt leaves no room for an answer."""


class InvalidLayers(RSDError):
    """The layers to keep are not the target's, or are all of them."""


class DistillationError(RSDError):
    """Teaching a draft failed, or cannot start."""


class EngineClosed(RSDError):
    """The engine was closed; its caches are gone."""


class UnsupportedVLLM(RSDError):
    """The installed vLLM does not offer a hook the plugin needs."""
