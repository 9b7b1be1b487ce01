"""An item's metadata where its document is lost: what the record and its file still tell."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from cedar.documents import image_section, with_bands
from cedar.exceptions import InputError
from cedar.grouping import ahead_of_utc
from cedar.metadata import ImageMetadata
from cedar.metadata.validation import SCHEMA_VERSION
from cedar.sensors import resolve

if TYPE_CHECKING:
    from cedar.metadata import TrackingMetadata
    from cedar.tiles import Tile

#: What a band is called: ``2020-05-18_red``, ``2020-05-18T133602-2_red``.
_NAME: Final = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})(?P<time>T[0-9]{6})?(?P<number>-[0-9]+)?_(?P<band>.+)"
)


def remade(
    record: TrackingMetadata, entry: Mapping[str, Any], tile: Tile, names: Sequence[str | None]
) -> ImageMetadata:
    """Make an item's metadata of what the record says of it, and what its file calls its bands.

    Its images aren't known, and times only where the file's names say more than a date.

    Parameters
    ----------
    record : TrackingMetadata
        The order's.
    entry : mapping
        The item's.
    tile : Tile
        Where it lies.
    names
        What the file calls its bands.

    Raises
    ------
    InputError
        They don't say enough.
    """
    return ImageMetadata(
        {
            "schema_version": SCHEMA_VERSION,
            "program": dict(record["program"]),
            "order": {
                "collection": entry["collection"],
                "date_start": entry["date_start"],
                "date_end": entry["date_end"],
                "filters": record["submission"]["filters"].get(entry["collection"], []),
                "submitted": record["submission"]["submitted"],
                "tracking": record.name,
            },
            "tile": tile.to_dict(),
            "store": {
                "service": "",
                "export_image_kwds": record["tracking"]["export_image_kwds"],
            },
            "engine": record["engine"],
            "task": {key: entry[key] for key in ("name", "prefix", "request_id")},
            "image": _image(record, entry, tile, names),
        },
        entry["name"],
    )


def _image(
    record: TrackingMetadata, entry: Mapping[str, Any], tile: Tile, names: Sequence[str | None]
) -> dict[str, Any]:
    definitions = record["submission"].get("definitions", {})
    if entry["collection"] not in definitions:
        raise _lost(entry, "the record doesn't say which bands it has")
    collection = resolve(entry["collection"], definitions)
    image = with_bands(image_section((), collection, entry["nodata"]), entry.get("bands"))
    count = len(image["bands"])
    ahead = ahead_of_utc(collection.group_by, tile.longitude)
    groups = [_group(entry, name, ahead) for name in names[::count]]
    return {**image, "dtype": entry["dtype"], "groups": groups}


def _group(entry: Mapping[str, Any], name: str | None, ahead: dt.timedelta) -> dict[str, Any]:
    found = _NAME.fullmatch(name or "")
    if found is None:
        raise _lost(entry, "its file doesn't say of which dates its bands are")
    date = dt.datetime.fromisoformat(f"{found['date']}T000000+00:00")
    time = date if found["time"] is None else _time(date, found["time"], ahead)
    return {"date": found["date"], "time": time.isoformat(), "images": []}


def _time(date: dt.datetime, clock: str, ahead: dt.timedelta) -> dt.datetime:
    """Return the moment that has a time of UTC, and is of a day that may be a solar one."""
    time = dt.datetime.fromisoformat(f"{date:%Y-%m-%d}{clock}+00:00")
    days = date.date() - (time + ahead).date()
    return time + days


def _lost(entry: Mapping[str, Any], why: str) -> InputError:
    return InputError(
        f"{entry['name']}: its metadata is lost, and {why}: put {entry['name']}.json beside it"
    )
