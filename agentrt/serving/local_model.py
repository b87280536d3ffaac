"""The door: from whatever names a model to a chat model that answers."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from agentrt.serving.capabilities import OF_VLLM
from agentrt.serving.catalogue import CATALOGUE, CatalogueEntry, Scheme, lookup
from agentrt.serving.errors import SpeculationRefused, UnknownModel
from agentrt.serving.progress import ProgressSink, no_progress
from agentrt.serving.settings import Patience, ServerSettings
from agentrt.serving.speculation import RSD, Speculation, wished

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

ModelSpec: TypeAlias = "str | Path | BaseChatModel"

_URL = re.compile(r"https?://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ServedFolder:
    """A checkpoint folder with the settings to serve it with."""

    folder: Path
    name: str
    settings: ServerSettings


def open_model(
    spec: ModelSpec,
    *,
    progress: ProgressSink | None = None,
    api_key: str | None = None,
    settings: ServerSettings | None = None,
    speculation: Speculation | str | None = None,
    scheme: Scheme | None = None,
    patience: Patience | None = None,
    **options: Any,
) -> AbstractAsyncContextManager[BaseChatModel]:
    """A chat model for as long as the block lasts.

    A catalogue model is pulled, converted and served when that has not happened yet. Servers are shared:
    a second `open_model` of the same model with the same settings, also in another process, uses the
    running one, and the last to leave stops it.

    Args:
        spec: A catalogue name, a checkpoint folder, the base URL of an OpenAI-compatible server, or a
            chat model (handed through and not closed).
        progress: Told what happens while one waits.
        api_key: For a URL; without it `OPENAI_API_KEY` is used.
        settings: How to serve a catalogue model or a folder; without them what suits this machine.
        speculation: How tokens are drafted, as a method or as people write it (`"ngram:4"`, `"auto"`, `"off"`,
            `"rsd:rsd-s:3x4@DRAFT"`); it wins over `settings`. Draft trees run in the torch engine where vLLM is
            not installed. For models served here only.
        scheme: How a catalogue model's weights are stored; without it what suits this machine.
        patience: Time limits of the server.
        options: Fields of `ChatVLLM`, such as `temperature=0` or `model="name at the URL"`.

    Raises:
        UnknownModel: The name means nothing; the message has the nearest names.
        MissingPackage: vLLM is not installed; the message has the line that installs it.
        SpeculationRefused: The way to draft means nothing, or cannot work with this model; or the model is a server
            elsewhere or an object, which draft as they were started.
        ModelFilesError: The model could not be pulled or converted.
        ServerStartFailed, ServerStartTimeout: The server did not come up.
    """
    method = None if speculation is None else wished(speculation)
    if method is not None and (not isinstance(spec, str | Path) or _is_url(spec)):
        what = f"{spec} is a server" if isinstance(spec, str) else f"a {type(spec).__name__} is a model"
        raise SpeculationRefused(
            f"{what} that drafts as it was started, so speculation= cannot change it. Leave it out, or give the name "
            "of a model to serve here."
        )
    return _open(spec, progress or no_progress, api_key, settings, method, scheme, patience, options)


@asynccontextmanager
async def _open(
    spec: ModelSpec,
    progress: ProgressSink,
    api_key: str | None,
    settings: ServerSettings | None,
    method: Speculation | Literal["auto"] | None,
    scheme: Scheme | None,
    patience: Patience | None,
    options: dict[str, Any],
) -> AsyncGenerator[BaseChatModel]:
    if not isinstance(spec, (str, Path)):
        yield spec
        return
    from pydantic import SecretStr

    from agentrt.serving.chat_model import ChatVLLM

    if isinstance(spec, str) and _is_url(spec):
        key = SecretStr(api_key) if api_key else None
        remote = ChatVLLM(base_url=spec.rstrip("/"), api_key=key, **options)
        try:
            yield remote
        finally:
            await remote.aclose()
        return
    trees = _asked_for(settings, method)
    if isinstance(trees, RSD) and find_spec("vllm") is None:
        async with _in_torch(spec, settings, trees, progress, options) as model:
            yield model
        return
    from agentrt.serving.command import vllm_command
    from agentrt.serving.server import shared_server

    served = await served_folder(spec, settings, method, scheme, progress)
    command = vllm_command(served.folder, served.name, served.settings)
    async with shared_server(command, patience=patience, progress=progress) as server:
        # A request that fails here fails for a reason: sending it again would only hide it.
        fields: dict[str, Any] = {"model": server.model, "max_retries": 0, **options}
        local = ChatVLLM(
            base_url=server.base_url,
            api_key=SecretStr(server.api_key),
            obituary=server.obituary,
            revived=server.revived,
            known=OF_VLLM,
            **fields,
        )
        try:
            yield local
        finally:
            await local.aclose()


def _is_url(spec: str | Path) -> bool:
    return isinstance(spec, str) and _URL.match(spec) is not None


def _asked_for(
    settings: ServerSettings | None, method: Speculation | Literal["auto"] | None
) -> Speculation | Literal["auto"] | None:
    """The way to draft that somebody asked for: in the call, in the settings, or in what is written down."""
    if method is not None or settings is not None:
        return method or (settings.speculation if settings else None)
    from agentrt.serving.configured import read_config

    return read_config().method()


@asynccontextmanager
async def _in_torch(
    spec: str | Path,
    settings: ServerSettings | None,
    method: RSD,
    progress: ProgressSink,
    options: dict[str, Any],
) -> AsyncGenerator[BaseChatModel]:
    """The torch engine, which drafts trees where there is no vLLM."""
    from agentrt.serving.probe import default_device
    from agentrt.serving.rsd import open_chat

    folder, method = await _for_torch(spec, method, progress)
    device = settings.device if settings else default_device()
    context = settings.max_model_len if settings else None
    if context is None and (entry := _entry_of(spec)) is not None:
        context = entry.served_context
    async with open_chat(
        folder, Path(method.draft), tree=method.tree, device=device, max_length=context, **options
    ) as model:
        yield model


async def served_folder(
    spec: str | Path,
    settings: ServerSettings | None = None,
    method: Speculation | Literal["auto"] | None = None,
    scheme: Scheme | None = None,
    progress: ProgressSink = no_progress,
) -> ServedFolder:
    """What a catalogue name or a folder is served from, and with which settings; fetched when need be.

    Takes and raises what `open_model` does.
    """
    from agentrt.serving.command import require_vllm
    from agentrt.serving.configured import read_config
    from agentrt.serving.probe import default_device

    entry = _entry_of(spec)
    device = settings.device if settings else default_device()
    if entry is None:
        folder = _checkpoint_folder(Path(spec))
        chosen_settings = settings or read_config().over(ServerSettings(device=device))
        return await _checked(ServedFolder(folder, folder.name, _drafting(chosen_settings, method)), scheme, progress)
    # Before minutes of pulling, not after.
    require_vllm(device)
    from agentrt.serving.convert import convert
    from agentrt.serving.defaults import serving_defaults

    chosen = serving_defaults(entry, device)
    folder = await convert(entry, scheme or chosen.scheme, progress=progress)
    settings = settings or read_config().over(chosen.settings)
    if settings.max_model_len is None:
        settings = replace(settings, max_model_len=entry.served_context)
    return await _checked(ServedFolder(folder, entry.name, _drafting(settings, method)), scheme, progress)


def _drafting(settings: ServerSettings, method: Speculation | Literal["auto"] | None) -> ServerSettings:
    return settings if method is None else replace(settings, speculation=method)


async def _checked(served: ServedFolder, scheme: Scheme | None, progress: ProgressSink) -> ServedFolder:
    """With a way to draft that works, models in it as folders, and flags that exist."""
    settings = served.settings
    if settings.speculation == "auto":
        from agentrt.serving.tuning.table import best_measured

        settings = replace(settings, speculation=best_measured(served.name))
    from agentrt.serving.flags import check_flags
    from agentrt.serving.pairing import check_speculation

    settings = await _with_draft_folder(settings, scheme, progress)
    assert settings.speculation != "auto"
    check_speculation(settings.speculation, served.folder)
    await check_flags(settings.extra)
    return replace(served, settings=settings)


async def _with_draft_folder(settings: ServerSettings, scheme: Scheme | None, progress: ProgressSink) -> ServerSettings:
    """The settings with the name of a draft model replaced by its checkpoint folder."""
    method = settings.speculation
    named = method.draft if isinstance(method, RSD) else getattr(method, "model", None)
    if named is None or method == "auto":
        return settings
    entry = _entry_of(named)
    if entry is None:
        folder = _checkpoint_folder(Path(named))
    else:
        from agentrt.serving.convert import convert
        from agentrt.serving.defaults import serving_defaults

        # Trees are drafted by transformers, which does not read our int8 weights.
        usual = "bf16" if isinstance(method, RSD) else scheme or serving_defaults(entry, settings.device).scheme
        folder = await convert(entry, usual, progress=progress)
    member = "draft" if isinstance(method, RSD) else "model"
    return replace(settings, speculation=replace(method, **{member: str(folder)}))


async def _for_torch(spec: str | Path, method: RSD, progress: ProgressSink) -> tuple[Path, RSD]:
    """Checkpoint folders of target and draft as the torch engine reads them, without vLLM."""
    from agentrt.serving.convert import convert

    entry = _entry_of(spec)
    folder = _checkpoint_folder(Path(spec)) if entry is None else await convert(entry, "bf16", progress=progress)
    settings = await _with_draft_folder(ServerSettings(speculation=method), None, progress)
    assert isinstance(settings.speculation, RSD)
    return folder, settings.speculation


def _entry_of(spec: str | Path) -> CatalogueEntry | None:
    """The catalogue entry, or None when `spec` is a path."""
    if isinstance(spec, Path):
        return None
    if spec.strip().lower() in CATALOGUE:
        return lookup(spec)
    if Path(spec).expanduser().is_dir() or spec.startswith(("/", "./", "../", "~")):
        return None
    return lookup(spec)


def _checkpoint_folder(folder: Path) -> Path:
    folder = folder.expanduser().absolute()
    if not (folder / "config.json").is_file():
        what = "has no config.json" if folder.is_dir() else "is not there"
        raise UnknownModel(
            f"The model folder {folder} {what}: a checkpoint folder holds config.json, safetensors and a "
            f"tokenizer. Models known by name: {', '.join(CATALOGUE)}."
        )
    return folder
