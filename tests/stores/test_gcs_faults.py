"""What a bucket is on a bad day: lost answers, broken and damaged bodies, other writers between."""

from __future__ import annotations

import io
import itertools
import os
import random
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from buckets import FAST, asked, serving, store_of
from google.api_core.exceptions import Forbidden, GatewayTimeout, NotFound, TooManyRequests
from google.auth.exceptions import RefreshError, TransportError

from cedar import retry
from cedar.emulator import Emulator
from cedar.exceptions import Conflict, NotFoundError, StoreError
from cedar.stores import ABSENT, ANY
from cedar.stores.gcs import GCSStore
from cedar.stores.gcs_connection import is_transient
from cedar.stores.http_session import Session

PART = 1 << 18
LARGE = os.urandom(2 * PART + 1000)
#: What passes: (action, value).
PASSING = [
    *[("status", code) for code in (429, 500, 503, 504, "rate-limit")],
    *[("fail-after", code) for code in (429, 503, "rate-limit")],
    ("reset", None),
    ("truncate", 0),
    ("truncate", 0.5),
]
Serve = Callable[..., Emulator]
#: Sends a request of the store's session.
Send = Callable[..., requests.Response]


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for, and a few hundred kilobytes are large."""
    monkeypatch.setattr(retry, "FIRST_DELAY", 0.0)
    monkeypatch.setattr("cedar.stores.gcs_upload.PART", PART)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Serve one bucket, by as many emulators as are asked for."""
    with ExitStack() as stack:
        yield lambda *faults, **kwds: stack.enter_context(
            serving(tmp_path / "state", *faults, **kwds)
        )


def fault(method: str, action: str, value: object = None, nth: int = 1, **more: object) -> Any:
    return {"method": method, "action": action, "value": value, "nth": nth, **more}


def file_of(directory: Path, data: bytes) -> Path:
    path = directory / "finished.tif"
    path.write_bytes(data)
    return path


def between(
    store: GCSStore, monkeypatch: pytest.MonkeyPatch, **happens: Callable[..., Any]
) -> None:
    """Have something happen at the nth request, ``_1`` the first: it is given what sends it."""
    send, numbers = Session.request, itertools.count(1)

    def request(self: Session, *args: Any, **kwds: Any) -> requests.Response:
        def really() -> requests.Response:
            return send(self, *args, **kwds)

        if self is not store.connection.session:
            return really()
        happen = happens.get(f"_{next(numbers)}")
        return really() if happen is None else happen(really)

    monkeypatch.setattr(Session, "request", request)


# What passes is tried again, and done once


USES: dict[str, tuple[str, Callable[[GCSStore, Path], object], object]] = {
    "list": ("objects.list", lambda store, _: [o.key for o in store.objects()], ["a", "b"]),
    "stat": ("objects.get", lambda store, _: store.stat("a").size, 4),
    "read": ("objects.download", lambda store, _: store.read("b"), LARGE),
    "read a range": ("objects.download", lambda store, _: store.read("b", 5, 900), LARGE[5:900]),
    "sum": ("objects.download", lambda store, _: store.checksum("a", "md5")[:4], "md5:"),
    "create": ("objects.insert", lambda store, _: store.write("c", b"1", ABSENT).size, 1),
    "replace": (
        "objects.insert",
        lambda store, _: store.write("a", b"12", store.stat("a").version).size,
        2,
    ),
    "put": ("objects.upload", lambda store, path: store.put(path, "c", ABSENT).size, len(LARGE)),
    "fetch": (
        "objects.download",
        lambda store, path: store.fetch("b", path).size and path.read_bytes(),
        LARGE,
    ),
    "delete": ("objects.delete", lambda store, _: store.delete("a", missing_ok=False), None),
    "delete many": ("batch", lambda store, _: store.delete_many({"a": ANY, "b": ANY}), {}),
}


#: Requests of :func:`filled`.
FILLING = {"objects.insert": 1, "objects.upload": 4}


def filled(emulator: Emulator) -> GCSStore:
    """A store with a small and a large object."""
    store = store_of(emulator)
    store.write("a", b"data")
    store.write("b", LARGE)
    return store


