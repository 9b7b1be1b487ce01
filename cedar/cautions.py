"""What of an order may not be what its user means: a line each, for the preview."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import remainder
from typing import TYPE_CHECKING, Final

import numpy as np
from pyproj import CRS

from .defaults import MAX_NAME_LENGTH
from .documents import counts
from .geometry import to_crs, transform_point
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
#: Metres between two systems that are one to a pixel: ellipsoids of GRS 80 and WGS 84 leave 0.1 mm.
_SAME: Final = 0.01
#: EPSG code of UTM zone 0 of WGS 84, by hemisphere, and what is added to its northings, in metres.
_UTM: Final = {"N": (32600, 0), "S": (32700, 10_000_000)}
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
        yield from _of_lacking(collection)
        # Of merged collections it is mostly the same of all.
        doubts: dict[str, list[str]] = {}
        for each in collection.sources:
            if doubt := _of_pixels(each, submission.tiles[0]):
                doubt += (
                    f"; in UTM its own edges are {landsat.EDGE_OFFSET} m off the multiples of "
                    f"{each.resolution:g} m"
                )
                doubts.setdefault(doubt, []).append(each.id)
        yield from (f"{', '.join(ids)}: {doubt}" for doubt, ids in doubts.items())


def _of_lacking(collection: Collection) -> Iterator[str]:
    """Say which bands members of merged collections lack."""
    for member in collection.members:
        if lacking := [name for name in collection.chosen if name not in member.chosen]:
            yield (
                f"{collection.id}: {member.id} has no {' and no '.join(lacking)}: nodata in its "
                "layers"
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
    yield from _of_joined(order)
    layered = [item for item in order.items if not collections[item.collection].is_composite]
    if twice := {item.name: date for item in layered if (date := _repeated(item))}:
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
    if any(item.dropped for item in order.items):
        left_out += ", or its layer has no pixels"
    yield (
        f"{len(missing):,} of {total:,} listed images: no tile, period and filter has it, or it "
        f"doesn't exist{left_out}: {', '.join(missing[:_NAMED])}{more}"
    )


def _of_joined(order: Order) -> Iterator[str]:
    """Say how many images another collection lacks that bands come from."""
    sources = [
        (whole.id, source) for whole in order.submission.collections for source in whole.sources
    ]
    for whole, collection in sources:
        images = {
            image.id: image
            for item in order.items
            if item.collection == whole
            for group in item.groups
            if group.collection in (None, collection.id)
            for image in group.images
        }
        for joined in collection.joins:
            names = [band.name for band in collection.stack_bands if band.joined == joined]
            if lacking := sum(joined not in image.joined for image in images.values()):
                yield (
                    f"{lacking:,} of {len(images):,} images {'are' if lacking > 1 else 'is'}n't in "
                    f"{joined}: {', '.join(names)} are nodata there"
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


def _of_pixels(collection: Collection, tile: Tile) -> str | None:
    """Say how a tile's pixels lie against those that the nearest is taken of, if that is a doubt.

    Where these are is known of Landsat, in UTM; scenes of the next zone are turned against it.
    """
    pixel, is_nearest = collection.resolution, collection.resampling in (None, "nearest")
    northing = _northing(tile)
    if collection.id not in _LANDSAT or pixel is None or not is_nearest or northing is None:
        return None
    y, x = tile.coords()
    if _on_edges(x, pixel) or _on_edges(y - northing, pixel):
        return (
            "centres of the grid's pixels lie on edges of its own, where it is chance which is "
            "the nearest"
        )
    # Smaller pixels lie off its own by their nature.
    if tile.res != (pixel, pixel):
        return None
    east = remainder(tile.bounds.left - landsat.EDGE_OFFSET, pixel)
    north = remainder(tile.bounds.top - northing - landsat.EDGE_OFFSET, pixel)
    off = [
        f"{abs(metres):.6g} m {ahead if metres > 0 else behind}"
        for metres, ahead, behind in ((east, "east", "west"), (north, "north", "south"))
        if abs(metres) > pixel * _ROUNDING
    ]
    if not off:
        return None
    return (
        f"the grid's pixels lie {' and '.join(off)} of its own, and its images will be off by as "
        "much, as each pixel is given the nearest"
    )


def _northing(tile: Tile) -> int | None:
    """What UTM adds to the northings of a tile; None: it isn't in UTM.

    It has to be that of WGS 84, or of a datum that PROJ takes for the same, such as ETRS89.
    """
    zone = CRS.from_wkt(tile.crs_wkt).utm_zone
    if zone is None:
        return None
    epsg, northing = _UTM[zone[-1]]
    corner = tile.bounds.left, tile.bounds.top
    there = transform_point(*corner, tile.crs, to_crs(epsg + int(zone[:-1])))
    return northing if np.allclose(there, corner, rtol=0, atol=_SAME) else None


def _on_edges(centres: NDArray[np.float64], pixel: float) -> bool:
    edges = (centres - landsat.EDGE_OFFSET) / pixel
    return bool((np.abs(edges - np.round(edges)) < _ROUNDING).any())
