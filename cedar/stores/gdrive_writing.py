"""Writing to Drive, which has no unique names and may or may not heed conditions."""

from __future__ import annotations

import dataclasses
import logging
import threading
import uuid
from collections.abc import Callable
from typing import Final

from ..exceptions import Conflict, NotFoundError, StoreError
from .gdrive_connection import Content
from .gdrive_errors import NotPermitted
from .gdrive_files import Files
from .gdrive_folders import Folders
from .gdrive_objects import Objects
from .gdrive_resources import DriveFile, Mark
from .leases import SUFFIX

_log = logging.getLogger(__name__)

#: How often something is done again that others have disturbed, or that arrived damaged.
TRIES: Final = 10
#: Title of the file by which the service is tried; no object is called so.
_PROBE: Final = ".cedar"
#: An etag that no file has.
_NO_ETAG: Final = '"0"'


class Writer:
    """Makes and replaces the files of keys, so that of several writers one wins.

    A conditional replacement goes one of two ways, and all writers go the same: if the service
    heeds If-Match, the file gets another content. If it doesn't, a new file takes its place, with
    the id that is noted on the old one for it: the service takes an id once. The old file then
    goes to the trash, and the new one ranks before it where that didn't come to pass. Which of the
    two it is, the service is asked once, with a file that is made for it.

    Parameters
    ----------
    files : Files
    folders : Folders
    objects : Objects
    """

    def __init__(self, files: Files, folders: Folders, objects: Objects):
        self._files, self._folders, self._objects = files, folders, objects
        self._heeded: bool | None = None
        self._lock = threading.Lock()

    def create(self, key: str, content: Content, alone: bool) -> DriveFile | None:
        """Make the first file of a key.

        Parameters
        ----------
        alone : bool
            Only if nobody else makes one at the same time.

        Returns
        -------
        DriveFile or None
            None: somebody else makes one, or all who did have withdrawn.
        """
        for _ in range(TRIES):
            try:
                new = self._insert(key, self._files.new_id(), self._mark(1), content)
            except NotFoundError:
                continue  # The folder: it is looked for, or made, again.
            return new if not alone or self._is_first(key, new) else None
        raise StoreError(f"can't write {key}: its folder in Drive vanishes again and again", key)

    def _is_first(
        self, key: str, new: DriveFile, is_rival: Callable[[DriveFile], bool] = lambda _: True
    ) -> bool:
        """Whether a new file is alone of its name; otherwise it is withdrawn."""
        try:
            is_alone = self._files.is_alone(new, is_rival)
        except StoreError:
            self._withdraw(new, key)
            raise
        if not is_alone:
            self._withdraw(new, key)
        return is_alone

    def update(self, key: str, file: DriveFile, content: Content) -> DriveFile | None:
        """Replace a file that is what it was, best by giving it another content.

        Returns
        -------
        DriveFile or None
            As :meth:`replace` does.

        Raises
        ------
        Conflict
            It isn't what it was.
        """
        if self.heeds_conditions():
            mark = file.mark or self._mark(1)
            mark = Mark(mark.generation, mark.next, uuid.uuid4().hex)
            if (given := self._give(key, file, mark, content)) is not None:
                return given
            self._heeded = False
        # The trash keeps its id from being taken once more, by who knows the version before it.
        return self.replace(key, file, content, for_good=key.endswith(SUFFIX))

    def replace(
        self, key: str, old: DriveFile, content: Content, for_good: bool
    ) -> DriveFile | None:
        """Make a file that takes the place of one that is what it was, and delete that one.

        Parameters
        ----------
        for_good : bool
            Not into the trash. An id is then free again: of three who replace version after version
            one that is very late may not see that it is.

        Returns
        -------
        DriveFile or None
            None: somebody else does the same, or all who did have withdrawn.

        Raises
        ------
        Conflict
            It isn't what it was.
        """
        before = old.mark
        mark = self._mark(before.generation + 1 if before else 1)
        file_id = before.next if before else self._files.new_id()
        try:
            new = self._insert(key, file_id, mark, content)
        except (Conflict, NotFoundError):
            raise self._objects.conflict(key, old.version) from None
        # What isn't cedar's says no id. Others who take its place are found by their marks.
        if before is None and not self._is_first(key, new, lambda each: each.mark is not None):
            return None
        if not self._retire(key, old, for_good):
            self._withdraw(new, key)
            raise self._objects.conflict(key, old.version)
        return new

    def heeds_conditions(self) -> bool:
        """Whether the service heeds If-Match where a file gets another content."""
        with self._lock:
            if self._heeded is None:
                self._heeded = self._try_condition()
                if not self._heeded:
                    _log.info("Drive doesn't heed If-Match: every write makes a new file")
            return self._heeded

    def _try_condition(self) -> bool:
        folder = self._folders.own("", make=True)
        probe = self._files.insert(
            self._files.new_id(), folder, _PROBE, None, Content.of(b""), _PROBE
        )
        try:
            wrong = dataclasses.replace(probe, etag=_NO_ETAG)
            self._files.update(wrong, self._mark(1).note, Content.of(b""), _PROBE)
        except Conflict:
            return True
        finally:
            self._withdraw(probe, _PROBE)
        return False

    def _mark(self, generation: int) -> Mark:
        return Mark(generation, self._files.new_id(), uuid.uuid4().hex)

    def _give(self, key: str, file: DriveFile, mark: Mark, content: Content) -> DriveFile | None:
        """Give a file another content, if it has the one it had; None where no condition holds."""
        expected = file.version
        for _ in range(TRIES):
            try:
                given = self._files.update(file, mark.note, content, key)
            except (Conflict, NotFoundError):
                now = self._files.get(file.id)
                if now is None or (mark.note != now.note and now.version != expected):
                    raise self._objects.conflict(key, expected) from None
                if mark.note != now.note:
                    if now.etag == file.etag:
                        return None
                    file = now  # Something else about it has changed: who may see it, its colour.
                    continue
                given = now  # It was ours: an answer was lost, and the request sent again.
            if given.trashed:  # With its folder: something about itself would be a Conflict.
                raise self._objects.conflict(key, expected)
            if given.checksum == content.checksum:
                return given
            file, expected = given, given.version
        raise StoreError(
            f"can't write {key}: it arrives damaged in Drive, or something about it there changes "
            "all the time",
            key,
        )

    def _insert(self, key: str, file_id: str, mark: Mark, content: Content) -> DriveFile:
        path, _, name = key.rpartition("/")
        folder = self._folders.own(path, make=True)
        try:
            new = self._files.insert(file_id, folder, name, mark.note, content, key)
        except NotFoundError:
            self._folders.forget()
            raise
        if new.trashed:  # With its folder.
            self._withdraw(new, key)
            self._folders.forget()
            raise NotFoundError(f"the folder of {key} is in the trash of Drive", key)
        if new.checksum == content.checksum:
            return new
        given = self._give(key, new, mark, content)
        if given is None:
            raise StoreError(f"{key} arrived damaged in Drive: delete it there, and try again", key)
        return given

    def _retire(self, key: str, old: DriveFile, for_good: bool) -> bool:
        """Delete a file that another takes the place of; False if it wasn't what it was before."""
        now = self._files.get(old.id)
        if now is None or now.version != old.version:
            return False
        try:
            return self._files.discard(now, for_good, key, lambda then: then.version == old.version)
        except NotPermitted as error:
            _log.info("the file before is left in Drive, behind the new one: %s", error)
            return True

    def _withdraw(self, new: DriveFile, key: str) -> None:
        """Delete a file that we have just made, and nobody needs, unless somebody took it up."""
        try:
            self._files.discard(new, True, key, lambda now: now.version == new.version)
        except StoreError as error:
            _log.warning("file %s is left in Drive, and can be deleted: %s", new.id, error)
