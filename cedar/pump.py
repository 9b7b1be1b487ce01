"""Pulling: moving an order that cedar makes itself forward, whatever state it was left in."""

from __future__ import annotations

import logging
import math
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import defaults
from .changes import PULLABLE, Change, again, is_due, partly, running, status, stopped
from .documents import read_document
from .exceptions import ConfigError, Conflict, DocumentError, EngineError, InputError, NotFoundError
from .items import ObjectInfo, Output
from .rasters import read_tags
from .retry import delays
from .states import ACTIVE, TaskState
from .stores.base import ABSENT, IfVersion
from .stores.checksums import file_checksum
from .stores.files import explained

if TYPE_CHECKING:
    from .engines.base import Engine
    from .record import Record

_log = logging.getLogger(__name__)


class _Stopped(Exception):
    """The pull was told to stop."""


def discard(record: Record, name: str) -> None:
    """Remove what was pulled of an item that won't be pulled any further."""
    entry = record.entry(name)
    if entry["request_id"] is not None and entry["status"]["state"] not in ACTIVE:
        shutil.rmtree(record.store.scratch(entry["request_id"]), ignore_errors=True)


def item_key(entry: Mapping[str, Any]) -> str:
    """Return the key that whoever works on an item claims: its image's."""
    return f"{entry['prefix']}/{entry['name']}.tif"


