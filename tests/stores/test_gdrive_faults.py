"""What Drive is on a bad day: lost answers, broken and damaged bodies, refusals."""

from __future__ import annotations

import errno
import http.client
import itertools
import logging
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httplib2
import pytest
from drives import ETAGS, Account, asked, between, drive, store_of
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import RefreshError, TransportError
from googleapiclient.errors import HttpError

from cedar import retry
from cedar.emulator import Emulator
from cedar.emulator.faults import Faults
from cedar.emulator.settings import Settings
from cedar.exceptions import Conflict, NotFoundError, StoreError
from cedar.stores import ABSENT
from cedar.stores.gdrive import GDriveStore
from cedar.stores.gdrive_connection import Connection
from cedar.stores.gdrive_errors import is_transient
from cedar.stores.gdrive_session import Http

Serve = Callable[..., Emulator]
PART = 2**18
LARGE = os.urandom(2 * PART + 1000)
SECRET = "S3CR3T"
#: What passes: (action, value).
PASSING = [
    *[("status", value) for value in (429, 500, 503, "rate-limit")],
    *[("fail-after", value) for value in (503, "rate-limit")],
    ("reset", None),
    ("truncate", 0),
    ("truncate", 0.5),
]
METHODS = (
    *("files.list", "files.get", "files.insert", "files.update", "files.upload", "files.download"),
    *("files.delete", "files.trash", "files.generateIds", "batch", "about"),
)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for, and a few hundred kilobytes are large."""
    monkeypatch.setattr(retry, "FIRST_DELAY", 0.0)
    for module in ("gdrive_connection", "gdrive_reading"):
        monkeypatch.setattr(f"cedar.stores.{module}.PART", PART)


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda *faults, **kwds: stack.enter_context(drive(*faults, **kwds))


def fault(method: str, action: str, value: object = None, nth: int = 1, **more: object) -> Any:
    return {"method": method, "action": action, "value": value, "nth": nth, **more}


def file_of(directory: Path, data: bytes, name: str = "finished.tif") -> Path:
    path = directory / name
    path.write_bytes(data)
    return path


def day(store: GDriveStore, directory: Path) -> None:
    """Use every primitive, and check what it leaves."""
    first = store.write("P/a.json", b"1", ABSENT)
    second = store.write("P/a.json", b"2", first.version)
    third = store.write("P/a.json", b"3", second.version)
    with pytest.raises(Conflict):
        store.write("P/a.json", b"4", second.version)
    store.write("P/a.json", b"5")
    assert store.read("P/a.json") == b"5"
    assert third.version != store.stat("P/a.json").version
    put = store.put(file_of(directory, b"old"), "P/b.tif", ABSENT)
    put = store.put(file_of(directory, LARGE), "P/b.tif", put.version)
    store.fetch("P/b.tif", directory / "copy", if_version=put.version)
    assert (directory / "copy").read_bytes() == LARGE
    assert store.read("P/b.tif", 5, 10) == LARGE[5:10]
    infos = {info.key: info for info in store.objects("P/")}
    assert infos.keys() == {"P/a.json", "P/b.tif"}
    many = {store.write(f"Q/{n}", b"").key: "" for n in range(3)}
    many = {info.key: info.version for info in store.objects("Q/")}
    assert store.delete_many(many) == {}
    store.delete("P/a.json", missing_ok=False)
    assert [info.key for info in store.objects()] == ["P/b.tif"]
    assert store.quota()[0] > 0


@pytest.mark.parametrize("etag", ETAGS)
@pytest.mark.parametrize(("action", "value"), PASSING)
def test_what_passes_is_not_seen(
    serve: Serve, tmp_path: Path, action: str, value: object, etag: bool
) -> None:
    faults = [fault(method, action, value, nth=2) for method in METHODS]
    faults += [fault(method, action, value, nth=5, count=2) for method in METHODS]
    emulator = serve(*faults, etag=etag)
    day(store_of(emulator), tmp_path)
    assert Account(emulator).titles() == ["b.tif"]
    assert "a.json" in Account(emulator).titles(trashed=True)


def test_a_bad_day_does_no_harm(serve: Serve, tmp_path: Path) -> None:
    for seed in range(6):
        kinds = [kind for kind in PASSING if kind[0] != "truncate"]
        faults = [
            {"method": "*", "action": action, "value": value, "probability": 0.03}
            for action, value in kinds
        ]
        faults.append({"method": "files.download", "action": "corrupt", "probability": 0.1})
        emulator = serve(*faults, seed=seed, etag=bool(seed % 2))
        (tmp_path / str(seed)).mkdir()
        day(store_of(emulator), tmp_path / str(seed))


@pytest.mark.parametrize("etag", ETAGS)
@pytest.mark.parametrize("nth", range(1, 12))
def test_no_answer_that_is_lost_makes_two_of_one(serve: Serve, etag: bool, nth: int) -> None:
    emulator = serve(
        fault("files.upload", "fail-after", 503, nth), fault("*", "fail-after", 503, nth), etag=etag
    )
    store = store_of(emulator)
    info = store.write("P/a.json", b"0", ABSENT)
    for number in range(1, 4):
        info = store.write("P/a.json", b"%d" % number, info.version)
    assert store.read("P/a.json") == b"3"
    assert store.stat("P/a.json").version == info.version
    Account(emulator)
    titles = [f["title"] for f in Account(emulator).files() if not f["labels"]["trashed"]]
    assert sorted(titles) == ["P", "a.json", "cedar"]


def test_who_writes_after_an_answer_that_was_lost_knows_it(serve: Serve) -> None:
    emulator = serve(fault("files.upload", "fail-after", 503, nth=5))
    store, other = store_of(emulator), store_of(emulator)
    info = store.write("a", b"1")
    info = store.write("a", b"2", info.version)
    assert asked(emulator).count("files.upload") == 4

    def write() -> None:
        data, theirs = other.load("a")
        other.write("a", data + b"4", theirs.version)

    with between(write, "PUT", "/upload/", after=True), pytest.raises(Conflict):
        store.write("a", b"3", info.version)
    assert store.read("a") == b"34"


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_body_that_is_damaged_is_read_again(serve: Serve, tmp_path: Path, nth: int) -> None:
    emulator = serve(fault("files.download", "corrupt", nth=nth))
    store = store_of(emulator)
    put = store.put(file_of(tmp_path, LARGE), "P/a.tif")
    assert store.read("P/a.tif") == LARGE
    assert store.read("P/a.tif", PART, PART + 10) == LARGE[PART : PART + 10]
    store.fetch("P/a.tif", tmp_path / "copy", put.checksum, put.version)
    assert (tmp_path / "copy").read_bytes() == LARGE
    assert asked(emulator).count("files.download") == 4 * 3


def test_a_body_that_is_damaged_each_time_is_refused(serve: Serve, tmp_path: Path) -> None:
    emulator = serve({"method": "files.download", "action": "corrupt", "probability": 1.0})
    store = store_of(emulator)
    store.write("a", b"data")
    (info,) = store.objects()
    for look in (
        lambda: store.read("a"),
        lambda: store.read("a", 1, 2),
        lambda: store.load("a"),
        lambda: store.checksum("a"),
        lambda: store.fetch("a", tmp_path / "copy"),
        lambda: store.fetch("a", tmp_path / "copy", info.checksum, info.version),
    ):
        with pytest.raises(StoreError, match="a arrived damaged from Drive 4 times"):
            look()
    assert list(tmp_path.iterdir()) == []


def test_what_is_replaced_while_it_is_read_is_read_again(serve: Serve) -> None:
    emulator = serve()
    store, other = store_of(emulator), store_of(emulator)
    store.write("a", b"0")
    n = itertools.count(1)
    with between(lambda: other.write("a", b"%d" % next(n)), "GET", "alt=media"):
        assert store.read("a") == b"1"
    with between(lambda: other.write("a", b"2"), "GET", "alt=media", after=True):
        assert store.read("a") in (b"1", b"2")
    with between(lambda: other.delete("a"), "GET", "alt=media"):
        assert store.read("a") == b"2"  # It was read from the trash: it was there when we began.
    with pytest.raises(NotFoundError):
        store.read("a")


def test_what_is_replaced_all_the_time_is_given_up(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator = serve()
    store, other = store_of(emulator), store_of(emulator)
    store.write("a", b"0")
    download, n = Connection.download, itertools.count(1)

    def replaced(*args: Any) -> None:
        other.write("a", b"%d" % next(n))
        download(*args)
        other.write("a", b"%d" % next(n))

    monkeypatch.setattr(Connection, "download", replaced)
    with pytest.raises(Conflict, match="a was replaced while it was read"):
        store.read("a")


def test_an_upload_that_the_service_forgot_begins_again(serve: Serve, tmp_path: Path) -> None:
    emulator = serve(fault("files.upload", "status", 404, nth=3))
    store = store_of(emulator)
    store.write("first", b"")
    store.put(file_of(tmp_path, LARGE), "a.tif")
    assert store.read("a.tif") == LARGE
    assert asked(emulator).count("files.upload") == 1 + 2 + (1 + 3)


def test_an_upload_that_is_forgotten_each_time_is_given_up(serve: Serve, tmp_path: Path) -> None:
    emulator = serve(fault("files.upload", "status", 404, nth=3, count=99))
    store = store_of(emulator)
    store.write("first", b"")
    path = file_of(tmp_path, LARGE)
    with pytest.raises(StoreError, match=r"can't write a\.tif"):
        store.put(path, "a.tif")
    assert path.read_bytes() == LARGE


def test_what_arrives_damaged_in_drive_is_sent_again(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator = serve()
    store = store_of(emulator)
    store.write("first", b"")
    request, n_damaged = Http.request, 0

    def damaged(self: Http, uri: str, method: str, **kwds: Any) -> Any:
        nonlocal n_damaged
        if "/upload/" in uri and n_damaged < limit:
            n_damaged += 1
            kwds["body"] = kwds["body"].replace(b"right", b"wrong")
        return request(self, uri, method=method, **kwds)

    monkeypatch.setattr(Http, "request", damaged)
    limit = 2
    info = store.write("a", b"all right")
    assert (n_damaged, store.read("a")) == (2, b"all right")
    n_damaged = 0
    store.write("a", b"still right", info.version)
    assert (n_damaged, store.read("a")) == (2, b"still right")
    limit, n_damaged = 99, 0
    with pytest.raises(StoreError, match="can't write b: it arrives damaged"):
        store.write("b", b"all right")


# What doesn't pass


@pytest.mark.parametrize("way", ["setting", "fault"])
def test_a_drive_that_is_full_is_said_at_once(serve: Serve, tmp_path: Path, way: str) -> None:
    faults = [fault("files.upload", "status", "drive-quota", nth=2, count=99)]
    emulator = serve(
        *(faults if way == "fault" else []),
        settings=Settings(drive_quota=5 if way == "setting" else 99),
    )
    store = store_of(emulator)
    store.write("a", b"12345")
    path = file_of(tmp_path, b"6")
    asked(emulator)
    for write in (lambda: store.write("b", b"6"), lambda: store.put(path, "b.tif")):
        with pytest.raises(StoreError, match="make room in the Drive, or use another") as caught:
            write()
        assert "service account has no room of its own" in str(caught.value)
        assert asked(emulator).count("files.upload") == 1
    assert path.exists()
    assert Account(emulator).titles() == ["a"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (400, "Request contains an invalid argument"),
        (401, "no token for the credential: Anonymous credentials cannot be refreshed"),
        (403, "The caller does not have permission"),
    ],
)
def test_a_refusal_is_final_and_in_one_line(serve: Serve, value: int, words: str) -> None:
    emulator = serve(fault("files.list", "status", value, nth=1, count=99))
    store = store_of(emulator)
    for look in (lambda: store.stat("P/a"), lambda: list(store.objects())):
        with pytest.raises(StoreError, match=words) as caught:
            look()
        assert "\n" not in str(caught.value)
        assert "http" not in str(caught.value)
        assert asked(emulator) == ["files.list"]


def test_patience_ends(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "PATIENCE", 0.05)
    emulator = serve({"method": "files.*", "action": "status", "value": 503, "probability": 1.0})
    store = store_of(emulator)
    with pytest.raises(StoreError, match="can't list folder 'cedar' in Drive: The service is"):
        store.write("a", b"")
    assert len(asked(emulator)) > 1


def test_what_is_refused_of_many_is_told_for_each(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator = serve(fault("batch", "status", 403, nth=1), fault("batch", "status", 403, nth=3))
    store = store_of(emulator)
    versions = {f"P/{n}": store.write(f"P/{n}", b"").version for n in range(3)}
    for n_batches in (1, 2):
        failed = store.delete_many(versions)
        assert failed.keys() == versions.keys()
        assert all("can't" in str(error) for error in failed.values())
        assert asked(emulator).count("batch") == n_batches
    assert store.delete_many(versions) == {}


def test_many_deletions_whose_answer_was_lost_count(serve: Serve) -> None:
    emulator = serve(fault("batch", "fail-after", 503, nth=2))
    store = store_of(emulator)
    versions = {f"P/{n}": store.write(f"P/{n}", b"").version for n in range(12)}
    asked(emulator)
    assert store.delete_many(versions) == {}
    assert asked(emulator) == ["batch", "batch", "batch", "files.list", "files.list"]
    assert list(store.objects()) == []


def test_what_is_refused_while_many_are_looked_for_is_told_for_each(serve: Serve) -> None:
    emulator = serve()
    store = store_of(emulator)
    versions = {f"P/{n}": store.write(f"P/{n}", b"").version for n in range(12)}
    lost, refused = fault("batch", "fail-after", 503, nth=2), fault("files.list", "status", 403)
    emulator._faults = Faults([{"service": "gdrive", **each} for each in (lost, refused)])
    failed = store.delete_many(versions)
    assert failed.keys() == versions.keys()
    assert {str(error) for error in failed.values()} == {
        "can't list P in Drive: The caller does not have permission"
    }
    assert {type(error) for error in store.delete_many(versions).values()} == {NotFoundError}


@pytest.mark.parametrize("nth", [2, 4])
def test_what_passes_of_a_batch_is_sent_again(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    emulator = serve()
    store = store_of(emulator)
    versions = {f"P/{n}": store.write(f"P/{n}", b"").version for n in range(4)}
    request, seen = Http.request, 0

    def limited(self: Http, uri: str, method: str = "GET", **kwds: Any) -> Any:
        nonlocal seen
        response, data = request(self, uri, method, **kwds)
        if "/batch" in uri:
            seen += 1
            if seen <= nth:
                # One of those within is refused for a moment; the others are done.
                data = data.replace(b"HTTP/1.1 200 OK", b"HTTP/1.1 429 Too Many Requests", 1)
        return response, data

    monkeypatch.setattr(Http, "request", limited)
    assert store.delete_many(versions) == {}
    assert list(store.objects()) == []
    assert seen > nth


def test_what_passes_of_a_batch_for_too_long_is_told(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "PATIENCE", 0.0)
    emulator = serve()
    store = store_of(emulator)
    versions = {f"P/{n}": store.write(f"P/{n}", b"").version for n in range(2)}
    request = Http.request

    def limited(self: Http, uri: str, method: str = "GET", **kwds: Any) -> Any:
        response, data = request(self, uri, method, **kwds)
        return response, data.replace(b"HTTP/1.1 200 OK", b"HTTP/1.1 429 Too Many Requests", 1)

    with monkeypatch.context() as patch:
        patch.setattr(Http, "request", limited)
        failed = store.delete_many(versions)
    # Of the second nobody can tell: it was deleted, but the answer says that it wasn't.
    assert list(failed) == ["P/0", "P/1"]
    assert [info.key for info in store.objects()] == ["P/0"]


# The network


def test_a_host_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "PATIENCE", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(StoreError, match=f"{url} can't be reached: Connection refused"):
        GDriveStore("cedar", url=url).stat("a")


class Answering:
    """What takes the place of the network: it answers, or raises, the same each time."""

    def __init__(self, answer: Any, **headers: str):
        self.answer, self.headers, self.asked = answer, headers, 0

    def __call__(self, uri: str, *args: Any, **kwds: Any) -> Any:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        status, text = self.answer
        return httplib2.Response({"status": status, **self.headers}), text


def offline(monkeypatch: pytest.MonkeyPatch, answer: Any, **headers: str) -> Answering:
    """Have every request answered so."""
    answering = Answering(answer, **headers)
    monkeypatch.setattr(httplib2.Http, "request", lambda _, *args, **kwds: answering(*args, **kwds))
    return answering


@pytest.mark.parametrize(
    ("error", "is_passing", "words"),
    [
        (ConnectionResetError(errno.ECONNRESET, "reset"), True, "can't be reached: reset"),
        (TimeoutError("timed out"), True, "can't be reached: timed out"),
        (http.client.IncompleteRead(b"x"), True, "can't be reached: IncompleteRead"),
        (httplib2.ServerNotFoundError("no such host"), True, "reached: ServerNotFoundError"),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), True, "Network is unreachable"),
        (ssl.SSLError(1, "bad record"), True, "can't be reached: bad record"),
        (ssl.SSLCertVerificationError(1, "expired"), False, "can't prove who it is"),
        (TransportError("no route"), True, "no token for the credential: no route"),
        (RefreshError("invalid_grant: Bad Request", {}), False, "no token .*: invalid_grant"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_what_the_network_does_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, error: Exception, is_passing: bool, words: str
) -> None:
    monkeypatch.setattr(retry, "PATIENCE", 0.05)
    answering = offline(monkeypatch, error)
    with pytest.raises(StoreError, match=words) as caught:
        GDriveStore("cedar", url="http://127.0.0.1:1").stat("a")
    assert "\n" not in str(caught.value)
    assert (answering.asked > 1) == is_passing == is_transient(error)


def test_an_error_that_is_not_the_networks_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    offline(monkeypatch, OSError(errno.EIO, "a disk's"))
    with pytest.raises(OSError, match="a disk's"):
        GDriveStore("cedar", url="http://127.0.0.1:1").stat("a")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((200, b"<html>Log in</html>"), "answers, but not as Drive"),
        ((302, b"<html>Moved</html>"), "HTTP 302"),
        ((407, b"a proxy's page\n" * 1000), "HTTP 407"),
        ((400, b'{"error": {"message": "line 1\\nline 2"}}'), "line 1 line 2"),
        ((400, b'{"error": "text"}'), "HTTP 400"),
    ],
)
def test_what_is_not_drive_is_said(
    monkeypatch: pytest.MonkeyPatch, answer: tuple[int, bytes], words: str
) -> None:
    offline(monkeypatch, answer)
    with pytest.raises(StoreError, match=words) as caught:
        GDriveStore("cedar", url="http://127.0.0.1:1").stat("a")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_an_upload_to_another_host_is_not_followed(serve: Serve, tmp_path: Path) -> None:
    emulator = serve()
    store = store_of(emulator)
    store.write("first", b"")
    request = httplib2.Http.request

    def elsewhere(self: httplib2.Http, uri: str, *args: Any, **kwds: Any) -> Any:
        response, data = request(self, uri, *args, **kwds)
        if "location" in response:
            response["location"] = f"http://127.0.0.1:9/upload?upload_id={SECRET}"
        return response, data

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httplib2.Http, "request", elsewhere)
        with pytest.raises(StoreError, match="an address that isn't its own") as caught:
            store.put(file_of(tmp_path, LARGE), "a.tif")
    assert SECRET not in str(caught.value)


def test_loopback_goes_through_no_proxy(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    store = store_of(serve())
    store.write("a", b"1")
    assert store.read("a") == b"1"


def test_the_address_of_an_upload_is_told_to_nobody(
    serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    faults = [fault("files.upload", "status", code, nth=n) for n, code in ((3, 503), (4, 400))]
    store = store_of(serve(*faults))
    store.write("first", b"")
    with caplog.at_level(logging.DEBUG), pytest.raises(StoreError) as caught:
        store.put(file_of(tmp_path, LARGE), "a.tif")
    assert "upload_id" not in caplog.text + str(caught.value) + repr(caught.value.__cause__)


def test_a_range_that_is_not_the_one_asked_for_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection = Connection(AnonymousCredentials(), "http://127.0.0.1:1")
    monkeypatch.setattr(retry, "PATIENCE", 0.05)
    sink: list[bytes] = []
    for headers in ({}, {"content-range": "bytes 5-6/9"}, {"content-range": "bytes */9"}):
        answering = offline(monkeypatch, (206, b"xx"), **headers)
        with pytest.raises(StoreError, match="IncompleteRead"):
            connection.download("x", type("Sink", (), {"write": sink.append}), "a")
        assert answering.asked > 1
    assert sink == []
    offline(monkeypatch, (200, b"all"))
    connection.download("x", type("Sink", (), {"write": sink.append}), "a")
    assert sink == [b"all"]


def test_an_error_of_the_service_without_reasons_is_judged_by_its_status() -> None:
    for status, content, transient in (
        (503, b"", True),
        (403, b"[]", False),
        (403, b'{"error": {"errors": [{"reason": "userRateLimitExceeded"}], "message": ""}}', True),
        (403, b'{"error": {"errors": [{"reason": "quotaExceeded"}], "message": ""}}', False),
    ):
        error = HttpError(httplib2.Response({"status": status}), content)
        assert is_transient(error) == transient
