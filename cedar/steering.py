"""What is done with orders by their records: the half of the Tracker that begins after submit."""

from __future__ import annotations

import builtins
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from . import defaults
from .feeding import Round, tick
from .following import cancel, resume, update, watch
from .importing import Import, Importer, Wanted
from .metadata import TrackingMetadata
from .pruning import Remnant, remnants, remove
from .record import Record, check_identity
from .retrying import retry

if TYPE_CHECKING:
    from .causes import Policy
    from .engines.base import Engine
    from .grids import TileGrid
    from .ordering import Templates
    from .retrying import Consent
    from .stores.base import Store


class Steering(ABC):
    """Lists, reads, updates, watches and cancels orders: a part of the Tracker."""

    store: Store
    templates: Templates
    tile_grid: TileGrid
    policy: Policy

    @property
    @abstractmethod
    def engine(self) -> Engine:
        """What makes the pixels."""

    def list(self, pattern: str | None = None) -> builtins.list[str]:
        """Names of the orders in the store, sorted.

        Parameters
        ----------
        pattern : str, optional
            A glob that they match.
        """
        return self.store.list(self.templates.tracking_prefix, pattern)

    def read(self, name: str) -> TrackingMetadata:
        """Read an order's record.

        Raises
        ------
        NotFoundError
            There is no such order.
        DocumentError
            Its record is damaged.
        """
        return self._record(name).metadata

    def update(self, name: str) -> TrackingMetadata:
        """Hold an order's record against the store, and return it. Nothing is pulled."""
        record = self._record(name, changing=True)
        update(record, self.engine)
        return record.metadata

    def watch(
        self,
        name: str,
        interval: float = defaults.WATCH_INTERVAL,
        timeout: float | None = None,
        callback: Callable[[TrackingMetadata], None] | None = None,
    ) -> TrackingMetadata:
        """Bring an order forward until no item of it is active, whatever state it was left in.

        Parameters
        ----------
        interval : float, optional
            Seconds between two looks at what other processes work on.
        timeout : float, optional
            Seconds after which to stop.
        callback : callable, optional
            Called with the record whenever it was written.

        Returns
        -------
        TrackingMetadata
            The record at the end.
        """
        record = self._record(name, changing=True)
        notify = None if callback is None else lambda record: callback(record.metadata)
        watch(record, self.engine, interval, timeout, notify, self.policy)
        return record.metadata

    def resume(self, name: str) -> TrackingMetadata:
        """Bring an order whose submit was cut off to where that would have left it.

        What was started without being on record is found, and the rest is started.
        """
        record = self._record(name, changing=True)
        resume(record, self.engine)
        return record.metadata

    def tick(self, names: Sequence[str] | None = None) -> Round:
        """Bring orders forward by one round, which takes seconds: for cron.

        What was cut off is finished, the service is asked how tasks are, their files are looked
        for, and as many tasks are started as its queue has room for, by priority and in turn.

        Parameters
        ----------
        names : sequence of str, optional
            The orders; by default all of the store.
        """
        return tick(self.store, self.templates.tracking_prefix, self.engine, names, self.policy)

    def retry(
        self,
        name: str,
        states: Iterable[str] | None = None,
        items: Iterable[str] | None = None,
        split: bool = False,
        consent: Consent | None = None,
    ) -> TrackingMetadata:
        """Make the next attempt at items that have ended without what was asked for.

        The attempts before stay in the record. What is exported is started.

        Parameters
        ----------
        states : iterable of str, optional
            Which: FAILED, UNKNOWN and INCOMPLETE by default; and CANCELLED.
        items : iterable of str, optional
            Globs, one of which an item's name matches; by default any.
        split : bool, optional
            Cut in two, by date or else by bands, what failed for being too large; and what `items`
            asks for, whatever its cause. The halves are parts of the item's family.
        consent : callable, optional
            Asked, with a list of ``cedar.retrying.Difference``, before items are made of other
            images than were ordered, since one of those is gone. By default they are left.

        Raises
        ------
        InputError
            A state can't be made again, no item matches, or nothing can be cut.
        """
        record = self._record(name, changing=True)
        retry(record, self.engine, states, items, split, consent)
        return record.metadata

    def cancel(self, name: str) -> TrackingMetadata:
        """Cancel the items of an order that haven't ended. What is finished stays."""
        record = self._record(name, changing=True)
        cancel(record, self.engine)
        return record.metadata

    def find_tasks(
        self, wanted: Wanted, name: str | None = None, from_files: bool = False
    ) -> Import:
        """Find tasks of the service that no order has, for :meth:`import_tasks`. Writes nothing.

        Parameters
        ----------
        wanted : Wanted
            Which.
        name : str, optional
            What to call the record; else it is ``IMPORTED_`` and the day.
        from_files : bool, optional
            Find images that are in the store instead.

        Raises
        ------
        InputError
            There are none.
        """
        importer = self._importer()
        return importer.files(wanted, name) if from_files else importer.tasks(wanted, name)

    def find_order(self, name: str, prefixes: Sequence[str] = ()) -> Import:
        """Find what the lost record of an order said, by its items' documents. Writes nothing.

        Parameters
        ----------
        prefixes : sequence of str, optional
            The folders that they are in; by default the one of the prefix template.

        Raises
        ------
        InputError
            The record is there, or no document names the order.
        """
        return self._importer().order(name, prefixes)

    def import_tasks(self, found: Import) -> TrackingMetadata:
        """Record what was found. Nothing is started, and nothing deleted.

        Raises
        ------
        NameTakenError
            Since then, an order has come to have one of the items.
        """
        return self._importer().place(found).metadata

    def remnants(self, older_than: float = defaults.OLDER_THAN) -> builtins.list[Remnant]:
        """Find what killed processes have left, for :meth:`prune`.

        Parameters
        ----------
        older_than : float, optional
            Days since scratch was last written, at the least.
        """
        return remnants(self.store, self.templates.tracking_prefix, older_than)

    def prune(self, found: Sequence[Remnant]) -> builtins.list[Remnant]:
        """Remove remnants; those that were. What is in use by now is left."""
        return [*remove(self.store, found)]

    def _importer(self) -> Importer:
        return Importer(self.store, self.engine, self.templates, self.tile_grid)

    def _record(self, name: str, changing: bool = False) -> Record:
        record = Record.open(self.store, self.templates.tracking_prefix, name)
        if changing:
            self._check_identities(record.view)
        return record

    def _check_identities(self, tracking: TrackingMetadata) -> None:
        check_identity(tracking, "store", self.store.identity())
        check_identity(tracking, "engine", self.engine.identity())
