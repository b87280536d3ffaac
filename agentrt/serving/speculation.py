"""Speculative decoding as a typed setting.

A draft proposes tokens, the target model checks several in one pass; the answer's distribution stays
the target's own. On a CPU one pass costs the weights' way through memory, whether it checks one token
or five, so drafts that copy from the prompt (plans repeat tool names and words of the question) halve
the time of a plan for one user. With many requests at once the passes are full anyway and drafts cost:
that is what `Load` is for.

People write a method as text (`ngram`, `draft_model:qwen2.5-coder-0.5b`, `rsd:rsd-s:3x4@…`, see
`parse_speculation`), settings files as a table with `kind`; both become these types.
"""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import ConfigDict, Discriminator, Field, NonNegativeInt, PositiveInt, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from agentrt.serving.errors import SpeculationRefused

Load: TypeAlias = tuple[tuple[PositiveInt, NonNegativeInt], ...]
"""How the length of drafts follows the load: `(requests, tokens)` pairs, requests rising.

`((3, 2), (5, 0))` reads: from 3 requests at once on drafts of 2 tokens, from 5 on none; below the first
pair the method's own length. Empty: one length whatever the load.
"""

QUIET: Load = ((3, 2), (5, 0))
"""What suits two cores, where a pass that checks 20 tokens costs more than one that checks 8."""

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_STRICT)
class Off:
    """One token a pass."""

    kind: Literal["off"] = "off"


@dataclass(frozen=True, config=_STRICT)
class Ngram:
    """Drafts copied from where the last few tokens stood before in prompt and answer.

    Attributes:
        tokens: Longest draft, in tokens.
        longest: Longest run of last tokens that is looked up.
        shortest: Shortest one.
        load: Shorter drafts when more requests run at once.
    """

    tokens: PositiveInt = 4
    longest: PositiveInt = 4
    shortest: PositiveInt = 2
    load: Load = QUIET
    kind: Literal["ngram"] = "ngram"

    def __post_init__(self) -> None:
        if self.shortest > self.longest:
            raise ValueError(f"shortest ({self.shortest}) must not exceed longest ({self.longest})")
        _check_load(self.load)


@dataclass(frozen=True, config=_STRICT)
class Lookup:
    """Drafts from how answer, prompt or earlier answers went on after the same tokens, as long as they are worth it.

    On a CPU only; elsewhere `Ngram` takes its place.

    Attributes:
        tokens: Longest draft, in tokens.
        remembered: Tokens of earlier answers that are kept.
        cost: What one more token costs in a pass, as a share of what a pass costs at least. The fuller the server and
            the higher this is, the surer a token must be to be drafted.
    """

    tokens: PositiveInt = 8
    remembered: NonNegativeInt = 65_536
    cost: Annotated[float, Field(gt=0)] = 0.1
    kind: Literal["lookup"] = "lookup"


@dataclass(frozen=True, config=_STRICT)
class Suffix:
    """Drafts from a tree of the suffixes of this prompt and of earlier answers (needs `arctic-inference`).

    Its length follows how often a continuation was seen, not the load.

    Attributes:
        depth: Longest match and draft together, in tokens.
        factor: Longest draft as a multiple of the match's length.
        least: Least estimated probability of a drafted token.
        remembered: Answers kept for later requests.
    """

    depth: PositiveInt = 24
    factor: Annotated[float, Field(ge=0)] = 1.0
    least: Annotated[float, Field(ge=0, le=1)] = 0.1
    remembered: NonNegativeInt = 10_000
    kind: Literal["suffix"] = "suffix"


@dataclass(frozen=True, config=_STRICT)
class DraftModel:
    """Drafts from a smaller model with the same vocabulary.

    Attributes:
        model: A catalogue name, or a checkpoint folder.
        tokens: Length of a draft, in tokens.
        load: Shorter drafts when more requests run at once.
    """

    model: str
    tokens: PositiveInt = 3
    load: Load = QUIET
    kind: Literal["draft_model"] = "draft_model"

    def __post_init__(self) -> None:
        _check_load(self.load)


