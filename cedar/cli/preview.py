"""What a submit would order, in lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .output import table

if TYPE_CHECKING:
    from cedar.preview import FoundImage, ItemPreview, Preview


def lines(preview: Preview, n_items: int | None, images: bool) -> Iterator[str]:
    """Say what an order would make and need, and what to beware of.

    Parameters
    ----------
    n_items
        Most items of the table; None: all of them.
    images
        With a table of the images that were found.
    """
    shown = preview.items[:n_items]
    if shown:
        yield from table(("item", "images", "layers", "bands", "size"), map(_item, shown))
        if more := len(preview.items) - len(shown):
            yield f"… and {more:,} more"
    if images:
        header = ("image", "date", "cloud", "path/row", "items", "west south east north")
        # Footprints are known where the collection records them: mostly not at all.
        known = None if any(image.footprint for image in preview.images) else -1
        yield from table(header[:known], (_image(image)[:known] for image in preview.images))
    yield from preview.lines()
    yield from (f"Warning: {warning}" for warning in preview.warnings)


def _item(each: ItemPreview) -> tuple[Any, ...]:
    from cedar.preview import size

    item = each.item
    return item.name, item.n_images, len(item.groups), each.n_bands, size(each.n_bytes)


def _image(image: FoundImage) -> tuple[Any, ...]:
    cloud = "" if image.cloud is None else f"{image.cloud:g} %"
    place = "" if None in (image.path, image.row) else f"{image.path}/{image.row}"
    return image.id, image.date, cloud, place, image.n_items, _box(image.footprint)


def _box(footprint: Mapping[str, Any] | None) -> str:
    if footprint is None:
        return ""
    from shapely.geometry import shape

    return " ".join(f"{degrees:.2f}" for degrees in shape(dict(footprint)).bounds)
