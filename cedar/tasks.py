"""Following export tasks: what a task is, the service says; what it made, the store says."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Container, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from . import defaults
from .changes import cancelling, is_held, is_lacking, now_ms, reported, with_outputs
from .exceptions import EngineError
from .settling import images_of, made_of, settled_by
from .starting import Starter
from .states import ACTIVE, FINAL, TaskState

if TYPE_CHECKING:
    from .engines.base import Engine
    from .items import TaskStatus
    from .ledger import Ledger
    from .record import Record

_log = logging.getLogger(__name__)

Entry = Mapping[str, Any]

#: May have made files.
_ENDED: Final = FINAL - {TaskState.EMPTY}


class Tasks:
    """The export tasks of one order.

    Parameters
    ----------
    record : Record
        The order.
    engine : Engine
        Whose service exports.
    callback : callable, optional
        Called with the record after each write of it.
    ledger : Ledger, optional
        Keeps the budget; by default there is none.
    """

    def __init__(
        self,
        record: Record,
        engine: Engine,
        callback: Callable[[Record], None] | None = None,
        ledger: Ledger | None = None,
    ):
        self.record, self.store, self.engine = record, record.store, engine
        self.starter = Starter(record, engine, callback=callback, ledger=ledger)
        self._callback = callback
        #: When an item that the service calls completed was first seen to lack outputs.
        self._lacking: dict[str, float] = {}

    def run(
        self,
        interval: float,
        timeout: float | None = None,
        again: Callable[[], None] | None = None,
    ) -> bool:
        """Start and follow until no item is active, but those that are held, or the time is over.

        Outputs that a store is late to show are waited for, :data:`defaults.LATE_OUTPUTS` seconds.

        Parameters
        ----------
        again : callable, optional
            Plans what has failed and is to be tried again; called in each round.

        Returns
        -------
        bool
            Whether none is.
        """
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while True:
            self.record.refresh()
            try:
                self.starter.start(self._room())
                self.refresh()
                if again is not None:
                    again()
            except EngineError as error:
                if not error.transient:
                    raise
                _log.warning("%s; trying again in %.0f s", error, interval)
            if not self._is_under_way() and not self._is_late():
                return True
            rest = deadline - time.monotonic()
            if rest <= 0:
                return False
            time.sleep(min(interval, rest))

    def _is_under_way(self) -> bool:
        """Whether an item is active, and not held until somebody has seen what others cost."""
        held = {entry["name"] for entry in self.record.view.orders if is_held(entry)}
        return any(name not in held for name in self.record.unsettled())

    def _room(self) -> int:
        """Tasks that the queue takes if no others are in it: the service has the last word."""
        return max(0, defaults.QUEUED_TASKS - len(self.record.names({TaskState.READY})))

    def refresh(self) -> None:
        """Ask how the tasks are, look for their files, and write what was found."""
        asked = self.asked()
        self.take(self.engine.poll(asked) if asked else {})

    def asked(self) -> list[str]:
        """Ids of the tasks to ask about."""
        unsettled = map(self.record.entry, self.record.unsettled())
        return [task for entry in unsettled if (task := entry["status"].get("id")) is not None]

    def take(self, answers: Mapping[str, TaskStatus]) -> None:
        """Note what the service said of the tasks, look for their files, and write it down.

        Parameters
        ----------
        answers : mapping
            Of all of :meth:`asked` that the service knows, by id; also of others.
        """
        entries = self.record.view.orders
        unsettled = map(self.record.entry, self.record.unsettled())
        asked = {e["status"]["id"]: e for e in unsettled if e["status"].get("id") is not None}
        forgotten = [entry["name"] for task, entry in asked.items() if task not in answers]
        for task in asked.keys() & answers.keys():
            self.record.change(asked[task]["name"], reported(answers[task]))
        self._cancel_again(asked.values(), answers)
        ended = [name for name in (entry["name"] for entry in asked.values())
                 if self.record.entry(name)["status"]["state"] in _ENDED]  # fmt: skip
        unknown = [e["name"] for e in entries if e["status"]["state"] == TaskState.UNKNOWN]
        lacking = [entry["name"] for entry in entries if is_lacking(entry)]
        self._look({*ended, *lacking}, {*forgotten, *unknown})
        self._write()

    def cancel(self, names: Container[str] | None = None) -> None:
        """Cancel what hasn't ended, of all items or some: those that wait before those that run."""
        if self.record.names({TaskState.UNSUBMITTED}):
            with self.starter.turn():
                pass  # It finds the tasks that the record doesn't know of.
        self.refresh()
        wanted = [name for name in self.record.names(ACTIVE) if names is None or name in names]
        running = {name for name in wanted
                   if self.record.entry(name)["status"]["state"] == TaskState.RUNNING}  # fmt: skip
        for name in wanted:
            self.record.change(name, cancelling)
        self._write()
        for name in sorted(wanted, key=running.__contains__):
            entry = self.record.entry(name)
            if entry["status"]["state"] == TaskState.CANCEL_REQUESTED:
                self.engine.cancel(entry["status"]["id"])
        self.refresh()

    def _cancel_again(self, entries: Iterable[Entry], tasks: Mapping[str, TaskStatus]) -> None:
        """Cancel tasks that were to be cancelled, and which the service hasn't heard of."""
        for entry in entries:
            task = tasks.get(entry["status"]["id"])
            wanted = entry["status"]["state"] == TaskState.CANCEL_REQUESTED
            if wanted and task is not None and task.state in (TaskState.READY, TaskState.RUNNING):
                self.engine.cancel(task.id)

    def _look(self, ended: Container[str], forgotten: Container[str]) -> None:
        """Find the files of tasks that have ended, and of those that the service has forgotten."""
        entries = [e for e in self.record.view.orders
                   if e["name"] in ended or e["name"] in forgotten]  # fmt: skip
        images = images_of(entries, self.store) if entries else {}
        for entry in entries:
            # Both are the service's own times.
            since = (entry["status"].get("creation_timestamp_ms") or 0) / 1000 - 1
            made = made_of(entry, images[entry["prefix"], entry["name"]], self.record.view, since)
            if [output.name for output in made] != [o["name"] for o in entry["outputs"]]:
                self.record.change(entry["name"], with_outputs(made))
            if entry["name"] in forgotten:
                self.record.change(entry["name"], settled_by(entry, made))

    def _is_late(self) -> bool:
        """Whether an item lacks outputs that the store may still be about to show."""
        now = time.monotonic()
        lacking = {entry["name"] for entry in self.record.view.orders if is_lacking(entry)}
        self._lacking = {name: self._lacking.get(name, now) for name in lacking}
        return any(
            now - first < defaults.LATE_OUTPUTS and not self._ended_long_ago(name)
            for name, first in self._lacking.items()
        )

    def _ended_long_ago(self, name: str) -> bool:
        ended = self.record.entry(name)["status"].get("update_timestamp_ms") or 0
        return bool(now_ms() - ended > defaults.LATE_OUTPUTS * 1000)

    def _write(self) -> None:
        self.record.flush()
        if self._callback is not None:
            self._callback(self.record)
