"""Runs: orders from a file, with the steps after, as far as each can go; restartable anywhere.

A run keeps no state but the records of its orders, each of which says which order of which run it
is. Whoever executes it finds them by that, and goes on with what is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from .config import read_yaml
from .exceptions import CedarError, ConfigError, InputError
from .planning import require_new
from .recorded import Records, differences, remaining
from .results import Result
from .runfile import RunFile, RunOrder, parse
from .running import Callback, Execution, Outcome, asked

if TYPE_CHECKING:
    from .ordering import Submission
    from .tracker import Tracker

__all__ = ["Outcome", "Plan", "Result", "Run", "load"]


@dataclass(frozen=True)
class Plan:
    """What a run would do about an order.

    Attributes
    ----------
    order : str
        What the run calls it.
    after : tuple of str
        What has to be done before.
    record : str or None
        Name of its record, if it is placed already.
    steps : tuple of str
        What is still to be done.
    states : mapping of str to int
        How many of its items are in each state; empty where it isn't placed.
    n_items, n_empty, n_existing : int
        Items that would be ordered, those of them without images, and those left out because their
        names exist; 0 where it is placed.
    error : str or None
        Why it can't be placed.
    """

    order: str
    after: tuple[str, ...]
    record: str | None
    steps: tuple[str, ...]
    states: Mapping[str, int]
    n_items: int = 0
    n_empty: int = 0
    n_existing: int = 0
    error: str | None = None


@dataclass(frozen=True)
class Run:
    """Named orders, and the steps after; made by :func:`load`.

    Attributes
    ----------
    file : RunFile
        What it is made of.
    """

    file: RunFile

    @property
    def name(self) -> str:
        """Its name: with an order's, what that order's record is found by."""
        return self.file.name

    def plan(self, tracker: Tracker, only: Sequence[str] = ()) -> list[Plan]:
        """Find out what :meth:`execute` would do, without doing any of it.

        Parameters are those of :meth:`execute`. What isn't placed yet is searched.

        Raises
        ------
        InputError
            As :meth:`execute` does.
        """
        chosen = self.file.select(only)
        records = Records(tracker, self.name)
        submissions = _check(tracker, records, chosen)
        return [_plan(tracker, records, order, submissions[order.name]) for order in chosen]

    def execute(
        self,
        tracker: Tracker,
        callback: Callback | None = None,
        only: Sequence[str] = (),
        timeout: float | None = None,
    ) -> list[Outcome]:
        """Take all steps of all orders, as far as each can go.

        Orders that don't wait for each other go side by side. What fails stops those that wait for
        it, and nothing else. Whatever stops this, another call goes on, here or elsewhere: nothing
        is placed twice.

        Parameters
        ----------
        tracker : Tracker
            Where.
        callback : callable, optional
            Told of each order what has become of it.
        only : sequence of str, optional
            Names of orders or groups: no others are gone on with.
        timeout : float, optional
            Seconds to watch for, at the most: what isn't made by then is unfinished.

        Returns
        -------
        list of Outcome
            How each order stands, in the order of the file.

        Raises
        ------
        InputError
            There is no such order, one can't be used, or was placed with another definition: then
            nothing was done.
        """
        chosen = self.file.select(only)
        records = Records(tracker, self.name)
        submissions = _check(tracker, records, chosen)
        execution = Execution(
            tracker, records, self.name, self.file.orders, submissions, callback, timeout
        )
        return execution.run()


def load(path: str | PathLike[str]) -> Run:
    """Read and check the file of a run, `path`.

    Raises
    ------
    ConfigError
        It can't be read, or can't be used.
    """
    path = Path(path)
    document = read_yaml(path)
    try:
        return Run(parse(document, path.absolute().parent))
    except InputError as error:
        raise ConfigError(f"{path}: {error}", str(path)) from error


def _check(tracker: Tracker, records: Records, orders: Iterable[RunOrder]) -> dict[str, Submission]:
    """Check what orders ask for, and that what was placed of them was placed so.

    Raises
    ------
    InputError
        One can't be used, or was placed with another definition.
    """
    submissions = {}
    for order in orders:
        try:
            tiles = order.where.tiles(tracker.tile_grid)
            submission = tracker.submission(
                order.collections, tiles, order.periods, order.submit.existing, order.images
            )
            submission.items(tracker.templates)
        except InputError as error:
            raise InputError(f"order {order.name}: {error}") from error
        found = records.find(order)
        if found is not None and (differs := differences(submission, found.tracking)):
            raise InputError(
                f"order {order.name} was placed as {found.tracking.name}, otherwise than it is "
                f"asked for now: {'; '.join(differs)}: put that back, or give the order another "
                "name"
            )
        submissions[order.name] = submission
    return submissions


def _plan(tracker: Tracker, records: Records, order: RunOrder, submission: Submission) -> Plan:
    found = records.find(order)
    after, steps = tuple(sorted(order.after)), tuple(remaining(found, order))
    if found is not None:
        return Plan(order.name, after, found.tracking.name, steps, found.tracking.states)
    try:
        preview = tracker.preview(*asked(order, submission))
        require_new(preview.order)
    except CedarError as refusal:
        return Plan(order.name, after, None, steps, {}, error=str(refusal))
    items, existing = preview.order.items, len(preview.order.skipped)
    n_empty = sum(not item.groups for item in items)
    error = "; ".join(preview.excess) or None
    return Plan(order.name, after, None, steps, {}, len(items), n_empty, existing, error)
