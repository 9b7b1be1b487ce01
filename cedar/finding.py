"""Finding what items are made of: searched together, split where one image can't hold them."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from . import defaults
from .exceptions import EmptyCollectionError, InputError
from .grouping import group_images, in_period

if TYPE_CHECKING:
    from .engines.base import Engine
    from .grids import Tile
    from .items import Group, ImageInfo, Item
    from .listed import Listed
    from .sensors.base import Collection

#: A pixel may be this much coarser than the collection's own and still be read by nearest.
MAX_COARSENING: Final = 1.5
#: Metres a degree at the equator, WGS 84: how Earth Engine's nominalScale counts degrees.
METRES_PER_DEGREE: Final = 111_319.490793


def search_items(
    engine: Engine,
    items: Iterable[Item],
    collections: Mapping[str, Collection],
    filters: Mapping[str, Sequence[Mapping[str, Any]]],
    listed: Listed | None,
    progress: Callable[[int], None] | None = None,
) -> list[Item]:
    """Find what each item is made of: one request for all periods of a collection × tile.

    Parameters
    ----------
    items
        In any order; those of one collection and tile are searched together.
    listed
        The images that are wanted; None: all.
    progress
        Called with the number of items that a search has answered.

    Raises
    ------
    InputError
        A pixel is coarser than the collection's own, and it isn't said how to read it.
    EngineError
        The engine can't search.
    """

    def place(item: Item) -> tuple[str, tuple[int, int]]:
        return item.collection, item.tile.index

    together = [list(group) for _, group in groupby(sorted(items, key=place), key=place)]

    def one(members: list[Item]) -> list[Item]:
        collection, tile = collections[members[0].collection], members[0].tile
        start = min(item.date_start for item in members) - dt.timedelta(days=1)
        end = max(item.date_end for item in members) + dt.timedelta(days=1)
        check_resolution(collection, tile, ())
        given = filters.get(collection.id, ())
        wanted = None if listed is None else listed[collection.id]
        images = engine.search(collection, tile, start, end, given, wanted)
        check_resolution(collection, tile, images)
        groups = group_images(images, collection, _longitude(tile))
        return [
            replace(item, groups=in_period(groups, item.date_start, item.date_end))
            for item in members
        ]

    found: dict[str, Item] = {}
    with ThreadPoolExecutor(defaults.PULL_WORKERS) as pool:
        for members in pool.map(one, together):
            found.update((item.name, item) for item in members)
            if progress is not None:
                progress(len(members))
    return [found[item.name] for item in items]


def split_items(
    items: Iterable[Item], collections: Mapping[str, Collection], max_bands: int | None
) -> list[Item]:
    """Split what has more bands than one image may have, by date, into the parts of a family.

    The parts are named ``<name>-p01``, ``-p02`` …; each is the item of a period of its own.

    Raises
    ------
    InputError
        One date alone has more bands, or a part would have another item's name.
    """
    whole = list(items)
    found: list[Item] = []
    for item in whole:
        most = (
            math.inf if max_bands is None else max_bands // len(collections[item.collection].chosen)
        )
        found += [item] if len(item.groups) <= most else _parts(item, int(most))
    names = Counter(item.name for item in found)
    if twice := [name for name, count in names.items() if count > 1]:
        raise InputError(f"{twice[0]} would be the name of two items: use another name_template")
    return found


def _parts(item: Item, most: int) -> list[Item]:
    """Cut an item's period between dates, so that no part has more than so many groups."""
    parts: list[list[Group]] = [[]]
    for _, same in groupby(item.groups, key=lambda group: group.date):
        day = list(same)
        if len(day) > most:
            raise InputError(
                f"{item.name}: {len(day)} layers of {day[0].date} have more bands than one image "
                "may have: choose fewer bands"
            )
        if len(parts[-1]) + len(day) > most:
            parts.append([])
        parts[-1] += day
    midnights = [dt.datetime.combine(part[0].date, dt.time(), dt.UTC) for part in parts[1:]]
    starts, ends = [item.date_start, *midnights], [*midnights, item.date_end]
    return [
        replace(
            item,
            name=f"{item.name}-p{number:02d}",
            family=item.name,
            groups=tuple(part),
            date_start=start,
            date_end=end,
        )
        for number, (part, start, end) in enumerate(zip(parts, starts, ends, strict=True), 1)
    ]


def _longitude(tile: Tile) -> float:
    return tile.longitude


def check_resolution(collection: Collection, tile: Tile, images: Iterable[ImageInfo]) -> None:
    """Refuse pixels coarser than a collection's own, unless it says how they are read.

    Raises
    ------
    InputError
        They are, and it doesn't.
    """
    known = [collection.resolution, *(image.resolution for image in images)]
    native = min((size for size in known if size), default=None)
    if native is None or collection.resampling is not None:
        return
    factor = METRES_PER_DEGREE if tile.crs.is_geographic else tile.crs.linear_units_factor[1]
    pixel = max(tile.res) * factor
    if pixel > MAX_COARSENING * native:
        raise InputError(
            f"{collection.id}: the grid's pixels of {pixel:g} m are coarser than "
            f"{MAX_COARSENING:g} × its own of {native:g} m; say how to read them: set "
            "`resampling: mean`, `bilinear` or `nearest` in section `collections`"
        )


def require_images(items: Iterable[Item]) -> None:
    """Refuse items without images.

    Raises
    ------
    EmptyCollectionError
        There is one.
    """
    empty = [item.name for item in items if not item.groups]
    if empty:
        more = f" and {len(empty) - 1} more" if len(empty) > 1 else ""
        raise EmptyCollectionError(f"no image was found for {empty[0]}{more}", empty)
