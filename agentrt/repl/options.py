"""What a REPL is started with, and the settings that can be changed in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from agentrt.errors import UsageError

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from executor import Tool


@dataclass(frozen=True, slots=True)
class ReplOptions:
    """How to start.

    Attributes:
        model: as `Runtime` takes it; opened when it is first needed.
        tools: what plans may call at first.
        history: the file that keeps what was typed; None to keep nothing.
        settings: values of `SETTINGS`.
        journal: the file that runs are written down in; None to keep them for this session only.
    """

    model: str | Path | BaseChatModel
    tools: Sequence[Tool] = ()
    history: Path | None = None
    settings: Mapping[str, int | None] = field(default_factory=dict[str, "int | None"])
    journal: Path | None = None


class Setting(NamedTuple):
    """A number that `/set` changes. `off` says that there may be none."""

    default: int | None
    least: int
    off: bool
    meaning: str


SETTINGS = {
    "max_replans": Setting(2, 0, False, "further plans after the first"),
    "max_tasks": Setting(64, 1, False, "tasks a plan may have"),
    "max_plan_tokens": Setting(1_024, 16, False, "tokens a plan's text may have"),
    "concurrency": Setting(None, 1, True, "calls at the same time"),
    "context": Setting(4, 0, False, "earlier questions and answers that a new question sees"),
}


def read_setting(name: str, text: str) -> int | None:
    """The value that `text` means for a setting.

    Raises:
        UsageError: there is no such setting, or it cannot have this value.
    """
    setting = SETTINGS.get(name)
    if setting is None:
        raise UsageError(f"there is no setting {name!r}; there are: {', '.join(SETTINGS)}")
    if setting.off and text in ("off", "none"):
        return None
    off = ", or off" if setting.off else ""
    wanted = f"{name} is a whole number of at least {setting.least}{off}, not {text!r}"
    try:
        value = int(text)
    except ValueError:
        raise UsageError(wanted) from None
    if value < setting.least:
        raise UsageError(wanted)
    return value
