"""Numbers within bounds, as expressions over digits."""

from __future__ import annotations

import math

_DIGITS = 15
"""Digits of a number without bounds: more of them are noise, and a float would not hold them."""
_FRACTION = '"." [0-9]{1,12}'


def integer(low: float = -math.inf, high: float = math.inf) -> str | None:
    """Whole numbers from `low` to `high`, in decimal; None if there is none."""
    if low == -math.inf and high == math.inf:
        return f'"-"? {_natural(0, None)}'
    least = None if low == -math.inf else math.ceil(low)
    most = None if high == math.inf else math.floor(high)
    if least is not None and most is not None and least > most:
        return None
    options: list[str] = []
    if least is None or least < 0:
        nearest = 1 if most is None or most > -1 else -most
        options.append(f'"-" {_group(_natural(nearest, None if least is None else -least))}')
    if most is None or most >= 0:
        options.append(_natural(max(0, least or 0), most))
    return " | ".join(options)


def number(low: float = -math.inf, high: float = math.inf) -> str | None:
    """Decimal numbers from `low` to `high`, without exponents; None if none can be written.

    A fraction is only put behind a whole number whose next one further from zero is within the bounds as well, so
    that between 0.5 and 0.7 nothing is left.
    """
    if low == -math.inf and high == math.inf:
        return f'"-"? {_natural(0, None)} ({_FRACTION})?'
    options: list[str] = []
    if whole := integer(low, high):
        options.append(whole)
    if high > 0 and (part := _interval(max(0.0, low), high)):
        options.append(f"{_group(part)} {_FRACTION}")
    if low < 0 and (part := _interval(max(0.0, -high), -low)):
        options.append(f'"-" {_group(part)} {_FRACTION}')
    return " | ".join(options) or None


def _interval(low: float, high: float) -> str | None:
    """Whole numbers n from `low` with n + 1 at most `high`."""
    least, most = math.ceil(low), None if high == math.inf else math.floor(high) - 1
    return None if most is not None and least > most else _natural(least, most)


def _natural(low: int, high: int | None) -> str:
    """Whole numbers from `low` (0 or more) to `high`, without leading zeros."""
    if high is None:
        if low == 0:
            return f'("0" | [1-9] [0-9]{{0,{_DIGITS - 1}}})'
        if low == 1:
            return f"[1-9] [0-9]{{0,{_DIGITS - 1}}}"
        width = len(str(low))
        longer = f"[1-9] [0-9]{{{width},{max(width, _DIGITS - 1)}}}"
        return " | ".join([*_same_width(str(low), "9" * width), longer])
    options: list[str] = []
    for width in range(len(str(low)), len(str(high)) + 1):
        first = max(low, 10 ** (width - 1) if width > 1 else 0)
        last = min(high, 10**width - 1)
        options += _same_width(str(first), str(last))
    return " | ".join(options)


def _same_width(low: str, high: str) -> list[str]:
    """Numbers of one width: what `low` and `high` have in common, then the first digit in which they differ."""
    if low == high:
        return [f'"{low}"']
    if len(low) == 1:
        return [f"[{low}-{high}]"]
    if low[0] == high[0]:
        return [f'"{low[0]}" {_group(" | ".join(_same_width(low[1:], high[1:])))}']
    zeros, nines = "0" * (len(low) - 1), "9" * (len(low) - 1)
    options: list[str] = []
    start, end = int(low[0]), int(high[0])
    if low[1:] != zeros:
        options.append(f'"{start}" {_group(" | ".join(_same_width(low[1:], nines)))}')
        start += 1
    if high[1:] != nines:
        end -= 1
    if start <= end:
        first = f"[{start}-{end}]" if start < end else f'"{start}"'
        options.append(" ".join([first, *["[0-9]"] * len(zeros)]))
    if high[1:] != nines:
        options.append(f'"{high[0]}" {_group(" | ".join(_same_width(zeros, high[1:])))}')
    return options


def _group(expression: str) -> str:
    return f"({expression})" if "|" in expression else expression
