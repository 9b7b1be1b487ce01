"""The Tracker: the public face of cedar."""

from __future__ import annotations

import builtins
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

from . import defaults
from .causes import Policy
from .cleaning import clean_tracked
from .consent import Consent, agreed, look
from .downloading import Callback, Download
from .engines import earthengine
from .extending import find_extension
from .grids import TileGrid
from .ledger import Ledger
from .listed import Images
from .listed import parse as parse_listed
from .ordering import Date, Existing, Order, Submission, Templates, Tiles, recorded_filters
from .placing import place
from .planning import find_order
from .preview import Limits, Preview
from .sensors import resolve
from .steering import Steering
from .tracked import download_tracked

if TYPE_CHECKING:
    from .budget import Budget
    from .config import Config
    from .engines.base import Engine
    from .stores.base import Store

__all__ = ["Tracker", "clean_tracked", "download_tracked"]


class Tracker(Steering):
    """Submits orders, and follows, downloads and cleans them by their records.

    Parameters
    ----------
    tile_grid : TileGrid
        The grid that tiles are taken from; ours, or any object with the attributes of stems'.
    store : Store
        Where images and records live.
    name_template : str, optional
        Template of an item's name: its image's and metadata's stem.
    prefix_template : str, optional
        Template of the folder they go into.
    tracking_template : str, optional
        Template of a record's name.
    tracking_prefix : str, optional
        The folder that records go into.
    filters : mapping of str to sequence, optional
        Of each collection: ee.Filter objects, or dicts that name a static method of ee.Filter and
        its arguments, ``{"function": "lte", "name": "CLOUD_COVER", "value": 80}``.
    export_image_kwds : mapping, optional
        How images are written: ``formatOptions`` (``cloudOptimized``, ``noData``), ``maxPixels``.
    engine : Engine, optional
        What makes the pixels. By default the Earth Engine session that the caller has initialized,
        else the credentials and project that the environment gives.
    collections : mapping, optional
        Settings of collections by id, as the config's section `collections`.
    group_by : str or mapping, optional
        How images are grouped into layers, of all collections or by id: ``pass``, ``solar_day``,
        ``utc_day``, ``none``. The rule belongs to the collection by default.
    max_tasks, max_gigabytes : number, optional
        Most images of an order, and gigabytes of them, uncompressed: a larger one is refused.
    max_eecu_hours : Budget, optional
        What exports may cost in a day and in a month: a :class:`cedar.budget.Budget`.
    retry : Policy, optional
        How often what has failed is tried again by itself: a :class:`cedar.causes.Policy`.
    download_options : Download, optional
        How orders are brought home, unless :meth:`~.download` is told otherwise.

    Raises
    ------
    InputError
        A template can't be used. The rest is checked when it is first needed.
    """

    def __init__(
        self,
        tile_grid: TileGrid,
        store: Store,
        name_template: str = defaults.NAME_TEMPLATE,
        prefix_template: str = defaults.PREFIX_TEMPLATE,
        tracking_template: str = defaults.TRACKING_TEMPLATE,
        tracking_prefix: str = defaults.TRACKING_PREFIX,
        filters: Mapping[str, Sequence[Any]] | None = None,
        export_image_kwds: Mapping[str, Any] | None = None,
        engine: Engine | None = None,
        collections: Mapping[str, Mapping[str, Any]] | None = None,
        group_by: str | Mapping[str, str] | None = None,
        max_tasks: int | None = None,
        max_gigabytes: float | None = None,
        max_eecu_hours: Budget | None = None,
        retry: Policy | None = None,
        download_options: Download | None = None,
    ):
        self.tile_grid = (
            tile_grid if isinstance(tile_grid, TileGrid) else TileGrid.from_like(tile_grid)
        )
        self.store = store
        self.templates = Templates.parse(
            name_template, prefix_template, tracking_template, tracking_prefix
        )
        self._filters = dict(filters or {})
        self._export_image_kwds = dict(export_image_kwds or {})
        self._engine = engine
        self._collections = dict(collections or {})
        self._group_by = group_by
        self._limits = Limits(max_tasks, max_gigabytes)
        self.ledger = Ledger(max_eecu_hours)
        self.policy = retry or Policy()
        self.download_options = download_options or Download()

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Make the tracker that `config` describes, see :func:`cedar.config.load`."""
        return cls(
            config.tile_grid,
            config.open_store(),
            config.name_template,
            config.prefix_template,
            config.tracking_template,
            config.tracking_prefix,
            config.filters,
            config.export_image_kwds,
            config.open_engine(),
            config.collections,
            config.group_by,
            config.max_tasks,
            config.max_gigabytes,
            config.max_eecu_hours,
            config.retry,
            Download.from_config(config.download),
        )

    @property
    def engine(self) -> Engine:
        """What makes the pixels."""
        if self._engine is None:
            self._engine = earthengine.default()
        return self._engine

    @property
    def filters(self) -> dict[str, builtins.list[Any]]:
        """Earth Engine filters to apply, by collection, as they were given."""
        return {collection: list(given) for collection, given in self._filters.items()}

    def submission(
        self,
        collections: str | Sequence[str],
        tile_indices: Tiles,
        periods: tuple[Date, Date, str | None, Literal["both", "left"]],
        existing: Existing = "error",
        images: Images | None = None,
    ) -> Submission:
        """Check what a submit would ask for, without searching; see :class:`Submission`.

        Parameters are those of :meth:`submit`; `periods` are its four of the period.
        """
        ids = [collections] if isinstance(collections, str) else list(dict.fromkeys(collections))
        ordered = [resolve(each, self._collections, self._rule(each)) for each in ids]
        members = {each.id: [source.id for source in each.sources] for each in ordered}
        return Submission.parse(
            ordered,
            self.tile_grid,
            tile_indices,
            periods,
            recorded_filters(ordered, self._filters, self.engine.record_filter),
            existing,
            None if images is None else parse_listed(images, ids, members),
        )

    def order(
        self,
        collections: str | Sequence[str],
        tile_indices: Tiles,
        period_start: str | dt.date | None,
        period_end: str | dt.date | None,
        period_freq: str | None = None,
        save_empty_metadata: bool = True,
        error_if_empty: bool = False,
        callback: Callback | None = None,
        period_closed: Literal["both", "left"] = "both",
        existing: Existing = "error",
        images: Images | None = None,
    ) -> Order:
        """Find what a submit would order, without writing anything.

        Parameters are those of :meth:`submit`.
        """
        periods = period_start, period_end, period_freq, period_closed
        return find_order(
            self.submission(collections, tile_indices, periods, existing, images),
            self.templates,
            self.store,
            self.engine,
            self._export_image_kwds,
            save_empty_metadata,
            error_if_empty,
            None if callback is None else lambda found: callback("search", float(found)),
        )

    def preview(
        self,
        collections: str | Sequence[str],
        tile_indices: Tiles,
        period_start: str | dt.date | None,
        period_end: str | dt.date | None,
        period_freq: str | None = None,
        save_empty_metadata: bool = True,
        error_if_empty: bool = False,
        callback: Callback | None = None,
        period_closed: Literal["both", "left"] = "both",
        existing: Existing = "error",
        images: Images | None = None,
    ) -> Preview:
        """Find what a submit would make and need, without writing anything.

        Parameters are those of :meth:`submit`.
        """
        order = self.order(
            collections,
            tile_indices,
            period_start,
            period_end,
            period_freq,
            save_empty_metadata,
            error_if_empty,
            callback,
            period_closed,
            existing,
            images,
        )
        return look(order, self.store, self.engine, self._limits)

    def place(
        self,
        order: Order | Preview,
        callback: Callback | None = None,
        consent: Consent | None = None,
        pilot: int | None = None,
    ) -> tuple[str, str]:
        """Submit the `order` that :meth:`order` or :meth:`preview` found, without a second search.

        Parameters are those of :meth:`submit`, and so is what it returns.
        """
        placed = agreed(order, self.store, self.engine, self._limits, consent)
        record = place(placed, self.store, self.engine, callback, self.ledger, pilot)
        return record.name, record.key

    def submit(
        self,
        collections: str | Sequence[str],
        tile_indices: Tiles,
        period_start: str | dt.date | None,
        period_end: str | dt.date | None,
        period_freq: str | None = None,
        save_empty_metadata: bool = True,
        error_if_empty: bool = False,
        callback: Callback | None = None,
        period_closed: Literal["both", "left"] = "both",
        existing: Existing = "error",
        consent: Consent | None = None,
        pilot: int | None = None,
        images: Images | None = None,
    ) -> tuple[str, str]:
        """Order images: search, record, and start, or make ready to be pulled by :meth:`~.watch`.

        Parameters
        ----------
        collections : str or sequence of str
            Earth Engine collection ids, or names of merged ones.
        tile_indices : sequence, Tile, or sequence of Tile
            One (row, column) of the grid, or several; or its tiles, ours or stems'.
        period_start, period_end : str, date or datetime
            What is asked for; None means the collection's dates of service. What has no offset is
            UTC.
        period_freq : str, optional
            A pandas frequency that cuts it into periods; else it is one, its end exclusive.
        save_empty_metadata : bool, optional
            Whether an item without images gets a metadata document; it gets an entry in the record
            either way.
        error_if_empty : bool, optional
            Raise where an item has no images, before anything is written.
        callback : callable, optional
            Called with an item's name and 1.0 as its metadata is written.
        period_closed : {"both", "left"}
            With a frequency: whether a period that only starts at the end is taken too.
        existing : {"error", "skip", "overwrite", "stale"}
            What to do about items whose names exist. ``error``: what earlier orders have of the
            same request is left to them, and the order's `earlier` says what; else it raises.
            ``stale``: of the former, what has other images now is replaced. ``skip`` and
            ``overwrite``: whatever it is, leave it, or replace it.
        consent : callable, optional
            Called with the :class:`~cedar.preview.Preview` before anything is written; the order
            is placed only if it returns True.
        pilot : int, optional
            Start so many typical items only, of exports: :meth:`~.forecast` then says what the
            others will cost, and :meth:`~.resume` with `go_on` starts them.
        images : sequence of str, or path, optional
            Ids of images, ``COLLECTION/system:index``, or the path of a file that has one a line:
            no others are taken of what the search finds. Of one collection ``system:index`` does.

        Returns
        -------
        name : str
            The order's name.
        id : str
            Its record's key in the store.

        Raises
        ------
        NameTakenError
            A name exists, at the destination or in an order of another request, and `existing`
            doesn't say what to do; or earlier orders have all of it. Nothing was written.
        InputError
            Something of the order can't be used, it is larger than the limits allow, or `consent`
            didn't want it; nothing was written.
        EmptyCollectionError
            An item has no images and `error_if_empty`; nothing was written.
        EngineError
            The search failed; nothing was written.
        """
        order = self.order(
            collections,
            tile_indices,
            period_start,
            period_end,
            period_freq,
            save_empty_metadata,
            error_if_empty,
            None,
            period_closed,
            existing,
            images,
        )
        return self.place(order, callback, consent, pilot)

    def extension(self, name: str, to: str | dt.date, callback: Callback | None = None) -> Preview:
        """Find what :meth:`extend` would order, without writing anything.

        Parameters are those of :meth:`extend`.
        Its plan says which items of the order's last periods have other images now.
        """
        record = self._record(name, changing=True)
        searched = None if callback is None else lambda n: callback("search", float(n))
        kwds = self._export_image_kwds
        order = find_extension(record, to, self.templates, kwds, self.engine, searched)
        return look(order, self.store, self.engine, self._limits)

    def extend(
        self,
        name: str,
        to: str | dt.date,
        callback: Callback | None = None,
        consent: Consent | None = None,
    ) -> tuple[str, str]:
        """Order what the order `name` lacks to be as if it had been asked for up to a date.

        Collections, tiles, filters, grouping and the frequency are those of its record. What an
        earlier extension has ordered isn't ordered again.

        Parameters
        ----------
        to : str, date or datetime
            Up to when. With a frequency, the periods are those that one submit would have had.
        callback, consent : callable, optional
            As :meth:`submit` takes them.

        Returns
        -------
        name, id : str
            Of the new order, and its record's key in the store.

        Raises
        ------
        NameTakenError
            There is nothing to order; or a name exists, of another request.
        InputError
            The record doesn't say what was asked for.
        """
        return self.place(self.extension(name, to), callback, consent)

    def _rule(self, collection: str) -> str | None:
        given = self._group_by
        return given.get(collection) if isinstance(given, Mapping) else given
