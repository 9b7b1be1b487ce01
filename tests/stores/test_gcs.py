"""What holds of a bucket of Cloud Storage as a store, beyond what holds of every store."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jsonschema
import pytest
from buckets import BUCKET, asked, serving, store_of

from cedar import retry
from cedar.emulator import Emulator
from cedar.emulator.settings import Settings
from cedar.exceptions import Conflict, InputError, NotFoundError, StoreError
from cedar.items import Destination, Output
from cedar.stores import ABSENT, ANY, kinds, open_store
from cedar.stores.checksums import checksum_of, file_checksum
from cedar.stores.gcs import CONFIG_SCHEMA, DEFAULT_URL, GCSStore, from_config
from cedar.stores.gcs_connection import Connection

#: Bytes of a part in these tests: the service keeps no fewer.
SMALL_PART = 1 << 18
#: What is no generation: another store's version, and what somebody wrote into a record.
FOREIGN = ["1-1", "0", "00", "", "-1", "9" * 10_000, "٣"]


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    with serving(tmp_path / "state") as emulator:
        yield emulator


@pytest.fixture
def store(emulator: Emulator) -> GCSStore:
    return store_of(emulator)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """An object of a few hundred kilobytes counts as large."""
    monkeypatch.setattr("cedar.stores.gcs_upload.PART", SMALL_PART)


def file_of(directory: Path, data: bytes) -> Path:
    path = directory / "finished.tif"
    path.write_bytes(data)
    return path


def keys(store: GCSStore, prefix: str = "") -> list[str]:
    return [info.key for info in store.objects(prefix)]


# What it is


def test_it_is_a_kind_and_what_it_is_made_of_is_none() -> None:
    assert [kind for kind in kinds() if kind.startswith("gcs")] == ["gcs"]


@pytest.mark.parametrize("name", ["gs://a-bucket", "A-Bucket", "", "a", "a/b", "-ab", "a b", "é-é"])
def test_what_can_t_be_a_bucket_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="give its name alone"):
        GCSStore(name)


@pytest.mark.parametrize("url", ["https://example.org", "http://storage.googleapis.com", "x"])
def test_a_host_that_is_neither_googles_nor_here_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="credentials are sent nowhere else"):
        GCSStore(BUCKET, url=url)


def test_making_one_asks_nobody_and_looks_for_nothing(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cedar.access.for_google", lambda *_: pytest.fail("it does"))
    store = GCSStore(BUCKET, credentials=Path("nowhere.json"))
    here = store_of(emulator)
    assert store.identity() == {"kind": "gcs", "identity": "gs://a-bucket"}
    assert here.identity() == {"kind": "gcs", "identity": "emulator:gs://a-bucket"}
    assert (store.emulated, here.emulated) == (False, True)
    for each in store, here:
        assert each.destination("CEDAR_PREARD") == Destination("gcs", BUCKET, "CEDAR_PREARD")
        assert repr(each) == "GCSStore('a-bucket')"
    assert asked(emulator) == []


def test_a_configuration_says_where_it_is(tmp_path: Path) -> None:
    section = {"bucket": BUCKET, "project": "payer", "credentials": "key.json"}
    jsonschema.validate(section, CONFIG_SCHEMA)
    store = from_config(section, tmp_path)
    assert (store.bucket, store.project, store.url) == (BUCKET, "payer", DEFAULT_URL)
    assert store.credentials == tmp_path / "key.json"
    section = {"bucket": BUCKET, "url": "http://localhost:1/"}
    jsonschema.validate(section, CONFIG_SCHEMA)
    opened = open_store("gcs", section, tmp_path)
    assert isinstance(opened, GCSStore)
    assert (opened.url, opened.credentials, opened.project) == ("http://localhost:1", None, None)
    for wrong in ({}, {"bucket": ""}, {"bucket": BUCKET, "folder": "a"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, CONFIG_SCHEMA)


def test_half_done_work_is_in_the_users_cache_and_nobody_elses(
    store: GCSStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    directory = store.scratch("orders/a")
    assert directory.is_relative_to(tmp_path / "cache" / "cedar")
    assert (tmp_path / "cache" / "cedar").stat().st_mode & 0o777 == 0o700
    assert GCSStore(BUCKET).scratch("orders/a") != directory
    assert GCSStore("another", url=store.url).scratch("orders/a") != directory
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert store.scratch("b").is_relative_to(tmp_path / "home")


def test_a_cache_that_can_t_be_made_is_named(
    store: GCSStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(file_of(tmp_path, b"")))
    with pytest.raises(StoreError, match=r"finished\.tif.*set \$XDG_CACHE_HOME"):
        store.scratch("a")

    def homeless() -> Path:
        raise RuntimeError("no home")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", homeless)
    with pytest.raises(StoreError, match=r"no home; set \$XDG_CACHE_HOME"):
        store.scratch("a")


# Requests


def test_each_thing_is_one_request(
    emulator: Emulator, store: GCSStore, tmp_path: Path, small_parts: None
) -> None:
    """And the client makes none by itself, as it does for a bucket's location."""
    large = os.urandom(2 * SMALL_PART + 1)
    info = store.write("a", b"data")
    assert asked(emulator) == [("objects.insert", 200)]
    assert store.stat("a") == info
    assert asked(emulator) == [("objects.get", 200)]
    assert list(store.objects()) == [info]
    assert asked(emulator) == [("objects.list", 200)]
    assert store.read("a") == b"data"
    assert asked(emulator) == [("objects.download", 200)]
    assert store.checksum("a", "crc32c") == info.checksum == checksum_of(b"data", "crc32c")
    assert asked(emulator) == [("objects.get", 200)]
    info = store.put(file_of(tmp_path, large), "b")
    assert asked(emulator) == [
        ("objects.upload", 200),
        *[("objects.upload", 308)] * 2,
        ("objects.upload", 200),
    ]
    store.retrieve("b", tmp_path / "copy", known=Output.of(info).at("b"))
    assert asked(emulator) == [("objects.download", 200)]
    assert (tmp_path / "copy").read_bytes() == large
    store.delete("a")
    assert asked(emulator) == [("objects.delete", 204)]


