"""How documents show themselves in a notebook."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from ..changes import state_of
from ..drawing import found_map, tile_map
from ..exceptions import InputError
from ..faces import crs_name, face, legend, lines, placed, table
from ..geometry import to_crs
from ..lattice import Lattice
from ..states import RETRYABLE
from ..tiles import Tile

if TYPE_CHECKING:
    from .image import ImageMetadata
    from .tracking import TrackingMetadata

Entry = Mapping[str, Any]
#: Ids that are named of a group's images.
_NAMED: Final = 3


def of_record(record: TrackingMetadata) -> str:
    """Show an order: what was asked for, a map of its tiles by state, and its items."""
    found = [(entry, state_of(entry)) for entry in record.orders]
    failed = any(entry["status"].get("error_message") for entry, _ in found)
    # What one would do something about stands first.
    found.sort(key=lambda each: each[1] not in RETRYABLE)
    rows = (
        (
            entry["name"],
            state,
            entry["n_images"],
            len(entry["outputs"]),
            *([entry["status"].get("error_message")] if failed else ()),
        )
        for entry, state in found
    )
    return face(
        f"Order {record.name}",
        dict(_asked(record)),
        _record_map(record, found) + legend(Counter(state for _, state in found)),
        table(("item", "state", "images", "files", "error")[: 4 + failed], rows, len(found)),
    )


def of_image(image: ImageMetadata) -> str:
    """Show what a stack is made of: its bands, its layers and their images, and its tile."""
    order, section = image["order"], image["image"]
    bands = [band["name"] for band in image.bands]
    facts = {
        "collection": order["collection"],
        "period": _period(order["date_start"], order["date_end"]),
        "bands": f"{len(bands):,} a layer: {', '.join(bands)}",
        "layers": f"{len(image.layers):,}",
        "type": image.dtype,
        "nodata": None if image.nodata is None else f"{image.nodata:g}",
        "grouped by": section["group_by"],
    }
    rows = ((group["date"], group["time"], _ids(group["images"])) for group in image.groups)
    groups = table(("layer", "first image (UTC)", "images"), rows, len(image.groups))
    title = f"Image {image.name}"
    try:
        tile = Tile.from_dict(image["tile"])
    except InputError as error:
        return face(title, facts, "", lines([str(error)]), groups)
    lattice = Lattice((tile.bounds.left, tile.bounds.top), tile.res, tile.size)
    facts["tile"] = f"row {tile.vertical}, column {tile.horizontal}"
    facts |= placed(tile.bounds, tile.crs_wkt, tile.res, tile.size)
    return face(title, facts, tile_map(lattice, tile.crs_wkt, (0, 0), (0, 0), title), groups)


def _asked(record: TrackingMetadata) -> Iterator[tuple[str, Any]]:
    submission, n_items = record["submission"], len(record.orders)
    tiles = {tuple(entry["tile"]) for entry in record.orders if entry["tile"]}
    yield "collections", ", ".join(submission["collections"])
    yield "tiles", f"{len(tiles):,}"
    if submission["coverage"]:
        yield "covers", _period(*submission["coverage"])
    yield "frequency", submission["period_freq"]
    yield "submitted", f"{submission['submitted'][:19].replace('T', ' ')} UTC"
    yield (
        "items",
        f"{n_items:,}, {'complete' if record.complete else f'{record.progress:.0%} done'}",
    )
    yield "system", _system(submission["tile_grid"])


def _system(grid: Mapping[str, Any]) -> str | None:
    try:
        return crs_name(to_crs(grid["crs"]).wkt)
    except InputError:
        return None


def _record_map(record: TrackingMetadata, found: Sequence[tuple[Entry, str]]) -> str:
    grid = record["submission"]["tile_grid"]
    tiles = (((each["tile"][0], each["tile"][1]), state) for each, state in found if each["tile"])
    try:
        crs = to_crs(grid["crs"])
    except InputError:
        return ""
    lattice = Lattice(tuple(grid["ul"]), tuple(grid["res"]), tuple(grid["size"]))
    return found_map(tiles, lattice, crs.wkt, f"Tiles of {record.name} by state")


def _period(start: str, end: str) -> str:
    return f"{start[:10]} to {end[:10]}"


def _ids(images: Sequence[Mapping[str, Any]]) -> str:
    more = len(images) - _NAMED
    named = ", ".join(image["system:index"] for image in images[:_NAMED])
    return f"{named} and {more:,} more" if more > 0 else named
