"""Trying again: delays that grow, with jitter, on what is transient and on nothing else."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

T = TypeVar("T")

_log = logging.getLogger(__name__)

#: Seconds during which a store's call is tried again; then its error is the caller's.
PATIENCE: Final = 120.0
#: Seconds before the second try.
FIRST_DELAY: Final = 0.5
#: Seconds after which whoever waits for a call is told why.
_SILENCE: Final = 5.0


def delays(first: float = 1.0, factor: float = 2.0, longest: float = 60.0) -> Iterator[float]:
    """Seconds to wait before each further try, without end.

    Each is drawn between half of and the whole of a bound that grows up to `longest`, so that many
    who failed together don't come back together.
    """
    bound = first
    while True:
        yield random.uniform(bound / 2, bound)  # noqa: S311  (spread, not secrecy)
        bound = min(longest, bound * factor)


def persist(
    call: Callable[[], T],
    is_transient: Callable[[Exception], bool],
    what: str,
    *,
    patience: float | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Call until it succeeds, fails for good, or patience is over; its result or last error.

    Each further try is logged; as a warning, once, where it comes later than :data:`_SILENCE`.

    Parameters
    ----------
    is_transient : callable
        Whether the same call may succeed a moment later.
    what : str
        What it does, for the log.
    patience : float, optional
        Seconds from the first call to the last; :data:`PATIENCE` by default.
    """
    start, told = time.monotonic(), False
    end = start + (PATIENCE if patience is None else patience)
    waits = delays(FIRST_DELAY, longest=16.0)
    while True:
        try:
            return call()
        except Exception as error:
            delay, now = next(waits), time.monotonic()
            if not is_transient(error) or now + delay > end:
                raise
            # The error's class alone: its text may be a whole page, or hold an address.
            why = type(error).__name__
            _log.info("%s: %s; trying again in %.1f s", what, why, delay)
            if not told and now + delay - start > _SILENCE:
                told = True
                _log.warning("%s: %s; trying again for %.0f s more", what, why, end - now)
        sleep(delay)
