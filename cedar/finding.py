"""Finding what items are made of: searched together, split where one image can't hold them."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, groupby, islice
from typing import TYPE_CHECKING, Any, Final

from . import defaults
from .documents import image_section
from .exceptions import EmptyCollectionError, InputError
from .grouping import group_images, in_period
from .sensors import resolve

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

    Of merged collections it is one for each that was in service then. Where bands come from another
    collection too, one more for what there is of that.

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
        A pixel is coarser than the collection's own, and it isn't said how to read it; or the
        engine makes no recipes.
    EngineError
        The engine can't search.
    """
    made = [each for each in collections.values() if each.recipe is not None]
    if made and not engine.recipes:
        raise InputError(
            f"collection {made[0].id}: its engine makes no recipes: leave `recipe` out"
        )

    def place(item: Item) -> tuple[str, tuple[int, int]]:
        return item.collection, item.tile.index

    together = [list(group) for _, group in groupby(sorted(items, key=place), key=place)]
    sources = [collections[members[0].collection].sources for members in together]
    searches = [
        (members, source)
        for members, each in zip(together, sources, strict=True)
        for source in each
    ]
    found: dict[str, Item] = {}
    with _threads() as pool:
        answers = pool.map(lambda at: _search(engine, at[0], at[1], filters, listed), searches)
        for members, each in zip(together, sources, strict=True):
            groups = chain.from_iterable(islice(answers, len(each)))
            # At one time those of merged collections are in the order of these.
            ordered = sorted(groups, key=lambda group: (group.date, group.time))
            for item in members:
                inside = in_period(ordered, item.date_start, item.date_end)
                found[item.name] = replace(item, groups=inside)
            if progress is not None:
                progress(len(members))
        dropping = [item for item in found.values() if drops(collections[item.collection])]
        left = pool.map(lambda i: without_empty(engine, i, collections[i.collection]), dropping)
        found.update((item.name, item) for item in left)
    return [found[item.name] for item in items]


@contextmanager
def _threads() -> Iterator[ThreadPoolExecutor]:
    """Give threads that search; where something ends that, what wasn't begun never is."""
    with ThreadPoolExecutor(defaults.PULL_WORKERS) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _search(
    engine: Engine,
    items: Sequence[Item],
    collection: Collection,
    filters: Mapping[str, Sequence[Mapping[str, Any]]],
    listed: Listed | None,
) -> Sequence[Group]:
    """Find what items of one tile and all their periods have of a collection, or of a member."""
    tile, ids = items[0].tile, dict.fromkeys((items[0].collection, collection.id))
    start = min(item.date_start for item in items) - dt.timedelta(days=1)
    end = max(item.date_end for item in items) + dt.timedelta(days=1)
    check_resolution(collection, tile, ())
    is_member = len(ids) > 1
    if is_member and not _in_service(collection, start, end):
        return ()
    given = [each for collection_id in ids for each in filters.get(collection_id, ())]
    wanted = None if listed is None else listed[collection.id]
    images = engine.search(collection, tile, start, end, given, wanted)
    check_resolution(collection, tile, images)
    for joined in collection.joins if images else ():
        others = engine.search(resolve(joined), tile, start, end, (), wanted)
        images = _joined(images, joined, others)
    groups = group_images(images, collection, tile.longitude)
    return [replace(each, collection=collection.id) for each in groups] if is_member else groups


def _in_service(collection: Collection, start: dt.datetime, end: dt.datetime) -> bool:
    """Whether a collection can have images of a time, by its dates of service."""
    first, last = collection.service_start, collection.service_end
    return (first is None or first <= end.date()) and (last is None or start.date() <= last)


def _joined(
    images: Iterable[ImageInfo], collection_id: str, others: Iterable[ImageInfo]
) -> list[ImageInfo]:
    """Give images those of another collection that have the same ``system:index``."""
    named = {other.index: other for other in others}
    return [
        replace(image, joined={**image.joined, collection_id: named[image.index]})
        if image.index in named
        else image
        for image in images
    ]


def drops(collection: Collection) -> bool:
    """Whether layers without pixels are left out."""
    return collection.recipe is not None and collection.recipe.drop_empty


def without_empty(engine: Engine, item: Item, collection: Collection) -> Item:
    """Return an item without the groups of which its recipe leaves no pixel."""
    if not item.groups:
        return item
    image = image_section(item.groups, collection, collection.nodata)
    there = engine.have_pixels(image, item.tile)
    pairs = list(zip(item.groups, there, strict=True))
    return replace(
        item,
        groups=tuple(group for group, has in pairs if has),
        dropped=tuple(group.date for group, has in pairs if not has),
    )


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
        collection = collections[item.collection]
        # A composite is one layer, which can't be cut by date.
        unlimited = max_bands is None or collection.is_composite
        most = math.inf if unlimited else (max_bands or 0) // len(collection.file_bands)
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
            dropped=tuple(date for date in item.dropped if start.date() <= date < end.date()),
            date_start=start,
            date_end=end,
        )
        for number, (part, start, end) in enumerate(zip(parts, starts, ends, strict=True), 1)
    ]


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
