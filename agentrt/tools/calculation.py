"""The calculator: arithmetic read by `arithmetic`, evaluated in a sandboxed process.

The process is pydantic-monty's, an interpreter without files, network or imports of its own, held to a few
milliseconds and megabytes. It starts with the first calculation (about 0.1 s), is kept for the next ones
(0.3 ms each), and ends with the program, also when that is killed.
"""

from __future__ import annotations

import atexit
import math
import threading
from typing import TYPE_CHECKING

from agentrt.tools.arithmetic import BUILT_IN, CONSTANTS, FUNCTIONS, to_python
from agentrt.tools.decorator import tool
from agentrt.tools.errors import CalculationError

if TYPE_CHECKING:
    from pydantic_monty import Monty, ResourceLimits

_LIMITS: ResourceLimits = {"max_feed_duration_secs": 0.05, "max_memory": 2 * 2**20, "max_recursion_depth": 100}
_PRELUDE = f"from math import {', '.join(sorted(FUNCTIONS - BUILT_IN | CONSTANTS))}\n"
_MOST_PROCESSES = 2
_LONGEST_WAIT = 5.0  # seconds for a free process, when very many calculations are made at once
_LAST_EXACT = 2**53  # above it a float no longer stands for one whole number

_MOST_BITS = 13_280  # about 4,000 digits; Python refuses to write an integer of more than 4,300

_REASONS = {
    "MemoryError": "the numbers on the way become too large",
    "OverflowError": "the result is too large for a number",
    "TimeoutError": "it takes too long",
    "ZeroDivisionError": "it divides by zero",
}


class Sandbox:
    """A few interpreter processes that start when they are first needed. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pool: Monty | None = None

    def evaluate(self, code: str) -> object:
        """The value of the last line of `code`.

        Raises:
            CalculationError: it raised, or passed a limit.
        """
        from pydantic_monty import MontyCrashedError, MontyError

        try:
            with self._started().checkout(script_name="calculation", limits=_LIMITS) as session:
                return session.feed_run(code, print_callback=_drop)
        except MontyCrashedError as error:  # one operation that could not be interrupted; the pool starts anew
            reason = _REASONS["TimeoutError"] if error.timed_out else "the calculating process ended"
            raise CalculationError(reason) from None
        except MontyError as error:
            cause = error.exception()
            raise CalculationError(_REASONS.get(type(cause).__name__, f"it cannot be calculated: {cause}")) from None
        except TimeoutError:
            raise CalculationError(f"no calculation was free within {_LONGEST_WAIT:g} s; try again") from None

    def close(self) -> None:
        """Ends the processes; the next `evaluate` starts new ones."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.__exit__(None, None, None)

    def _started(self) -> Monty:
        with self._lock:
            if self._pool is None:
                from pydantic_monty import Monty

                pool = Monty(
                    min_processes=1,
                    max_processes=_MOST_PROCESSES,
                    checkout_timeout=_LONGEST_WAIT,
                    feed_duration_limit_grace=0.03,
                )
                self._pool = pool.__enter__()
            return self._pool


_sandbox = Sandbox()
atexit.register(_sandbox.close)


def calculate(expression: str) -> int | float:
    """The value of an arithmetic expression: integers exactly, others to 15 significant digits.

    15 decimal digits are what a binary float holds for certain; the rest is noise such as
    229.99999999999997 for 200 * 1.15. A whole number is an `int`.

    Raises:
        CalculationError: not arithmetic, too large, too slow, or without a real number as its value.
    """
    written = to_python(expression)
    try:
        value = _sandbox.evaluate(_PRELUDE + written)
    except CalculationError as error:
        raise CalculationError(f"{_shortened(expression)}: {error}") from None
    if isinstance(value, complex):
        raise CalculationError(f"{_shortened(expression)}: the result is not a real number")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CalculationError(f"{_shortened(expression)}: the result is not a number")
    if isinstance(value, float):
        if not math.isfinite(value):
            raise CalculationError(f"{_shortened(expression)}: {_REASONS['OverflowError']}")
        value = float(f"{value:.15g}")
        return int(value) if value.is_integer() and abs(value) <= _LAST_EXACT else value
    if value.bit_length() > _MOST_BITS:
        raise CalculationError(f"{_shortened(expression)}: the result has more than 4,000 digits")
    return value


@tool(effect="pure", timeout=10.0, concurrency=_MOST_PROCESSES)
def calculator(expression: str) -> int | float:
    """Calculates arithmetic: + - * / ^ %, brackets, sqrt, log, round, min, max and the like.

    Args:
        expression: numbers and operators only, such as "(7,300 - 6,900) / 6,900" or "15% of 80"
    """
    # Sync on purpose: the executor runs it in a worker thread, so that waiting never holds the event loop.
    return calculate(expression)


def _shortened(expression: str) -> str:
    return expression if len(expression) <= 60 else f"{expression[:57]}…"


def _drop(_stream: str, _text: str) -> None:
    return
