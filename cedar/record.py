"""The record of an order in its store: read, changed by many, written one at a time."""

from __future__ import annotations

import datetime as dt
import math
import threading
import time
import uuid
from collections.abc import Callable, Container, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from .changes import now_ms
from .exceptions import CedarError, Conflict, DocumentError, NameTakenError, NotFoundError
from .metadata import TrackingMetadata
from .metadata.document import json_copy
from .states import ACTIVE, FINAL, TaskState
from .stores.base import ABSENT, document_key, encode_document
from .stores.keys import shared_start

if TYPE_CHECKING:
    from .changes import Change
    from .items import Item
    from .stores.base import Store


class Record:
    """One order's tracking document, as this process sees it.

    Changes are made to the document at once and kept until :meth:`flush` writes them, under the
    condition that nobody wrote meanwhile. Where somebody did, they are made again to what is there
    now. Safe to use from several threads.
    """

    def __init__(self, store: Store, prefix: str, document: dict[str, Any], version: str):
        self.store = store
        self.name = str(document["tracking"]["name"])
        self.key = document_key(self.name, prefix)
        self._version = version
        #: What the document calls itself, where that isn't what it is called.
        self._copy_of: str | None = None
        self._writer = str(uuid.uuid4())
        self._pending: list[Callable[[], bool]] = []
        self._lock = threading.RLock()
        self._wrote = -math.inf
        self._take(document)

    @classmethod
    def open(cls, store: Store, prefix: str, name: str) -> Self:
        """Read an order's record.

        Raises
        ------
        NotFoundError
            There is no such order.
        DocumentError
            It is damaged.
        """
        document, version = _load(store, document_key(name, prefix))
        own, document["tracking"]["name"] = document["tracking"]["name"], name.removesuffix(".json")
        record = cls(store, prefix, document, version)
        # In 2019 records weren't always called what they call themselves.
        if own != record.name and document["store"] is not None:
            record._copy_of = own
        return record

    @classmethod
    def of(cls, store: Store, prefix: str, tracking: TrackingMetadata) -> Self | None:
        """Read the record that a document is a copy of; None where the store hasn't it.

        Raises
        ------
        DocumentError
            See :meth:`check_name`.
        """
        try:
            record = cls.open(store, prefix, tracking.name)
        except NotFoundError:
            return None
        record.check_name()
        submitted = record.metadata["tracking"]["submitted"]
        return record if submitted == tracking["tracking"]["submitted"] else None

    @classmethod
    def create(cls, store: Store, prefix: str, document: dict[str, Any]) -> Self:
        """Write the record of a new order, under a name that no order has.

        Where the name is taken it gets ``-2``, ``-3``.
        """
        name, number = document["tracking"]["name"], 1
        while True:
            record = cls(store, prefix, document | {"revision": 0}, "")
            record._take(document | {"revision": 1, "writer": record._writer})
            data = encode_document(record.view, record.name)
            try:
                record._version = store.write(record.key, data, if_version=ABSENT).version
                record._wrote = time.monotonic()
            except Conflict:
                if record._is_ours(1):
                    return record
                number += 1
                tracking = document["tracking"] | {"name": f"{name}-{number}"}
                document = document | {"tracking": tracking}
            else:
                return record

    def check_name(self) -> None:
        """Refuse a copy under another name in the store: its files are those of the order itself.

        Raises
        ------
        DocumentError
            It is one.
        """
        if self._copy_of is not None:
            raise DocumentError(
                f"{self.key} is a copy of the record of order {self._copy_of!r}: use that one, and "
                "delete the copy",
                self.name,
            )

    @property
    def version(self) -> str:
        """Version in the store of what was read or written last."""
        return self._version

    @property
    def metadata(self) -> TrackingMetadata:
        """The document as it is now, changes not yet written included."""
        with self._lock:
            return TrackingMetadata.view(json_copy(self._document), self.name)

    @property
    def view(self) -> TrackingMetadata:
        """The document itself, which goes on changing: for who only looks, and at once."""
        return TrackingMetadata.view(self._document, self.name)

    def change(self, item: str, change: Change) -> None:
        """Change the entry of an item; :meth:`flush` writes it, if that made a difference."""
        self._do(lambda: self._apply(item, change))

    def edit(self, change: Change) -> None:
        """Change the whole document, as :meth:`change` does an entry: entries may come and go."""
        self._do(lambda: self._apply_whole(change))

    def _do(self, step: Callable[[], bool]) -> None:
        with self._lock:
            if step():
                self._pending.append(step)

    def _apply(self, item: str, change: Change) -> bool:
        """Make a change, and note it in the item's history if its state is another then."""
        entry = self._entries.get(item)
        if entry is None:
            return False  # Another process has cut it in parts.
        before = json_copy(entry)
        change(entry)
        if _state(entry) != _state(before):
            _note(entry)
        return bool(entry != before)

    def _apply_whole(self, change: Change) -> bool:
        before = json_copy(self._document)
        change(self._document)
        self._take(self._document)
        states = {entry["name"]: _state(entry) for entry in before["orders"]}
        for name, entry in self._entries.items():
            if states.get(name) != _state(entry):
                _note(entry)
        return bool(self._document != before)

    def entry(self, item: str) -> dict[str, Any]:
        """Return a copy of an item's entry."""
        with self._lock:
            entry: dict[str, Any] = json_copy(self._entries[item])
            return entry

    def names(self, states: Container[str]) -> list[str]:
        """Return the names of the items in some states, in order."""
        with self._lock:
            return [name for name, entry in self._entries.items() if _state(entry) in states]

    def unsettled(self) -> list[str]:
        """Return the names of the items that are active, or in a state never heard of."""
        with self._lock:
            settled = {*FINAL, TaskState.UNKNOWN}
            return [name for name, entry in self._entries.items() if _state(entry) not in settled]

    def refresh(self) -> None:
        """Read what others have written since."""
        with self._lock:
            if self.store.stat(self.key).version != self._version:
                self._reload()

    def flush(self) -> None:
        """Write the changes, if there are any."""
        while self._pending:
            # Without the lock: others go on changing meanwhile.
            self._wait_for_turn()
            with self._lock:
                if not self._pending:
                    return  # Another thread has written them.
                revision = self._document["revision"] + 1
                document = self._document | {"revision": revision, "writer": self._writer}
                data = encode_document(document, self.name)
                try:
                    version = self.store.write(self.key, data, if_version=self._version).version
                    self._wrote = time.monotonic()
                except Conflict:
                    # A write whose answer was lost may be tried again by a client, and lose to
                    # itself: then what is there is ours.
                    if not self._is_ours(revision):
                        self._reload()
                        continue
                else:
                    self._version = version
                self._take(document)
                self._pending.clear()

    def _wait_for_turn(self) -> None:
        """Let as much time pass between two writes as the store needs."""
        rest = self._wrote + self.store.write_interval - time.monotonic()
        if rest > 0:
            time.sleep(rest)

    def _take(self, document: dict[str, Any]) -> None:
        self._document = document
        self._entries = {entry["name"]: entry for entry in document["orders"]}

    def _reload(self) -> None:
        document, self._version = _load(self.store, self.key)
        self._take(document)
        for step in self._pending:
            step()

    def _is_ours(self, revision: int) -> bool:
        document, version = _load(self.store, self.key)
        if (document["writer"], document["revision"]) != (self._writer, revision):
            return False
        self._version = version
        return True


