"""Orders: what one submit asks for, its items, and what each is made of."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from operator import index
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from .exceptions import InputError
from .grids import Index, Tile
from .items import Item
from .periods import Period, coverage, parse_date, periods
from .sensors.cooking import check_recipe
from .templates import NAME, PREFIX, TRACKING, TRACKING_PREFIX, Template

if TYPE_CHECKING:
    from .earlier import Earlier
    from .grids import TileGrid
    from .listed import Listed
    from .sensors.base import Collection

Existing = Literal["error", "skip", "overwrite", "stale"]
Date = str | dt.date | None
#: Tiles: one, as (row, column) or as itself, or several.
Tiles = Sequence[int] | Sequence[Sequence[int]] | Tile | Sequence[Tile]


@dataclass(frozen=True)
class Templates:
    """The templates of an order, checked."""

    name: Template
    prefix: Template
    tracking: Template
    tracking_prefix: str

    @classmethod
    def parse(cls, name: str, prefix: str, tracking: str, tracking_prefix: str) -> Templates:
        """Check templates.

        Raises
        ------
        InputError
            One of them can't be used.
        """
        return cls(
            Template(name, NAME),
            Template(prefix, PREFIX),
            Template(tracking, TRACKING),
            Template(tracking_prefix, TRACKING_PREFIX).render(),
        )


@dataclass(frozen=True)
class Submission:
    """What a submit asks for, checked; nothing has been searched yet.

    Attributes
    ----------
    submitted : datetime.datetime
        When, UTC.
    collections : tuple of Collection
    tile_grid : TileGrid
    tiles : tuple of Tile
    period_start, period_end : datetime.datetime or None
        None: the collection's dates of service.
    period_freq : str or None
    period_closed : {"both", "left"}
    filters : mapping
        Of each collection, and of each member of merged ones, as the engine records them.
    existing : {"error", "skip", "overwrite", "stale"}
        What to do about items whose names exist; see :meth:`cedar.tracker.Tracker.submit`.
    images : mapping or None
        ``system:index`` of the images that it takes, by collection; None: all that are found.
    run : mapping or None
        ``name`` of the run that it is of, and its ``order`` in that; None: of no run.
    """

    submitted: dt.datetime
    collections: tuple[Collection, ...]
    tile_grid: TileGrid
    tiles: tuple[Tile, ...]
    period_start: dt.datetime | None
    period_end: dt.datetime | None
    period_freq: str | None
    period_closed: Literal["both", "left"]
    filters: Mapping[str, Sequence[Mapping[str, Any]]]
    existing: Existing
    images: Listed | None = None
    run: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        if not self.collections:
            raise InputError("an order needs at least one collection")
        if self.existing not in get_args(Existing):
            raise InputError(
                f"existing can be one of {', '.join(get_args(Existing))}, not {self.existing!r}"
            )

    @classmethod
    def parse(
        cls,
        collections: Iterable[Collection],
        tile_grid: TileGrid,
        tile_indices: Tiles,
        periods: tuple[Date, Date, str | None, Literal["both", "left"]],
        filters: Mapping[str, Sequence[Mapping[str, Any]]],
        existing: Existing,
        images: Listed | None = None,
    ) -> Submission:
        """Check what a caller asks for, now; see :meth:`cedar.tracker.Tracker.submit`.

        `collections`, `tile_grid`, `filters`, `existing` and `images` are as a submission has them.

        Parameters
        ----------
        tile_indices
            Which tiles.
        periods
            Start, end, frequency, and which ends are closed.

        Raises
        ------
        InputError
            It can't be used.
        """
        start, end, freq, closed = periods
        return cls(
            submitted=dt.datetime.now(dt.UTC).replace(microsecond=0),
            collections=tuple(collections),
            tile_grid=tile_grid,
            tiles=select_tiles(tile_grid, tile_indices),
            period_start=None if start is None else parse_date(start),
            period_end=None if end is None else parse_date(end),
            period_freq=freq,
            period_closed=closed,
            filters={collection: given for collection, given in filters.items() if given},
            existing=existing,
            images=images,
        )

    def periods(self, collection: Collection) -> list[Period]:
        """Periods of one `collection`.

        Raises
        ------
        InputError
            The range or its frequency can't be used, or the collection's dates aren't known.
        """
        start = self.period_start or collection.service_start
        if start is None:
            raise InputError(
                f"the dates of service of {collection.id} aren't known: give a period's start"
            )
        last_day = collection.service_end or self.submitted.date()
        end = self.period_end or last_day + dt.timedelta(days=1)
        return periods(start, end, self.period_freq, self.period_closed)

    @property
    def coverage(self) -> Period:
        """What is really covered, over all collections."""
        spans = [coverage(self.periods(collection)) for collection in self.collections]
        return Period(min(span.start for span in spans), max(span.end for span in spans))

    def items(self, templates: Templates) -> list[Item]:
        """Items by collection, tile and period, named by `templates`, not yet searched.

        Raises
        ------
        InputError
            Two items would have one name, a name can't be used, or items would lie among orders.
        """
        wanted = [
            (collection.id, tile, period)
            for collection in self.collections
            for tile in self.tiles
            for period in self.periods(collection)
        ]
        values = [
            {
                "collection": collection,
                "tile": tile,
                "date_start": period.start,
                "date_end": period.end,
                "now": self.submitted,
            }
            for collection, tile, period in wanted
        ]
        names = templates.name.render_unique(values)
        prefixes = [templates.prefix.render(**shown) for shown in values]
        if templates.tracking_prefix in prefixes:
            raise InputError(
                f"prefix_template and tracking_prefix are both {templates.tracking_prefix!r}: "
                "images and orders need folders of their own"
            )
        return [
            Item(name, prefix, collection, tile, *period)
            for name, prefix, (collection, tile, period) in zip(
                names, prefixes, wanted, strict=True
            )
        ]


@dataclass(frozen=True)
class Order:
    """A submission with its items searched: what would be recorded and started.

    Attributes
    ----------
    submission : Submission
    templates : Templates
    options : mapping
        export_image_kwds, checked.
    items : tuple of Item
        With their groups.
    skipped : tuple of Item
        Left out, because their names exist.
    save_empty : bool
        Whether items with no images get a metadata document.
    n_shards : int or None
        How many files each image comes as, where the engine exports; None where cedar pulls.
    earlier : tuple of Earlier
        What earlier orders have of the same request; nothing is said where names that exist are
        skipped or overwritten.
    not_found : tuple of str
        Ids of listed images that no item has that was searched.
    others : mapping
        Key of each record that has none of the names → the version at which that is so.
    """

    submission: Submission
    templates: Templates
    options: Mapping[str, Any]
    items: tuple[Item, ...]
    skipped: tuple[Item, ...]
    save_empty: bool
    n_shards: int | None = None
    earlier: tuple[Earlier, ...] = ()
    not_found: tuple[str, ...] = ()
    others: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """Name of its record, before any ``-2`` that tells it from another."""
        submission, span = self.submission, self.submission.coverage
        return self.templates.tracking.render(
            collections=[collection.id for collection in submission.collections],
            tiles=submission.tiles,
            tile_indices=[tile.index for tile in submission.tiles],
            period_start=submission.period_start or span.start,
            period_end=submission.period_end or span.end,
            period_freq=submission.period_freq,
            now=submission.submitted,
        )

    @property
    def by_member(self) -> dict[str, int]:
        """How many images are of each member of merged collections."""
        found = {
            (group.collection, image.id)
            for item in self.items
            for group in item.groups
            for image in group.images
        }
        number = Counter(collection for collection, _ in found)
        ordered = self.submission.collections
        return {each.id: number[each.id] for whole in ordered for each in whole.members}

    @property
    def replaced(self) -> dict[str, str]:
        """Items of earlier orders that this one makes again → the order that has each."""
        again = {item.family or item.name for item in self.items}
        return {each.name: each.order for each in self.earlier if each.name in again}

    @property
    def warnings(self) -> list[str]:
        """What the user should know before it is started: a line each."""
        lines = []
        span, asked = self.submission.coverage, self.submission.period_end
        if asked is not None and span.end > asked:
            lines.append(
                f"the periods run to {span.end:%Y-%m-%d}, past the end that was asked for "
                f"({asked:%Y-%m-%d}): the period that contains it is taken whole"
            )
        return lines


def recorded_filters(
    collections: Iterable[Collection],
    filters: Mapping[str, Iterable[Any]],
    record: Callable[[Any], Mapping[str, Any]],
) -> dict[str, list[Mapping[str, Any]]]:
    """Filters of collections, and of what merged ones are of, by id, as an engine records them.

    That of `cloud` is among them.

    Parameters
    ----------
    filters
        As they were given.
    record
        The engine's way to put one.
    """
    return {
        each.id: each.filters([record(given) for given in filters.get(each.id, ())])
        for collection in collections
        for each in (collection, *collection.members)
    }


def select_tiles(grid: TileGrid, tiles: Tiles) -> tuple[Tile, ...]:
    """Tiles of a grid, by (row, column) or as they are; one or several, each once.

    Raises
    ------
    InputError
        They aren't tiles, there are none, or one is outside the grid or of another.
    """
    try:
        given: list[Any] = list(tiles) if isinstance(tiles, Iterable) else [tiles]
        if given and all(isinstance(number, Integral) for number in given):
            given = [given]
        named = [each if _is_tile(each) else _pair(each) for each in given]
    except (TypeError, ValueError) as error:
        raise InputError(
            f"tile_indices are one (row, column) or tile, or several, not {tiles!r}"
        ) from error
    if not named:
        raise InputError("an order needs at least one tile")
    own = [_own(each, grid) if _is_tile(each) else grid[each] for each in named]
    return tuple(dict.fromkeys(own))


def _is_tile(thing: Any) -> bool:
    """Whether something is a tile, ours or stems', and not a pair of numbers."""
    return hasattr(thing, "bounds")


