"""What tests of previews share: orders that nobody has searched for."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from orders import utm_grid

from cedar import defaults
from cedar.items import Group, ImageInfo
from cedar.ordering import Order, Submission, Templates
from cedar.sensors import resolve

LC08 = "LANDSAT/LC08/C02/T1_L2"
YEAR = ("2020-01-01", "2021-01-01", None, "both")


def unsearched(collection=LC08, *, grid=None, periods=YEAR, tiles=(0, 0), name=None, **settings):
    """An order of one collection; settings are the collection's."""
    submission = Submission.parse(
        [resolve(collection, {collection: settings} if settings else {})],
        grid or utm_grid(),
        tiles,
        periods,
        {},
        "error",
    )
    templates = Templates.parse(
        name or defaults.NAME_TEMPLATE,
        defaults.PREFIX_TEMPLATE,
        defaults.TRACKING_TEMPLATE,
        defaults.TRACKING_PREFIX,
    )
    return Order(submission, templates, {}, tuple(submission.items(templates)), (), True)


def layers(*dates, **properties):
    """Layers of one image each."""
    return tuple(_layer(number, date, properties) for number, date in enumerate(dates))


def _layer(number, date, properties):
    day = dt.date.fromisoformat(date)
    noon = dt.datetime.combine(day, dt.time(12, number % 60), dt.UTC)
    index = f"LC08_{number:04d}"
    image = ImageInfo(f"{LC08}/{index}", index, int(noon.timestamp() * 1000), properties=properties)
    return Group(day, (image,))


def found(order, *groups):
    """The same order, with what its items are made of."""
    items = zip(order.items, groups, strict=True)
    return replace(order, items=tuple(replace(item, groups=given) for item, given in items))
