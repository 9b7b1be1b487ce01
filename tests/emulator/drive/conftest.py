from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from cedar.emulator import Emulator
from cedar.emulator.transport import Call, Reply

FOLDER = "application/vnd.google-apps.folder"


@dataclass(frozen=True)
class Wire:
    """Asks an emulator's Drive, in this process, as one account."""

    emulator: Emulator
    account: str | None = None

    def ask(self, verb: str, path: str, body: Any = b"", headers: Any = (), **query: Any) -> Reply:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        head = {name.lower(): value for name, value in dict(headers).items()}
        if self.account:
            head["authorization"] = f"Bearer {self.account}"
        address = path + ("?" + urlencode(query) if query else "")
        return self.emulator._handle("gdrive", Call(verb, address, head, sent))

    def json(self, verb: str, path: str, body: Any = b"", headers: Any = (), **query: Any) -> Any:
        """The answer of what must succeed."""
        reply = self.ask(verb, f"/drive/v2/{path}", body, headers, **query)
        assert reply.status in (200, 204), bytes(reply.content)
        return json.loads(bytes(reply.content) or b"null")

    def refusal(self, verb: str, path: str, *args: Any, **query: Any) -> tuple[int, str, str]:
        """Status, reason and message of what must not."""
        problem = json.loads(bytes(self.ask(verb, f"/drive/v2/{path}", *args, **query).content))
        error = problem["error"]
        assert [each["message"] for each in error["errors"]] == [error["message"]]
        return error["code"], error["errors"][0]["reason"], error["message"]

    def insert(self, title: str, parent: str | None = None, **metadata: Any) -> Any:
        parents = {"parents": [{"id": parent}]} if parent else {}
        return self.json("POST", "files", {"title": title, **parents, **metadata})

    def folder(self, title: str, parent: str | None = None) -> Any:
        return self.insert(title, parent, mimeType=FOLDER)

    def upload(
        self, data: bytes, file_id: str | None = None, headers: Any = (), **metadata: Any
    ) -> Reply:
        """A multipart upload of a new file, or of a new content."""
        body = (
            b"--=b\nContent-Type: application/json\n\n" + json.dumps(metadata).encode()
            + b"\n--=b\nContent-Type: image/tiff\n\n" + data + b"\n--=b--"
        )  # fmt: skip
        kind = {"Content-Type": 'multipart/related; boundary="=b"', **dict(headers)}
        path = f"/upload/drive/v2/files{'/' + quote(file_id) if file_id else ''}"
        return self.ask("PUT" if file_id else "POST", path, body, kind, uploadType="multipart")

    def uploaded(self, data: bytes, file_id: str | None = None, **metadata: Any) -> Any:
        reply = self.upload(data, file_id, **metadata)
        assert reply.status == 200, bytes(reply.content)
        return json.loads(reply.content)

    def download(self, file_id: str, span: str | None = None) -> Reply:
        headers = {"Range": span} if span else {}
        return self.ask("GET", f"/drive/v2/files/{file_id}", headers=headers, alt="media")

    def titles(self, q: str = "", **query: Any) -> list[str]:
        """Titles of all files, page by page."""
        found, token = [], {}
        for _ in range(1000):
            page = self.json("GET", "files", q=q, **query, **token)
            found += [file["title"] for file in page["items"]]
            if "nextPageToken" not in page:
                return found
            token = {"pageToken": page["nextPageToken"]}
        raise AssertionError("there is always another page")


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """An emulator whose time stands still."""
    with Emulator(clock="stepped") as emulator:
        yield emulator


@pytest.fixture
def drive(emulator: Emulator) -> Wire:
    """Its Drive, for who doesn't say who they are."""
    return Wire(emulator)


@pytest.fixture
def other(emulator: Emulator) -> Wire:
    """Its Drive, for somebody else."""
    return Wire(emulator, "other@example.invalid")


@pytest.fixture
def wire() -> type[Wire]:
    """For emulators of a test's own."""
    return Wire