def in_turn(method: str, faults: list[tuple[str, Any]], first: int = 1) -> list[dict[str, Any]]:
    """One after the other, from the nth request of a method."""
    return [fault(method, *each, nth) for nth, each in enumerate(faults, first)]


@pytest.mark.parametrize("faults", [PASSING, PASSING[::-1]], ids=["there", "back"])
@pytest.mark.parametrize("use", USES)
def test_what_passes_is_tried_again_and_done_once(
    serve: Serve, tmp_path: Path, use: str, faults: list[tuple[str, Any]]
) -> None:
    method, do, result = USES[use]
    store = filled(serve(*in_turn(method, faults, 1 + FILLING.get(method, 0))))
    assert do(store, file_of(tmp_path, LARGE)) == result
    here = {info.key: store.read(info.key) for info in store.objects()}
    changed = {"create": {"c": b"1"}, "put": {"c": LARGE}, "replace": {"a": b"12"}}
    gone = {"delete": ["a"], "delete many": ["a", "b"]}.get(use, [])
    expected = {"a": b"data", "b": LARGE} | changed.get(use, {})
    assert here == {key: data for key, data in expected.items() if key not in gone}


@pytest.mark.parametrize("faults", [PASSING, PASSING[::-1]], ids=["there", "back"])
@pytest.mark.parametrize("first", [1, 2, 3, 4])
def test_an_upload_outlasts_what_passes(
    serve: Serve, tmp_path: Path, first: int, faults: list[tuple[str, Any]]
) -> None:
    store = store_of(serve(*in_turn("objects.upload", faults, first)))
    path = file_of(tmp_path, LARGE)
    info = store.put(path, "a", ABSENT)
    assert store.stat("a") == info
    assert store.read("a") == LARGE
    assert not path.exists()


def test_an_upload_goes_on_where_it_broke_off(serve: Serve, tmp_path: Path) -> None:
    emulator = serve(fault("objects.upload", "reset", nth=3))
    store_of(emulator).put(file_of(tmp_path, LARGE), "a")
    # It is begun, of three parts the second is lost, and it is asked what has arrived.
    statuses = [status for _, status in asked(emulator)]
    assert statuses == [200, 308, None, 308, 308, 200]


def test_a_page_that_fails_is_not_the_end_of_the_list(serve: Serve) -> None:
    """The client's own iterator over pages would be at its end after an error."""
    lost = fault("objects.list", "reset", nth=2, count=2)
    store = store_of(serve(lost, settings=replace(FAST, page_size=2)))
    for number in range(5):
        store.write(f"a{number}", b"")
    assert [info.key for info in store.objects()] == ["a0", "a1", "a2", "a3", "a4"]


@pytest.mark.parametrize("use", USES)
def test_what_doesn_t_pass_is_an_error_at_once(serve: Serve, tmp_path: Path, use: str) -> None:
    method, do, _ = USES[use]
    refusals = [("status", code) for code in (400, 401, 403, 409)]
    emulator = serve(*in_turn(method, refusals, 1 + FILLING.get(method, 0)))
    store = filled(emulator)
    path = file_of(tmp_path, LARGE)
    for _, code in refusals:
        asked(emulator)
        if use == "delete many":
            told = str(store.delete_many({"a": ANY, "b": ANY})["a"])
        else:
            with pytest.raises(StoreError) as caught:
                do(store, path)
            told = str(caught.value)
        assert "gs://a-bucket" in told
        assert "\n" not in told
        assert "http" not in told
        assert path.read_bytes() == LARGE
        assert [status for name, status in asked(emulator) if name == method] == [code]


def test_patience_has_an_end(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "PATIENCE", 0.0)
    store = store_of(serve(fault("objects.*", "status", 503, count=1000)))
    with pytest.raises(StoreError, match=r"can't look at gs://a-bucket/a: .* unavailable\.$"):
        store.stat("a")
    away = store_of(serve(fault("objects.*", "reset", count=1000)))
    with pytest.raises(StoreError, match=r"127\.0\.0\.1:[0-9]+ can't be reached: Connection reset"):
        away.stat("a")


