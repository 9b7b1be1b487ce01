"""What of an order may not be what its user means: a line each, for the preview."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from .defaults import MAX_NAME_LENGTH
from .documents import counts
from .sensors import landsat

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .items import Item
    from .ordering import Order, Submission
    from .sensors.base import Collection
    from .tiles import Tile

#: Bands of an image that are many: few programs show as many.
MANY_BANDS: Final = 1000
#: Characters of a name that are many: the same template with another collection may not do.
LONG_NAME: Final = 80
#: Most listed images that are named.
_NAMED: Final = 20
#: Part of a pixel that coordinates may be off for their rounding.
_ROUNDING: Final = 1e-6
#: EPSG codes of the UTM zones of WGS 84, and what is added to northings, in metres.
_UTM: Final[Mapping[range, int]] = {range(32601, 32661): 0, range(32701, 32761): 10_000_000}
_LANDSAT: Final = frozenset(each.id for each in landsat.COLLECTIONS)
_DAY: Final = dt.timedelta(days=1)


def of_collections(order: Order) -> Iterator[str]:
    """What its collections, for its periods and grid, give reason to doubt."""
    submission = order.submission
    for collection in submission.collections:
        yield from _of_service(collection, submission)
        own, stacked = collection.stack_bytes
        if stacked > own:
            yield (
                f"{collection.id}: a pixel takes {stacked} bytes in the files, which are all "
                f"{collection.stack_dtype}, and {own} in the collection"
            )
        if _reads_edges(collection, submission.tiles[0]):
            yield (
                f"{collection.id}: centres of the grid's pixels lie on edges of its own, where it "
                f"is chance which is the nearest: in UTM these are {landsat.EDGE_OFFSET} m off the "
                f"multiples of {collection.resolution:g} m"
            )


def of_items(order: Order) -> Iterator[str]:
    """What its items give reason to doubt."""
    yield from _of_list(order)
    collections = {collection.id: collection for collection in order.submission.collections}
    bands = {
        item.name: counts(item, collections[item.collection])["n_bands"] for item in order.items
    }
    if many := [name for name, number in bands.items() if number > MANY_BANDS]:
        most = max(many, key=lambda name: bands[name])
        yield f"{_several(many)} more than {MANY_BANDS:,} bands; {most} has {bands[most]:,}"
    if long := [name for name in bands if len(name) > LONG_NAME]:
        yield (
            f"{_several(long)} a name of more than {LONG_NAME} characters, of which there may be "
            f"{MAX_NAME_LENGTH}"
        )
    if twice := {item.name: date for item in order.items if (date := _repeated(item))}:
        date = next(iter(twice.values()))
        yield (
            f"{_several([*twice])} several passes on one day, such as {date}: each is a layer, "
            "with its time in the names of its bands"
        )


def _of_list(order: Order) -> Iterator[str]:
    """Say which listed images are in nothing that was searched."""
    missing, submission = order.not_found, order.submission
    if not missing:
        return
    total = sum(map(len, (submission.images or {}).values()))
    more = f" and {len(missing) - _NAMED:,} more" if len(missing) > _NAMED else ""
    # All else that is left out was searched, to be held against what earlier orders have.
    unsearched = submission.existing == "skip" and order.skipped
    left_out = ", or one of the items left out has it" if unsearched else ""
    yield (
        f"{len(missing):,} of {total:,} listed images: no tile, period and filter has it, or it "
        f"doesn't exist{left_out}: {', '.join(missing[:_NAMED])}{more}"
    )


def _several(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"{names[0]} has"
    return f"{len(names):,} items, the first of them {names[0]}, have"


def _repeated(item: Item) -> dt.date | None:
    """First date that several of an item's layers have."""
    return next((one.date for one, other in pairwise(item.groups) if one.date == other.date), None)


def _of_service(collection: Collection, submission: Submission) -> Iterator[str]:
    first, last = collection.service_start, collection.service_end
    start, end = submission.period_start, submission.period_end
    early = first is not None and start is not None and start.date() < first
    late = last is not None and end is not None and end.date() > last + _DAY
    if early or late:
        service = f"{first or 'its start'} to {last or 'now'}"
        yield (
            f"{collection.id}: what is asked for reaches beyond its dates of service, {service}: "
            "there are no images"
        )


def _reads_edges(collection: Collection, tile: Tile) -> bool:
    """Whether centres of a tile's pixels lie on edges of those that the nearest is taken of.

    Where these are is known of Landsat, in UTM; scenes of the next zone are turned against it.
    """
    pixel, is_nearest = collection.resolution, collection.resampling in (None, "nearest")
    if collection.id not in _LANDSAT or pixel is None or not is_nearest:
        return False
    zone, (y, x) = tile.crs.to_epsg(), tile.coords()
    return any(
        _on_edges(x, pixel) or _on_edges(y - northing, pixel)
        for zones, northing in _UTM.items()
        if zone in zones
    )


def _on_edges(centres: NDArray[np.float64], pixel: float) -> bool:
    edges = (centres - landsat.EDGE_OFFSET) / pixel
    return bool((np.abs(edges - np.round(edges)) < _ROUNDING).any())
