"""Which files of Drive are the objects of which keys."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Final

from ..exceptions import Conflict, InputError, NotFoundError, StoreError
from ..items import ObjectInfo
from .gdrive_files import Files
from .gdrive_folders import Folders, is_image
from .gdrive_resources import FOLDER, DriveFile, file_id
from .keys import check_key
from .versions import ABSENT, ANY, IfVersion

#: Files of which is remembered what they were, so that a write needs no look at them before it.
_REMEMBERED: Final = 1000
#: Seconds for which what was listed is believed to be there.
_BELIEVED: Final = 600.0
#: How often something is done again while folders vanish.
_TRIES: Final = 3


class Objects:
    """Finds and lists objects. Safe to use from several threads.

    Parameters
    ----------
    files : Files
    folders : Folders
    name : str
        What the folder is called in errors.
    """

    def __init__(self, files: Files, folders: Folders, name: str):
        self._files, self._folders, self._name = files, folders, name
        self._remembered: OrderedDict[str, DriveFile] = OrderedDict()
        self._listed: dict[str, tuple[float, set[str]]] = {}
        self._lock = threading.Lock()

    def find(self, key: str) -> DriveFile:
        """Return the file of an object.

        Raises
        ------
        NotFoundError
            It isn't there.
        """
        check_key(key)
        found = self._folders.find(key)
        if not found:
            raise self.missing(key)
        self.remember(key, found[0])
        return found[0]

    def at(self, key: str, version: str) -> DriveFile | None:
        """Return the file that a version names, if it is at that version, and one of the key's."""
        return self._at(self._folders.find(key), key, version)

    def _at(self, found: Sequence[DriveFile], key: str, version: str) -> DriveFile | None:
        for file in found:
            if file.version == version:
                # What is behind the object is only left over.
                return file if file is found[0] or file.mark is None else None
        named = file_id(version) if is_image(key) else None
        elsewhere = named and self._files.get(named)
        if not elsewhere or elsewhere.version != version:
            return None
        return elsewhere if self._folders.holding({key: elsewhere}) else None

    def current(self, key: str, if_version: IfVersion) -> DriveFile:
        """Return the file of an object that has to be there.

        Raises
        ------
        NotFoundError
            It isn't there.
        Conflict
            It isn't at the version.
        """
        if isinstance(if_version, str) and (file := self.at(key, if_version)) is not None:
            return file
        file = self.find(key)
        if if_version is not ANY:
            raise self.conflict(key, if_version)
        return file

    def expected(self, key: str, if_version: IfVersion) -> DriveFile | None:
        """Return the file that a write replaces; None where there is none.

        Raises
        ------
        Conflict
            It isn't as expected.
        """
        if isinstance(if_version, str):
            file = self.remembered(key)
            if file is None or file.version != if_version:
                file = self.at(key, if_version)
            is_right = file is not None
        else:
            file = next(iter(self._folders.find(key)), None)
            is_right = if_version is not ABSENT or file is None
        if not is_right:
            raise self.conflict(key, if_version)
        return file

    def deletable(self, key: str, if_version: IfVersion) -> list[DriveFile]:
        """Return the files of a key to delete: the object, and remains of it behind it.

        Raises
        ------
        Conflict
            There are files of the key, but not at the version.
        StoreError
            Several files have the name, and no version says which.
        """
        found = self._folders.find(key)
        if isinstance(if_version, str):
            file = self._at(found, key, if_version)
            if file is None and found:
                raise self.conflict(key, if_version)
            if file is None or file.mark is None:
                return [file] if file else []
            return [each for each in found if each.mark]
        if found and if_version is ABSENT:
            raise self.conflict(key, if_version)
        if len(found) > 1 and not all(file.mark for file in found):
            raise StoreError(
                f"{len(found)} files of Drive are called {key}, and none of them was deleted: say "
                "which by its version, or delete them in Drive",
                key,
            )
        return found

    def remember(self, key: str, file: DriveFile) -> None:
        """Keep in mind what an object is now."""
        with self._lock:
            self._remembered[key] = file
            self._remembered.move_to_end(key)
            if len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)

    def remembered(self, key: str) -> DriveFile | None:
        """Return what an object was when it was last looked at or written."""
        with self._lock:
            return self._remembered.get(key)

    def was_listed(self, key: str, version: str) -> bool:
        """Whether a version of an object was listed a short time ago, and not changed by us since.

        Others may have put it into the trash since, from where it is still to be had.
        """
        with self._lock:
            began, versions = self._listed.get(key, (-math.inf, set()))
            return version in versions and time.monotonic() - began < _BELIEVED

    def believe(self, key: str, version: str) -> None:
        """Count an object that was looked at as listed."""
        self._note_listed(time.monotonic(), key, version)

    def forget_listed(self, key: str) -> None:
        """Believe no more that an object is as it was listed."""
        with self._lock:
            self._listed.pop(key, None)

    def _note_listed(self, began: float, key: str, version: str) -> None:
        with self._lock:
            if self._listed.get(key, (None,))[0] != began:
                self._listed[key] = began, set()
            self._listed[key][1].add(version)

    def missing(self, key: str) -> NotFoundError:
        """Say that there is no such object."""
        return NotFoundError(f"{key} is not in {self._name}", key)

    def conflict(self, key: str, expected: IfVersion) -> Conflict:
        """Say what is there instead of what was expected."""
        found = self._folders.find(key)
        is_now = f"is at version {found[0].version}" if found else "is gone"
        wanted = "nothing" if expected is ABSENT else f"version {expected}"
        return Conflict(f"{key} {is_now}, where {wanted} was expected", key)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """List objects whose key starts with `prefix`; lazy.

        Of images called alike all are given, of anything else one.
        """
        path, slash, start = prefix.rpartition("/")
        if slash:
            check_key(path)
        began = time.monotonic()
        with self._lock:
            fresh = ((key, of) for key, of in self._listed.items() if began - of[0] < _BELIEVED)
            self._listed = dict(fresh)
        for tries_left in reversed(range(_TRIES)):
            is_begun = False
            try:
                for info in self._walk(path, path + slash, start):
                    is_begun = True
                    self._note_listed(began, info.key, info.version)
                    yield info
            except NotFoundError:  # A folder: it was there when it was looked for.
                self._folders.forget()
                if is_begun or not tries_left:
                    raise StoreError(
                        f"can't list {prefix or self._name}: a folder was deleted in Drive "
                        "meanwhile; try again"
                    ) from None
            else:
                return

    def _walk(self, path: str, base: str, start: str) -> Iterator[ObjectInfo]:
        """List objects below a path whose keys go on with `start` after `base`."""
        own = self._folders.own(path)
        seen, below = set[str](), []
        for file in self._folders.children([own] if own else [], path):
            key = base + file.title
            if not file.title.startswith(start) or not _is_key(key, file.title):
                continue
            if file.kind == FOLDER:
                below.append(key)
            elif file.is_object and (key not in seen or is_image(key)):
                seen.add(key)
                yield file.info(key)
        for key in dict.fromkeys(below):
            yield from self._walk(key, f"{key}/", "")
        yield from self._elsewhere(path, base, start)

    def _elsewhere(self, path: str, base: str, start: str) -> Iterator[ObjectInfo]:
        """List images of a prefix that exports have put into other folders of that title."""
        others = [folder.id for folder in self._folders.others(path)]
        for file in self._folders.children(others, path):
            key = base + file.title
            is_asked = file.title.startswith(start) and _is_key(key, file.title)
            if is_asked and file.is_object and is_image(key):
                yield file.info(key)


def _is_key(key: str, title: str) -> bool:
    """Whether a title can be the last part of a key."""
    try:
        check_key(key)
    except InputError:
        return False
    return "/" not in title
