"""The emulator's time: the real one, or one that a test moves."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Final

from ..exceptions import InputError


class Clock:
    """Real time; who sleeps by it wakes when the emulator closes. Safe for many threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._stopped = False

    def now(self) -> dt.datetime:
        """The time, UTC."""
        return dt.datetime.now(dt.UTC)

    def sleep(self, seconds: float) -> None:
        """Return after so many seconds, or when the clock is stopped."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped, seconds)

    def advance(self, seconds: float) -> None:  # noqa: ARG002 - SteppedClock's
        """Refuse: real time moves by itself.

        Raises
        ------
        InputError
            Always.
        """
        raise InputError("the emulator's clock is the real one; clock='stepped' can be advanced")

    def start(self) -> None:
        """Let callers sleep from now on."""
        with self._changed:
            self._stopped = False

    def stop(self) -> None:
        """Wake whoever sleeps, and let none sleep from now on."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()


class SteppedClock(Clock):
    """A clock that stands still, at the time it was made, until it is advanced."""

    def __init__(self) -> None:
        super().__init__()
        self._now = super().now()
        self._sleepers = 0

    def now(self) -> dt.datetime:
        """The time, UTC."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Return when the clock has been advanced by so many seconds, or is stopped."""
        with self._changed:
            until = self._now + dt.timedelta(seconds=seconds)
            self._sleepers += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._stopped or self._now >= until)
            self._sleepers -= 1

    def advance(self, seconds: float) -> None:
        """Move time on, and wake whose time has come.

        Raises
        ------
        InputError
            Backwards.
        """
        if seconds < 0:
            raise InputError(f"the emulator's clock can't go back by {-seconds:g} s")
        with self._changed:
            self._now += dt.timedelta(seconds=seconds)
            self._changed.notify_all()

    def wait_for_sleepers(self, count: int, timeout: float = 10.0) -> None:
        """Return once so many requests are delayed, so that a test can advance past them all.

        Raises
        ------
        TimeoutError
            They still aren't after `timeout` real seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._sleepers >= count, timeout):
                raise TimeoutError(f"{self._sleepers} of {count} requests are delayed")


CLOCKS: Final = {"real": Clock, "stepped": SteppedClock}
