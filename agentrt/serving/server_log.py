"""Reading a server's log: what it is doing, and what it died of."""

from __future__ import annotations

import re
from pathlib import Path

_TAIL = 65_536
_STAGES = (
    ("Available routes are", "almost ready"),
    ("init engine", "almost ready"),
    ("KV cache size", "warming up"),
    ("Loading weights took", "making room for the cache"),
    ("Starting to load model", "loading the weights"),
    ("Initializing a V1 LLM engine", "building the engine"),
    ("Resolved architecture", "starting the engine"),
    ("version ", "reading the model's configuration"),
)
_PREFIX = re.compile(r"^(\(\w+ pid=\d+\) )?((INFO|WARNING|ERROR) [\d: -]+\[[\w.]+:\d+\] ?)?")
_NOISE = re.compile(r"shutdown|resource_tracker|^\s*(File \"|~*\^|warnings\.warn)|^\s*$|Traceback", re.I)
_TELLING = re.compile(r"(Error|Exception|ERROR|error:|Killed|out of memory)")


def tail(log: Path) -> str:
    """The last 64 KiB of a log, or nothing when there is none yet."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - _TAIL))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def stage(log: Path) -> str:
    """What a starting server does now, in a few words."""
    text = tail(log)
    return next((words for mark, words in _STAGES if mark in text), "importing vLLM")


def last_words(log: Path, lines: int = 3) -> str:
    """The last lines that say something: error lines if there are any, else the end."""
    useful = [_PREFIX.sub("", line).strip() for line in tail(log).splitlines() if not _NOISE.search(line)]
    useful = [line for line in useful if line]
    telling = [line for line in useful if _TELLING.search(line)]
    chosen: list[str] = []
    for line in reversed(telling or useful):
        if line not in chosen:
            chosen.append(line[:300])
        if len(chosen) == lines:
            break
    return " | ".join(reversed(chosen)) or "the log is empty"


def port_was_taken(log: Path) -> bool:
    """Whether the server ended because somebody else listens on its port."""
    text = tail(log).lower()
    return "address already in use" in text or "errno 98" in text
