"""What a submit would order, in lines."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from cedar.states import TaskState

from .output import table

if TYPE_CHECKING:
    from cedar.earlier import Earlier
    from cedar.ordering import Order
    from cedar.preview import FoundImage, Preview

#: Most stale items of an order that are told one by one.
_SHOWN: Final = 20


def lines(preview: Preview, n_items: int | None, images: bool) -> Iterator[str]:
    """Say what an order would make and need, and what to beware of.

    Parameters
    ----------
    n_items
        Most items of the table; None: all of them.
    images
        With a table of the images that were found.
    """
    from cedar.preview import row

    shown = preview.items[:n_items]
    if shown:
        yield from table(("item", "images", "layers", "bands", "size"), map(row, shown))
        if more := len(preview.items) - len(shown):
            yield f"… and {more:,} more"
    if images:
        header = ("image", "date", "cloud", "path/row", "items", "west south east north")
        # Footprints are known where the collection records them: mostly not at all.
        known = None if any(image.footprint for image in preview.images) else -1
        yield from table(header[:known], (_image(image)[:known] for image in preview.images))
    yield from preview.lines()
    yield from _plan(preview.order)
    yield from (f"Warning: {warning}" for warning in preview.warnings)


def _plan(order: Order) -> Iterator[str]:
    """Say of what earlier orders have how it stands, where something can be done about it."""
    from cedar.earlier import Standing

    by_order: dict[tuple[Standing, str, bool], list[Earlier]] = {}
    for each in order.earlier:
        key = each.standing, each.order, each.state == TaskState.CANCELLED
        by_order.setdefault(key, []).append(each)
    for (standing, name, cancelled), items in by_order.items():
        match standing:
            case Standing.FAILED:
                states = " --state CANCELLED" if cancelled else ""
                yield f"failed: {_of(items)}: `cedar retry {name}{states}` makes it again"
            case Standing.STALE:
                yield from _stale(items, order.replaced)
            case Standing.UNWANTED:
                yield f"no longer wanted: {_of(items)}, which stays as it is"


def _stale(items: Sequence[Earlier], replaced: Container[str]) -> Iterator[str]:
    """Say which items have other images now, and what becomes of them."""
    for each in items[:_SHOWN]:
        if each.name in replaced:
            then = "ordered again"
        else:
            then = "still being made" if each.active else "`cedar submit --stale` orders it again"
        images = f"{len(each.added):,} images more, {len(each.removed):,} fewer"
        yield f"stale: {each.name} of {each.order}: {images}; {then}"
    if len(items) > _SHOWN:
        yield f"stale: … and {len(items) - _SHOWN:,} more of {items[0].order}"


def _of(items: Sequence[Earlier]) -> str:
    """Put items of one order in words."""
    more = f" and {len(items) - 1:,} more" if len(items) > 1 else ""
    return f"{items[0].name}{more} of {items[0].order}"


def _image(image: FoundImage) -> tuple[Any, ...]:
    cloud = "" if image.cloud is None else f"{image.cloud:g} %"
    place = "" if None in (image.path, image.row) else f"{image.path}/{image.row}"
    return image.id, image.date, cloud, place, image.n_items, _box(image.footprint)


def _box(footprint: Mapping[str, Any] | None) -> str:
    if footprint is None:
        return ""
    from shapely.geometry import shape

    return " ".join(f"{degrees:.2f}" for degrees in shape(dict(footprint)).bounds)