def _note(entry: dict[str, Any]) -> None:
    """Note in an item's history that its state is another now."""
    event = {"time_ms": now_ms(), "state": _state(entry)}
    if cause := entry["status"].get("error_message"):
        event["cause"] = cause
    entry.setdefault("history", []).append(event)


def _state(entry: Mapping[str, Any]) -> str:
    return str(entry["status"]["state"])


def _load(store: Store, key: str) -> tuple[dict[str, Any], str]:
    name = key.rpartition("/")[2].removesuffix(".json")
    try:
        data, info = store.load(key)
    except NotFoundError as error:
        raise NotFoundError(
            f"there is no order {name!r} in the store: `cedar list` shows those there are", key
        ) from error
    return TrackingMetadata.read(data, name), info.version


@dataclass
class Taken:
    """Names of items that exist.

    Attributes
    ----------
    names : dict
        Name → the newest order that has it, or None where only files of that name are there.
    busy : dict
        Those that an order is still at work on → that order.
    owners : dict
        Those that an order has → the record of the newest that does.
    others : dict
        Key of each record that has none of them → the version at which that is so.
    """

    names: dict[str, str | None] = field(default_factory=dict)
    busy: dict[str, str] = field(default_factory=dict)
    owners: dict[str, Record] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)


def taken_names(
    store: Store,
    tracking_prefix: str,
    items: Iterable[Item],
    others: Mapping[str, str] = MappingProxyType({}),
) -> Taken:
    """Find items whose names exist, at the destination or in another order's record.

    Records that are at the version which `others` has, by an earlier look, aren't read again.
    """
    wanted: dict[str, set[str]] = {}
    for item in items:
        wanted.setdefault(item.prefix, set()).add(item.name)
    taken = Taken(others=dict(others))
    starts = [shared_start(names, prefix) for prefix, names in wanted.items()]
    records, *folders = store.under([shared_start((), tracking_prefix), *starts])
    with ThreadPoolExecutor(store.workers) as pool:
        documents = pool.submit(lambda: [*store.documents(tracking_prefix, records)])
        for found in pool.map(store.existing, wanted.values(), wanted, folders):
            taken.names.update(dict.fromkeys(found))
        unread = [i for i in documents.result() if others.get(i.key) != i.version]
        for record in pool.map(lambda info: _related(store, info.key, wanted, taken), unread):
            if record is not None:
                _take_names(record, wanted, taken)
    taken.names.update((name, record.name) for name, record in taken.owners.items())
    return taken


