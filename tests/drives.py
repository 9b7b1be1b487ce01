"""What tests of Drive share: the emulator's Drive as others use it, and what happens between."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cedar.emulator import Emulator
from cedar.emulator.questions import Answers
from cedar.stores.gdrive import GDriveStore
from cedar.stores.gdrive_session import Http

FOLDER = "application/vnd.google-apps.folder"
OTHER = "other@example.com"
ME = "me@emulator.invalid"
#: Whether the service heeds If-Match.
ETAGS = [True, False]


@contextmanager
def drive(*faults: dict[str, Any], etag: bool = True, **kwds: Any) -> Iterator[Emulator]:
    """Serve an empty Drive."""
    faults = tuple({"service": "gdrive", **fault} for fault in faults)
    with Emulator(faults=faults, answers=Answers(drive_etag=etag), **kwds) as emulator:
        yield emulator


def store_of(emulator: Emulator, folder: str = "cedar", **kwds: Any) -> GDriveStore:
    """A store in it."""
    return GDriveStore(folder, url=emulator.urls["gdrive"], **kwds)


def asked(emulator: Emulator) -> list[str]:
    """Methods that were asked for since last."""
    methods = [request.method for request in emulator.requests if request.service == "gdrive"]
    emulator.requests.clear()
    return methods


class Account:
    """Somebody who uses a Drive without cedar.

    Parameters
    ----------
    emulator : Emulator
    name : str
        Whose account it is.
    """

    def __init__(self, emulator: Emulator, name: str = ME):
        self.url, self.name = emulator.urls["gdrive"], name

    def ask(self, verb: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        """Ask the service; its answer."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {"Content-Type": kind, "Authorization": f"Bearer {self.name}"}
        request = urllib.request.Request(f"{self.url}{path}", data, headers, method=verb)
        with urllib.request.urlopen(request) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def folder(self, title: str, parent: str = "root") -> str:
        """Make a folder; its id."""
        body = {"title": title, "mimeType": FOLDER, "parents": [{"id": parent}]}
        return str(self.ask("POST", "/drive/v2/files", body)["id"])

    def file(self, title: str, data: bytes, parent: str, kind: str = "image/tiff") -> str:
        """Make a file; its id."""
        made = self.ask("POST", "/upload/drive/v2/files?uploadType=media", data, kind)
        self.change(made["id"], title=title)
        self.ask("PATCH", f"/drive/v2/files/{made['id']}?addParents={parent}&removeParents=root")
        return str(made["id"])

    def change(self, file_id: str, **fields: Any) -> None:
        """Change something about a file."""
        self.ask("PATCH", f"/drive/v2/files/{file_id}", fields)

    def trash(self, file_id: str) -> None:
        """Put a file into the trash."""
        self.ask("POST", f"/drive/v2/files/{file_id}/trash", b"")

    def share(self, file_id: str, name: str, role: str) -> None:
        """Let another account read or write."""
        body = {"type": "user", "role": role, "value": name}
        self.ask("POST", f"/drive/v2/files/{file_id}/permissions", body)

    def look(self, file_id: str) -> dict[str, Any]:
        """What is known of a file."""
        found: dict[str, Any] = self.ask("GET", f"/drive/v2/files/{file_id}")
        return found

    def files(self) -> list[dict[str, Any]]:
        """Every file and folder of the account, in the trash too, the oldest first."""
        found = self.ask("GET", "/drive/v2/files?maxResults=1000&orderBy=createdDate")
        items: list[dict[str, Any]] = found["items"]
        return items

    def titles(self, trashed: bool = False) -> list[str]:
        """Titles of the account's files, but not of folders: those in the trash, or all others."""
        return sorted(
            item["title"]
            for item in self.files()
            if item["mimeType"] != FOLDER and item["labels"]["trashed"] == trashed
        )


@contextmanager
def between(
    act: Callable[[], object], verb: str, part: str, nth: int = 1, after: bool = False
) -> Iterator[None]:
    """Have something happen once, before or after the nth request of a verb and address."""
    request, seen = Http.request, 0

    def interrupted(self: Http, uri: str, method: str = "GET", **kwds: Any) -> Any:
        nonlocal seen
        is_it = method == verb and part in uri
        seen += is_it
        is_now = is_it and seen == nth
        if is_now and not after:
            act()
        answer = request(self, uri, method, **kwds)
        if is_now and after:
            act()
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Http, "request", interrupted)
        yield
    assert seen >= nth
