"""Where exports' files go: into Cloud Storage and Drive, by these services' own requests."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

from ..questions import answers
from ..transport import Call, Reply
from ..values import ServiceError
from .export import Destination

#: Carries a request to a service, by its name, out: as a client's, but with no network, no faults
#: and no entry in the log.
Ask = Callable[[str, Call], Reply]

#: Bytes of a file that are sent at once: both services take multiples of 256 KiB.
_CHUNK: Final = 8 * 2**20
_TIFF: Final = "image/tiff"
_FOLDER: Final = "application/vnd.google-apps.folder"
_BUSY: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


class Writer(ABC):
    """Writes the files of one task.

    Parameters
    ----------
    ask : callable
    wait : callable
        Called when a service is busy; returns when it may be asked again.
    destination : Destination
    """

    service: str

    def __init__(self, ask: Ask, wait: Callable[[], None], destination: Destination):
        self._ask, self._wait, self.destination = ask, wait, destination

    @property
    @abstractmethod
    def uri(self) -> str:
        """What the operation says of where the files are."""

    @abstractmethod
    def write(self, name: str, path: Path) -> None:
        """Write a file; one that an earlier attempt has written is replaced.

        Raises
        ------
        ServiceError
            In the service's words.
        """

    def _answer(self, call: Call) -> Reply:
        """Have a request answered, again as long as the service is busy."""
        while True:
            try:
                return self._ask(self.service, call)
            except ServiceError as error:
                if error.code not in _BUSY:
                    raise
                self._wait()

    def _json(self, verb: str, address: str, body: Any = None) -> Any:
        content = b"" if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        return json.loads(bytes(self._answer(Call(verb, address, headers, content)).content))

    def _upload(self, verb: str, address: str, metadata: Any, path: Path) -> None:
        """Send a file in pieces, so that it is never in memory whole."""
        size = path.stat().st_size
        began = self._answer(
            Call(
                verb,
                address,
                {
                    "content-type": "application/json",
                    "x-upload-content-type": _TIFF,
                    "x-upload-content-length": str(size),
                },
                json.dumps(metadata).encode(),
            )
        )
        with path.open("rb") as file:
            for start in range(0, size, _CHUNK):
                piece = file.read(_CHUNK)
                place = f"bytes {start}-{start + len(piece) - 1}/{size}"
                headers = {"content-type": _TIFF, "content-range": place}
                self._answer(Call("PUT", began.headers["Location"], headers, piece))


class CloudStorageWriter(Writer):
    """Writes objects into a bucket that exists.

    Raises
    ------
    ServiceError
        There is none.
    """

    service = "gcs"

    def __init__(self, ask: Ask, wait: Callable[[], None], destination: Destination):
        super().__init__(ask, wait, destination)
        self._json("GET", f"/storage/v1/b/{quote(destination.container, safe='')}")

    @property
    def uri(self) -> str:
        """Address of the bucket's folder in the console."""
        folder, slash, _ = self.destination.prefix.rpartition("/")
        path = quote(f"{self.destination.container}/{folder}{slash}")
        return f"https://console.developers.google.com/storage/browser/{path}"

    def write(self, name: str, path: Path) -> None:
        """Write an object."""
        query = urlencode({"uploadType": "resumable", "name": name})
        bucket = quote(self.destination.container, safe="")
        self._upload("POST", f"/upload/storage/v1/b/{bucket}/o?{query}", {}, path)


class DriveWriter(Writer):
    """Writes files into a folder of Drive.

    Parameters
    ----------
    folder : str or None
        Id of the folder that the task has written to before; None: by its title, as
        :attr:`Answers.drive_folder` says.
    mark : str
        Description of the files, by which an earlier attempt's are known: titles aren't unique.
    """

    service = "gdrive"

    def __init__(
        self,
        ask: Ask,
        wait: Callable[[], None],
        destination: Destination,
        folder: str | None,
        mark: str,
    ):
        super().__init__(ask, wait, destination)
        self._mark = mark
        self.folder = folder or self._find_folder() or self._make_folder()

    @property
    def uri(self) -> str:
        """Address of the folder."""
        return f"https://drive.google.com/#folders/{self.folder}"

    def _find_folder(self) -> str | None:
        """Look for the folder that is to be used."""
        if not self.destination.container:
            root: str = self._json("GET", "/drive/v2/files/root")["id"]
            return root
        if answers().drive_folder == "new":
            return None
        title = _quoted(self.destination.container)
        found = self._list(
            f"title = {title} and mimeType = '{_FOLDER}' and trashed = false and 'me' in owners",
            orderBy="modifiedDate desc",
            maxResults="1",
        )
        return found[0]["id"] if found else None

    def _make_folder(self) -> str:
        """Make a folder of that title in the root."""
        title = self.destination.container
        made = self._json("POST", "/drive/v2/files", {"title": title, "mimeType": _FOLDER})
        folder: str = made["id"]
        return folder

    def _list(self, query: str, **parameters: str) -> list[Any]:
        address = f"/drive/v2/files?{urlencode({'q': query, **parameters})}"
        found: list[Any] = self._json("GET", address)["items"]
        return found

    def write(self, name: str, path: Path) -> None:
        """Write a file."""
        same = self._list(
            f"title = {_quoted(name)} and '{self.folder}' in parents and trashed = false"
        )
        ours = [file["id"] for file in same if file.get("description") == self._mark]
        verb, place = ("PUT", f"/{ours[0]}") if ours else ("POST", "")
        metadata = {"title": name, "description": self._mark, "parents": [{"id": self.folder}]}
        address = f"/upload/drive/v2/files{place}?uploadType=resumable"
        self._upload(verb, address, {} if ours else metadata, path)


def _quoted(text: str) -> str:
    """Text as the language of Drive's queries has it."""
    return "'" + text.replace("\\", r"\\").replace("'", r"\'") + "'"
