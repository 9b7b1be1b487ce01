"""A folder of Google Drive as a store, by pydrive2's session and google-auth's credential."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Final

from ..credentials import check_url, is_loopback
from ..defaults import MAX_DOCUMENT
from ..exceptions import Conflict, InputError, StoreError
from ..items import Destination, ObjectInfo
from ..retry import delays
from .base import ABSENT, ANY, IfVersion, Store
from .files import arriving, cache_directory, explained
from .gdrive_access import SERVICE, quota_of
from .gdrive_connection import DEFAULT_URL, Connection, Content
from .gdrive_deletion import Deleter
from .gdrive_files import Files
from .gdrive_folders import BY_ID, Folders
from .gdrive_objects import Objects
from .gdrive_reading import Reader
from .gdrive_resources import ID, DriveFile
from .gdrive_writing import TRIES, Writer
from .keys import check_key
from .streams import check_stream

#: JSON Schema (2020-12) of the configuration's section `gdrive`.
CONFIG_SCHEMA: Final[Mapping[str, Any]] = {
    "description": "The store `gdrive`: a folder of Google Drive.",
    "type": "object",
    "properties": {
        "folder": {
            "description": "Title of a folder at the top of My Drive, which is made if it isn't "
            "there; or `id:` and the id of any folder, such as one that others share.",
            "type": "string",
            "minLength": 1,
        },
        "credentials": {
            "description": "Key file of a service account or user; without it, what `earthengine "
            "authenticate` wrote, else application default credentials.",
            "type": "string",
            "minLength": 1,
        },
        "permanent": {
            "description": "Delete for good, instead of putting into the trash, where things stay "
            "for 30 days and count for the quota.",
            "type": "boolean",
            "default": False,
        },
        "url": {
            "description": "Another host of the service, Google's or on this machine: the latter "
            "needs no credentials, and is sent none. `emulator`: the one of section `earthengine`.",
            "type": "string",
            "minLength": 1,
        },
    },
    "required": ["folder"],
    "additionalProperties": False,
}


def from_config(section: Mapping[str, Any], directory: Path) -> GDriveStore:
    """Make the store of a configuration's section `gdrive`, which fits CONFIG_SCHEMA.

    Parameters
    ----------
    section : mapping
        The section.
    directory : Path
        What paths in it are relative to.
    """
    key = section.get("credentials")
    return GDriveStore(
        section["folder"],
        credentials=None if key is None else directory / Path(key).expanduser(),
        permanent=section.get("permanent", False),
        url=section.get("url"),
    )


class GDriveStore(Store):
    """Objects in a folder of Google Drive, each part of a key but the last a folder in it.

    An object's version is the id of its file and the revision of that. Names aren't unique in
    Drive. Of several images called alike all are listed, and one of them is read, or deleted, by
    its version; without one it is the one in cedar's own folder, or else the oldest. Of anything
    else cedar makes one, and keeps to it (see ``cedar/stores/gdrive_writing.py``): of many writers
    with one expectation at most one succeeds, as far as Drive lists what was just made.

    Images of ``prefix/…`` are looked for in every folder called `prefix` that the account may write
    to, since Earth Engine exports to one of that title, or makes another: see ``folders()``.

    Nothing is sent before something is asked, and no credential is looked for where the host is on
    this machine. Safe to use from several threads.

    Parameters
    ----------
    folder : str
        Title of a folder at the top of My Drive, which is made by the first write; or ``id:`` and
        the id of any folder.
    credentials : path or google.auth.credentials.Credentials, optional
        A credential, or a file of one that nobody else can read; by default what ``earthengine
        authenticate`` wrote, else application default credentials.
    permanent : bool
        Delete for good, rather than put into the trash.
    url : str, optional
        Another host of the service, Google's or on this machine.

    Raises
    ------
    InputError
        No folder can have the title or id, or the host is neither Google's nor on this machine.
    """

    kind: ClassVar[str] = "gdrive"
    # Drive says no number; more often it answers userRateLimitExceeded.
    write_interval: ClassVar[float] = 1.0

    def __init__(
        self,
        folder: str,
        *,
        credentials: Any = None,
        permanent: bool = False,
        url: str | None = None,
    ):
        _check_folder(folder)
        if url is not None:
            check_url(url)
        self.folder, self.credentials, self.permanent = folder, credentials, permanent
        self.url = (url or DEFAULT_URL).rstrip("/")
        self.emulated = is_loopback(self.url)
        self._made: _Parts | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"GDriveStore({self.folder!r})"

    @property
    def _parts(self) -> _Parts:
        with self._lock:
            if self._made is None:
                self._made = _Parts(self)
            return self._made

    @property
    def connection(self) -> Connection:
        """The connection, made when it is first needed.

        Raises
        ------
        ConfigError
            There is no credential, or it can't be used.
        """
        return self._parts.connection

    def base(self) -> list[DriveFile]:
        """Cedar's folder, and after it others at the top of My Drive with its title, if any."""
        return self._parts.folders.base()

    def folders(self, prefix: str) -> list[str]:
        """Ids of the folders that images of a prefix are looked for in, cedar's own first."""
        check_key(prefix)
        own, others = self._parts.folders.own(prefix), self._parts.folders.others(prefix)
        return [*filter(None, [own]), *(folder.id for folder in others)]

    def objects(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Objects whose key starts with `prefix`; lazy, one listing of a folder and its like.

        Of images called alike all are given, of anything else one.
        """
        return self._parts.objects.list(prefix)

    def stat(self, key: str) -> ObjectInfo:
        """What is known of an object without reading it."""
        return self._parts.objects.find(key).info(key)

    def read(self, key: str, start: int | None = None, end: int | None = None) -> bytes:
        """Bytes ``[start, end)`` of an object, fewer where it is shorter; all by default.

        All of it is fetched and checked, since Drive has no checksum of a range.
        """
        check_key(key)
        start = start or 0
        if start < 0 or (end is not None and end < 0):
            raise InputError(f"can't read bytes {start} to {end} of {key}: count from its start")
        return self._parts.reader.part(key, start, end)

    def load(self, key: str, most: int = MAX_DOCUMENT) -> tuple[bytes, ObjectInfo]:
        """Read an object whole, if it isn't too large, and what it is at that version."""
        loaded = self._parts.reader.load(key, most)
        return super().load(key, most) if loaded is None else loaded  # It refuses what is large.

    def checksum(self, key: str, algorithm: str = "sha256") -> str:
        """``algorithm:digest`` of an object; Drive knows MD5, for others it is fetched."""
        return self._parts.reader.checksum(key, algorithm)

    def write(self, key: str, data: bytes, if_version: IfVersion = ANY) -> ObjectInfo:
        """Write an object wholly or not at all; what it is now.

        Where an answer is lost, the request is sent again; that it was carried out the first time
        is told by what is noted on the file, unless somebody else has written after it: then it is
        a Conflict, though their write was made knowing ours.
        """
        check_key(key)
        # Of two who blindly make one document the older file is it, and the other counts as
        # written before: a look for others would be one request more for each document.
        alone = if_version is ABSENT
        return self._place(key, Content.of(data), if_version, self._parts.writer.update, alone)

    def put(
        self, path: str | os.PathLike[str], key: str, if_version: IfVersion = ANY
    ) -> ObjectInfo:
        """Upload a finished file, and remove it here once it is there.

        What it replaces is deleted, not given another content, so that it can be had back from the
        trash.
        """
        path = Path(path)
        check_key(key)
        with explained(f"can't put {path} at {key}", key):
            if path.is_symlink() or not path.is_file():
                raise InputError(f"{path} can't be put at {key}: it isn't a regular file")
            with path.open("rb") as source:
                content = Content.of_file(source)
                replace = partial(self._parts.writer.replace, for_good=self.permanent)
                info = self._place(key, content, if_version, replace, alone=True)
            path.unlink()
        return info

    def _place(
        self,
        key: str,
        content: Content,
        if_version: IfVersion,
        replace: Callable[[str, DriveFile, Content], DriveFile | None],
        alone: bool,
    ) -> ObjectInfo:
        parts = self._parts
        for delay in islice(delays(0.1, longest=2.0), TRIES):
            old = parts.objects.expected(key, if_version)
            try:
                if old is None:
                    new = parts.writer.create(key, content, alone)
                else:
                    new = replace(key, old, content)
            except Conflict:
                if if_version is ANY:
                    continue
                raise
            if new is not None:
                parts.objects.forget_listed(key)
                parts.objects.remember(key, new)
                return new.info(key)
            time.sleep(delay)
        raise Conflict(f"{key} is written by others again and again: try again", key)

    def fetch(
        self,
        key: str,
        path: str | os.PathLike[str],
        checksum: str | None = None,
        if_version: IfVersion = ANY,
    ) -> ObjectInfo:
        """Copy an object to a local file, which appears whole and verified or not at all.

        A version that was listed a short time ago, and whose MD5 is given, isn't looked at again:
        it takes one request, if it isn't large.
        """
        check_key(key)
        path = Path(path)
        with explained(f"can't copy {key} to {path}", key), arriving(path) as temp:
            with temp.open("xb") as sink:
                info = self._parts.reader.fetch(key, sink, checksum, if_version)
            if checksum not in (None, info.checksum):
                raise StoreError(f"{key} is {info.checksum}, but {checksum} was expected", key)
        return info

    def stream(
        self, key: str, start: int, end: int, if_version: IfVersion = ANY, timeout: float = 60.0
    ) -> Generator[bytes, None, None]:
        """Bytes ``[start, end)`` of an object in order, by one request and unchecked.

        Drive gives what a file has by then, whatever it was: the version is looked at once before,
        and not again for ten minutes if it was listed or looked at. That it is still what it was
        only the checksum of all bytes says.
        """
        check_stream(key, start, end, if_version)
        yield from self._parts.reader.stream(key, start, end, if_version, timeout)

    def delete(self, key: str, missing_ok: bool = True, if_version: IfVersion = ANY) -> None:
        """Delete one object, by default into the trash."""
        check_key(key)
        self._parts.deleter.delete(key, missing_ok, if_version)

    def delete_many(self, objects: Mapping[str, IfVersion]) -> dict[str, StoreError]:
        """Delete objects, each if it is at its version; two requests for a hundred of them."""
        for key in objects:
            check_key(key)
        return self._parts.deleter.delete_many(objects)

    def scratch(self, prefix: str) -> Path:
        """A directory of the user's cache, one for each folder of Drive."""
        check_key(prefix)
        folder = hashlib.sha256(self.identity()["identity"].encode()).hexdigest()
        return cache_directory("scratch", folder, *prefix.split("/"))

    def destination(self, prefix: str) -> Destination:
        """The folder that Earth Engine is told, which knows none in another.

        Raises
        ------
        InputError
            The prefix has several parts.
        """
        if "/" in prefix:
            raise InputError(
                f"{prefix!r} can't be exported to: on Drive Earth Engine knows folders by one "
                "name; give a prefix_template without '/'"
            )
        return Destination(self.kind, prefix, "")

    def identity(self) -> dict[str, str]:
        """The folder's id, which stays when it is moved or gets another title."""
        emulator = "emulator:" if self.emulated else ""
        return {
            "kind": self.kind,
            "identity": f"{emulator}{self._parts.folders.own('', make=True)}",
        }

    def quota(self) -> tuple[int, int | None]:
        """Bytes that the account has used, and how many it may; None: any number."""
        return quota_of(self.connection)

    def free(self) -> int | None:
        """Bytes that the account may still use; None: any number."""
        used, total = self.quota()
        return None if total is None else max(0, total - used)


def _check_folder(folder: str) -> None:
    file_id = folder.removeprefix(BY_ID)
    if file_id != folder:
        is_valid = ID.fullmatch(file_id) is not None
    else:
        # One with a slash was meant as a path.
        is_valid = bool(folder.strip()) and folder.isprintable() and "/" not in folder
    if not is_valid:
        raise InputError(
            f"gdrive.folder {folder!r}: give the title of a folder at the top of My Drive, or "
            "`id:` and the id of any, which is the last part of its address"
        )


class _Parts:
    """What a store is made of, when it is first needed."""

    def __init__(self, store: GDriveStore):
        found = SERVICE.credential(store.credentials, store.emulated).credentials
        self.connection = Connection(found, store.url)
        self.files = Files(self.connection)
        self.folders = Folders(self.files, store.folder)
        self.objects = Objects(self.files, self.folders, f"the folder {store.folder!r} of Drive")
        self.reader = Reader(self.connection, self.objects)
        self.writer = Writer(self.files, self.folders, self.objects)
        self.deleter = Deleter(self.files, self.folders, self.objects, store.permanent)
