"""`/model` and `/speculation`: which model answers, and how its server drafts tokens."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from agentrt.errors import UsageError
from agentrt.repl.session import Session

if TYPE_CHECKING:
    from agentrt.serving import ServerSettings


async def model(session: Session, text: str) -> None:
    """`/model`: shows the model, or takes another one."""
    name = text.strip()
    if not name:
        opened = "open" if session.model.is_open else "opened by the first question"
        session.say(f"{session.model.name} ({opened})")
        return
    from agentrt.trace import ProgressBar

    before = session.model.spec
    await session.model.close()
    session.model.spec = name
    try:
        with ProgressBar() as bar:
            await session.model.get(bar)
    except BaseException:
        session.model.spec = before
        raise
    session.say(f"answers now come from {name}")


async def speculation(session: Session, text: str) -> None:
    """`/speculation`: shows how tokens are drafted, or sets it; the model is opened again when it is next needed."""
    from agentrt.serving.speculation import FORMS, parse_speculation

    settings = session.model.settings or _usual(session)
    if settings is None:
        raise UsageError(f"{session.model.name} is not served by agentrt: its server decides about speculation")
    if not text:
        session.say(f"{_told(settings.speculation)}; there are: {FORMS}")
        return
    session.model.settings = replace(settings, speculation=parse_speculation(text))
    await session.model.close()
    session.say(f"{_told(session.model.settings.speculation)}, from the next question on")


def _usual(session: Session) -> ServerSettings | None:
    """How the model is served where nobody has said; None where that is not ours to say."""
    from pathlib import Path

    from agentrt.serving import CATALOGUE, ServerSettings
    from agentrt.serving.defaults import serving_defaults
    from agentrt.serving.probe import default_device

    spec = session.model.spec
    if isinstance(spec, str) and spec.strip().lower() in CATALOGUE:
        return serving_defaults(CATALOGUE[spec.strip().lower()], default_device()).settings
    if isinstance(spec, str | Path) and Path(spec).expanduser().is_dir():
        return ServerSettings(device=default_device())
    return None


def _told(method: Any) -> str:
    values = " ".join(f"{one.name}={getattr(method, one.name)}" for one in fields(method) if one.name != "kind")
    return f"speculation: {method.kind} {values}".rstrip()


def model_names(_: Session, before: list[str]) -> list[str]:
    """Completes `/model`."""
    from agentrt.serving import CATALOGUE

    return [] if before else list(CATALOGUE)


def speculation_words(_: Session, before: list[str]) -> list[str]:
    """Completes `/speculation`."""
    from typing import get_args

    from agentrt.serving.speculation import Speculation

    return [] if before else [one.__dataclass_fields__["kind"].default for one in get_args(Speculation)]
