"""What a stream from Google's services is on a bad day: one request, and an error that says why."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import buckets
import drives
import pytest
import requests
from fault_proxy import Answer, Fault, proxied
from google.auth.exceptions import RefreshError, TransportError

from cedar.emulator import Emulator
from cedar.exceptions import Conflict, Interrupted, NotFoundError, StoreError
from cedar.stores import ANY, Store
from cedar.stores.gcs import GCSStore
from cedar.stores.gdrive import GDriveStore
from cedar.stores.http_session import Session
from cedar.stores.streams import PIECE

SIZE = 8 * PIECE
DATA = os.urandom(SIZE)
SECRET = "S3CR3T"
DOWNLOADS = {"gcs": "objects.download", "gdrive": "files.download"}
#: Serve a service with faults; its emulator, and a store with DATA at P/a.tif.
Serve = Callable[..., tuple[Emulator, Store]]


@pytest.fixture(params=DOWNLOADS)
def service(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def serve(service: str, tmp_path: Path) -> Iterator[Serve]:
    with ExitStack() as stack:

        def served(*faults: dict[str, Any], **kwds: Any) -> tuple[Emulator, Store]:
            faults = tuple({"method": DOWNLOADS[service], "nth": 1, **fault} for fault in faults)
            if service == "gcs":
                emulator = stack.enter_context(buckets.serving(tmp_path / "state", *faults, **kwds))
                store: Store = buckets.store_of(emulator)
            else:
                emulator = stack.enter_context(drives.drive(*faults, **kwds))
                store = drives.store_of(emulator)
            store.write("P/a.tif", DATA)
            return emulator, store

        yield served


def downloads(emulator: Emulator) -> int:
    return sum(request.method in DOWNLOADS.values() for request in emulator.requests)


def failed(store: Store, kind: type[StoreError] = Interrupted, **kwds: Any) -> StoreError:
    """How a stream of all fails, in one line that gives nothing away."""
    with pytest.raises(StoreError) as caught:
        list(store.stream("P/a.tif", 0, SIZE, **kwds))
    error = caught.value
    assert type(error) is kind
    assert error.key == "P/a.tif"
    assert "P/a.tif" in str(error)
    assert not any(word in str(error) for word in ("\n", "http:", "https:", "127.0.0.1:", SECRET))
    return error


@pytest.mark.parametrize(
    ("value", "slow_down", "words"),
    [
        (429, True, "the service answers 429"),
        (503, True, "the service answers 503"),
        ("rate-limit", True, "the service answers 403"),
        (500, False, "the service answers 500"),
        (504, False, "the service answers 504"),
    ],
)
def test_a_busy_service_interrupts_a_stream(
    serve: Serve, value: object, slow_down: bool, words: str
) -> None:
    emulator, store = serve({"action": "status", "value": value})
    error = failed(store)
    assert isinstance(error, Interrupted)
    assert error.slow_down == slow_down
    assert words in str(error)
    assert downloads(emulator) == 1
    assert b"".join(store.stream("P/a.tif", 0, SIZE)) == DATA


@pytest.mark.parametrize("value", [400, 401, 403])
def test_a_refusal_is_no_interruption(serve: Serve, value: int) -> None:
    emulator, store = serve({"action": "status", "value": value})
    failed(store, StoreError)
    assert downloads(emulator) == 1


def test_a_connection_that_is_reset_interrupts_a_stream(serve: Serve) -> None:
    emulator, store = serve({"action": "reset"})
    assert not getattr(failed(store), "slow_down", None)
    assert downloads(emulator) == 1


@pytest.mark.parametrize("part", [0, 1, PIECE + 1, 0.5])
def test_what_arrived_is_given_before_a_stream_is_interrupted(serve: Serve, part: float) -> None:
    emulator, store = serve({"action": "truncate", "value": part})
    stream, cut = store.stream("P/a.tif", 10, SIZE), int(part if part >= 1 else (SIZE - 10) * part)
    arrived = b"".join(next(stream) for _ in range(-(-cut // PIECE)))
    assert arrived == DATA[10 : 10 + cut]
    with pytest.raises(Interrupted, match=r"can't read P/a\.tif"):
        next(stream)
    assert downloads(emulator) == 1


def test_a_service_that_does_not_answer_interrupts_a_stream(serve: Serve) -> None:
    emulator, store = serve({"action": "delay", "value": 3600})
    assert "it doesn't answer" in str(failed(store, timeout=0.1))
    assert b"".join(store.stream("P/a.tif", 0, SIZE, timeout=20)) == DATA
    assert downloads(emulator) == 1  # The late one is noted when it is over.


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TransportError(f"no token from https://{SECRET}"), Interrupted),
        (RefreshError("busy", retryable=True), Interrupted),
        (RefreshError("revoked"), StoreError),
    ],
)
def test_without_a_token_there_is_no_stream(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[StoreError]
) -> None:
    def request(self: Session, *args: Any, **kwds: Any) -> requests.Response:
        raise error

    _, store = serve()
    store.stat("P/a.tif")
    monkeypatch.setattr(Session, "request", request)
    assert ("no token" in str(failed(store, kind))) == (kind is StoreError)


def behind(serve: Serve, service: str, url: str) -> Store:
    """The store that was served, reached by another url."""
    return GCSStore(buckets.BUCKET, url=url) if service == "gcs" else GDriveStore("cedar", url=url)


ALL = {"Content-Range": f"bytes 0-{SIZE - 1}/{SIZE}"}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(200, DATA + b"more"), "asked for a part, the service sends all"),
        (Answer(206, DATA), "the service sends another"),
        (Answer(206, DATA, {"Content-Range": f"bytes 1-{SIZE}/{SIZE + 1}"}), "sends another"),
        (
            Answer(302, b"", {"Location": f"https://evil.example/{SECRET}"}),
            "302|GoogleAPICallError",
        ),
    ],
)
def test_another_answer_than_a_part_is_refused(
    serve: Serve, service: str, answer: Answer, words: str
) -> None:
    emulator, _ = serve()
    with proxied(emulator.urls[service]) as proxy:
        proxy.faults.append(Fault("GET", "alt=media", instead=answer))
        error = failed(behind(serve, service, proxy.url), StoreError)
        assert any(word in str(error) for word in words.split("|"))
        (asked,) = [asked for asked in proxy.asked if asked.matches("GET", "alt=media")]
        assert asked.headers["Range"] == f"bytes=0-{SIZE - 1}"


@pytest.mark.parametrize(
    "answer", [Answer(200, DATA), Answer(206, DATA + b"more", ALL)], ids=["all", "more"]
)
def test_no_more_is_given_than_was_asked_for(serve: Serve, service: str, answer: Answer) -> None:
    emulator, _ = serve()
    with proxied(emulator.urls[service]) as proxy:
        proxy.faults.append(Fault("GET", "alt=media", instead=answer))
        store = behind(serve, service, proxy.url)
        assert b"".join(store.stream("P/a.tif", 0, SIZE)) == DATA
        assert b"".join(store.stream("P/a.tif", 1, SIZE)) == DATA[1:]


# Requests and connections


def opened(store: Any, service: str) -> int:
    """How many connections a store has opened for contents."""
    session = store.connection.session if service == "gcs" else store.connection._media
    pools = session._session.adapters["http://"].poolmanager.pools
    return sum(pools[key].num_connections for key in pools.keys())  # noqa: SIM118


def test_a_connection_is_used_again_unless_a_stream_is_closed_early(
    serve: Serve, service: str
) -> None:
    _, store = serve()
    version = store.stat("P/a.tif").version
    list(store.stream("P/a.tif", 0, SIZE, version))
    before = opened(store, service)
    for _ in range(5):
        list(store.stream("P/a.tif", 100, SIZE, version))
    assert opened(store, service) == before
    stream = store.stream("P/a.tif", 0, SIZE, version)
    next(stream)
    stream.close()
    assert list(stream) == []
    for _ in range(2):
        list(store.stream("P/a.tif", 0, 10, version))
    assert opened(store, service) <= before + 1


def test_many_parts_of_one_version_take_a_request_each(serve: Serve) -> None:
    n = 32
    emulator, store = serve()
    version = store.stat("P/a.tif").version
    emulator.requests.clear()
    start, bounds = threading.Barrier(n), [SIZE * i // n for i in range(n + 1)]

    def part(span: tuple[int, int]) -> bytes:
        start.wait()
        return b"".join(store.stream("P/a.tif", *span, version))

    with ThreadPoolExecutor(n) as pool:
        assert b"".join(pool.map(part, pairwise(bounds))) == DATA
    assert downloads(emulator) == n
    assert len(emulator.requests) <= n + 2


# Drive


@pytest.fixture
def drive() -> Iterator[Emulator]:
    with drives.drive() as emulator:
        yield emulator


def test_what_drive_listed_is_streamed_without_a_look(drive: Emulator) -> None:
    drives.store_of(drive).write("P/a.tif", DATA)
    store = drives.store_of(drive)
    (info,) = store.objects("P/")
    drives.asked(drive)
    assert b"".join(store.stream("P/a.tif", 5, SIZE, info.version)) == DATA[5:]
    assert drives.asked(drive) == ["files.download"]


def test_an_image_of_several_called_alike_is_streamed_by_its_version(drive: Emulator) -> None:
    account, store = drives.Account(drive), drives.store_of(drive)
    store.write("P/a.tif", b"mine")
    other = account.file("a.tif", b"theirs", account.folder("P"))
    (version,) = [info.version for info in store.objects("P/") if info.ref == other]
    for each in (store, drives.store_of(drive)):
        assert b"".join(each.stream("P/a.tif", 0, 6, version)) == b"theirs"
        assert list(each.stream("P/a.tif", 6, 6, version)) == []
        assert b"".join(each.stream("P/a.tif", 0, 4)) == b"mine"


def test_what_drive_listed_and_others_changed_is_known_at_the_next_look(drive: Emulator) -> None:
    mine, other = drives.store_of(drive), drives.store_of(drive)
    old = mine.write("P/a.tif", DATA)
    assert [info.version for info in mine.objects("P/")] == [old.version]
    other.write("P/a.tif", b"short", old.version)
    # It is believed to be what it was, but it hasn't so many bytes.
    for _ in range(2):
        with pytest.raises(Conflict):
            list(mine.stream("P/a.tif", 0, SIZE, old.version))
    with pytest.raises(Conflict, match="is at version"):
        list(mine.stream("P/a.tif", 0, 5, old.version))


def test_what_drive_listed_and_others_deleted_is_missing(drive: Emulator) -> None:
    mine, other = drives.store_of(drive), drives.store_of(drive, permanent=True)
    old = mine.write("P/a.tif", DATA)
    assert [info.version for info in mine.objects("P/")] == [old.version]
    other.delete("P/a.tif")
    with pytest.raises(NotFoundError, match=r"P/a\.tif is not in"):
        list(mine.stream("P/a.tif", 0, SIZE, old.version))
    new = other.write("P/a.tif", b"again")
    with pytest.raises(Conflict, match="is at version"):
        list(mine.stream("P/a.tif", 0, SIZE, old.version))
    assert b"".join(mine.stream("P/a.tif", 0, 5, new.version)) == b"again"
    assert b"".join(mine.stream("P/a.tif", 0, 5, ANY)) == b"again"
