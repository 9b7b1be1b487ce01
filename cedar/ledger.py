"""Keeping a budget: what tasks have cost, and so how many more may be started.

Nobody knows what a task will cost before it has run. So with a budget no more tasks are at the
service than it runs at once: then there are none to begin after the budget is spent, and it is
passed by what those that are running cost, at the most.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import defaults
from .budget import Budget, Cost, costs_of
from .changes import now_ms
from .exceptions import CedarError, DocumentError, EngineError, NotFoundError, StoreError
from .metadata import TrackingMetadata
from .states import FINAL

if TYPE_CHECKING:
    from .engines.base import Engine
    from .items import TaskStatus
    from .record import Record
    from .stores.base import Store

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Allowance:
    """What may be started now.

    Attributes
    ----------
    room : int or None
        Tasks; None: any number.
    reason : str or None
        Why the others wait, and until when, where it isn't for tasks that run.
    """

    room: int | None
    reason: str | None = None


class Ledger:
    """Adds up what the orders of a store have cost, and says what a budget leaves.

    Parameters
    ----------
    budget : Budget, optional
        By default there is none.
    """

    def __init__(self, budget: Budget | None = None):
        self.budget = budget or Budget()
        #: Of each record by its key: the version that was read, and its tasks' costs.
        self._known: dict[tuple[str, str], tuple[str, tuple[Cost, ...]]] = {}
        self._lock = threading.Lock()

    def limits(self, engine: Engine) -> bool:
        """Whether there is a budget, and a service that says what its tasks cost."""
        return self.budget != Budget() and not engine.identity()["emulated"]

    @contextmanager
    def allowance(self, record: Record, engine: Engine) -> Iterator[Allowance]:
        """Say how many tasks of an order may be started; with a budget, nobody else does meanwhile.

        What can't be asked counts as spent.
        """
        if not self.limits(engine):
            yield Allowance(None)
            return
        folder = record.key.rpartition("/")[0]
        with record.store.claim(f"{folder}/budget") as ours:
            yield self._allowance(record, engine) if ours else Allowance(0)

    def _allowance(self, record: Record, engine: Engine) -> Allowance:
        try:
            listed = list(self._costs(record, engine))
            costs = {cost.task_id: cost for cost in listed if cost.task_id is not None}
            answers = _ask(engine, listed)
        except (EngineError, StoreError) as error:
            _log.warning(
                "what is spent of the budget isn't known, so nothing is started: %s", error
            )
            return Allowance(0)
        at_service = 0
        for task, answer in answers.items():
            ended = answer.state in FINAL
            at_service += not ended
            time_ms = (ended and answer.updated) or now_ms()
            seconds = answer.eecu_seconds or (costs[task].seconds if task in costs else 0.0)
            costs[task] = Cost(task, answer.description, time_ms, seconds, ended)
        now = dt.datetime.fromtimestamp(now_ms() / 1000, dt.UTC)
        if (reason := self.budget.is_spent(costs.values(), now)) is not None:
            return Allowance(0, reason)
        return Allowance(max(0, at_once(engine) - at_service))

    def _costs(self, record: Record, engine: Engine) -> Iterator[Cost]:
        """Costs of all orders of the engine's project, each as it is known best."""
        ours = engine.identity()
        # What may have been started of this very order was looked for before.
        yield from (c for c in _of_order(record.view, ours) if c.task_id is not None)
        folder = record.key.rpartition("/")[0]
        with self._lock:
            for info in record.store.objects(f"{folder}/"):
                inside = info.key.removeprefix(f"{folder}/")
                if info.key != record.key and inside.endswith(".json") and "/" not in inside:
                    yield from self._of_record(record.store, info.key, info.version, ours)

    def _of_record(
        self, store: Store, key: str, version: str, ours: Mapping[str, Any]
    ) -> tuple[Cost, ...]:
        known = self._known.get((key, str(ours["project"])))
        if known is None or known[0] != version:
            known = version, _read(store, key, ours)
            self._known[key, str(ours["project"])] = known
        return known[1]


def at_once(engine: Engine) -> int:
    """Count the tasks that the service runs at once; where nobody says, as many as it documents."""
    try:
        return engine.concurrency() or defaults.TASKS_AT_ONCE
    except CedarError as error:
        _log.info("how many tasks run at once can't be asked: %s", error)
        return defaults.TASKS_AT_ONCE


def _ask(engine: Engine, costs: Iterable[Cost]) -> dict[str, TaskStatus]:
    """Ask how tasks are whose end isn't known; of those that the service hasn't forgotten."""
    open_ = [cost for cost in costs if not cost.ended]
    asked = [cost.task_id for cost in open_ if cost.task_id is not None]
    answers = dict(engine.poll(asked)) if asked else {}
    lost = {cost.description: cost.time_ms for cost in open_ if cost.task_id is None}
    if lost:
        since = dt.datetime.fromtimestamp(min(lost.values()) / 1000, dt.UTC) - defaults.SKEW
        found = engine.find(lost, since).values()
        answers |= {task.id: task for tasks in found for task in tasks}
    return answers


def _of_order(tracking: TrackingMetadata, ours: Mapping[str, Any]) -> Iterator[Cost]:
    theirs = tracking["engine"] or {}
    if all(theirs.get(key) == ours[key] for key in ("name", "project", "emulated")):
        for entry in tracking.orders:
            yield from costs_of(entry)


def _read(store: Store, key: str, ours: Mapping[str, Any]) -> tuple[Cost, ...]:
    name = key.rpartition("/")[2].removesuffix(".json")
    try:
        return tuple(_of_order(TrackingMetadata.loads(store.load(key)[0], name), ours))
    except NotFoundError:
        return ()  # It was cleaned a moment ago.
    except DocumentError as error:
        _log.warning("what order %s has cost isn't known: %s", name, error)
        return ()
