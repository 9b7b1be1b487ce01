"""The queue pump: one round over all orders of a store, in seconds, to be repeated by cron.

No order is too large: what the service's queue has no room for stays planned, and every round
starts as many as there is room for, orders of a higher priority first, those of one priority in
turn.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from . import defaults, settling
from .causes import Policy
from .exceptions import CedarError, EngineError
from .placing import finish
from .record import Record, check_identity
from .results import Result, result_of, together
from .retrying import again, due
from .states import TaskState
from .tasks import Tasks

if TYPE_CHECKING:
    from .engines.base import Engine
    from .ledger import Ledger
    from .metadata import TrackingMetadata
    from .starting import Starter
    from .stores.base import Store

_log = logging.getLogger(__name__)

#: Of an export that doesn't say another (developers.google.com/earth-engine/guides/usage).
_PRIORITY = 100
_POLICY = Policy()


@dataclass(frozen=True)
class Round:
    """What one round found.

    Attributes
    ----------
    orders : tuple of TrackingMetadata
        Those that had something to do, as they are now.
    failures : dict of str to CedarError
        Orders that could not be gone on with, and why.
    """

    orders: tuple[TrackingMetadata, ...] = ()
    failures: dict[str, CedarError] = field(default_factory=dict)

    @property
    def unfinished(self) -> tuple[TrackingMetadata, ...]:
        """Orders with work to do, or under way, or whose files aren't all there yet."""
        return tuple(order for order in self.orders if result_of(order) == Result.UNFINISHED)

    @property
    def result(self) -> Result:
        """How it ended. What can't be gone on with for a moment only isn't finished."""
        failed = [
            Result.UNFINISHED
            if isinstance(error, EngineError) and error.transient
            else Result.FAILED
            for error in self.failures.values()
        ]
        others = [result_of(order) for order in self.orders if order.name not in self.failures]
        return together([*failed, *others])


def tick(
    store: Store,
    tracking_prefix: str,
    engine: Engine,
    names: Sequence[str] | None = None,
    policy: Policy = _POLICY,
    ledger: Ledger | None = None,
) -> Round:
    """Bring orders forward by one round: finish what was cut off, ask, look, start.

    Images that cedar pulls itself aren't made: that takes longer than a round.

    Parameters
    ----------
    names : sequence of str, optional
        The orders; by default all of the store.
    policy : Policy, optional
        What is tried again by itself.
    ledger : Ledger, optional
        Keeps the budget; by default there is none.
    """
    failures: dict[str, CedarError] = {}
    records: list[Record] = []
    exported: list[Record] = []
    for name in store.list(tracking_prefix) if names is None else names:
        try:
            record = Record.open(store, tracking_prefix, name)
            if _is_over(record) and not due(record, policy):
                continue
            if names is None and not _is_of(record, store, engine):
                continue
            record.check_name()
            check_identity(record.view, "store", store.identity())
            check_identity(record.view, "engine", engine.identity())
            settling.settle_older(record)
            finish(record, engine, timeout=0)
            if record.view.file_dimensions is not None:
                exported.append(record)
            records.append(record)
        except CedarError as error:
            failures[name] = error
    failures |= _refresh(exported, engine)
    for record in records:
        try:
            again(record, engine, policy)
        except CedarError as error:
            failures.setdefault(record.name, error)
    sound = [record for record in exported if record.name not in failures]
    failures |= _feed(sound, engine, ledger)
    for record in records:
        if record not in exported:
            settling.update(record)
    return Round(tuple(record.metadata for record in records), failures)


def _is_of(record: Record, store: Store, engine: Engine) -> bool:
    """Whether an order is of this store and engine; those of others there may be beside it."""
    try:
        check_identity(record.view, "store", store.identity())
        check_identity(record.view, "engine", engine.identity())
    except CedarError as error:
        _log.info("left alone: %s", error)
        return False
    return True


def _is_over(record: Record) -> bool:
    tracking = record.view
    states = {tracking.state(entry) for entry in tracking.orders}
    return not record.unsettled() and not states & {TaskState.UNKNOWN, TaskState.INCOMPLETE}


def _refresh(records: Iterable[Record], engine: Engine) -> dict[str, CedarError]:
    """Ask how the tasks of all orders are, at once, and look for the files of each."""
    followed = {record.name: Tasks(record, engine) for record in records}
    asked = {task for tasks in followed.values() for task in tasks.asked()}
    try:
        answers = engine.poll(asked) if asked else {}
    except EngineError as error:
        return dict.fromkeys(followed, error)
    failures: dict[str, CedarError] = {}
    for name, tasks in followed.items():
        try:
            tasks.take(answers)
        except CedarError as error:
            failures[name] = error
    return failures


def _feed(
    records: Sequence[Record], engine: Engine, ledger: Ledger | None
) -> dict[str, CedarError]:
    """Start what is planned, as far as there is room, by priority and in turn."""
    failures: dict[str, CedarError] = {}
    waiting = sum(len(record.names({TaskState.READY})) for record in records)
    room = max(0, defaults.QUEUED_TASKS - waiting)
    ranked = sorted(records, key=_priority, reverse=True)
    for _, equals in groupby(ranked, key=_priority):
        with ExitStack() as turns:
            starters: list[Starter] = []
            for record in equals:
                starter = Tasks(record, engine, ledger=ledger).starter
                if bool(starter.planned()) and turns.enter_context(starter.turn()):
                    starters.append(starter)
            room = _in_turn(starters, room, failures)
        if room <= 0:
            break
    return failures


def _in_turn(starters: list[Starter], room: int, failures: dict[str, CedarError]) -> int:
    """Start a share of each order, and again, until nothing is planned or there is no more room."""
    while starters and room > 0:
        share = max(1, min(defaults.START_BATCH, room // len(starters)))
        for starter in list(starters):
            planned = len(starter.planned())
            most = min(share, room, planned)
            try:
                has_room = starter.send(most)
            except CedarError as error:
                failures[starter.record.name] = error
                starters.remove(starter)
                continue
            if not has_room:
                return 0
            room -= most
            if planned <= most:
                starters.remove(starter)
    return room


def _priority(record: Record) -> int:
    given = record.view["tracking"]["export_image_kwds"].get("priority", _PRIORITY)
    # What isn't one is refused when the items are started.
    return given if isinstance(given, int) else _PRIORITY
