"""Starting export tasks: each is marked, sent, recorded, and never started twice.

The record is written before the first request is sent, with a mark on every item that may be;
what was started is noted afterwards. Whatever lies between, a crash or a lost answer, leaves items
that are marked and not started: whoever goes on looks for their tasks at the service first, and
sends the rest again with the same request ids, which the service takes once.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from . import defaults
from .changes import (
    description,
    is_due,
    is_held,
    is_prepared,
    marked,
    not_started,
    sent,
    started,
    unmarked,
    waiting,
    with_outputs,
)
from .documents import read_document
from .exceptions import ConfigError, DocumentError, EngineError, InputError, NotFoundError
from .ledger import Ledger
from .settling import images_of, made_of, settled_by
from .states import TaskState

if TYPE_CHECKING:
    from .engines.base import Engine
    from .metadata import ImageMetadata
    from .record import Record

_log = logging.getLogger(__name__)

Entry = Mapping[str, Any]
#: Gives the metadata document of an item, from its entry.
Documents = Callable[[Entry], "ImageMetadata"]

#: States of a task that is, or may still be, what an item is waiting for.
_ALIVE: Final[frozenset[str]] = frozenset(
    {TaskState.READY, TaskState.RUNNING, TaskState.CANCEL_REQUESTED, TaskState.COMPLETED}
)


class Starter:
    """Starts the items of one order that are planned.

    Parameters
    ----------
    record : Record
        The order.
    engine : Engine
        Whose service exports.
    documents : callable, optional
        Gives an item's metadata document; by default it is read from the store.
    unprepared : bool
        Start items too that have no document yet, because `documents` writes it.
    callback : callable, optional
        Called with the record after each write of it.
    ledger : Ledger, optional
        Keeps the budget; by default there is none.
    """

    def __init__(
        self,
        record: Record,
        engine: Engine,
        documents: Documents | None = None,
        unprepared: bool = False,
        callback: Callable[[Record], None] | None = None,
        ledger: Ledger | None = None,
    ):
        self.record, self.store, self.engine = record, record.store, engine
        self._ledger = ledger or Ledger()
        self._documents = documents or (lambda entry: read_document(self.store, entry))
        self._unprepared = unprepared
        self._callback = callback
        self._stop = threading.Event()

    def start(self, most: int | None = None) -> bool:
        """Start what is planned, as far as the service has room; whether it may have more.

        Where another process is at it, nothing is done.

        Parameters
        ----------
        most : int, optional
            Items to start.
        """
        if not self.planned():
            return True
        with self.turn() as ours:
            return self.send(most) if ours else True

    def planned(self) -> list[str]:
        """Names of the items that can be started now."""
        entries = map(self.record.entry, self.record.names({TaskState.UNSUBMITTED}))
        return [
            entry["name"]
            for entry in entries
            if (self._unprepared or is_prepared(entry)) and is_due(entry) and not is_held(entry)
        ]

    @contextmanager
    def turn(self) -> Iterator[bool]:
        """Be the one process that starts the order's tasks; give False where another is.

        Tasks that were started without the record knowing are found first.
        """
        with self.store.claim(self.record.key) as ours:
            if ours:
                self.record.refresh()
                self.adopt()
            yield ours

    def adopt(self) -> None:
        """Take tasks on that are at the service for items that the record says aren't started.

        Only what is marked as sent can have one. One that failed or was cancelled isn't taken: sent
        again, its request gets it anyway if it is this item's, and else it is an earlier order's of
        that name. Of one that the service has forgotten since, the store may tell.
        """
        planned = map(self.record.entry, self.record.names({TaskState.UNSUBMITTED}))
        moments = {entry["name"]: (entry, moment) for entry in planned if (moment := sent(entry))}
        if not moments:
            return
        first = dt.datetime.fromtimestamp(min(at for _, at in moments.values()) / 1000, dt.UTC)
        wanted = {description(entry) for entry, _ in moments.values()}
        found = self.engine.find(wanted, first - defaults.SKEW)
        for entry, _ in moments.values():
            alive = [task for task in found.get(description(entry), ())
                     if task.state in _ALIVE]  # fmt: skip
            if alive:
                _log.info("%s: task %s was started for it", entry["name"], alive[0].id)
                self._note_started(entry, alive[0].id)
        self._settle([entry for entry, _ in moments.values() if not found.get(description(entry))])
        self.record.flush()

    def _settle(self, entries: Sequence[Entry]) -> None:
        """Settle items whose tasks, if they were started, are forgotten, by what those have made.

        What has made nothing is as good as never started.
        """
        images = images_of(entries, self.store) if entries else {}
        for entry in entries:
            # By this machine's clock.
            since = (sent(entry) or 0) / 1000 - defaults.SKEW.total_seconds()
            there = images[entry["prefix"], entry["name"]]
            if made := made_of(entry, there, self.record.view, since):
                _log.info("%s: its task was forgotten, but not before it wrote", entry["name"])
                self.record.change(entry["name"], with_outputs(made))
                self.record.change(entry["name"], settled_by(entry, made))

    def send(self, most: int | None = None) -> bool:
        """Mark, send and record what the budget allows; whether there may be room for more.

        Parameters
        ----------
        most : int, optional
            Items to send.
        """
        with self._ledger.allowance(self.record, self.engine) as allowed:
            planned = self.planned()
            wanted = planned[:most]
            names = wanted[: allowed.room]
            if allowed.reason is not None:
                self._note_waiting(planned[len(names) :], allowed.reason)
            return self._send_all(names) and len(names) == len(wanted)

    def _note_waiting(self, names: Collection[str], reason: str) -> None:
        """Note why items aren't started, where that isn't noted yet."""
        names = set(names)
        entries = [entry for entry in self.record.view.orders if entry["name"] in names]
        fresh = [e["name"] for e in entries if e["status"].get("error_message") != reason]
        if fresh:
            _log.warning("%s: %d items aren't started: %s", self.record.name, len(names), reason)
            for name in fresh:
                self.record.change(name, waiting(reason))
            self._write()

    def _send_all(self, names: Sequence[str]) -> bool:
        """Mark, send and record items, some hundreds at a time; whether there may be more room."""
        for first in range(0, len(names), defaults.START_BATCH):
            batch = names[first : first + defaults.START_BATCH]
            if not all(sent(self.record.entry(name)) for name in batch):
                for name in batch:
                    self.record.change(name, marked)
                self._write()
            if not self._send(batch):
                return False
        return True

    def _send(self, names: Sequence[str]) -> bool:
        """Send the requests of some items; whether the service may have room for more."""
        # A pool of their own: documents needn't wait for what the service allows a second.
        documents = ThreadPoolExecutor(self.store.workers, thread_name_prefix="cedar-document")
        pool = ThreadPoolExecutor(defaults.START_WORKERS, thread_name_prefix="cedar-start")
        futures = {
            pool.submit(self._start_one, name, documents.submit(self._document, name)): name
            for name in names
        }
        under_way = set(futures)
        try:
            while under_way:
                done, under_way = wait(under_way, defaults.START_INTERVAL, FIRST_EXCEPTION)
                for future in done:
                    future.result()
                if under_way:
                    self._write()
            return not self._stop.is_set()
        finally:
            # Those on their way are answered, and written down; the others were never sent.
            self._stop.set()
            documents.shutdown(cancel_futures=True)
            pool.shutdown(cancel_futures=True)
            for future, name in futures.items():
                if future.cancelled():
                    self.record.change(name, unmarked)
            self._write()
            self._stop.clear()

    def _document(self, name: str) -> ImageMetadata | None:
        """Have one item's document; None where it isn't to be started now. Runs in a thread."""
        entry = self.record.entry(name)
        wanted = entry["status"]["state"] == TaskState.UNSUBMITTED
        return self._documents(entry) if wanted and not self._stop.is_set() else None

    def _start_one(self, name: str, document: Future[ImageMetadata | None]) -> None:
        """Start one item's task. Runs in a thread."""
        try:
            metadata, entry = document.result(), self.record.entry(name)
            if self._stop.is_set():
                self.record.change(name, unmarked)
                return
            if metadata is None or entry["status"]["state"] != TaskState.UNSUBMITTED:
                return
            options = metadata["store"]["export_image_kwds"]
            destination = self.store.destination(entry["prefix"])
            request = self.engine.prepare(metadata, destination, options, entry["attempt"])
            operation = self.engine.start(request)
        except CancelledError:
            self.record.change(name, unmarked)
        except ConfigError:
            raise
        except EngineError as error:
            if error.full:
                # The rest waits until there is room.
                self._stop.set()
            refused = not (error.full or error.transient)
            state = TaskState.FAILED if refused else TaskState.UNSUBMITTED
            self.record.change(name, not_started(state, str(error), mark=error.transient))
        except (InputError, DocumentError, NotFoundError) as error:
            self.record.change(name, not_started(TaskState.FAILED, str(error), mark=False))
        else:
            self._note_started(entry, operation.rpartition("/")[2])

    def _note_started(self, entry: Entry, task_id: str) -> None:
        self.record.change(entry["name"], started(task_id, entry["attempt"]))

    def _write(self) -> None:
        self.record.flush()
        if self._callback is not None:
            self._callback(self.record)
