"""Takes out what must not be kept: keys, addresses, telephone numbers. Works on JSON text as on any other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

DEFAULT_PATTERNS: Mapping[str, str] = {
    "key": r"\b(?:sk|pk|ghp|gho|hf|xox[abp]|glpat|AKIA)[-_]?[A-Za-z0-9_-]{16,}\b",
    "bearer": r"(?<=Bearer )[A-Za-z0-9._~+/-]{8,}=*",
    "email": r"\b[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+\b",
    "phone": r"(?<![\w.,])\+\d{1,3}[ -]?(?:\d[ -]?){6,12}\d\b",
    "ip": r"(?<![\d.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\d.])",
}
"""What is taken out where nothing else is said, by the name that stands in its place."""


@dataclass(frozen=True)
class Redaction:
    """Replaces every match of a pattern by `[name]`.

    Attributes:
        patterns: regular expressions by name. They must not match quotes or backslashes, so that JSON stays JSON.
    """

    patterns: Mapping[str, str] = field(default_factory=lambda: DEFAULT_PATTERNS)

    def text(self, text: str) -> str:
        """The text without what the patterns match."""
        for name, pattern in self.patterns.items():
            text = re.sub(pattern, f"[{name}]", text)
        return text