def test_a_list_comes_in_pages_as_it_is_read(tmp_path: Path) -> None:
    with serving(tmp_path / "state", settings=Settings(object_writes=0, page_size=2)) as emulator:
        store = store_of(emulator)
        for number in range(5):
            store.write(f"a/{number}", b"")
        asked(emulator)
        found = store.objects("a/")
        assert asked(emulator) == []
        assert [next(found).key, next(found).key] == ["a/0", "a/1"]
        assert len(asked(emulator)) == 1
        assert [info.key for info in found] == ["a/2", "a/3", "a/4"]
        assert len(asked(emulator)) == 2


def test_several_prefixes_take_one_request_where_a_page_holds_them(tmp_path: Path) -> None:
    with serving(tmp_path / "state", settings=Settings(object_writes=0, page_size=3)) as emulator:
        store = store_of(emulator)
        for key in ("CEDAR_A/1", "CEDAR_B/1", "CEDAR_B/2", "a/1"):
            store.write(key, b"")

        def listed() -> tuple[list[list[str]], int]:
            asked(emulator)
            found = store.under(["CEDAR_B/", "CEDAR_A/"])
            return [[info.key for info in each] for each in found], len(asked(emulator))

        assert listed() == ([["CEDAR_B/1", "CEDAR_B/2"], ["CEDAR_A/1"]], 1)
        store.write("CEDAR_C/1", b"")
        # What doesn't fit into a page isn't tried again.
        assert listed() == ([["CEDAR_B/1", "CEDAR_B/2"], ["CEDAR_A/1"]], 3)
        assert listed() == ([["CEDAR_B/1", "CEDAR_B/2"], ["CEDAR_A/1"]], 2)


