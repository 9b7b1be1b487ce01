"""Executing a run: its orders side by side, each as far as it can go."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from .cubes.convert import carry_out
from .exceptions import CedarError, ConversionError
from .placing import claimed
from .planning import require_new
from .recorded import Recorded, Records, is_home, label
from .results import Result, result_of
from .states import UNSUCCESSFUL, TaskState

if TYPE_CHECKING:
    from .metadata import TrackingMetadata
    from .ordering import Submission
    from .runfile import RunOrder
    from .tracker import Tracker

#: Orders that a run goes on with at once; each asks for itself how its tasks are.
WORKERS: Final = 32

#: Called, one call at a time, with an order's name in the run and what has become of it.
Callback = Callable[[str, str], None]


@dataclass(frozen=True)
class Outcome:
    """How an order stands at the end of a run.

    Attributes
    ----------
    order : str
        What the run calls it.
    result : Result
    record : str or None
        Name of its record; None where it wasn't placed, or nobody looked.
    states : mapping of str to int
        How many of its items are in each state.
    message : str or None
        Why it isn't done, or what else there is to say.
    """

    order: str
    result: Result
    record: str | None
    states: Mapping[str, int]
    message: str | None = None


class _Interrupted(Exception):
    """The run was told to stop."""


class Execution:
    """One execution of a run.

    Parameters
    ----------
    name : str
        The run's.
    orders : mapping of str to RunOrder
        All of its orders.
    submissions : mapping of str to Submission
        What those ask for that are to be gone on with.
    callback : callable or None
        Told what becomes of each order.
    timeout : float or None
        Seconds to watch for.
    """

    def __init__(
        self,
        tracker: Tracker,
        records: Records,
        name: str,
        orders: Mapping[str, RunOrder],
        submissions: Mapping[str, Submission],
        callback: Callback | None,
        timeout: float | None,
    ):
        self._tracker, self._records, self._name = tracker, records, name
        self._orders, self._submissions = orders, submissions
        self._callback, self._telling = callback, threading.Lock()
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._stop = threading.Event()

    def run(self) -> list[Outcome]:
        """Go on with the orders until none can go further; how each stands then."""
        waiting = dict.fromkeys(self._submissions)
        outcomes: dict[str, Outcome] = {}
        under_way: dict[Future[Outcome], str] = {}
        with ThreadPoolExecutor(WORKERS, thread_name_prefix="cedar-run") as pool:
            try:
                while waiting or under_way:
                    for name in self._ready(waiting, outcomes):
                        del waiting[name]
                        if lacking := self._lacking(name, outcomes):
                            outcomes[name] = self._left_waiting(name, lacking)
                        else:
                            under_way[pool.submit(self._take, self._orders[name])] = name
                    for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                        outcomes[under_way.pop(future)] = future.result()
            except BaseException:
                # Each puts its record in order before it ends.
                self._stop.set()
                pool.shutdown(cancel_futures=True)
                raise
        return [outcomes[name] for name in self._submissions]

    def _ready(self, waiting: Mapping[str, Any], outcomes: Mapping[str, Outcome]) -> list[str]:
        """Return the orders of which all that they wait for has ended, or isn't gone on with."""
        return [
            name
            for name in waiting
            if (self._orders[name].after & self._submissions.keys()) <= outcomes.keys()
        ]

    def _lacking(self, name: str, outcomes: Mapping[str, Outcome]) -> list[str]:
        """Return what an order waits for that isn't done."""
        return [
            each
            for each in sorted(self._orders[name].after)
            if not (
                outcomes[each].result == Result.DONE
                if each in outcomes
                else self._records.is_done(self._orders[each])
            )
        ]

    def _left_waiting(self, name: str, lacking: Sequence[str]) -> Outcome:
        message = f"waits for {', '.join(lacking)}"
        self._tell(name, message)
        return Outcome(name, Result.WAITING, None, {}, message)

    def _take(self, order: RunOrder) -> Outcome:
        """Take the steps of an order. Runs in a thread."""
        found = None
        try:
            if self._stop.is_set():
                raise _Interrupted
            found = self._placed(order)
            outcome = (
                Outcome(order.name, Result.DONE, None, {}, "all of it exists already")
                if found is None
                else self._go_on(order, found)
            )
        except (CedarError, OSError) as error:
            # What it came to before that, the record says.
            record, states = (
                (None, {}) if found is None else (found.tracking.name, found.tracking.states)
            )
            outcome = Outcome(order.name, Result.FAILED, record, states, str(error))
        self._tell(order.name, f"{outcome.result}: {outcome.message or _counts(outcome.states)}")
        return outcome

    def _placed(self, order: RunOrder) -> Recorded | None:
        """Find the record of an order, or place it; None where all of it exists already."""
        key = f"{self._tracker.templates.tracking_prefix}/{self._name}.{order.name}.run"
        # Another process may be at it, and be further by the time that it lets go.
        with claimed(self._tracker.store, key, self._rest()) as ours:
            if (found := self._records.find(order)) is not None:
                return found
            if not ours:
                raise CedarError("another process is placing it: run this again")
            submission = self._submissions[order.name]
            made = self._tracker.order(*asked(order, submission))
            require_new(made)
            if not made.items:
                return None
            labelled = replace(made.submission, run=label(self._name, order.name))
            name, _ = self._tracker.place(replace(made, submission=labelled))
            self._tell(order.name, f"placed as {name}")
            return Recorded(self._tracker.read(name), stored=True)

    def _go_on(self, order: RunOrder, found: Recorded) -> Outcome:
        tracking = found.tracking
        if found.cleaned:
            return Outcome(order.name, Result.DONE, tracking.name, tracking.states, "cleaned")
        tracking = self._made(order, tracking)
        if order.download is not None and not tracking.active:
            tracking = self._brought_home(order, tracking)
            self._convert(order, tracking)
        outcome = _judged(order, tracking)
        if outcome.result == Result.DONE and order.clean is not None:
            self._check_stop()
            kept = order.clean.keep_tracking
            self._tracker.clean(
                tracking, None if kept else tracking.name, lambda _name, _part: self._check_stop()
            )
            return replace(outcome, message="cleaned")
        return outcome

    def _made(self, order: RunOrder, tracking: TrackingMetadata) -> TrackingMetadata:
        """Watch an order; or without that step, only see to it that all of it is started."""
        if order.watch is not None and not tracking.complete:
            self._tell(order.name, f"watching {tracking.name}")
            interval, name = order.watch.interval, tracking.name
            return self._tracker.watch(
                name, interval, self._rest(), lambda _tracking: self._check_stop()
            )
        if order.watch is None and TaskState.UNSUBMITTED in tracking.states:
            return self._tracker.resume(tracking.name)
        return tracking

    def _brought_home(self, order: RunOrder, tracking: TrackingMetadata) -> TrackingMetadata:
        """Download what is finished, unless that is known to be there."""
        if order.download is None or is_home(tracking, order.download.dest):
            return tracking
        directory = order.download.dest / tracking.name
        self._tell(order.name, f"downloading into {directory}")
        self._tracker.download(
            tracking,
            directory,
            order.download.overwrite,
            lambda _name, _part: self._check_stop(),
        )
        return self._tracker.read(tracking.name)

    def _convert(self, order: RunOrder, tracking: TrackingMetadata) -> None:
        """Make cubes of what was brought home, as far as they aren't there."""
        if order.download is not None and order.convert is not None:
            directory = order.download.dest / tracking.name
            self._tell(order.name, f"making cubes of {directory}")
            done = carry_out(
                tracking, directory, order.convert, callback=lambda _name, _part: self._check_stop()
            )
            if done.failures:
                raise ConversionError(done.failures, done.cubes)

    def _rest(self) -> float | None:
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise _Interrupted

    def _tell(self, order: str, text: str) -> None:
        if self._callback is not None:
            with self._telling:
                self._callback(order, text)


