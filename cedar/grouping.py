"""Which images make one layer of a stack, and which layers belong to a period."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from .items import Group

if TYPE_CHECKING:
    from .items import ImageInfo
    from .sensors.base import Collection


def group_images(
    images: Iterable[ImageInfo], collection: Collection, longitude: float
) -> tuple[Group, ...]:
    """Group images into the layers of a stack, by date, then time.

    The collection's rule says which belong together. ``pass``: one platform, orbit and solar day;
    ``solar_day``; ``utc_day``; ``none``: every image by itself. Images that have none of the chosen
    bands, and night scenes unless they are asked for, are left out.

    Parameters
    ----------
    longitude : float
        Of the tile's centre, in degrees: what makes a day solar.
    """
    bands = collection.stack_bands
    grouped: dict[tuple[object, ...], list[ImageInfo]] = {}
    for image in sorted(images, key=lambda image: (image.time_start, image.index)):
        if not any(image.has(band.native, band.joined) for band in bands):
            continue
        if _is_night(image, collection) and not collection.night:
            continue
        date = image_date(image, collection.group_by, longitude)
        grouped.setdefault(_key(image, collection, date), []).append(image)
    groups = [
        Group(image_date(members[0], collection.group_by, longitude), tuple(members))
        for members in grouped.values()
    ]
    return tuple(sorted(groups, key=lambda group: (group.date, group.time, group.images[0].index)))


def image_date(image: ImageInfo, group_by: str, longitude: float) -> dt.date:
    """Date of an image: its solar day, or UTC day for ``utc_day`` and ``none``.

    The solar day is counted as odc-stac does: UTC moved by the longitude in whole hours, towards
    zero.
    """
    return (image.time + ahead_of_utc(group_by, longitude)).date()


def ahead_of_utc(group_by: str, longitude: float) -> dt.timedelta:
    """Return by how much the days of a rule are ahead of UTC's."""
    return dt.timedelta(hours=0 if group_by in ("utc_day", "none") else int(longitude / 15))


def _is_night(image: ImageInfo, collection: Collection) -> bool:
    if collection.night_rule is None:
        return False
    name, least = collection.night_rule
    return bool(image.properties.get(name, least - 1) >= least)


def _key(image: ImageInfo, collection: Collection, date: dt.date) -> tuple[object, ...]:
    match collection.group_by:
        case "none":
            return (image.id,)
        case "pass":
            passed = (image.properties.get(name) for name in collection.pass_properties)
            return (date, *passed)
        case _:
            return (date,)


def in_period(groups: Sequence[Group], start: dt.datetime, end: dt.datetime) -> tuple[Group, ...]:
    """Groups whose date, at midnight UTC, lies in a half-open period."""

    def midnight(date: dt.date) -> dt.datetime:
        return dt.datetime.combine(date, dt.time(), dt.UTC)

    return tuple(group for group in groups if start <= midnight(group.date) < end)
