"""Keys and passwords are taken out of what a page, a span or a saved file shows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

HIDDEN = "[hidden]"
_NAMES = re.compile(r"(^|[_-])(api[_-]?key|apikey|authorization|cookie|passw(or)?d|passphrase|secret|token)s?$", re.I)
_VALUES = re.compile(
    r"\b(?:sk|pk|rk|ghp|gho|ghs|github_pat|hf|xox[abps]|glpat|AKIA|AIza)[-_]?[A-Za-z0-9_-]{16,}"
    r"|(?<=Bearer )[A-Za-z0-9._~+/-]{8,}=*"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
)


def without_secrets(value: object) -> object:
    """JSON data with the values of fields named like a secret, and texts that look like one, replaced."""
    if isinstance(value, str):
        return hide_in_text(value)
    if isinstance(value, Mapping):
        return {
            name: HIDDEN if isinstance(item, str) and _NAMES.search(str(name)) else without_secrets(item)
            for name, item in cast("Mapping[object, object]", value).items()
        }
    if isinstance(value, list | tuple):
        return [without_secrets(item) for item in cast("list[object]", value)]
    return value


def hide_in_text(text: str) -> str:
    """`text` without what looks like a key, a bearer token, a private key, or a password inside a URL."""
    return _VALUES.sub(HIDDEN, text)