def test_many_deletions_are_few_requests(emulator: Emulator, store: GCSStore) -> None:
    versions = {
        f"a/{number:03d}": store.write(f"a/{number:03d}", b"").version for number in range(201)
    }
    store.write("a/007", b"another's")
    store.delete("a/008")
    store.write("b", b"")
    asked(emulator)
    failed = store.delete_many(versions | {"b": ANY})
    assert {key: type(error) for key, error in failed.items()} == {
        "a/007": Conflict,
        "a/008": NotFoundError,
    }
    assert keys(store) == ["a/007"]
    assert store.read("a/007") == b"another's"
    assert [method for method, _ in asked(emulator)].count("batch") == 3
    assert store.delete_many({}) == {}


def test_nothing_is_deleted_where_a_key_can_t_be_one(emulator: Emulator, store: GCSStore) -> None:
    store.write("a", b"")
    asked(emulator)
    with pytest.raises(InputError, match="key"):
        store.delete_many({"a": ANY, "../a": ANY})
    assert asked(emulator) == []


def test_many_threads_share_one_connection(
    store: GCSStore, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def counted(*args: object) -> Connection:
        made.append(1)
        return Connection(*args)

    monkeypatch.setattr("cedar.stores.gcs.Connection", counted)
    data = {f"{number}": os.urandom(1000) for number in range(32)}
    together = threading.Barrier(32)

    def work(key: str) -> bytes:
        together.wait(timeout=30)
        store.write(key, data[key])
        return store.read(key)

    with caplog.at_level(logging.WARNING), ThreadPoolExecutor(32) as pool:
        assert list(pool.map(work, data)) == list(data.values())
    assert made == [1]
    assert caplog.records == []


# Listing


def test_a_strangers_object_that_has_no_key_is_left_out(store: GCSStore) -> None:
    bucket = store.connection.bucket
    for name in ("../../x", "/etc/x", "a//b", "folder/", "a\\b", ".cedar/x", "fine"):
        bucket.blob(name).upload_from_string(b"")
    assert keys(store) == ["fine"]


# Versions


@pytest.mark.parametrize("version", FOREIGN)
def test_a_version_that_is_none_here_is_never_met(
    store: GCSStore, tmp_path: Path, version: str
) -> None:
    for write in (
        lambda: store.write("a", b"mine", version),
        lambda: store.put(file_of(tmp_path, b"mine"), "a", version),
    ):
        with pytest.raises(Conflict, match="is gone, where version"):
            write()
    store.delete("a", if_version=version)
    with pytest.raises(NotFoundError):
        store.fetch("a", tmp_path / "copy", if_version=version)
    now = store.write("a", b"theirs").version
    for use in (
        lambda: store.write("a", b"mine", version),
        lambda: store.put(file_of(tmp_path, b"mine"), "a", version),
        lambda: store.fetch("a", tmp_path / "copy", if_version=version),
        lambda: store.delete("a", if_version=version),
    ):
        with pytest.raises(Conflict, match=f"is at version {now}, where version") as caught:
            use()
        assert caught.value.key == "a"
    assert store.delete_many({"a": version}).keys() == {"a"}
    assert store.read("a") == b"theirs"
    assert not (tmp_path / "copy").exists()


def test_absence_is_a_condition_of_all_that_changes(store: GCSStore, tmp_path: Path) -> None:
    store.delete("a", if_version=ABSENT)
    store.write("a", b"", ABSENT)
    with pytest.raises(Conflict, match="where nothing was expected"):
        store.delete("a", if_version=ABSENT)
    with pytest.raises(Conflict, match="where nothing was expected"):
        store.fetch("a", tmp_path / "copy", if_version=ABSENT)


def test_a_write_too_soon_after_another_is_made_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "FIRST_DELAY", 0.01)
    with serving(tmp_path / "state", settings=Settings(object_writes=20)) as emulator:
        store = store_of(emulator)
        versions = [store.write("a", b"%d" % number).version for number in range(4)]
        assert len(set(versions)) == 4
        assert ("objects.insert", 429) in asked(emulator)
        assert store.read("a") == b"3"


# Copies


