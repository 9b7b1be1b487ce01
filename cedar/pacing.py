"""How many requests are made at once, and how many bytes a second: less where that is asked for."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from .exceptions import InputError

#: Seconds in which many refusals count as one: those of requests that were made together.
_TOGETHER: Final = 1.0
_RATE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)([kMG]?)B?")
_THOUSANDS: Final = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}


def parse_rate(given: str | float) -> float:
    """Bytes a second, of a number or of text such as ``10M``.

    Raises
    ------
    InputError
        It says no rate.
    """
    found = _RATE.fullmatch(str(given))
    if found is None or not (number := float(found[1])):
        raise InputError(
            f"rate {given!r} is no number of bytes a second: write one above 0, such as 500k or 10M"
        )
    return number * _THOUSANDS[found[2]]


class Pace:
    """Shared by threads. It halves at a refusal, and grows by one as often as all of it went well.

    This is how TCP shares a line (additive increase, multiplicative decrease).

    Parameters
    ----------
    most : int
        Requests at once.
    rate : float, optional
        Bytes a second; by default any number.

    Attributes
    ----------
    limit : float
        Requests at once, now.
    """

    def __init__(self, most: int, rate: float | None = None):
        self.limit = float(most)
        self._most, self._rate = most, rate
        self._active, self._slowed = 0, float("-inf")
        self._free = time.monotonic()
        self._changed = threading.Condition()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Make a request in the block, once it may be made."""
        with self._changed:
            self._changed.wait_for(lambda: self._active < max(1, int(self.limit)))
            self._active += 1
        try:
            yield
        finally:
            with self._changed:
                self._active -= 1
                self._changed.notify()

    def slow_down(self) -> None:
        """Note that the service asks for fewer requests."""
        with self._changed:
            if time.monotonic() - self._slowed > _TOGETHER:
                self._slowed = time.monotonic()
                self.limit = max(1.0, self.limit / 2)

    def went_well(self) -> None:
        """Note that a request did."""
        with self._changed:
            self.limit = min(float(self._most), self.limit + 1 / self.limit)
            self._changed.notify()

    def spend(self, count: int) -> None:
        """Note that so many bytes have come, and wait if they came too fast."""
        if self._rate is None:
            return
        with self._changed:
            # Each waits until the line has been free for as long as its bytes take.
            self._free = max(self._free, time.monotonic()) + count / self._rate
            pause = self._free - time.monotonic()
        time.sleep(max(0.0, pause))