class Pump:
    """Pulls the items of one order, several at a time, until none is active.

    Parameters
    ----------
    record : Record
        The order.
    engine : Engine
        Where the pixels come from.
    callback : callable, optional
        Called with the record after each write of it.
    """

    def __init__(
        self, record: Record, engine: Engine, callback: Callable[[Record], None] | None = None
    ):
        self.record = record
        self.store = record.store
        self.engine = engine
        self._callback = callback
        self._stop = threading.Event()
        self._pulls: dict[Future[None], tuple[str, ExitStack]] = {}
        #: Items that are RUNNING by this pump's word, even where a signal came before their pull.
        self._taken: set[str] = set()
        #: Claims on items that have ended, held until the record says so.
        self._ended_claims = ExitStack()
        self._written = 0.0
        self._tries: dict[str, tuple[Iterator[float], float]] = {}

    def run(
        self,
        interval: float,
        timeout: float | None = None,
        again: Callable[[], None] | None = None,
    ) -> bool:
        """Pull until no item is active, or the time is over.

        Parameters
        ----------
        interval : float
            Seconds between two looks at items that another process works on.
        timeout : float, optional
            Seconds after which to stop; what is under way is given back.
        again : callable, optional
            Plans what has failed and is to be tried again; called in each round.

        Returns
        -------
        bool
            Whether no item is active.
        """
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        pool = ThreadPoolExecutor(defaults.PULL_WORKERS, thread_name_prefix="cedar-item")
        try:
            while True:
                if again is not None:
                    again()
                if not self._step(pool, min(interval, max(0.0, deadline - time.monotonic()))):
                    break
                if time.monotonic() > deadline:
                    return False
            return True
        finally:
            self._stop.set()
            wait(self._pulls)
            pool.shutdown()
            try:
                self._collect()
            finally:
                for name in self._taken:
                    self.record.change(name, stopped)
                self._write()

    def _step(self, pool: ThreadPoolExecutor, interval: float) -> bool:
        """Start what can be started, wait a moment, note what ended. False: all is done."""
        self.record.refresh()
        unsettled = self.record.unsettled()
        if not unsettled and not self._pulls:
            return False
        for name in unsettled:
            if len(self._pulls) >= defaults.PULL_WORKERS:
                break
            self._take(name, pool)
        if self._pulls:
            wait(self._pulls, timeout=defaults.RECORD_INTERVAL, return_when=FIRST_COMPLETED)
        else:
            self._write()
            if self.record.unsettled():
                self._stop.wait(interval)
        self._collect()
        if time.monotonic() - self._written >= defaults.RECORD_INTERVAL:
            self._write()
        return True

    def _take(self, name: str, pool: ThreadPoolExecutor) -> None:
        """Claim an item and start to pull it, unless somebody else has it or it must wait."""
        if any(name == other for other, _ in self._pulls.values()):
            return
        if name in self._tries and time.monotonic() < self._tries[name][1]:
            return
        with ExitStack() as stack:
            entry = self.record.entry(name)
            if not stack.enter_context(self.store.claim(item_key(entry))):
                return
            # Whoever had the claim before wrote the record before it let go.
            self.record.refresh()
            entry = self.record.entry(name)
            state = entry["status"]["state"]
            if state == TaskState.CANCEL_REQUESTED:
                self.record.change(name, stopped)
                discard(self.record, name)
                self._ended_claims.push(stack.pop_all())
            elif state in PULLABLE and is_due(entry):
                self._taken.add(name)
                self.record.change(name, running)
                self._pulls[pool.submit(self._pull, entry)] = name, stack.pop_all()

    def _collect(self) -> None:
        """Note how finished pulls ended."""
        failures = []
        for future in [future for future in self._pulls if future.done()]:
            name, claim = self._pulls.pop(future)
            self._ended_claims.push(claim)
            failures += self._ended(name, future.exception())
            self._taken.discard(name)
        for failure in failures:
            raise failure

    def _write(self) -> None:
        """Write the record, and only then let go of the items that it says have ended."""
        with self._ended_claims.pop_all():
            self.record.flush()
        self._written = time.monotonic()
        if self._callback is not None:
            self._callback(self.record)

    def _ended(self, name: str, error: BaseException | None) -> list[BaseException]:
        """Note how a pull ended. An error that isn't the item's own ends the whole run."""
        change: Change = stopped  # Which does nothing to what is completed.
        own = True
        match error:
            case None | _Stopped():
                self._tries.pop(name, None)
            case EngineError(transient=True):
                waits, _ = self._tries.get(name, (delays(), 0.0))
                delay = next(waits)
                self._tries[name] = waits, time.monotonic() + delay
                _log.warning("%s: %s; trying again in %.0f s", name, error, delay)
                change = again(str(error))
            case ConfigError():
                own = False
            case EngineError() | InputError() | DocumentError() | Conflict():
                change = status(TaskState.FAILED, error_message=str(error))
            case _:
                own = False
        self.record.change(name, change)
        discard(self.record, name)
        return [] if own or error is None else [error]

    def _pull(self, entry: dict[str, Any]) -> None:
        """Make one item's image and put it into the store. Runs in a thread."""
        with explained(f"can't make {item_key(entry)}", item_key(entry)):
            self._make(entry, item_key(entry))

    def _make(self, entry: dict[str, Any], key: str) -> None:
        name = entry["name"]
        found = self._finished(entry, key)
        if found is None:
            self._progress(name, 0.0)
            metadata = read_document(self.store, entry)
            options = metadata["store"]["export_image_kwds"]
            destination = self.store.destination(entry["prefix"])
            request = self.engine.prepare(metadata, destination, options, entry["attempt"])
            scratch = self.store.scratch(entry["request_id"])
            path = self.engine.pull(request, scratch, lambda part: self._progress(name, part))
            found = self._put(path, key, entry.get("replaces", {}))
        output = Output.of(found)

        def completed(entry: dict[str, Any]) -> None:
            status(TaskState.COMPLETED, progress=1.0, error_message=None)(entry)
            entry["outputs"] = [vars(output)]

        # First, so that a kill after the record says so leaves nothing.
        shutil.rmtree(self.store.scratch(entry["request_id"]), ignore_errors=True)
        self.record.change(name, completed)

    def _put(self, path: Path, key: str, replaces: Mapping[str, str]) -> ObjectInfo:
        checksum, size = file_checksum(path), path.stat().st_size
        expected: IfVersion = replaces.get(path.name, ABSENT)
        try:
            self.store.stat(key)
        except NotFoundError:
            expected = ABSENT  # What was to be replaced was deleted since.
        try:
            put = self.store.put(path, key, if_version=expected)
        except Conflict as error:
            # An earlier pull put the same there, and did not get to say so: pixels that are the
            # same make the same file.
            there = self.store.stat(key)
            if there.size == size and self.store.checksum(key) == checksum:
                return ObjectInfo(key, there.size, there.version, checksum)
            raise Conflict(
                f"{key} is in the store, and isn't this order's nor what it was to replace: move "
                "it away, or order with --overwrite",
                key,
            ) from error
        return ObjectInfo(key, put.size, put.version, checksum)

    def _finished(self, entry: Mapping[str, Any], key: str) -> ObjectInfo | None:
        """Return the item's image if an earlier pull put it there but did not get to say so."""
        try:
            info = self.store.stat(key)
        except NotFoundError:
            return None
        if info.path is None or read_tags(info.path).get("CEDAR_REQUEST_ID") != entry["request_id"]:
            return None
        return ObjectInfo(key, info.size, info.version, self.store.checksum(key))

    def _progress(self, name: str, part: float) -> None:
        """Note how far a pull has come; end it where it was cancelled, or cedar is stopping."""
        if self._stop.is_set():
            raise _Stopped
        self.record.change(name, partly(part))
        if self.record.entry(name)["status"]["state"] != TaskState.RUNNING:
            raise _Stopped
