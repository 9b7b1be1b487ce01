"""Which folders of Drive hold the objects of a key: cedar's own, and those that exports go to."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Final, Literal, overload

from ..exceptions import ConfigError, NotFoundError, StoreError
from ..retry import delays
from .gdrive_files import Files
from .gdrive_resources import FOLDER, DriveFile, titled

_log = logging.getLogger(__name__)

#: Says that the folder is given by its id, not by its title.
BY_ID: Final = "id:"
#: Noted on a folder that cedar is making, and has made.
_MAKING: Final = "making"
_MADE: Final = "made"
#: Noted on a folder that is deeper than a prefix's, so that exports aren't looked for in it.
_NESTED: Final = "nested"
#: Seconds in which a folder that is being made is to be made.
_MAKERS_TIME: Final = 15.0
#: How often something is done again while folders vanish.
_TRIES: Final = 3
_IS_FOLDER: Final = f"mimeType = '{FOLDER}'"
_IS_FILE: Final = f"mimeType != '{FOLDER}'"


class Folders:
    """Folders for the parts of keys, below the one that is cedar's.

    Earth Engine is given the title of a folder, and uses one of that title wherever it finds it, or
    makes another. So an image of a key ``prefix/name`` may be in any folder called `prefix` that
    the account may write to. Whatever else cedar keeps is in its own folder alone: other folders'
    documents may be another store's, or anybody's who shared a folder of that name.

    Parameters
    ----------
    files : Files
    folder : str
        Title of cedar's folder in My Drive, or ``id:`` and the id of any.
    """

    def __init__(self, files: Files, folder: str):
        self._files, self._folder = files, folder
        self._ids: dict[str, str] = {}
        self._reported: dict[str, list[str]] = {}
        self._lock = threading.RLock()

    @overload
    def own(self, path: str, make: Literal[True]) -> str: ...

    @overload
    def own(self, path: str, make: bool = False) -> str | None: ...

    def own(self, path: str, make: bool = False) -> str | None:
        """Return the id of cedar's own folder for a path; None where it isn't there.

        Parameters
        ----------
        path : str
            Parts of a key joined by ``/``; empty for cedar's folder itself.
        make : bool
            Make it, and those above it, where they aren't there.
        """
        found = self._ids.get(path)
        if found is None:
            with self._lock:
                found = self._ids.get(path) or self._resolve(path, make)
                if found is not None:
                    self._ids[path] = found
        return found

    def forget(self) -> None:
        """Look for every folder again: one of them isn't there any more."""
        with self._lock:
            self._ids.clear()

    def _resolve(self, path: str, make: bool) -> str | None:
        if not path:
            return self._root(make)
        above, _, title = path.rpartition("/")
        folder = self.own(above, make)
        if folder is None:
            return None
        return self._in(folder, title, make, _NESTED if above else _MADE)

    def _root(self, make: bool) -> str | None:
        if self._folder.startswith(BY_ID):
            return self._given().id
        return self._in("root", self._folder, make, _MADE)

    def _given(self) -> DriveFile:
        given = self._folder.removeprefix(BY_ID)
        found = self._files.get(given)
        if found is None or found.kind != FOLDER:
            raise ConfigError(
                f"gdrive.folder: no folder of Drive has the id {given!r}, or it isn't shared with "
                "the account; `cedar auth gdrive` says which account that is"
            )
        return found

    def base(self) -> list[DriveFile]:
        """Cedar's folder, and after it others at the top of My Drive with its title, if any."""
        if self._folder.startswith(BY_ID):
            return [self._given()]
        return self._titled("root", self._folder)

    def _titled(self, folder: str, title: str) -> list[DriveFile]:
        condition = f"{titled(title)} and {_IS_FOLDER}"
        found = self._files.within([folder], condition, f"list folder {title!r} in Drive")
        same = (each for each in found if each.title == title)
        return sorted(same, key=lambda each: (each.created, each.id))

    def _in(self, folder: str, title: str, make: bool, note: str) -> str | None:
        """Return the id of a folder in another, whoever makes it.

        One that somebody is just making may vanish, if others make the same: it says so in its
        note. Nothing is in it yet; who needs it waits. If it is left so, its maker has died.
        """
        began = time.monotonic()
        for delay in delays(0.1, longest=1.0):
            found = self._titled(folder, title)
            made = [each for each in found if each.note != _MAKING]
            if made or not make:
                return made[0].id if made else None
            if found and time.monotonic() - began > _MAKERS_TIME:
                return self._files.note(found[0], note).id
            if not found and (new := self._make(folder, title, note)) is not None:
                return new.id
            time.sleep(delay)
        raise AssertionError("delays have no end")

    def _make(self, folder: str, title: str, note: str) -> DriveFile | None:
        """Make a folder; None where somebody else makes the same."""
        new = self._files.insert_folder(folder, title, _MAKING)
        try:
            if self._files.is_alone(new):
                return self._files.note(new, note)
        except StoreError:
            with suppress(StoreError):
                self._withdraw(new, note)
            raise
        self._withdraw(new, note)
        return None

    def _withdraw(self, new: DriveFile, note: str) -> None:
        """Put a folder that we have just made into the trash, unless somebody took it up."""
        if any(self.children([new.id], new.title)):
            self._files.note(new, note)  # An export was quick to find it.
        else:
            self._files.discard(new, False, new.title, lambda now: now.note == _MAKING)

    def others(self, path: str) -> list[DriveFile]:
        """Folders besides cedar's own that exports of a prefix may have gone to, the oldest first.

        Only a prefix of one part has such: Earth Engine knows no folder in a folder.
        """
        if not path or "/" in path:
            return []
        own, base = self.own(path), self.own("")
        condition = f"{titled(path)} and {_IS_FOLDER}"
        found = [
            each
            for each in self._files.search(condition, f"list folders {path!r} in Drive")
            if each.title == path
            and each.editable
            and each.note != _NESTED
            and each.id not in (own, base)
        ]
        self._report(path, [each.id for each in found])
        return found

    def _report(self, path: str, ids: list[str]) -> None:
        if ids and self._reported.get(path) != ids:
            self._reported[path] = ids
            _log.info("%d more folders of Drive are called %s: %s", len(ids), path, ", ".join(ids))

    def places(self, key: str) -> Iterator[list[str]]:
        """Folders that a key's object may be in: cedar's own first, then, lazily, all others."""
        path, _, name = key.rpartition("/")
        own = self.own(path)
        if own is not None:
            yield [own]
        if is_image(name):
            yield [each.id for each in self.others(path)]

    def holding(self, files: Mapping[str, DriveFile]) -> set[str]:
        """Of keys and a file of each, those whose file is theirs: called so, in a folder of theirs.

        A record may name any file by its id, also one that is no business of cedar's.
        """
        others = cache(lambda path: {each.id for each in self.others(path)})

        def is_theirs(key: str, file: DriveFile) -> bool:
            path, _, name = key.rpartition("/")
            if file.title != name:
                return False
            return self.own(path) in file.parents or (
                is_image(name) and not others(path).isdisjoint(file.parents)
            )

        return {key for key, file in files.items() if is_theirs(key, file)}

    def find(self, key: str) -> list[DriveFile]:
        """Return the files of a key, in the first place that has any; the object itself first."""
        for _ in range(_TRIES):
            try:
                return next(filter(None, self._found(key)), [])
            except NotFoundError:  # A folder: it was there when it was looked for.
                self.forget()
        raise StoreError(f"can't look for {key}: folders of Drive vanish again and again", key)

    def _found(self, key: str) -> Iterator[list[DriveFile]]:
        for folders in self.places(key):
            yield self._named(key.rpartition("/")[2], folders, key)

    def _named(self, name: str, folders: Sequence[str], key: str) -> list[DriveFile]:
        condition = f"{titled(name)} and {_IS_FILE}"
        found = self._files.within(folders, condition, f"look for {key} in Drive")
        same = (each for each in found if each.title == name and each.is_object)
        return sorted(same, key=lambda each: each.rank)

    def children(self, folders: Sequence[str], path: str) -> Iterator[DriveFile]:
        """Files and folders directly in some folders; lazy."""
        what = f"list {path or 'the folder'} in Drive"
        seen = set()
        for file in self._files.within(folders, None, what):
            if file.id not in seen:
                seen.add(file.id)
                yield file


def is_image(name: str) -> bool:
    """Whether a file's name is that of an image, of which there may be several with one name."""
    return name.endswith(".tif")