def _pair(numbers: Any) -> Index:
    row, col = numbers
    return index(row), index(col)


def _own(given: Any, grid: TileGrid) -> Tile:
    """The grid's tile that a tile is: however its system is written and its edges summed up."""
    tile = Tile.from_like(given)
    own = grid[tile.index]
    near = np.allclose(tile.bounds, own.bounds, rtol=0, atol=min(own.res) / 1000)
    if not (near and tile.size == own.size and tile.crs == own.crs):
        raise InputError(f"tile {tile.index} is of another grid than the order's")
    return own


def file_nodata(collection: Collection, options: Mapping[str, Any]) -> int | float:
    """Return the nodata value of a collection's files.

    Raises
    ------
    InputError
        `formatOptions` asks for one that the file's type can't hold, or that can't be told from
        values, a recipe's among them.
    """
    value = options.get("formatOptions", {}).get("noData", collection.nodata)
    dtype = np.dtype(collection.stack_dtype)
    if dtype.kind in "iu":
        fits = float(value).is_integer() and np.iinfo(dtype).min <= value <= np.iinfo(dtype).max
    else:
        fits = math.isfinite(value) and abs(value) <= float(np.finfo(dtype).max)
    if not fits:
        raise InputError(
            f"export_image_kwds: formatOptions noData {value} doesn't fit into {dtype}, "
            f"the type of {collection.id}"
        )
    if value != collection.nodata:
        try:
            other = collection.with_nodata(value)
            other.check_validity()
            check_recipe(other)
        except InputError as error:
            raise InputError(
                f"export_image_kwds: formatOptions noData {value}: {collection.id}: {error}"
            ) from error
    return int(value) if dtype.kind in "iu" else float(value)
