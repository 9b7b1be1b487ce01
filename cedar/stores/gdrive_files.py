"""What is done with one file of Drive, or with all of a name."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from ..exceptions import Conflict, NotFoundError, StoreError
from ..retry import delays
from .gdrive_connection import Connection, Content
from .gdrive_resources import FIELDS, FOLDER, DriveFile, inside, noted, titled

#: Files on a page of a list, the most that the service gives.
_PAGE: Final = 1000
#: Folders that one request looks into: an address may have 2,000 characters.
_TOGETHER: Final = 20
#: Ids that are asked for at once.
_IDS: Final = 100
#: An etag that every file has.
ANY_ETAG: Final = "*"
#: Seconds in which others who made a file of the same name are to withdraw theirs.
_RIVALS_LEAVE: Final = 3.0
#: Seconds in which a new file is to be listed.
_LISTED: Final = 30.0
#: How often something is done again that others have disturbed.
_TRIES: Final = 10


class Files:
    """What is done with files, each by its id.

    Parameters
    ----------
    connection : Connection
    """

    def __init__(self, connection: Connection):
        self.connection = connection
        self._methods = connection.files
        self._ids: list[str] = []
        self._lock = threading.Lock()

    def new_id(self) -> str:
        """An id for a new file, from the service.

        With one, a file isn't made twice where the answer is lost and the request sent again.
        """
        with self._lock:
            if not self._ids:
                request = self._methods.generateIds(maxResults=_IDS)
                self._ids = self.connection.ask(request, "get ids for files in Drive")["ids"]
            return self._ids.pop()

    def search(self, condition: str, what: str) -> Iterator[DriveFile]:
        """Files for which a condition of the service's language holds; lazy, a page at a time.

        What is in the trash isn't among them. The oldest come first, so that a file that is made or
        changed meanwhile moves none from one page to another.
        """
        token: str | None = None
        while True:
            request = self._methods.list(
                q=f"{condition} and trashed = false",
                orderBy="createdDate",
                maxResults=_PAGE,
                pageToken=token,
                fields=f"nextPageToken,items({FIELDS})",
                supportsAllDrives=True,
                includeItemsFromAllDrives=True,
            )
            page = self.connection.ask(request, what)
            yield from map(DriveFile.parse, page["items"])
            token = page.get("nextPageToken")
            if not token:
                return

    def within(
        self, folders: Sequence[str], condition: str | None, what: str
    ) -> Iterator[DriveFile]:
        """Files in any of some folders for which a condition holds; few requests for many.

        Raises
        ------
        NotFoundError
            One of the folders isn't there.
        """
        for first in range(0, len(folders), _TOGETHER):
            some = inside(folders[first : first + _TOGETHER])
            yield from self.search(some if condition is None else f"{some} and {condition}", what)

    def get(self, file_id: str) -> DriveFile | None:
        """Look at a file; None where there is none, or it is in the trash."""
        request = self.getting(file_id)
        try:
            found = DriveFile.parse(
                self.connection.ask(request, f"look at file {file_id} in Drive")
            )
        except NotFoundError:
            return None
        return None if found.trashed else found

    def getting(self, file_id: str) -> Any:
        """Make the request that looks at a file."""
        return self._methods.get(fileId=file_id, fields=FIELDS, supportsAllDrives=True)

    def insert(
        self, file_id: str, folder: str, title: str, note: str | None, content: Content, key: str
    ) -> DriveFile:
        """Make a file.

        Raises
        ------
        Conflict
            Another has the id.
        NotFoundError
            The folder isn't there.
        """
        body = {"id": file_id, "title": title, "parents": [{"id": folder}], **noted(note)}
        try:
            resource = self.connection.upload(
                lambda media: self._methods.insert(
                    body=body, media_body=media, fields=FIELDS, supportsAllDrives=True
                ),
                content,
                key,
            )
            return DriveFile.parse(resource)
        except Conflict:
            found = self.get(file_id)
            if found is None or found.note != note:
                raise
            return found  # It was ours: an answer was lost, and the request sent again.

    def insert_folder(self, folder: str, title: str, note: str) -> DriveFile:
        """Make a folder in another."""
        file_id, parents = self.new_id(), [{"id": folder}]
        body = {"id": file_id, "title": title, "parents": parents, "mimeType": FOLDER}
        request = self._methods.insert(
            body=body | noted(note), fields=FIELDS, supportsAllDrives=True
        )
        try:
            return DriveFile.parse(self.connection.ask(request, f"make folder {title!r} in Drive"))
        except Conflict:
            found = self.get(file_id)
            if found is None:
                raise
            return found

    def note(self, file: DriveFile, note: str) -> DriveFile:
        """Note something on a file or folder, whatever it is by now."""
        request = self._methods.patch(
            fileId=file.id, body=noted(note), fields=FIELDS, supportsAllDrives=True
        )
        return DriveFile.parse(self.connection.ask(request, f"mark {file.title!r} in Drive"))

    def update(self, file: DriveFile, note: str, content: Content, key: str) -> DriveFile:
        """Give a file another content, if it is what it was and the service minds that.

        Raises
        ------
        Conflict
            Something about it has changed.
        NotFoundError
            It isn't there.
        """

        def request(media: Any) -> Any:
            body = noted(note)
            made = self._methods.update(
                fileId=file.id, body=body, media_body=media, fields=FIELDS, supportsAllDrives=True
            )
            return _if_match(made, file.etag)

        return DriveFile.parse(self.connection.upload(request, content, key))

    def removing(self, file: DriveFile, for_good: bool) -> Any:
        """Make the request that deletes a file, or puts it into the trash, if it is what it was."""
        remove = self._methods.delete if for_good else self._methods.trash
        return _if_match(remove(fileId=file.id, supportsAllDrives=True), file.etag)

    def remove(self, file: DriveFile, for_good: bool, key: str) -> None:
        """Delete a file, or put it into the trash, if it is what it was and the service minds that.

        Raises
        ------
        Conflict
            Something about it has changed.
        NotFoundError
            It isn't there.
        """
        self.connection.ask(self.removing(file, for_good), f"delete {key} in Drive", key)

    def discard(
        self, file: DriveFile, for_good: bool, key: str, check: Callable[[DriveFile], bool]
    ) -> bool:
        """Delete a file, or put it into the trash; False if by now it isn't what it should be.

        Parameters
        ----------
        for_good : bool
            Not into the trash.
        check : callable
            Whether the file may be deleted as it is by now, where that isn't as it was.
        """
        for _ in range(_TRIES):
            try:
                self.remove(file, for_good, key)
            except NotFoundError:
                return True  # By somebody else; or by us, and an answer was lost.
            except Conflict:
                now = self.get(file.id)
                if now is None:
                    return True
                if not check(now):
                    return False
                # Where nothing has changed, the service's etags are of no use.
                file = now if now.etag != file.etag else replace(now, etag=ANY_ETAG)
            else:
                return True
        raise StoreError(f"can't delete {key}: something about it changes all the time", key)

    def is_alone(
        self, new: DriveFile, is_rival: Callable[[DriveFile], bool] = lambda _: True
    ) -> bool:
        """Whether a new file is the only one of its name in its folder.

        Names aren't unique in Drive. Of many who make a file of one name at the same time at most
        one is alone: it sees none but its own, so that whoever comes later sees both. Who isn't has
        to withdraw. The oldest, by its date and then its id, waits a moment for the others to do
        so; but dates alone don't say who was first. This holds as far as a list shows what was
        made before it was asked for; it waits until the new file is listed.
        """
        began = time.monotonic()
        same = f"{titled(new.title)} and {_kind(new)}"
        for delay in delays(0.1, longest=1.0):
            found = {
                file.id: file
                for file in self.within(new.parents, same, f"list {new.title!r} in Drive")
                if file.title == new.title
            }
            is_listed = found.pop(new.id, None) is not None
            rivals = [file for file in found.values() if is_rival(file)]
            if is_listed and not rivals:
                return True
            older = any((file.created, file.id) < (new.created, new.id) for file in rivals)
            patience = _RIVALS_LEAVE if rivals else _LISTED
            if older or time.monotonic() - began > patience:
                return False
            time.sleep(delay)
        raise AssertionError("delays have no end")


def _kind(file: DriveFile) -> str:
    return f"mimeType {'=' if file.kind == FOLDER else '!='} '{FOLDER}'"


def _if_match(request: Any, etag: str) -> Any:
    request.headers["If-Match"] = etag
    return request