@dataclass(frozen=True, config=_STRICT)
class Eagle3:
    """Drafts from an EAGLE-3 head trained for exactly this target.

    Attributes:
        model: The head's checkpoint folder.
        tokens: Length of a draft, in tokens.
        load: Shorter drafts when more requests run at once.
    """

    model: str
    tokens: PositiveInt = 3
    load: Load = QUIET
    kind: Literal["eagle3"] = "eagle3"

    def __post_init__(self) -> None:
        _check_load(self.load)


@dataclass(frozen=True, config=_STRICT)
class RSD:
    """Drafts as a tree drawn without replacement: recursive speculative decoding, docs/rsd.md.

    Attributes:
        draft: A smaller model with the same vocabulary: a catalogue name, or a checkpoint folder.
        tree: The tree's shape as text, such as `rsd-s:3x4` or `rsd-c:3-1-1`.
    """

    draft: str
    tree: str = "rsd-s:3x4"
    kind: Literal["rsd"] = "rsd"


Speculation: TypeAlias = Off | Ngram | Lookup | Suffix | DraftModel | Eagle3 | RSD

SPECULATION: TypeAdapter[Speculation] = TypeAdapter(Annotated[Speculation, Discriminator("kind")])
"""Reads a method from plain data, told apart by `kind`."""


@dataclass(frozen=True)
class Lowered:
    """A method in vLLM's words.

    Attributes:
        config: The value of `--speculative-config`; None without speculation.
        arguments: Further arguments of the server.
        env: Further variables of its environment.
        note: Why it is not quite what was asked for; None when it is.
    """

    config: dict[str, Any] | None = None
    arguments: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict[str, str])
    note: str | None = None


FORMS = (
    "off, auto, lookup[:TOKENS], ngram[:TOKENS], suffix[:DEPTH], draft_model:MODEL[:TOKENS], eagle3:FOLDER[:TOKENS], "
    "rsd:TREE@DRAFT"
)


def parse_speculation(text: str) -> Speculation:
    """A method from what people type.

    Args:
        text: One of `FORMS`, `auto` aside: that is no method but a wish for the best measured one.

    Raises:
        SpeculationRefused: It is none of these; the message lists them.
    """
    kind, _, rest = text.strip().partition(":")
    described: dict[str, Any] = {"kind": kind.lower().replace("-", "_")}
    if described["kind"] == "rsd":
        described["tree"], _, described["draft"] = rest.rpartition("@")
    elif described["kind"] in ("draft_model", "eagle3"):
        model, _, tokens = rest.rpartition(":")
        described["model"], tokens = (model, tokens) if model and tokens.isdigit() else (rest, "")
        described |= {"tokens": int(tokens)} if tokens else {}
    elif kind != text.strip():
        described["depth" if described["kind"] == "suffix" else "tokens"] = rest
    if any(value == "" for value in described.values()):
        raise SpeculationRefused(f"{text!r} leaves out a part. Ways to draft: {FORMS}.")
    try:
        return SPECULATION.validate_python(described)
    except ValidationError as error:
        why = "; ".join(str(problem["msg"]) for problem in error.errors())
        raise SpeculationRefused(f"{text!r} is no way to draft tokens ({why}). Ways to draft: {FORMS}.") from None


def wished(wish: Speculation | str) -> Speculation | Literal["auto"]:
    """A method, what people type for one, or `auto`, told apart.

    Raises:
        SpeculationRefused: Text that is none of `FORMS`.
    """
    if not isinstance(wish, str):
        return wish
    return "auto" if wish.strip().lower() == "auto" else parse_speculation(wish)


def _check_load(load: Load) -> None:
    requests = [pair[0] for pair in load]
    if requests != sorted(set(requests)):
        raise ValueError(f"the requests of load must rise, not {requests}")
