"""What a vLLM server says about itself: its Prometheus page, read into the few numbers people ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from agentrt.serving.http_probe import http_get

_PREFIX = "vllm:"
# Member of `Stats` to the sample it is the sum of, over all labels.
_SAMPLES = {
    "running": "num_requests_running",
    "waiting": "num_requests_waiting",
    "cache_used": "kv_cache_usage_perc",
    "preemptions": "num_preemptions_total",
    "prompt_tokens": "prompt_tokens_total",
    "generated_tokens": "generation_tokens_total",
    "cache_queries": "prefix_cache_queries_total",
    "cache_hits": "prefix_cache_hits_total",
    "drafts": "spec_decode_num_drafts_total",
    "draft_tokens": "spec_decode_num_draft_tokens_total",
    "accepted_tokens": "spec_decode_num_accepted_tokens_total",
    "answers": "time_to_first_token_seconds_count",
    "first_token_seconds": "time_to_first_token_seconds_sum",
}


@dataclass(frozen=True, slots=True)
class Stats:
    """Counters since the server's start, and what it does now. Subtract two to get what happened between.

    Attributes:
        running: Requests being answered now.
        waiting: Requests that wait for their turn.
        cache_used: Share of the key-value cache in use, 0 to 1.
        preemptions: Requests that gave up their place in the cache for others and were computed again.
        prompt_tokens: Tokens of prompts, those found in the cache included.
        generated_tokens: Tokens written.
        cache_queries: Prompt tokens looked up in the prefix cache.
        cache_hits: Those found there.
        drafts: Drafts that were checked.
        draft_tokens: Tokens in them.
        accepted_tokens: Those that were kept.
        answers: Answers that have begun.
        first_token_seconds: Sum of their waits for the first token.
    """

    running: float = 0
    waiting: float = 0
    cache_used: float = 0
    preemptions: float = 0
    prompt_tokens: float = 0
    generated_tokens: float = 0
    cache_queries: float = 0
    cache_hits: float = 0
    drafts: float = 0
    draft_tokens: float = 0
    accepted_tokens: float = 0
    answers: float = 0
    first_token_seconds: float = 0

    def __sub__(self, earlier: Stats) -> Stats:
        """What happened since `earlier`; running, waiting and cache_used stay those of now."""
        now = ("running", "waiting", "cache_used")
        return Stats(
            **{
                one.name: getattr(self, one.name) - (0 if one.name in now else getattr(earlier, one.name))
                for one in fields(self)
            }
        )

    @property
    def acceptance(self) -> float | None:
        """Share of drafted tokens that were kept; None when nothing was drafted."""
        return self.accepted_tokens / self.draft_tokens if self.draft_tokens else None

    @property
    def tokens_per_call(self) -> float | None:
        """Tokens a request gets from one pass of the target model: every pass gives one and what was accepted."""
        calls = self.generated_tokens - self.accepted_tokens
        return self.generated_tokens / calls if calls > 0 else None

    @property
    def cache_hit_rate(self) -> float | None:
        """Share of prompt tokens found in the prefix cache; None before the first prompt."""
        return self.cache_hits / self.cache_queries if self.cache_queries else None

    @property
    def first_token(self) -> float | None:
        """Mean seconds to the first token; None before the first answer."""
        return self.first_token_seconds / self.answers if self.answers else None

    def to_json(self) -> dict[str, Any]:
        """All counters and the rates made of them, as JSON data."""
        rates = ("acceptance", "tokens_per_call", "cache_hit_rate", "first_token")
        return {name: getattr(self, name) for name in [*(one.name for one in fields(self)), *rates]}


async def read_stats(base_url: str, key: str = "") -> Stats | None:
    """A server's numbers; None when nobody answers there or it has no such page.

    Args:
        base_url: Its API root, ending in `/v1`, over plain HTTP.
        key: Its key.
    """
    page = await http_get(f"{base_url.removesuffix('/').removesuffix('/v1')}/metrics", key)
    if page is None or page.status != 200:
        return None
    return stats_of(page.text)


def stats_of(page: str) -> Stats:
    """The numbers on a Prometheus page; what is not there counts as 0."""
    sums = _sums(page)
    return Stats(**{member: sums.get(_PREFIX + sample, 0.0) for member, sample in _SAMPLES.items()})


def _sums(page: str) -> Mapping[str, float]:
    """Each sample's sum over its labels (the text format: `name{labels} value [time]`)."""
    sums: dict[str, float] = {}
    for line in page.splitlines():
        if not line.startswith(_PREFIX):
            continue
        name, _, rest = line.partition("{")
        if rest:
            words = rest.rpartition("}")[2].split()
        else:
            name, *words = line.split()
        try:
            sums[name] = sums.get(name, 0.0) + float(words[0])
        except (IndexError, ValueError):
            continue
    return sums
