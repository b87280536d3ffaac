"""Keys and passwords are taken out of what a page, a span or a saved file shows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import cast

from executor.journal import REDACTED, Redactor

_NAMES = re.compile(r"(^|[_-])(api[_-]?key|apikey|authorization|cookie|passw(or)?d|passphrase|secret|token)s?$", re.I)
# Beside what the journal looks for (keys of well-known services, values of secret environment variables).
_VALUES = re.compile(r"(?<=Bearer )[A-Za-z0-9._~+/-]{8,}=*|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)")


def without_secrets(value: object) -> object:
    """JSON data with the values of fields named like a secret, and texts that look like one, replaced."""
    if isinstance(value, str):
        return hide_in_text(value)
    if isinstance(value, Mapping):
        return {
            name: REDACTED if isinstance(item, str) and _NAMES.search(str(name)) else without_secrets(item)
            for name, item in cast("Mapping[object, object]", value).items()
        }
    if isinstance(value, list | tuple):
        return [without_secrets(item) for item in cast("list[object]", value)]
    return value


def hide_in_text(text: str) -> str:
    """`text` without what looks like a key, a bearer token, a private key, or a password inside a URL."""
    return _VALUES.sub(REDACTED, _redactor().clean(text))


@cache
def _redactor() -> Redactor:
    return Redactor()
