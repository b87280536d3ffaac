"""How sure a share of a sample is."""

from __future__ import annotations

import math
from collections.abc import Sequence

_Z = 1.96


def wilson(right: int, size: int) -> tuple[float, float]:
    """The 95% interval of a share, in percent (Wilson 1927)."""
    if not size:
        return 0.0, 100.0
    p = right / size
    middle = (p + _Z**2 / (2 * size)) / (1 + _Z**2 / size)
    half = _Z * math.sqrt(p * (1 - p) / size + _Z**2 / (4 * size**2)) / (1 + _Z**2 / size)
    return 100 * (middle - half), 100 * (middle + half)


def paired(differences: Sequence[float]) -> tuple[float, float]:
    """The 95% interval of a mean of paired differences, in percent, by the normal approximation."""
    size = len(differences)
    if size < 2:
        return -100.0, 100.0
    mean = sum(differences) / size
    spread = math.sqrt(sum((one - mean) ** 2 for one in differences) / (size - 1) / size)
    return 100 * (mean - _Z * spread), 100 * (mean + _Z * spread)


def shown(right: int, size: int) -> str:
    """`61.3 (52.1 to 69.7)`."""
    low, high = wilson(right, size)
    return f"{100 * right / max(1, size):.1f} ({low:.1f} to {high:.1f})"
