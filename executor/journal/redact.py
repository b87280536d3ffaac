"""Keeps secrets out of what is written down.

Text is searched for the values the caller named, for the values of environment variables whose name says that they
are secret, and for the shapes that keys of well-known services have.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping

REDACTED = "[redacted]"

# Shorter ones would be found by accident everywhere.
_SHORTEST = 8
_SECRET_NAME = re.compile(r"(?:^|_)(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?|API_?KEY)(?:_|$)", re.IGNORECASE)
# A key may follow an escaped line break, whose letter is no part of it.
_START = r"(?:(?<![A-Za-z0-9_])|(?<=\\[nrt]))"
# What the shape contains literally, which is quick to look for, and the shape.
_SHAPES = (
    ("sk-", r"sk-[A-Za-z0-9_-]{16,}"),  # OpenAI, Anthropic, and those who followed
    ("hf_", r"hf_[A-Za-z0-9]{20,}"),
    ("gh", r"gh[pousr]_[A-Za-z0-9]{30,}"),
    ("github_pat_", r"github_pat_[A-Za-z0-9_]{30,}"),
    ("xox", r"xox[abprs]-[A-Za-z0-9-]{10,}"),
    ("AKIA", r"AKIA[A-Z0-9]{16}"),
    ("ASIA", r"ASIA[A-Z0-9]{16}"),
    ("AIza", r"AIza[A-Za-z0-9_-]{35}"),
    ("eyJ", r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),  # a JSON web token
    ("PRIVATE KEY-----", r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^\"-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?"),
)


class Redactor:
    """Replaces secrets in text.

    Args:
        secrets: values that must never be written. Those with fewer than 8 characters are refused.
        environment: searched for variables such as `OPENAI_API_KEY`; this process's by default.
        shapes: whether text that looks like a key of a well-known service counts as one.

    Raises:
        ValueError: a secret that is too short to be searched for.
    """

    def __init__(
        self,
        secrets: Iterable[str] = (),
        *,
        environment: Mapping[str, str] | None = None,
        shapes: bool = True,
    ) -> None:
        named = [*secrets]
        if any(len(secret) < _SHORTEST for secret in named):
            raise ValueError(f"a secret of fewer than {_SHORTEST} characters would be found everywhere by accident")
        variables = os.environ if environment is None else environment
        named += [value for name, value in variables.items() if _SECRET_NAME.search(name) and len(value) >= _SHORTEST]
        # In JSON text a secret may stand in its escaped form.
        forms = {form for secret in named for form in (secret, json.dumps(secret)[1:-1])}
        self._secrets = sorted(forms, key=len, reverse=True)
        self._shapes = [(literal, re.compile(_START + shape)) for literal, shape in _SHAPES] if shapes else []

    def clean(self, text: str) -> str:
        """`text` without secrets: the same object where there were none."""
        if len(text) < _SHORTEST:
            return text
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, REDACTED)
        for literal, shape in self._shapes:
            if literal in text:
                text = shape.sub(REDACTED, text)
        return text