def refusal(body: bytes) -> Forbidden:
    """As the client raises it where it uploads: its answer alone says why."""
    response = requests.Response()
    response.status_code, response.raw = 403, io.BytesIO(body)
    return Forbidden("", response=response)


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (TooManyRequests("", errors=[]), True),
        (GatewayTimeout(""), True),
        (NotFound(""), False),
        (NotFound("", errors=[{"reason": "userRateLimitExceeded"}]), True),
        (refusal(b'{"error": {"errors": [{"reason": "userRateLimitExceeded"}]}}'), True),
        (refusal(b'{"error": {"errors": [{"reason": "forbidden"}]}}'), False),
        (refusal(b'{"error": {"errors": ["rateLimitExceeded"]}}'), False),
        (refusal(b'{"error": "rateLimitExceeded"}'), False),
        (refusal(b"<html>rateLimitExceeded</html>"), False),
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (TransportError("no network"), True),
        (RefreshError("revoked"), False),
        (RefreshError("busy", retryable=True), True),
        (OSError(28, "No space left on device"), False),
        (KeyError(), False),
    ],
)
def test_what_passes(error: Exception, passes: bool) -> None:
    assert is_transient(error) == passes


# Lost answers and other writers


def test_a_write_that_lost_its_answer_loses_to_another_writer(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is told apart from one that lost to itself by its bytes."""
    emulator = serve()
    for way in "write", "put":
        store, other = store_of(emulator), store_of(emulator)
        old = other.write(way, b"old").version

        def overtaken(
            send: Callable[[], Any], other: GCSStore = other, way: str = way
        ) -> requests.Response:
            other.write(way, b"theirs")
            raise ConnectionResetError

        with monkeypatch.context() as patch:
            between(store, patch, _1=overtaken)
            path = file_of(tmp_path, b"mine")
            with pytest.raises(Conflict, match=f"where version {old} was expected"):
                store.write(way, b"mine", old) if way == "write" else store.put(path, way, old)
        assert store.read(way) == b"theirs"
        assert path.read_bytes() == b"mine"


def test_a_write_that_lost_its_answer_and_then_its_object_is_a_conflict(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator = serve()
    store, other = store_of(emulator), store_of(emulator)
    old = other.write("a", b"old").version

    def made_and_deleted(send: Callable[[], Any]) -> requests.Response:
        send()
        other.delete("a")
        raise ConnectionResetError

    between(store, monkeypatch, _1=made_and_deleted)
    with pytest.raises(Conflict, match="is gone, where version"):
        store.write("a", b"mine", old)


def test_the_very_bytes_that_are_there_are_no_excuse_without_a_lost_answer(serve: Serve) -> None:
    store = store_of(serve())
    store.write("a", b"same")
    with pytest.raises(Conflict):
        store.write("a", b"same", ABSENT)


def test_an_upload_that_was_forgotten_begins_anew(serve: Serve, tmp_path: Path) -> None:
    emulator = serve(fault("objects.upload", "status", 404, nth=3))
    store = store_of(emulator)
    store.put(file_of(tmp_path, LARGE), "a", ABSENT)
    assert store.read("a") == LARGE


def test_an_upload_that_was_forgotten_when_it_was_done_is_known_by_its_bytes(
    serve: Serve, tmp_path: Path
) -> None:
    """Begun (1) and sent (2 to 4), the last answer is lost; asked how far it is (5), it is none."""
    lost = fault("objects.upload", "fail-after", 503, nth=4)
    forgotten = fault("objects.upload", "status", 404, nth=5)
    emulator = serve(lost, forgotten)
    path = file_of(tmp_path, LARGE)
    info = store_of(emulator).put(path, "a", ABSENT)
    assert store_of(emulator).stat("a") == info
    assert not path.exists()


def answer_of(status: int, body: bytes = b"", **headers: str) -> Callable[..., requests.Response]:
    """An answer that the emulator doesn't give."""
    answer = requests.Response()
    answer.status_code, answer._content, answer._content_consumed = status, body, True
    answer.raw = io.BytesIO(body)
    answer.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return lambda _: answer


def test_a_service_that_takes_nothing_isn_t_asked_for_ever(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "PATIENCE", 0.0)
    store = store_of(serve())
    between(store, monkeypatch, _2=answer_of(308))
    path = file_of(tmp_path, LARGE)
    with pytest.raises(StoreError, match="nothing of it was taken"):
        store.put(path, "a")
    assert path.read_bytes() == LARGE


def test_an_upload_goes_to_no_other_host(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_of(serve())
    between(store, monkeypatch, _1=answer_of(200, Location="https://example.org/upload?id=secret"))
    with pytest.raises(StoreError, match="an address that isn't its own") as caught:
        store.put(file_of(tmp_path, LARGE), "a")
    assert "secret" not in str(caught.value)


def test_what_is_deleted_when_it_was_found_to_differ_is_not_there(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    emulator = serve()
    store, other = store_of(emulator), store_of(emulator)

    def deleted(send: Callable[[], Any]) -> requests.Response:
        other.delete("a")
        return send()

    for use in (
        lambda: store.fetch("a", tmp_path / "copy", if_version="12345"),
        lambda: store.delete("a", missing_ok=False, if_version="12345"),
    ):
        other.write("a", b"theirs")
        with monkeypatch.context() as patch:
            between(store, patch, _2=deleted)
            with pytest.raises(NotFoundError):
                use()


def test_a_deletion_whose_answer_was_lost_counts(serve: Serve) -> None:
    store = store_of(serve(fault("objects.delete", "fail-after", 503)))
    info = store.write("a", b"")
    store.delete("a", missing_ok=False, if_version=info.version)
    with pytest.raises(NotFoundError):
        store.delete("a", missing_ok=False)


# Bodies


def test_what_breaks_off_is_carried_on(serve: Serve, tmp_path: Path) -> None:
    emulator = serve(*in_turn("objects.download", [("truncate", 200_000), ("truncate", 0.9)]))
    store, path = filled(emulator), tmp_path / "copy"
    asked(emulator)
    store.fetch("b", path)
    assert path.read_bytes() == LARGE
    assert asked(emulator) == [("objects.download", status) for status in (200, 206, 206)]


def test_what_breaks_off_and_is_replaced_is_read_anew(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = os.urandom(len(LARGE))
    emulator = serve(fault("objects.download", "truncate", 1000))
    store, other = filled(emulator), store_of(emulator)

    def replaced(send: Callable[[], Any]) -> requests.Response:
        other.write("b", new)
        return send()

    between(store, monkeypatch, _2=replaced)
    store.fetch("b", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == new


def test_what_breaks_off_and_is_replaced_is_no_more_what_was_wanted(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator = serve(fault("objects.download", "truncate", 1000))
    store, other = filled(emulator), store_of(emulator)
    version = store.stat("b").version

    def replaced(send: Callable[[], Any]) -> requests.Response:
        other.write("b", b"new")
        return send()

    between(store, monkeypatch, _2=replaced)
    with pytest.raises(Conflict, match=f"where version {version} was expected"):
        store.fetch("b", tmp_path / "copy", if_version=version)
    assert not (tmp_path / "copy").exists()


def test_what_breaks_off_and_is_deleted_is_not_found(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator = serve(fault("objects.download", "truncate", 1000))
    store, other = filled(emulator), store_of(emulator)

    def deleted(send: Callable[[], Any]) -> requests.Response:
        other.delete("b")
        return send()

    between(store, monkeypatch, _2=deleted)
    with pytest.raises(NotFoundError):
        store.fetch("b", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize("place", [None, 0, 10**9])
@pytest.mark.parametrize("use", ["read", "read a range", "fetch", "sum"])
def test_a_damaged_body_is_read_again(
    serve: Serve, tmp_path: Path, use: str, place: int | None
) -> None:
    emulator = serve(fault("objects.download", "corrupt", place))
    _, do, result = USES[use]
    assert do(filled(emulator), tmp_path / "copy") == result


@pytest.mark.parametrize("key", ["a", "b"])
@pytest.mark.parametrize(
    "use",
    [
        lambda store, key, path: store.read(key),
        lambda store, key, path: store.read(key, 0, 40),
        lambda store, key, path: store.checksum(key),
        lambda store, key, path: store.fetch(key, path),
        lambda store, key, path: store.fetch(key, path.with_name("other"), "sha256:0"),
    ],
)
def test_a_body_that_is_always_damaged_is_never_taken(
    serve: Serve,
    tmp_path: Path,
    key: str,
    use: Callable[[GCSStore, str, Path], object],
) -> None:
    emulator = serve(*in_turn("objects.download", [("corrupt", place) for place in range(20)]))
    store, path = filled(emulator), file_of(tmp_path, b"as it was")
    with pytest.raises(StoreError, match=f"^{key} arrived damaged"):
        use(store, key, path)
    assert [name for name, _ in asked(emulator)].count("objects.download") == 4
    assert path.read_bytes() == b"as it was"
    assert {each.name for each in tmp_path.iterdir()} == {"state", path.name}


def test_a_body_without_a_checksum_is_not_taken(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_of(serve())
    store.write("a", b"data")

    def unsaid(send: Callable[[], requests.Response]) -> requests.Response:
        answer = send()
        del answer.headers["x-goog-hash"]
        return answer

    between(store, monkeypatch, _1=unsaid, _2=unsaid, _3=unsaid, _4=unsaid)
    with pytest.raises(StoreError, match="damaged"):
        store.read("a")


def test_a_service_that_knows_no_ranges_isn_t_believed(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = filled(serve(fault("objects.download", "truncate", 1000)))
    between(store, monkeypatch, _2=answer_of(200, LARGE))
    with pytest.raises(StoreError, match="the service sends all"):
        store.fetch("b", tmp_path / "copy")


def test_a_full_disk_is_no_fault_of_the_network(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator = serve()
    store, sync = filled(emulator), os.fsync

    def full(descriptor: int) -> None:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(28, "No space left on device")
        sync(descriptor)

    asked(emulator)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match=r"can't copy b to .*copy: No space left on device"):
        store.fetch("b", tmp_path / "copy")
    assert asked(emulator) == [("objects.download", 200)]


# All of it at once


@pytest.mark.parametrize("seed", range(3))
def test_with_every_fault_at_a_tenth_of_all_requests_it_is_a_store(
    serve: Serve, tmp_path: Path, seed: int
) -> None:
    faults = [
        {"method": method, "action": action, "value": value, "probability": 0.02}
        for method in ("objects.*", "batch")
        for action, value in [*PASSING, ("corrupt", None)]
        if method == "objects.*" or action != "corrupt"
    ]
    emulator = serve(*faults, seed=seed)
    store, truth = store_of(emulator), dict[str, bytes]()
    versions: dict[str, str] = {}
    dice = random.Random(seed)
    for number in range(60):
        key = f"a/{dice.randrange(4)}"
        data = LARGE[: dice.choice([0, 10, PART, PART + 1, len(LARGE)])] + b"%d" % number
        match dice.choice(["write", "put", "delete", "read", "fetch", "stale"]):
            case "write":
                versions[key] = store.write(key, data, versions.get(key, ABSENT)).version
                truth[key] = data
            case "put":
                path = file_of(tmp_path, data)
                versions[key] = store.put(path, key, versions.get(key, ABSENT)).version
                truth[key] = data
            case "delete":
                store.delete(key, if_version=versions.pop(key, ANY))
                truth.pop(key, None)
            case "stale":
                with pytest.raises(Conflict):
                    store.write(key, data, "12345")
            case "read" if key in truth:
                assert store.read(key) == truth[key]
                assert store.read(key, 3, 1000) == truth[key][3:1000]
            case "fetch" if key in truth:
                store.fetch(key, tmp_path / "copy", if_version=versions[key])
                assert (tmp_path / "copy").read_bytes() == truth[key]
            case _:
                with suppress(NotFoundError):
                    pytest.fail(f"{key}: {store.read(key)!r}")
        assert {info.key: info.version for info in store.objects()} == versions
    assert store.delete_many(versions) == {}
    assert list(store.objects()) == []
    failed = [
        status for _, status in asked(emulator) if status not in (200, 204, 206, 308, 404, 412)
    ]
    assert len(failed) > 10
