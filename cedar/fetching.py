"""Bringing files from a store to this machine: in parallel, in pieces, resumed, checked whole.

Threads take what is to be done, a piece of a file at a time. Who finishes the last piece of a file
checks all of it and gives it its name. What happens is told as events, to the thread that asked.
"""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

from . import retry
from .exceptions import CedarError, Conflict, Interrupted, NotFoundError, StoreError
from .items import ObjectInfo
from .pacing import Pace
from .settling import is_output
from .stores.checksums import Sum, algorithm_of, summing
from .stores.files import explained
from .stores.parts import Part, Piece
from .wanted import FINISHED, Fetching, FileEvent, FileState, Wanted

if TYPE_CHECKING:
    from .stores.base import Store

_log = logging.getLogger(__name__)

#: How often a file that arrives damaged, or is replaced meanwhile, is fetched.
TRIES: Final = 4
#: Seconds between two events of one file that is on its way.
_TOLD: Final = 0.1
#: Seconds between two looks at a file that another process fetches.
_LOOK: Final = 0.2
#: Seconds that threads have to leave what they are at.
_LEAVE: Final = 5.0
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass
class _Arrival:
    """A file on its way; `left` pieces of it are somebody's, or to be taken."""

    wanted: Wanted
    part: Part
    tries: int
    left: int
    total: Sum | None
    error: Exception | None = None
    told: float = field(default_factory=time.monotonic)


