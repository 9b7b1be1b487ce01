"""Lists of objects, in the order of their names' UTF-8 bytes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from .objects import StoredObject

#: After all names: UTF-8 never holds it.
_LAST: Final = b"\xff"


@dataclass(frozen=True)
class Listing:
    """Which objects are listed.

    Attributes
    ----------
    prefix : bytes
        What their names begin with.
    start, end : bytes
        They aren't before, nor from there on; an empty end is none.
    delimiter : bytes
        Names that have it past the prefix are listed once, as far as it; empty: none are.
    """

    prefix: bytes = b""
    start: bytes = b""
    end: bytes = b""
    delimiter: bytes = b""

    def shorter(self, name: bytes) -> bytes | None:
        """What a name is listed as, if not itself."""
        at = name.find(self.delimiter, len(self.prefix)) if self.delimiter else -1
        return name[: at + len(self.delimiter)] if at >= 0 else None


@dataclass(frozen=True)
class Page:
    """A part of a list.

    Attributes
    ----------
    objects : tuple of StoredObject
    prefixes : tuple of str
    following : bytes or None
        Where the next page starts.
    """

    objects: tuple[StoredObject, ...]
    prefixes: tuple[str, ...]
    following: bytes | None


def page(rows: sqlite3.Connection, bucket: str, listing: Listing, most: int) -> Page:
    """The first entries of a list, objects and prefixes together."""
    found = list(islice(_entries(rows, bucket, listing), most + 1))
    shown = found[:most]
    objects = [entry for entry in shown if isinstance(entry, StoredObject)]
    prefixes = [entry.decode() for entry in shown if isinstance(entry, bytes)]
    following = _start_of(found[most]) if len(found) > most else None
    return Page(tuple(objects), tuple(prefixes), following)


def _entries(
    rows: sqlite3.Connection, bucket: str, listing: Listing
) -> Iterator[StoredObject | bytes]:
    start = max(listing.start, listing.prefix)
    end = min(listing.end or _LAST, _past(listing.prefix))
    while start < end:
        found = rows.execute(
            "SELECT * FROM gcs_objects WHERE bucket = ? AND name >= ? AND name < ? ORDER BY name",
            (bucket, start, end),
        )
        start = end
        for row in found:
            prefix = listing.shorter(row["name"])
            if prefix is None:
                yield StoredObject.of(row)
                continue
            yield prefix
            # What else has the prefix isn't even looked at.
            start = _past(prefix)
            break


def _start_of(entry: StoredObject | bytes) -> bytes:
    return entry if isinstance(entry, bytes) else entry.name.encode()


def _past(prefix: bytes) -> bytes:
    """The first bytes after all that begin so."""
    return prefix[:-1] + bytes([prefix[-1] + 1]) if prefix else _LAST
