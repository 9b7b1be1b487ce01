"""Whether what an order has under a name was asked for as it is asked for now.

The request for an item is its collection, tile, period, bands, filters, listed images and grouping,
and the form of its pixels.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from .documents import submission_section
from .ordering import file_nodata
from .periods import parse_date
from .tiles import Tile

if TYPE_CHECKING:
    from .items import Item
    from .ordering import Submission
    from .record import Record

Entry = Mapping[str, Any]

#: Of a collection's definition, what changes no pixel. What `cloud` leaves out is a filter's.
_INCIDENTAL: Final = frozenset(
    {"title", "source", "service_start", "service_end", "valid_range", "units", "cloud",
     "cloud_property"}
)  # fmt: skip
#: What it says of each band: that of bands that aren't chosen changes no pixel.
_OF_BANDS: Final = ("bands", "band_dtype", "scale", "offset", "qa", "encode", "joined")


def unlike(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a collection's definition says otherwise than another: a later may say more.

    What changes no pixel is left out.
    """
    chosen, other = _chosen(ours), _chosen(theirs)
    return {
        key: ours[key]
        for key, value in chosen.items()
        if key in other.keys() - _INCIDENTAL and _differs(key, value, other[key])
    }


def _differs(key: str, ours: Any, theirs: Any) -> bool:
    """Whether a setting is another; of merged collections, whether a member's is."""
    if key != "members":
        return bool(ours != theirs)
    return ours.keys() != theirs.keys() or any(unlike(ours[each], theirs[each]) for each in ours)


def _chosen(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return a definition that says nothing of bands that aren't chosen."""
    # What a definition of before there were any doesn't say.
    said: dict[str, Any] = {"encode": {}, "joined": {}, "recipe": None, **definition}
    if "chosen" in said:
        for key in said.keys() & _OF_BANDS:
            said[key] = {name: v for name, v in said[key].items() if name in said["chosen"]}
    return said


def stem(entry: Entry) -> str:
    """Return the name of an item as it was ordered: its own, or of what it is a part of."""
    return str(entry["family"] or entry["name"])


class Request:
    """What is asked for now, to be held against records.

    Parameters
    ----------
    submission : Submission
    options : mapping
        export_image_kwds, checked.
    """

    def __init__(self, submission: Submission, options: Mapping[str, Any]):
        # As a record says it once it was written and read.
        section = json.loads(json.dumps(submission_section(submission)))
        self._filters, self._definitions = section["filters"], section["definitions"]
        self._images = section.get("images", {})
        self._forms = {
            each.id: (each.stack_dtype, file_nodata(each, options))
            for each in submission.collections
        }
        self._entries: dict[str, dict[str, list[Entry]]] = {}
        self._tiles: dict[str, dict[tuple[int, ...], Tile]] = {}

    def entries(self, item: Item, record: Record) -> Sequence[Entry]:
        """Return the entries that a record has of an item: one, or those of its parts."""
        if record.name not in self._entries:
            grouped = self._entries[record.name] = dict[str, list[Entry]]()
            for entry in record.view.orders:
                grouped.setdefault(stem(entry), []).append(entry)
            listed = map(Tile.from_dict, record.view["tracking"]["tiles"])
            self._tiles[record.name] = {tile.index: tile for tile in listed}
        return self._entries[record.name].get(item.name, [])

    def differs(self, item: Item, record: Record) -> str | None:
        """Say what is other about an item in a record than about the one asked for; None: nothing.

        Where a record doesn't say, because it was imported or is of 2019, it counts as other.
        """
        entries, submission = self.entries(item, record), record.view["submission"]
        definition = submission.get("definitions", {}).get(item.collection)
        if not entries or definition is None:
            return "an unknown request"
        if any(entry["collection"] != item.collection for entry in entries):
            return "another collection"
        if self._tiles[record.name].get(tuple(entries[0]["tile"])) != item.tile:
            return "another tile"
        if _span(entries) != (item.date_start, item.date_end):
            return "another period"
        ids = (item.collection, *definition.get("merge", ()))
        filters = submission["filters"]
        if any(filters.get(each, []) != self._filters.get(each, []) for each in ids):
            return "other filters"
        images = submission.get("images", {})
        if any(images.get(each) != self._images.get(each) for each in ids):
            return "another list of images"
        if settings := unlike(definition, self._definitions[item.collection]):
            return f"other settings of the collection ({', '.join(sorted(settings))})"
        if any((e["dtype"], e["nodata"]) != self._forms[item.collection] for e in entries):
            return "another type or nodata value"
        return None


def _span(entries: Iterable[Entry]) -> tuple[dt.datetime, dt.datetime]:
    """First start and last end of an item's parts."""
    times = [(parse_date(each["date_start"]), parse_date(each["date_end"])) for each in entries]
    return min(start for start, _ in times), max(end for _, end in times)