def _related(store: Store, key: str, wanted: Mapping[str, set[str]], taken: Taken) -> Record | None:
    """Read a record; None where it has none of the names, or is gone. Runs in a thread."""
    prefix, _, file = key.rpartition("/")
    try:
        record = Record.open(store, prefix, file)
    except NotFoundError:
        return None  # It was cleaned a moment ago.
    if any(_names(entry, wanted) for entry in record.view.orders):
        return record
    taken.others[key] = record.version
    return None


def _take_names(record: Record, wanted: Mapping[str, set[str]], taken: Taken) -> None:
    for entry in record.view.orders:
        for name in _names(entry, wanted):
            newest = taken.owners.setdefault(name, record)
            if _age(newest) < _age(record):
                taken.owners[name] = record
            if _state(entry) in ACTIVE:
                taken.busy[name] = record.name


def _names(entry: Mapping[str, Any], wanted: Mapping[str, set[str]]) -> set[str]:
    """Names of an entry that are wanted: a part of a family has the family's name, too."""
    return wanted.get(entry["prefix"], set()) & {entry["name"], entry["family"]}


def _age(record: Record) -> tuple[dt.datetime, int, str]:
    """Sort key of records, the newest last: of one second, the longer name was taken later."""
    submitted = dt.datetime.fromisoformat(record.view["tracking"]["submitted"])
    return submitted, len(record.name), record.name


def busy_error(busy: Mapping[str, str]) -> NameTakenError:
    """Say which names an order is at work on."""
    name, order = next(iter(busy.items()))
    more = f" (and {len(busy) - 1} more)" if len(busy) > 1 else ""
    return NameTakenError(
        f"{name}{more} is still being made by order {order}: wait for it, or cancel that order",
        list(busy),
        order,
    )


def taken_error(taken: Mapping[str, str | None], why: str = "") -> NameTakenError:
    """Say which names exist, whose they are, and in what the first isn't what is asked for."""
    name, order = next(iter(taken.items()))
    where = "at the destination" if order is None else f"in order {order}"
    more = f" (and {len(taken) - 1} more)" if len(taken) > 1 else ""
    return NameTakenError(
        f"{name} exists {where}{why}{more}: use --skip-existing or --overwrite, or another "
        "name_template",
        list(taken),
        order,
    )


def check_identity(record: TrackingMetadata, section: str, ours: dict[str, Any]) -> None:
    """Refuse a record that belongs to another store or engine.

    A record without identity, as of 2019, counts as this store's and the real service's.

    Raises
    ------
    CedarError
        It does.
    """
    theirs = record[section] or ({"emulated": False} if section == "engine" else {})
    for key in ("kind", "identity", "name", "project", "emulated"):
        if key in theirs and theirs[key] != ours.get(key):
            raise CedarError(
                f"order {record.name} belongs to another {section}: its {key} is "
                f"{theirs[key]!r}, here it is {ours.get(key)!r}; use the config it was made with"
            )
