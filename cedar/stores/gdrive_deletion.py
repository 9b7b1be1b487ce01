"""Deleting from Drive: one object, or many with few requests."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from ..exceptions import Conflict, NotFoundError, StoreError
from .gdrive_files import Files
from .gdrive_folders import Folders
from .gdrive_objects import Objects
from .gdrive_resources import DriveFile, file_id
from .leases import SUFFIX
from .versions import ANY, IfVersion

#: What says that a file isn't what it was.
_CHANGED: Final = (Conflict, NotFoundError)
#: Files from which a list of their folders is asked for, rather than each alone: each takes three
#: requests.
_MANY: Final = 10


class Deleter:
    """Deletes objects.

    Parameters
    ----------
    files : Files
    folders : Folders
    objects : Objects
    permanent : bool
        For good, rather than into the trash.
    """

    def __init__(self, files: Files, folders: Folders, objects: Objects, permanent: bool):
        self._files, self._folders, self._objects = files, folders, objects
        self._permanent = permanent

    def delete(self, key: str, missing_ok: bool, if_version: IfVersion) -> None:
        """Delete an object.

        Raises
        ------
        Conflict
            It isn't at the version.
        NotFoundError
            It isn't there, and `missing_ok` is False.
        """
        found = self._objects.deletable(key, if_version)
        if not found and not missing_ok:
            raise self._objects.missing(key)
        self._objects.forget_listed(key)
        for file in reversed(found):
            if not self._delete(key, file, if_version is ANY):
                raise self._objects.conflict(key, if_version)

    def _delete(self, key: str, file: DriveFile, whatever: bool) -> bool:
        """Delete a file, unless by now it has another content, and not `whatever` it has."""
        return self._files.discard(
            file, self._for_good(key), key, lambda now: whatever or now.version == file.version
        )

    def _for_good(self, key: str) -> bool:
        # Of a lease there is nothing to be had back.
        return self._permanent or key.endswith(SUFFIX)

    def delete_many(self, objects: Mapping[str, IfVersion]) -> dict[str, StoreError]:
        """Delete objects, each if it is at its version; why those that weren't weren't."""
        for key in objects:
            self._objects.forget_listed(key)
        named = {key: file_id(version) for key, version in objects.items()}
        files, failed = self._look_at({key: each for key, each in named.items() if each})
        there = {
            key: files[key]
            for key in self._folders.holding(files)
            if _is_single(files[key]) and files[key].version == objects[key]
        }
        refused = self._delete_all(there)
        # What isn't as it should be is tried by itself, to say why.
        unclear = {
            key: version
            for key, version in objects.items()
            if key not in failed and (key not in there or isinstance(refused.get(key), _CHANGED))
        }
        failed |= {key: each for key, each in refused.items() if key not in unclear}
        try:
            missing = self._missing(unclear)
        except StoreError as error:
            return failed | dict.fromkeys(unclear, error)
        for key in missing:
            del unclear[key]
            # Of what is gone by now, an answer was lost.
            if key not in there:
                failed[key] = self._objects.missing(key)
        for key, version in unclear.items():
            try:
                self.delete(key, key in there, version)
            except StoreError as error:
                failed[key] = error
        return failed

    def _missing(self, keys: Collection[str]) -> set[str]:
        """Those of many keys of which there is no file; of few nothing is told."""
        within = {key for key in keys if "/" in key}
        if len(within) < _MANY:
            return set()
        folders = {key.rpartition("/")[0] for key in within}
        return within - {
            info.key for path in sorted(folders) for info in self._objects.list(f"{path}/")
        }

    def _look_at(
        self, named: Mapping[str, str]
    ) -> tuple[dict[str, DriveFile], dict[str, StoreError]]:
        """The files of some ids that are there, and why others couldn't be looked at."""
        asked = {key: self._files.getting(named_id) for key, named_id in named.items()}
        files: dict[str, DriveFile] = {}
        failed: dict[str, StoreError] = {}
        for key, answer, error in self._files.connection.ask_all(asked, "look at files in Drive"):
            if error is None:
                files[key] = DriveFile.parse(answer)
            elif not isinstance(error, NotFoundError):
                failed[key] = error
        return files, failed

    def _delete_all(self, files: Mapping[str, DriveFile]) -> dict[str, StoreError]:
        """Delete files that are what they were; why those that weren't deleted weren't."""
        sent = {key: self._files.removing(file, self._for_good(key)) for key, file in files.items()}
        answers = self._files.connection.ask_all(sent, "delete files in Drive")
        return {key: error for key, _, error in answers if error is not None}


def _is_single(file: DriveFile) -> bool:
    """Whether a file is there, and took no other's place, which might still be behind it."""
    return not file.trashed and (file.mark is None or file.mark.generation == 1)
