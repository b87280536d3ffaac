"""Speculative decoding as a typed setting.

A draft proposes tokens, the target model checks several in one pass; the answer's distribution stays
the target's own. On a CPU one pass costs the weights' way through memory, whether it checks one token
or five, so drafts that copy from the prompt (plans repeat tool names and words of the question) halve
the time of a plan for one user. With many requests at once the passes are full anyway and drafts cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Off:
    """One token a pass."""

    kind: Literal["off"] = "off"


@dataclass(frozen=True, slots=True)
class Ngram:
    """Drafts copied from where the last few tokens stood before in prompt and answer.

    Attributes:
        tokens: Longest draft, in tokens.
        longest: Longest run of last tokens that is looked up.
        shortest: Shortest one.
    """

    tokens: int = 4
    longest: int = 4
    shortest: int = 2
    kind: Literal["ngram"] = "ngram"


@dataclass(frozen=True, slots=True)
class DraftModel:
    """Drafts from a smaller model with the same vocabulary.

    Attributes:
        folder: Its checkpoint folder.
        tokens: Length of a draft, in tokens.
    """

    folder: str
    tokens: int = 3
    kind: Literal["draft_model"] = "draft_model"


Speculation: TypeAlias = Off | Ngram | DraftModel


def vllm_speculative_config(speculation: Speculation) -> dict[str, Any] | None:
    """The value of vLLM's `--speculative-config`, or None for no speculation."""
    match speculation:
        case Off():
            return None
        case Ngram():
            return {
                "method": "ngram",
                "num_speculative_tokens": speculation.tokens,
                "prompt_lookup_max": speculation.longest,
                "prompt_lookup_min": speculation.shortest,
            }
        case DraftModel():
            return {
                "method": "draft_model",
                "model": speculation.folder,
                "num_speculative_tokens": speculation.tokens,
            }