class Fetcher:
    """Fetches files from a store.

    Parameters
    ----------
    store : Store
    options : Fetching, optional
    """

    def __init__(self, store: Store, options: Fetching | None = None):
        self._store, self._options = store, options or Fetching()
        self._workers = self._options.workers or store.workers
        self._pace = Pace(self._workers, self._options.rate)
        self._events: SimpleQueue[FileEvent | BaseException] = SimpleQueue()
        self._changed = threading.Condition()
        self._halted = threading.Event()
        self._new: deque[tuple[Wanted, int]] = deque()
        self._pieces: deque[tuple[_Arrival, Piece]] = deque()
        self._elsewhere: deque[tuple[float, Wanted, int]] = deque()
        self._open: list[_Arrival] = []
        self._busy = 0

    def run(self, wanted: Iterable[Wanted]) -> Iterator[FileEvent]:
        """Have some files; what happens, until each is here or has failed.

        A file that fails doesn't stop the others. What has arrived of it stays, for the next time.

        Raises
        ------
        StoreError
            The disk is full. What has arrived stays.
        """
        self._new.extend((each, TRIES) for each in wanted)
        unfinished = len(self._new)
        pieces = sum(1 + each.info.size // self._options.piece for each, _ in self._new)
        threads = [
            threading.Thread(target=self._work, daemon=True, name=f"fetching-{n}")
            for n in range(min(self._workers, pieces))
        ]
        try:
            for thread in threads:
                thread.start()
            while unfinished:
                event = self._events.get()
                if isinstance(event, BaseException):
                    raise event
                unfinished -= event.state in FINISHED
                yield event
        finally:
            self._halted.set()
            with self._changed:
                self._changed.notify_all()
            end = time.monotonic() + _LEAVE
            for thread in threads:
                thread.join(max(0.0, end - time.monotonic()))
            if not any(thread.is_alive() for thread in threads):
                for arrival in self._open:
                    arrival.part.close()

    def _work(self) -> None:
        try:
            while (job := self._next()) is not None:
                job()
                with self._changed:
                    self._busy -= 1
                    self._changed.notify_all()
        except BaseException as error:  # noqa: BLE001  (it is the caller's)
            self._events.put(error)

    def _next(self) -> Callable[[], None] | None:
        """Wait for something to do; None: there will be nothing."""
        with self._changed:
            while not self._halted.is_set():
                wait = None
                if self._elsewhere:
                    wait = self._elsewhere[0][0] - time.monotonic()
                    if wait <= 0:
                        self._new.append(self._elsewhere.popleft()[1:])
                job: Callable[[], None] | None = None
                if self._pieces:
                    job = partial(self._bring, *self._pieces.popleft())
                elif self._new:
                    job = partial(self._begin, *self._new.popleft())
                if job is not None:
                    self._busy += 1
                    return job
                if not self._busy and not self._elsewhere:
                    return None
                self._changed.wait(wait)
            return None

    def _begin(self, wanted: Wanted, tries: int) -> None:
        """Look what there is of a file, and hand out what is missing."""
        path, info = wanted.path, wanted.info
        part: Part | None = None
        try:
            with explained(f"can't copy {info.key} to {path}", info.key):
                seen = _signature(path)
                if self._is_here(wanted):
                    self._tell(wanted, FileState.HERE, info.size)
                    return
                part = Part.open(path, info, self._options.piece)
                if part is None:
                    with self._changed:
                        self._elsewhere.append((time.monotonic() + _LOOK, wanted, tries))
                    return
                # Between the look and the lock another process may have finished it.
                if _signature(path) != seen and self._is_here(wanted):
                    part.discard()
                    self._tell(wanted, FileState.HERE, info.size)
                    return
        except CedarError as error:
            if part is not None:
                part.discard()
            self._tell(wanted, FileState.FAILED, 0, error)
            return
        missing = [piece for piece in part.pieces if piece.position < piece.end]
        # Of one that comes in one piece, from its start, the checksum is had on the way.
        in_order = len(part.pieces) == 1 and part.arrived == 0
        total = summing(algorithm_of(info.checksum)) if in_order and info.checksum else None
        arrival = _Arrival(wanted, part, tries, len(missing), total)
        self._tell(wanted, FileState.DOWNLOADING, part.arrived)
        with self._changed:
            self._open.append(arrival)
            # What was begun is finished first: few files are open at a time.
            self._pieces.extend((arrival, piece) for piece in missing)
            self._changed.notify_all()
        if not missing:
            self._settle(arrival)

    def _is_here(self, wanted: Wanted) -> bool:
        """Whether the file is there and right.

        Raises
        ------
        StoreError
            It is another, and may not be replaced.
        """
        if not wanted.path.exists():
            return False
        if self._store.is_copy(wanted.path, wanted.info):
            return True
        if not self._options.overwrite:
            raise StoreError(
                f"{wanted.path} differs from {wanted.info.key} in the store: move it away or "
                "overwrite it",
                wanted.info.key,
            )
        return False

    def _bring(self, arrival: _Arrival, piece: Piece) -> None:
        """Have a piece; after the last one, check the file."""
        if arrival.error is None:
            key, path = arrival.wanted.info.key, arrival.wanted.path
            try:
                self._receive(arrival, piece)
            except CedarError as error:
                arrival.error = error
            except OSError as error:
                why = f"can't copy {key} to {path}: {error.strerror or error}"
                arrival.error = StoreError(why, key)
                if error.errno in _FULL:
                    self._halted.set()
                    self._events.put(_full(path))
        with self._changed:
            arrival.left -= 1
            last = arrival.left == 0
        if last and not self._halted.is_set():
            self._settle(arrival)

    def _receive(self, arrival: _Arrival, piece: Piece) -> None:
        """Have the rest of a piece; again from where it broke off, as long as it comes at all."""
        info, patience = arrival.wanted.info, retry.PATIENCE
        waits, end = retry.delays(retry.FIRST_DELAY, longest=16.0), time.monotonic() + patience
        while piece.position < piece.end:
            before = piece.position
            try:
                with self._pace.turn():
                    self._stream(arrival, piece, info)
                self._pace.went_well()
            except Interrupted as error:
                if error.slow_down:
                    self._pace.slow_down()
                if piece.position > before:
                    waits = retry.delays(retry.FIRST_DELAY, longest=16.0)
                    end = time.monotonic() + patience
                    if not error.slow_down:
                        continue
                delay = next(waits)
                if time.monotonic() + delay > end:
                    raise
                _log.info("%s; going on in %.1f s", error, delay)
                self._halted.wait(delay)
            if self._halted.is_set() or arrival.error is not None:
                return

    def _stream(self, arrival: _Arrival, piece: Piece, info: ObjectInfo) -> None:
        """Make one request, and write what comes."""
        chunks = self._store.stream(
            info.key, piece.position, piece.end, info.version, self._options.timeout
        )
        with closing(chunks):
            for chunk in chunks:
                if self._halted.is_set() or arrival.error is not None:
                    return
                arrival.part.write(piece, chunk)
                if arrival.total is not None:
                    arrival.total.update(chunk)
                self._pace.spend(len(chunk))
                if time.monotonic() > arrival.told + _TOLD:
                    arrival.told = time.monotonic()
                    self._tell(arrival.wanted, FileState.DOWNLOADING, arrival.part.arrived)

    def _settle(self, arrival: _Arrival) -> None:
        """Check a file that is all there, or see what is to be done about it."""
        wanted, part = arrival.wanted, arrival.part
        with self._changed:
            self._open.remove(arrival)
        try:
            with explained(f"can't copy {wanted.info.key} to {wanted.path}", wanted.info.key):
                if arrival.error is None and _is_right(arrival):
                    part.finish()
                    self._tell(wanted, FileState.DONE, wanted.info.size)
                    return
                if isinstance(arrival.error, NotFoundError):
                    part.discard()  # There will be no more of it.
                if arrival.error is not None and not isinstance(arrival.error, Conflict):
                    raise arrival.error
                # It arrived damaged, or the store has something else by now.
                part.discard()
                now = self._renewed(wanted)
                if arrival.tries == 1:
                    raise StoreError(
                        f"{wanted.info.key} arrived damaged, or was replaced, {TRIES} times: is "
                        "something in between, such as a proxy, that changes what is sent?",
                        wanted.info.key,
                    )
            _log.warning("%s arrived damaged, or was replaced: fetching it again", now.info.key)
            with self._changed:
                self._new.appendleft((now, arrival.tries - 1))
        except CedarError as error:
            self._tell(wanted, FileState.FAILED, 0, error)
        finally:
            part.close()

    def _renewed(self, wanted: Wanted) -> Wanted:
        """Look at what the store has now of a file.

        Raises
        ------
        StoreError
            It isn't what a record says that it has to be.
        """
        info = self._store.stat(wanted.info.key)
        if not wanted.recorded:
            return replace(wanted, info=info)
        known = wanted.info
        said = {"version": known.version, "size": known.size, "checksum": known.checksum}
        # In a copy of a store the version is another, but it may still be it.
        if not is_output(self._store, info, said):
            raise StoreError(
                f"{known.key} isn't what the order made: it was replaced since", known.key
            )
        return replace(wanted, info=replace(known, version=info.version))

    def _tell(
        self, wanted: Wanted, state: FileState, arrived: int, error: CedarError | None = None
    ) -> None:
        self._events.put(FileEvent(wanted.path, state, arrived, wanted.info.size, error))


def _is_right(arrival: _Arrival) -> bool:
    """Whether a file has the checksum that it has to have, where one is known."""
    checksum = arrival.wanted.info.checksum
    if checksum is None:
        return True
    total, part = arrival.total, arrival.part
    return checksum == (total.text() if total else part.checksum(algorithm_of(checksum)))


def _signature(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _full(path: Path) -> StoreError:
    return StoreError(
        f"the disk of {path.parent} is full: make room and run it again; what has arrived is kept"
    )
