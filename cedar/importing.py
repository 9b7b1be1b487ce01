"""Putting under a record what is there already: tasks of the service, files in the store.

A user's first day, and the way back from a lost record. Nothing is started, and nothing deleted.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from typing import TYPE_CHECKING, Any

from . import defaults
from .documents import timestamp
from .evidence import Found, parse_description, record_document
from .exceptions import DocumentError, InputError, NameTakenError, NotFoundError
from .metadata import ImageMetadata, TrackingMetadata
from .placing import claimed
from .record import Record, check_identity
from .stores.base import check_key, document_key
from .stores.keys import SHARD, image_names

if TYPE_CHECKING:
    from .engines.base import Engine
    from .grids import TileGrid
    from .items import ObjectInfo, TaskStatus
    from .ordering import Templates
    from .stores.base import Store

_log = logging.getLogger(__name__)

Documents = Mapping[str, tuple[ImageMetadata, "ObjectInfo"]]


@dataclass(frozen=True)
class Wanted:
    """Which tasks or files to import.

    Attributes
    ----------
    prefix : str or None
        The folder that the files are in; by default the one of the prefix template.
    pattern : str
        A glob that items' names match.
    since : datetime.datetime or None
        Only tasks created, or files written, from this time on.
    collection : str or None
        Only items whose document says that they are of it.
    """

    prefix: str | None = None
    pattern: str = "*"
    since: dt.datetime | None = None
    collection: str | None = None


@dataclass(frozen=True)
class Import:
    """What would be recorded.

    Attributes
    ----------
    document : mapping
        The record.
    left_out : mapping of str to str
        Items that an order has already → that order.
    exact : bool
        Whether the record must have this very name, or else ``-2`` is appended where it is taken.
    """

    document: Mapping[str, Any]
    left_out: Mapping[str, str]
    exact: bool

    @property
    def tracking(self) -> TrackingMetadata:
        """The record, as it would be read."""
        return TrackingMetadata({"revision": 0, "writer": None, **self.document})


@dataclass(frozen=True)
class _Folder:
    """The images, by every name that they can be of, and the documents of a folder."""

    prefix: str
    images: Mapping[str, Sequence[ObjectInfo]]
    documents: Mapping[str, ObjectInfo]

    @classmethod
    def list(cls, store: Store, prefix: str) -> _Folder:
        images: dict[str, list[ObjectInfo]] = {}
        documents: dict[str, ObjectInfo] = {}
        for info in store.objects(f"{prefix}/"):
            file = info.key.removeprefix(f"{prefix}/")
            if "/" in file:
                continue
            if file.endswith(".json"):
                documents[file.removesuffix(".json")] = info
            for name in image_names(file):
                images.setdefault(name, []).append(info)
        return cls(prefix, images, documents)


class Importer:
    """Finds what can be put under a record, and records it.

    Parameters
    ----------
    store, engine
        Where the files are, and whose tasks are listed.
    templates : Templates
        Of a tracker: where records, and images, are.
    tile_grid : TileGrid
        The record's, where no document tells another.
    """

    def __init__(self, store: Store, engine: Engine, templates: Templates, tile_grid: TileGrid):
        self.store, self.engine = store, engine
        self.templates, self.tile_grid = templates, tile_grid

    def tasks(self, wanted: Wanted, name: str | None = None) -> Import:
        """Find tasks of the service that no order has.

        Raises
        ------
        InputError
            There are none, the service doesn't export into the store, or a name can't be used.
        """
        if not self._exported:
            raise InputError(
                f"Earth Engine doesn't export into a {self.store.kind} store, so no task can have "
                "written there: use --from-files"
            )
        tasks = _by_name(self.engine.list_tasks(wanted.since))
        names = [each for each in tasks if fnmatchcase(each, wanted.pattern)]
        folder = _Folder.list(self.store, self._prefix(wanted.prefix))
        return self._import(folder, names, tasks, wanted.collection, name)

    def files(self, wanted: Wanted, name: str | None = None) -> Import:
        """Find images in the store that no order has. Asks the service nothing.

        Raises
        ------
        InputError
            There are none, or a name can't be used.
        """
        folder = _Folder.list(self.store, self._prefix(wanted.prefix))
        names = {
            _stem(info.key): None
            for infos in folder.images.values()
            for info in infos
            if wanted.since is None or info.updated is None or info.updated >= wanted.since
        }
        chosen = sorted(each for each in names if fnmatchcase(each, wanted.pattern))
        return self._import(folder, chosen, {}, wanted.collection, name)

    def order(self, name: str, prefixes: Sequence[str] = ()) -> Import:
        """Find what a lost order's record said, by the documents of its items.

        Raises
        ------
        InputError
            The order has its record, or no document says that it is of it.
        CedarError
            It belongs to another engine.
        """
        self._check_absent(name)
        found: list[tuple[_Folder, Documents]] = []
        for prefix in prefixes or (None,):
            folder = _Folder.list(self.store, self._prefix(prefix))
            documents = self._documents(folder, folder.documents)
            found.append((folder, {k: v for k, v in documents.items()
                                   if v[0]["order"]["tracking"] == name}))  # fmt: skip
        times = {document["order"]["submitted"]
                 for _, documents in found for document, _ in documents.values()}  # fmt: skip
        if not times:
            raise InputError(
                f"no item's document says that it is of an order {name!r}: name the folder that "
                "they are in with --prefix"
            )
        submitted = max(times, key=dt.datetime.fromisoformat)
        if len(times) > 1:
            _log.warning("several orders were called %s: the last one is rebuilt", name)
        tasks: Mapping[str, Sequence[TaskStatus]] = {}
        if self._exported:
            since = dt.datetime.fromisoformat(submitted) - defaults.SKEW
            tasks = _by_name(self.engine.list_tasks(since))
        items = [
            self._found(folder, each, tasks.get(each, ()), documents)
            for folder, documents in found
            for each, (document, _) in documents.items()
            if document["order"]["submitted"] == submitted
        ]
        return self._record(items, name, submitted, lost=True)

    def place(self, found: Import) -> Record:
        """Record what was found.

        Raises
        ------
        NameTakenError
            Since then, an order has come to have one of the items.
        InputError
            Or the record its name.
        """
        with claimed(self.store, f"{self.templates.tracking_prefix}/placing"):
            if found.exact:
                self._check_absent(found.document["tracking"]["name"])
            recorded = self._recorded()
            for each in found.document["orders"]:
                if order := recorded.get((each["prefix"], each["name"])):
                    raise NameTakenError(f"{each['name']} is in order {order} now: import again",
                                         [each["name"]], order)  # fmt: skip
            prefix = self.templates.tracking_prefix
            return Record.create(self.store, prefix, dict(found.document))

    @cached_property
    def _exported(self) -> bool:
        return self.store.kind in self.engine.exports_to

    def _prefix(self, given: str | None) -> str:
        """Return the folder of a prefix, by default the one that all items have.

        Raises
        ------
        InputError
            It can't be one, it is the records', or each item has another.
        """
        template = self.templates.prefix
        if given is None and template.fields:
            raise InputError(
                f"prefix_template {template.text!r} gives each item a folder of its own: name the "
                "one to look in with --prefix"
            )
        prefix = template.text if given is None else given.rstrip("/")
        check_key(prefix)
        if prefix == self.templates.tracking_prefix:
            raise InputError(f"{prefix} is the folder of the records: images are in another")
        return prefix

    def _check_absent(self, name: str) -> None:
        key = document_key(name, self.templates.tracking_prefix)
        try:
            self.store.stat(key)
        except NotFoundError:
            return
        raise InputError(f"{key} is in the store: move it away first, or use another name")

    def _recorded(self) -> dict[tuple[str, str], str]:
        """Every item that an order has, by prefix and name, and that order."""
        prefix = self.templates.tracking_prefix
        recorded: dict[tuple[str, str], str] = {}
        for order in self.store.list(prefix):
            for each in Record.open(self.store, prefix, order).metadata.orders:
                for name in {each["name"], each["family"]} - {None}:
                    recorded[each["prefix"], name] = order
        return recorded

    def _import(
        self,
        folder: _Folder,
        names: Sequence[str],
        tasks: Mapping[str, Sequence[TaskStatus]],
        collection: str | None,
        name: str | None,
    ) -> Import:
        documents = self._documents(folder, names)
        found = [
            self._found(folder, each, tasks.get(each, ()), documents)
            for each in names
            if collection is None
            or (each in documents and documents[each][0]["order"]["collection"] == collection)
        ]
        if not found:
            raise InputError(
                f"there is nothing to import: no {'task' if tasks else 'image'} that was asked for "
                f"is there (the files' folder would be {folder.prefix})"
            )
        now = dt.datetime.now(dt.UTC)
        if name is not None:
            self._check_absent(name)
        return self._record(found, name or f"IMPORTED_{now:%Y-%m-%d}", timestamp(now),
                            exact=name is not None)  # fmt: skip

    def _documents(self, folder: _Folder, names: Iterable[str]) -> Documents:
        """Read the documents of some items, as far as they are there, whole, and in their place."""
        there = [folder.documents[name] for name in names if name in folder.documents]
        with ThreadPoolExecutor(self.store.workers) as pool:
            read = zip(there, pool.map(self._read, there), strict=True)
            return {
                document["task"]["name"]: (document, info)
                for info, document in read
                if document is not None
                and info.key == document_key(document["task"]["name"], document["task"]["prefix"])
            }

    def _read(self, info: ObjectInfo) -> ImageMetadata | None:
        name = info.key.rpartition("/")[2].removesuffix(".json")
        try:
            return ImageMetadata.loads(self.store.load(info.key)[0], name)
        except (DocumentError, NotFoundError) as error:
            _log.warning("left out: %s", error)
            return None

    def _found(
        self,
        folder: _Folder,
        name: str,
        tasks: Sequence[TaskStatus],
        documents: Documents,
    ) -> Found:
        document, info = documents.get(name, (None, None))
        if document is not None:
            since = dt.datetime.fromisoformat(document["order"]["submitted"]) - defaults.SKEW
            # Those from before it was ordered made something else of that name.
            tasks = [each for each in tasks if (each.created or 0) >= since.timestamp() * 1000]
        written = None if info is None else info.updated
        images = tuple(folder.images.get(name, ()))
        return Found(name, folder.prefix, tasks, images, document, written, self._exported)

    def _record(
        self,
        found: Sequence[Found],
        name: str,
        submitted: str,
        exact: bool = True,
        lost: bool = False,
    ) -> Import:
        """Put what was found into the form of a record."""
        recorded = self._recorded()
        left_out = {each.name: recorded[key] for each in found
                    if (key := (each.prefix, each.name)) in recorded}  # fmt: skip
        free = [each for each in found if each.name not in left_out]
        if not free:
            order = next(iter(left_out.values()))
            raise InputError(f"there is nothing to import: orders have it all ({order} …)")
        ours = self.store.identity(), self.engine.identity()
        document = record_document(free, name, submitted, self.templates, self.tile_grid, ours)
        if not lost:
            for listed in document["orders"]:
                listed["imported"] = True
        for theirs in _engines(free):
            of_theirs = Import({**document, "engine": theirs}, {}, exact).tracking
            check_identity(of_theirs, "engine", self.engine.identity())
        return Import(document, left_out, exact)


def _by_name(tasks: Iterable[TaskStatus]) -> dict[str, list[TaskStatus]]:
    """Sort tasks by the items that their descriptions can be of."""
    named: dict[str, list[TaskStatus]] = {}
    for task in tasks:
        if parsed := parse_description(task.description):
            named.setdefault(parsed[0], []).append(task)
    return named


def _stem(key: str) -> str:
    """Return the name that an image most likely is of: without a shard's suffix."""
    return SHARD.sub("", key.rpartition("/")[2].removesuffix(".tif"))


def _engines(found: Iterable[Found]) -> list[dict[str, Any]]:
    """Return the engines that documents name, each once."""
    engines: list[dict[str, Any]] = []
    for each in found:
        if each.document is not None and each.document["engine"] not in (None, *engines):
            engines.append(dict(each.document["engine"]))
    return engines
