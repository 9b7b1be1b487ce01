"""Removing what killed processes have left: scratch, temporary files, claims and leases.

Never an image, a document or a record; and nothing whose name isn't one of cedar's own making.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .exceptions import DocumentError, NotFoundError
from .record import Record
from .states import ACTIVE
from .stores.leases import LONG_AGO, SIZE, SUFFIX, TERM
from .stores.remnants import claims, forget, newest, scratches, size, temporaries

if TYPE_CHECKING:
    from .items import ObjectInfo
    from .stores.base import Store

_log = logging.getLogger(__name__)

DAY: Final = 86_400
#: What a lease holds (:mod:`cedar.stores.leases`).
_LEASE: Final = {"owner", "host", "written"}


class Kind(StrEnum):
    """What a remnant is."""

    SCRATCH = "scratch"
    TEMPORARY = "temporary"
    CLAIM = "claim"
    LEASE = "lease"


@dataclass(frozen=True)
class Remnant:
    """Something that nobody needs any more.

    Attributes
    ----------
    kind : Kind
        What it is.
    where : str
        Its path on this machine; of a lease its key in the store.
    size : int
        Bytes.
    updated : datetime.datetime
        When it was last written.
    version : str or None
        Of a lease: it is deleted at this version only.
    """

    kind: Kind
    where: str
    size: int
    updated: dt.datetime
    version: str | None = None


def remnants(store: Store, tracking_prefix: str, older_than: float) -> list[Remnant]:
    """Find what can be removed.

    Scratch that no item of a record is active with, unlocked claims, temporary files, and leases
    whose time of writing lies so long back that nobody waits for them.

    Records under another tracking prefix aren't seen: to find them, every document of the store
    would have to be read. Their leases stay; their scratch can't be told from what nobody has.

    Parameters
    ----------
    older_than : float
        Days since scratch was last written, at the least. Of temporary files, and of scratch that
        no record knows of, one day is the least: somebody may be at work on it.
    """
    now = time.time()
    # Before the records: who makes scratch has written its record first.
    scratch = scratches(store)
    records = _Records(store, tracking_prefix)
    unused = [path for path in scratch if records.leave(path.name)]
    ours = [path for path in unused if records.knows(path.name)]
    others = [path for path in unused if not records.knows(path.name)]
    at_least = max(older_than, 1)
    found = [
        *_on_disk(Kind.SCRATCH, ours, now - older_than * DAY),
        *_on_disk(Kind.SCRATCH, others, now - at_least * DAY),
        *_on_disk(Kind.TEMPORARY, temporaries(store), now - at_least * DAY),
        *_on_disk(Kind.CLAIM, claims(store), now),
    ]
    found += [
        Remnant(Kind.LEASE, info.key, info.size, info.updated, info.version)
        for prefix in sorted(records.prefixes)
        for info in store.objects(f"{prefix}/")
        if info.updated is not None and _is_stale(info, now) and _is_lease(store, info)
    ]
    return found


def remove(store: Store, found: Sequence[Remnant]) -> Iterator[Remnant]:
    """Remove remnants; yield each that was. What is in use again by now is left."""
    leases = {each.where: each for each in found if each.kind == Kind.LEASE}
    failed = store.delete_many({key: each.version or "" for key, each in leases.items()})
    for key, error in failed.items():
        _log.info("%s was left: %s", key, error)
    for each in found:
        if each.kind != Kind.LEASE:
            forget(Path(each.where))
            if not Path(each.where).exists():
                yield each
        elif each.where not in failed:
            yield each


class _Records:
    """What the orders of a store are at work on, and where."""

    def __init__(self, store: Store, tracking_prefix: str):
        self.prefixes = {tracking_prefix}
        self._active: set[str] = set()
        self._known: set[str | None] = set()
        #: Whether all records can be read: of one that can't, nobody knows what it is at work on.
        self._whole = True
        for name in store.list(tracking_prefix):
            try:
                orders = Record.open(store, tracking_prefix, name).metadata.orders
            except NotFoundError:
                continue  # Cleaned just now.
            except DocumentError as error:
                self._whole = False
                _log.warning("all scratch is kept: %s", error)
                continue
            for entry in orders:
                self._note(entry)

    def _note(self, entry: Mapping[str, Any]) -> None:
        self.prefixes.add(entry["prefix"])
        self._known |= {attempt["request_id"] for attempt in (*entry["attempts"], entry)}
        if entry["status"]["state"] in ACTIVE and entry["request_id"] is not None:
            self._active.add(entry["request_id"])

    def knows(self, request_id: str) -> bool:
        """Whether an order says that the request is its own."""
        return request_id in self._known

    def leave(self, request_id: str) -> bool:
        """Whether no order needs the scratch of a request any more."""
        return self._whole and request_id not in self._active


def _on_disk(kind: Kind, paths: Iterable[Path], until: float) -> Iterator[Remnant]:
    """Yield those of some files or directories that weren't written since a time."""
    for path in paths:
        written = newest(path)
        if written <= until:
            updated = dt.datetime.fromtimestamp(written, dt.UTC)
            yield Remnant(kind, str(path), size(path), updated)


def _is_stale(info: ObjectInfo, now: float) -> bool:
    if info.updated is None or not info.key.endswith(SUFFIX) or info.size > SIZE:
        return False
    return now - info.updated.timestamp() > LONG_AGO * TERM


def _is_lease(store: Store, info: ObjectInfo) -> bool:
    """Whether an object holds what a lease does, whatever it is called."""
    try:
        content = json.loads(store.read(info.key))
    except (NotFoundError, ValueError):
        return False
    return isinstance(content, dict) and content.keys() == _LEASE
