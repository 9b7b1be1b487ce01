"""One limit for all interactive requests of the process: searches and pulls together."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

#: What the service allows a standard account: requests at once, and a second. The latter it also
#: gives as 6,000 a minute (https://developers.google.com/earth-engine/guides/usage).
AT_ONCE: Final = 40
PER_SECOND: Final = 100.0
#: Bytes of pixels asked for and not yet here. A block is held about three times over while the
#: client reads it, and each of the threads may hold one more until it is written.
BYTES_IN_FLIGHT: Final = 96 * 2**20
#: Answers in a row without a 429 after which one more request at once is tried.
_CALM: Final = 20
#: Seconds during which several 429 count as one: they are answers to the same burst.
_BURST: Final = 1.0


class Limiter:
    """Lets requests through: so many at once, a second, and so many bytes; fewer after a 429.

    First come, first served: one of many bytes waits until there is room for it, and whoever came
    later waits behind it; else a stream of small ones would hold it up for ever.

    A bucket of tokens: what a second allows may start together, and as many a second after that.

    Additive increase, multiplicative decrease, as TCP does: a 429 halves what is let through at
    once, and twenty answers without one raise it by one.

    Parameters
    ----------
    at_once, per_second, bytes_in_flight
        The limits.
    clock, sleep : callable, optional
        Time in seconds, and how to let some pass; for tests.
    """

    def __init__(
        self,
        at_once: int = AT_ONCE,
        per_second: float = PER_SECOND,
        bytes_in_flight: int = BYTES_IN_FLIGHT,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ):
        self._most, self._bytes = at_once, bytes_in_flight
        self._clock, self._sleep = clock, sleep
        self._changed = threading.Condition()
        self._queue: deque[object] = deque()
        self._allowed, self._calm = at_once, 0
        self._running, self._held = 0, 0
        self._slowed = float("-inf")
        #: When the next would start if all came evenly, and how much sooner than that it may.
        self._due, self._step = float("-inf"), 1 / per_second
        self._ahead = (max(1, int(per_second)) - 1) * self._step

    @property
    def allowed(self) -> int:
        """Requests let through at once just now."""
        return self._allowed

    @contextlib.contextmanager
    def request(self, size: int = 0) -> Iterator[None]:
        """Wait for room, and keep it for the block.

        Parameters
        ----------
        size : int
            Bytes of the answer. One larger than the whole limit goes alone.
        """
        with self._changed:
            start = self._admit(size)
        try:
            if (wait := start - self._clock()) > 0:
                self._sleep(wait)
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._held -= size
                self._changed.notify_all()

    def answered(self) -> None:
        """Note an answer that wasn't a 429."""
        with self._changed:
            self._calm += 1
            if self._calm >= _CALM and self._allowed < self._most:
                self._allowed += 1
                self._calm = 0
                self._changed.notify_all()

    def throttled(self) -> None:
        """Note a 429: too many requests."""
        with self._changed:
            self._calm = 0
            if self._clock() - self._slowed >= _BURST:
                self._slowed = self._clock()
                self._allowed = max(1, self._allowed // 2)

    def _admit(self, size: int) -> float:
        """Wait for room, and take it; return when the request may start."""
        ticket = object()
        self._queue.append(ticket)
        try:
            self._changed.wait_for(lambda: self._queue[0] is ticket and self._fits(size))
            self._running += 1
            self._held += size
        finally:
            # Whoever gives up waiting, too, makes way for the next.
            self._queue.remove(ticket)
            self._changed.notify_all()
        now = self._clock()
        due = max(now, self._due)
        self._due = due + self._step
        return max(now, due - self._ahead)

    def _fits(self, size: int) -> bool:
        if self._running >= self._allowed:
            return False
        return self._held == 0 or self._held + size <= self._bytes


#: The process's own.
LIMITER: Final = Limiter()