def asked(order: RunOrder, submission: Submission) -> Iterator[Any]:
    """Yield the arguments of :meth:`cedar.tracker.Tracker.order` for an order of a run."""
    start, end, freq, closed = order.periods
    yield order.collections
    yield [tile.index for tile in submission.tiles]
    yield from (start, end, freq)
    yield from (order.submit.save_empty_metadata, order.submit.error_if_empty)
    yield None
    yield from (closed, order.submit.existing, order.images)


def _judged(order: RunOrder, tracking: TrackingMetadata) -> Outcome:
    """Say how an order stands after all steps but to clean."""
    states = tracking.states
    failed = [entry for entry in tracking.orders if entry["status"]["state"] in UNSUCCESSFUL]
    result, message = result_of(tracking), None
    if order.watch is None and TaskState.UNSUBMITTED not in states:
        # All of it was to be started, and no more.
        result = Result.FAILED if failed else Result.DONE
    if result == Result.UNFINISHED:
        missing = TaskState.INCOMPLETE in states and not tracking.active
        message = f"{'files are missing' if missing else 'not complete yet'}: {_counts(states)}"
    elif result == Result.FAILED:
        first = failed[0]
        cause = first["status"].get("error_message") or first["status"]["state"]
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        message = f"{first['name']}{more}: {cause}"
    return Outcome(order.name, result, tracking.name, states, message)


def _counts(states: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {state}" for state, number in states.items())
