"""What is done with orders by their records: the half of the Tracker that begins after submit."""

from __future__ import annotations

import builtins
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import defaults
from .cleaning import Cleaning, clean, note_cleaned, planned
from .downloading import Callback, Download, Notify, download
from .feeding import Round, tick
from .following import cancel, resume, update, watch
from .forecast import Forecast, forecast
from .importing import Import, Importer, Wanted
from .metadata import TrackingMetadata
from .pruning import Remnant, remnants, remove
from .record import Record, check_identity
from .retrying import retry

if TYPE_CHECKING:
    from .causes import Policy
    from .engines.base import Engine
    from .grids import TileGrid
    from .ledger import Ledger
    from .ordering import Templates
    from .retrying import Consent
    from .stores.base import Store


class Steering(ABC):
    """Lists, reads, follows, downloads and cleans orders: a part of the Tracker.

    In all methods, `name` is an order's, and `found` what the method before has found.
    """

    store: Store
    templates: Templates
    tile_grid: TileGrid
    policy: Policy
    ledger: Ledger
    download_options: Download

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

        Items that a pilot holds are left: :meth:`forecast` says what they would cost.

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
        watch(record, self.engine, interval, timeout, notify, self.policy, self.ledger)
        return record.metadata

    def resume(self, name: str, go_on: bool = False) -> TrackingMetadata:
        """Bring an order whose submit was cut off to where that would have left it.

        What was started without being on record is found, and the rest is started.

        Parameters
        ----------
        go_on : bool, optional
            Start the items that a pilot holds, too.
        """
        record = self._record(name, changing=True)
        resume(record, self.engine, self.ledger, go_on)
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
        prefix = self.templates.tracking_prefix
        return tick(self.store, prefix, self.engine, names, self.policy, self.ledger)

    def forecast(self, name: str) -> Forecast:
        """Say what an order will cost, and how long it takes, by its items that are made already.

        Figures of the emulator are never used.
        """
        return forecast(self._record(name).view, self.engine, self.ledger.budget)

    def retry(
        self,
        name: str,
        states: Iterable[str] | None = None,
        items: Iterable[str] | None = None,
        split: bool = False,
        consent: Consent | None = None,
    ) -> TrackingMetadata:
        """Make the next attempt at items that have ended without what was asked for.

        The attempts before stay in the record. What is exported is started. An attempt that is
        planned already, and waits for a quota or after a fault, is begun at once.

        Parameters
        ----------
        states : iterable of str, optional
            Which: FAILED, UNKNOWN and INCOMPLETE by default; and CANCELLED. What waits counts as
            FAILED.
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
        retry(record, self.engine, states, items, split, consent, self.ledger)
        return record.metadata

    def cancel(self, name: str) -> TrackingMetadata:
        """Cancel the items of an order that haven't ended. What is finished stays."""
        record = self._record(name, changing=True)
        cancel(record, self.engine)
        return record.metadata

    def download(
        self,
        tracking_info: Mapping[str, Any],
        dest: str | Path,
        overwrite: bool = True,
        callback: Callback | None = None,
        options: Download | None = None,
        notify: Notify | None = None,
    ) -> dict[str, builtins.list[Path]]:
        """Download an order's finished images and its metadata, and last its record.

        Every image is verified against the record, and that is noted in the order's record in the
        store. A file that fails doesn't stop the others.

        Parameters
        ----------
        tracking_info : TrackingMetadata or mapping
            The record.
        dest : path
            Directory for the files.
        overwrite : bool, optional
            Replace local files that differ; otherwise one is an error. An identical file is never
            fetched again.
        callback : callable, optional
            Called as each file is done.
        options : Download, optional
            What of it, and how; goes before `overwrite`. By default as the Tracker was told.
        notify : callable, optional
            Called with a :class:`~cedar.wanted.FileEvent` whenever something happens to a file.

        Returns
        -------
        dict of str to list of Path
            Task id (or the item's name where it has none) → its files.

        Raises
        ------
        DownloadError
            Files could not be downloaded: after all others were.
        StoreError
            There isn't room for them; what has arrived is kept for the next time.
        """
        tracking = TrackingMetadata(tracking_info)
        self._check_identities(tracking)
        record = Record.of(self.store, self.templates.tracking_prefix, tracking)
        options = options or self.download_options.replacing(overwrite)
        return download(tracking, record, self.store, Path(dest), options, callback, notify)

    def clean(
        self,
        tracking_info: Mapping[str, Any],
        tracking_name: str | None = None,
        callback: Callback | None = None,
        force: bool = False,
    ) -> dict[str, builtins.list[str]]:
        """Delete an order's images and metadata from the store, and last its record.

        Parameters
        ----------
        tracking_info : TrackingMetadata or mapping
            The record: what it names is deleted, and nothing else.
        tracking_name : str, optional
            Name of the record, to delete it too.
        callback : callable, optional
            Called as each file is deleted.
        force : bool, optional
            Also what has no verified download on this machine.

        Returns
        -------
        dict of str to list of str
            Task id (or the item's name where it has none) → names of the files deleted.

        Raises
        ------
        CedarError
            An item is being made.
        IncompleteError
            An item has no verified download on this machine, and not `force`.
        """
        tracking = TrackingMetadata(tracking_info)
        self._check_identities(tracking)
        record = Record.of(self.store, self.templates.tracking_prefix, tracking)
        done = clean(
            tracking,
            record,
            self.store,
            callback,
            force,
            lambda record, names: cancel(record, self.engine, names),
        )
        if tracking_name is not None:
            self.store.remove(tracking_name, self.templates.tracking_prefix)
        elif record is not None:
            note_cleaned(tracking, record)
        return done

    def cleaning(
        self,
        tracking_info: Mapping[str, Any],
        tracking_name: str | None = None,
        force: bool = False,
    ) -> Cleaning:
        """Find what :meth:`clean` would delete, and what it would refuse. Deletes nothing.

        Parameters
        ----------
        tracking_info, tracking_name, force
            As :meth:`clean` takes them.
        """
        tracking = TrackingMetadata(tracking_info)
        self._check_identities(tracking)
        record = Record.of(self.store, self.templates.tracking_prefix, tracking)
        return planned(tracking, record, self.store, tracking_name is not None, force)

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
            record.check_name()
            self._check_identities(record.view)
        return record

    def _check_identities(self, tracking: TrackingMetadata) -> None:
        check_identity(tracking, "store", self.store.identity())
        check_identity(tracking, "engine", self.engine.identity())