@pytest.mark.parametrize("algorithm", ["sha256", "md5", "crc32c"])
def test_a_copy_is_checked_by_any_checksum(
    store: GCSStore, tmp_path: Path, algorithm: str, small_parts: None
) -> None:
    data = os.urandom(3 * SMALL_PART)
    store.write("a", data)
    checksum = checksum_of(data, algorithm)
    assert store.fetch("a", tmp_path / "copy", checksum).checksum == checksum
    assert file_checksum(tmp_path / "copy", algorithm) == checksum == store.checksum("a", algorithm)
    with pytest.raises(StoreError, match=f"{algorithm}:0 was expected"):
        store.fetch("a", tmp_path / "other", f"{algorithm}:0")
    assert not (tmp_path / "other").exists()


def test_a_copy_is_of_the_version_that_is_wanted(store: GCSStore, tmp_path: Path) -> None:
    old = store.write("a", b"old").version
    assert store.fetch("a", tmp_path / "copy", if_version=old).version == old
    new = store.write("a", b"new").version
    with pytest.raises(Conflict, match=f"is at version {new}, where version {old} was expected"):
        store.fetch("a", tmp_path / "copy", if_version=old)
    assert (tmp_path / "copy").read_bytes() == b"old"


@pytest.mark.parametrize("n", [0, 1, SMALL_PART - 1, SMALL_PART, SMALL_PART + 1, 3 * SMALL_PART])
def test_a_file_of_any_size_is_put(
    store: GCSStore, tmp_path: Path, n: int, small_parts: None
) -> None:
    data = os.urandom(n)
    path = file_of(tmp_path, data)
    info = store.put(path, "a/b.tif", ABSENT)
    assert store.stat("a/b.tif") == info
    assert info.checksum == checksum_of(data, "crc32c")
    assert store.read("a/b.tif") == data
    assert not path.exists()
    assert store.connection.bucket.get_blob("a/b.tif").content_type == "image/tiff"
    with pytest.raises(Conflict):
        store.put(file_of(tmp_path, data), "a/b.tif", ABSENT)
    assert path.read_bytes() == data


def test_a_document_is_of_its_type(store: GCSStore) -> None:
    store.store_metadata({}, "a", "P")
    store.write("plain", b"")
    bucket = store.connection.bucket
    assert bucket.get_blob("P/a.json").content_type == "application/json"
    assert bucket.get_blob("plain").content_type == "application/octet-stream"


@pytest.mark.parametrize(
    ("start", "end"), [(0, 5), (3, SMALL_PART), (SMALL_PART - 1, None), (2 * SMALL_PART, None)]
)
@pytest.mark.parametrize("large", [True, False])
def test_a_range_is_read_of_large_objects_too(
    store: GCSStore, small_parts: None, start: int, end: int | None, large: bool
) -> None:
    data = os.urandom(SMALL_PART + 10 if large else SMALL_PART)
    store.write("a", data)
    assert store.read("a", start, end) == data[start:end]


# What can't be done


def test_a_bucket_that_isn_t_there_is_no_empty_one(emulator: Emulator, tmp_path: Path) -> None:
    """Nor is an object in it merely missing: a record would be taken for one that nobody wrote."""
    store = store_of(emulator, "no-such-bucket")
    uses: list[Callable[[], object]] = [
        lambda: keys(store),
        lambda: store.stat("a"),
        lambda: store.read("a"),
        lambda: store.read("a", 1),
        lambda: store.write("a", b""),
        lambda: store.put(file_of(tmp_path, b""), "a"),
        lambda: store.fetch("a", tmp_path / "copy"),
        lambda: store.delete("a"),
    ]
    for use in uses:
        with pytest.raises(StoreError, match=r"gs://no-such-bucket.*make the bucket") as caught:
            use()
        assert not isinstance(caught.value, NotFoundError)
    (error,) = store.delete_many({"a": ANY}).values()
    assert "make the bucket" in str(error)
    assert not isinstance(error, NotFoundError)


def test_what_a_proxy_says_counts_for_nothing_on_this_machine(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    store = store_of(emulator)
    assert store.write("a", b"data").size == 4
    assert store.read("a") == b"data"
