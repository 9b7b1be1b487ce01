from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
import requests
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from cedar.emulator import Emulator
from cedar.emulator.settings import Settings

#: As often as one likes: most tests aren't about how often.
UNLIMITED = Settings(object_writes=0)


@dataclass
class Answer:
    """A raw answer."""

    status: int
    headers: http.client.HTTPMessage
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def reason(self) -> str:
        """Of an error, in the client's form."""
        error = self.json["error"]
        assert error["code"] == self.status
        assert error["message"] == error["errors"][0]["message"]
        return error["errors"][0]["reason"]


class Wire:
    """Cloud Storage of an emulator without a client: one connection, kept alive."""

    def __init__(self, emulator: Emulator):
        self.emulator = emulator
        host = emulator.urls["gcs"].removeprefix("http://")
        self._connection = http.client.HTTPConnection(host, timeout=60)

    def ask(self, verb: str, path: str, body: Any = b"", **headers: str) -> Answer:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        content = json.dumps(body).encode() if isinstance(body, dict) else body
        self._connection.request(verb, path, content, given)
        response = self._connection.getresponse()
        return Answer(response.status, response.headers, response.read())

    def make_bucket(self, name: str = "bucket") -> Answer:
        return self.ask("POST", "/storage/v1/b?project=any", {"name": name})

    def insert(self, name: str, body: bytes = b"", query: str = "", **headers: str) -> Answer:
        path = f"/upload/storage/v1/b/bucket/o?uploadType=media&name={quote(name, safe='')}"
        return self.ask("POST", path + query, body, **headers)

    def object(self, name: str, query: str = "", verb: str = "GET", body: Any = b"") -> Answer:
        return self.ask(verb, f"/storage/v1/b/bucket/o/{quote(name, safe='')}{query}", body)

    def download(self, name: str, query: str = "", **headers: str) -> Answer:
        path = f"/download/storage/v1/b/bucket/o/{quote(name, safe='')}?alt=media{query}"
        return self.ask("GET", path, **headers)

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def wire_to() -> Iterator[Callable[[Emulator], Wire]]:
    """Reaches the Cloud Storage of an emulator that is running."""
    with contextlib.ExitStack() as stack:

        def reach(emulator: Emulator) -> Wire:
            return stack.enter_context(contextlib.closing(Wire(emulator)))

        yield reach


@pytest.fixture
def client_of(
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[[Emulator], storage.Client]]:
    """Connects the official client to an emulator that is running."""
    # Else a thread of its own asks for the bucket, at some time.
    monkeypatch.setenv("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
    with contextlib.ExitStack() as stack:

        def close_later(response: requests.Response, **_: Any) -> None:
            stack.callback(response.close)

        def connect(emulator: Emulator) -> storage.Client:
            client = storage.Client(
                project="any",
                credentials=AnonymousCredentials(),
                client_options={"api_endpoint": emulator.urls["gcs"]},
            )
            stack.enter_context(contextlib.closing(client))
            # It leaves answers of failed downloads open, and their connections with them.
            client._http.hooks["response"].append(close_later)
            return client

        yield connect


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """An emulator whose objects may be written as often as one likes."""
    with Emulator(settings=UNLIMITED) as emulator:
        yield emulator


@pytest.fixture
def wire(emulator: Emulator, wire_to: Callable[[Emulator], Wire]) -> Wire:
    """Cloud Storage of :func:`emulator`, with a bucket named bucket."""
    wire = wire_to(emulator)
    assert wire.make_bucket().status == 200
    return wire


@pytest.fixture
def bucket(
    emulator: Emulator, wire: Wire, client_of: Callable[[Emulator], storage.Client]
) -> storage.Bucket:
    """The same bucket, as the official client has it."""
    return client_of(emulator).bucket("bucket")
