"""Threads that run tasks: as many as there are tasks to run, and none before."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from ..clock import Clock
from . import tables
from .locks import Owner
from .queue import Queue, Task

#: Seconds after which what no other thread of the process tells is looked at again: tasks and
#: cancellations of other processes, a clock that was moved.
_POLL: Final = 0.1


class Interrupted(Exception):
    """A task isn't its owner's to run any more: cancelled, given back, or lost."""


class Bell:
    """Wakes those who wait, who can tell that it rang while they weren't listening."""

    def __init__(self) -> None:
        self.heard = threading.Condition()
        self.rings = 0

    def ring(self) -> None:
        """Have everyone look up: something has changed."""
        with self.heard:
            self.rings += 1
            self.heard.notify_all()


class Job:
    """A task that a thread runs.

    Parameters
    ----------
    task : Task
    queue : Queue
    clock : Clock
    bell : Bell
        Rings when the task may have to end.
    is_open : callable
        Whether tasks are run; else it is to be given back.
    """

    def __init__(
        self, task: Task, queue: Queue, clock: Clock, bell: Bell, is_open: Callable[[], bool]
    ):
        self.task = task
        self._queue, self._clock, self._bell, self._is_open = queue, clock, bell, is_open
        self._rest: tuple[int, int] | None = None

    def advance(self, **columns: int | str | None) -> None:
        """Note how far the task has come.

        Raises
        ------
        Interrupted
            It is no longer to be run.
        """
        if not self._is_open() or not self._queue.advance(self.task, **columns):
            raise Interrupted

    def wait(self, until: int) -> None:
        """Return at a moment, in microseconds since 1970, by the emulator's clock.

        Raises
        ------
        Interrupted
            The task is no longer to be run.
        """
        bell = self._bell
        while self._now() < until:
            rings = bell.rings
            self.advance()
            with bell.heard:
                if self._rest != (until, rings):
                    self._rest = until, rings
                    bell.heard.notify_all()
                if self.rests():
                    bell.heard.wait(_POLL)

    def rests(self) -> bool:
        """Whether it waits for nothing but time."""
        if self._rest is None:
            return False
        until, rings = self._rest
        return rings == self._bell.rings and self._now() < until

    def _now(self) -> int:
        return tables.microseconds(self._clock.now())


class Workers:
    """Runs tasks while it is open.

    Parameters
    ----------
    queue : Queue
    clock : Clock
    owner : callable
        Makes an owner for the tasks, when there are some.
    run : callable
        Runs a job; raises nothing.
    """

    def __init__(
        self,
        queue: Queue,
        clock: Clock,
        owner: Callable[[], Owner],
        run: Callable[[Job], None],
    ):
        self._queue, self._clock, self._run, self._new_owner = queue, clock, run, owner
        self._open = False
        self._owner: Owner | None = None
        self._taking = threading.Lock()
        self._bell = Bell()
        self._jobs: dict[threading.Thread, Job] = {}
        self._keeper: threading.Thread | None = None

    def open(self) -> None:
        """Run what there is from now on, whenever told to look."""
        self._open = True

    def close(self) -> None:
        """Give back what runs, and end every thread."""
        with self._taking:
            self._open = False
        self._bell.ring()
        with self._bell.heard:
            threads = [*self._jobs, *filter(None, [self._keeper])]
        for thread in threads:
            thread.join()
        self._jobs, self._keeper = {}, None
        if self._owner is not None:
            self._queue.release(self._owner.name)
            self._owner.close()
            self._owner = None

    def look(self) -> None:
        """Start all that can be started, each in a thread."""
        with self._taking:
            if self._open and self._take() and self._keeper is None:
                self._keeper = threading.Thread(target=self._keep, daemon=True)
                self._keeper.start()

    def changed(self) -> None:
        """Have those who run a task see whether they are still to run it."""
        self._bell.ring()

    def _take(self) -> bool:
        """Start all that can be started; tell whether there may be more later."""
        self._owner = self._owner or self._new_owner()
        while (task := self._queue.claim(self._owner.name)) is not None:
            job = Job(task, self._queue, self._clock, self._bell, lambda: self._open)
            thread = threading.Thread(target=self._work, args=(job,), daemon=True)
            with self._bell.heard:
                self._jobs[thread] = job
            thread.start()
        return self._queue.is_waiting(self._owner.name)

    def _work(self, job: Job) -> None:
        self._run(job)
        self.look()  # its place is free
        with self._bell.heard:
            if self._open:  # else it is joined
                del self._jobs[threading.current_thread()]
            self._bell.heard.notify_all()

    def _keep(self) -> None:
        """Look again and again, as long as something may come that nobody tells of."""
        while True:
            with self._bell.heard:
                if self._open:
                    self._bell.heard.wait(_POLL)
            with self._taking:
                if not self._open:
                    return
                if not self._take():
                    self._keeper = None
                    return

    def settle(self, timeout: float) -> None:
        """Return once all that runs here waits for nothing but time.

        Raises
        ------
        TimeoutError
            It still doesn't after `timeout` real seconds.
        """
        deadline = time.monotonic() + timeout
        self._bell.ring()  # whoever has cancelled a task, it is seen now
        while True:
            self.look()
            with self._bell.heard:
                self._bell.heard.notify_all()
                if all(job.rests() for job in self._jobs.values()):
                    return
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{len(self._jobs)} tasks still run")
                self._bell.heard.wait(_POLL)
