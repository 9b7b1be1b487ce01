"""What holds of an object store beyond what holds of every store: what the wire does to it."""

from __future__ import annotations

import logging
import os
import re
import stat
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import jsonschema
import pytest
from fault_proxy import Answer, Fault, Proxy, proxied
from store_kinds import KINDS, S3_OPTIONS, Kind, request

from cedar import retry
from cedar.exceptions import Conflict, InputError, NotFoundError, StoreError
from cedar.items import ObjectInfo
from cedar.stores import ABSENT, ANY, object_bucket, object_service, open_store
from cedar.stores.checksums import CHUNK
from cedar.stores.object import CONFIG_SCHEMA, ObjectStore, from_config
from cedar.stores.versions import IfVersion

BUSY = Answer(503, b"<Error><Code>SlowDown</Code></Error>")
#: The smallest part that S3 takes, but for the last; and so a file of two parts.
PART = 5 << 20
LARGE = PART + 5


@pytest.fixture(scope="module")
def s3(served: Callable[[Kind], str]) -> str:
    return served(KINDS["object"])


@pytest.fixture
def proxy(s3: str) -> Iterator[Proxy]:
    with proxied(s3) as proxy:
        yield proxy


@pytest.fixture
def bucket(s3: str) -> str:
    name = uuid.uuid4().hex
    request(f"{s3}/{name}", "PUT")
    return name


@pytest.fixture
def behind(s3: str, bucket: str) -> ObjectStore:
    """The same store, reached without the proxy."""
    return ObjectStore(f"s3://{bucket}/P", {**S3_OPTIONS, "endpoint": s3})


@pytest.fixture
def store(proxy: Proxy, bucket: str, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """A store behind the proxy, which has been written to: how it does is known."""
    monkeypatch.setattr(retry, "FIRST_DELAY", 0.001)
    monkeypatch.setattr(object_service, "RETRIES", 2)
    monkeypatch.setattr(object_bucket, "LARGE", PART)
    monkeypatch.setattr(object_bucket, "PART", PART)
    store = ObjectStore(f"s3://{bucket}/P", {**S3_OPTIONS, "endpoint": proxy.url})
    store.write("first", b"")
    store.delete("first")
    proxy.asked.clear()
    return store


def keys(store: ObjectStore) -> list[str]:
    return sorted(info.key for info in store.objects())


def inside(store: ObjectStore) -> list[str]:
    """Keys of all that is there, what is cedar's own included."""
    return sorted(info.key for info in store._bucket.objects(""))


def file_of(directory: Path, size: int) -> Path:
    path = directory / "finished.tif"
    path.write_bytes(os.urandom(size))
    return path


# Configuration


def test_a_section_makes_a_store(tmp_path: Path) -> None:
    section = {"url": "s3://bucket/folder", "options": {"region": "eu-west-1", "timeout": "90s"}}
    jsonschema.validate(section, CONFIG_SCHEMA)
    store = open_store("object", section, tmp_path)
    assert isinstance(store, ObjectStore)
    assert store.identity() == {"kind": "object", "identity": "s3://bucket/folder"}
    assert repr(store) == "ObjectStore('s3://bucket/folder')"
    assert repr(store._service) == "Service('s3://bucket/folder')"


@pytest.mark.parametrize(
    "section",
    [
        *({}, {"url": ""}, {"url": 1}, {"url": "s3://b", "bucket": "b"}),
        *({"url": "s3://b", "options": {"a": None}}, {"url": "s3://b", "options": {"a": {}}}),
    ],
)
def test_a_section_that_fits_no_store_is_refused(section: dict[str, object]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(section, CONFIG_SCHEMA)


@pytest.mark.parametrize(
    "name",
    [
        *("secret_access_key", "aws_access_key_id", "SESSION_TOKEN", "account_key", "sas_key"),
        *("client_secret", "password", "azure_storage_sas_token"),
    ],
)
def test_a_secret_is_none_of_a_configurations(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"object.options.{name} looks like a secret") as caught:
        from_config({"url": "s3://b", "options": {name: "hunter2"}}, tmp_path)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "options", "identity"),
    [
        ("s3://b", {}, "s3://b"),
        ("s3://b/", {}, "s3://b"),
        ("s3a://b/año/2020", {}, "s3://b/año/2020"),
        ("s3://b/a%20b", {"region": "eu-west-1"}, "s3://b/a b"),
        ("https://b.s3.eu-west-1.amazonaws.com/f", {}, "s3://b/f"),
        ("s3://b", {"endpoint": "https://minio:9000/"}, "s3://b at https://minio:9000"),
        ("s3://b", {"ENDPOINT": "https://minio/s3"}, "s3://b at https://minio/s3"),
        ("s3://b", {"endpoint": "http://minio", "allow_http": True}, "s3://b at http://minio"),
        ("s3://b", {"endpoint": "http://127.0.0.1:9"}, "emulator:s3://b"),
        ("s3://b/f", {"endpoint": "https://localhost:9"}, "emulator:s3://b/f"),
        (
            "https://a.r2.cloudflarestorage.com/b",
            {},
            "s3://b at https://a.r2.cloudflarestorage.com",
        ),
        ("abfss://c@a.dfs.core.windows.net/f", {}, "abfss://c@a.dfs.core.windows.net/f"),
        ("https://a.blob.core.windows.net/c", {}, "abfss://c@a.dfs.core.windows.net"),
        ("az://c/f", {"account_name": "a"}, "abfss://c@a.dfs.core.windows.net/f"),
        (
            "az://c",
            {"account_name": "a", "use_emulator": True},
            "emulator:abfss://c@a.dfs.core.windows.net",
        ),
    ],
)
def test_a_store_is_itself_however_it_is_spelled(
    url: str, options: dict[str, str | bool], identity: str
) -> None:
    store = ObjectStore(url, options)
    assert store.identity() == {"kind": "object", "identity": identity}
    destination = store.destination("CEDAR_PREARD")
    assert (destination.kind, destination.prefix) == ("object", "CEDAR_PREARD")
    assert destination.container in identity


@pytest.mark.parametrize(
    ("url", "options", "why"),
    [
        ("b", {}, "no url of an object store"),
        ("s3://", {}, "no url of an object store"),
        ("moon://b", {}, "no url of an object store"),
        ("s3://[b", {}, "no url of an object store"),
        ("gs://b", {}, "use the store gcs"),
        ("file:///b", {}, "use the store local"),
        ("memory:///", {}, "neither of S3 nor of Azure"),
        ("https://example.org/b", {}, "neither of S3 nor of Azure"),
        ("s3://me:hunter2@b", {}, "may be a secret"),
        ("s3://me@b", {}, "may be a secret"),
        ("https://a.blob.core.windows.net/c?sig=hunter2", {}, "may be a secret"),
        ("s3://b/a#hunter2", {}, "may be a secret"),
        ("s3://b/a//b", {}, "no url of an object store"),
        ("az://c/f", {}, "Account must be specified"),
        ("s3://b", {"endpoin": "https://minio"}, "'endpoin' is not valid"),
        ("s3://b", {"timeout": "soon"}, "failed to parse"),
        ("s3://b", {"endpoint": "minio:9000"}, "endpoint is no url"),
        ("s3://b", {"endpoint": "https://me:hunter2@minio"}, "endpoint is no url"),
        ("s3://b", {"endpoint": "http://minio"}, "in the clear"),
    ],
)
def test_what_is_no_object_store_is_refused(url: str, options: dict[str, str], why: str) -> None:
    with pytest.raises(InputError, match=f"^object.*{why}") as caught:
        ObjectStore(url, options)
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        *((name, "s3://b") for name in object_service.SERVICES["s3"]),
        *((name, "abfss://c@a.dfs.core.windows.net") for name in object_service.SERVICES["azure"]),
    ],
)
def test_the_environment_sends_nothing_elsewhere(
    monkeypatch: pytest.MonkeyPatch, variable: str, url: str
) -> None:
    is_switch = "EMULATOR" in variable
    monkeypatch.setenv(variable, "true" if is_switch else "https://elsewhere/")
    for options in ({}, {"endpoint": "https://here"}):
        with pytest.raises(InputError, match=re.escape(f"${variable} says where")):
            ObjectStore(url, options)
    if not is_switch:
        there = ObjectStore(url, {"endpoint": "https://elsewhere"})
        assert there.identity()["identity"].endswith(" at https://elsewhere")


def test_an_account_in_the_environment_is_no_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "a")
    with pytest.raises(InputError, match=r"whose container it is: write abfss://"):
        ObjectStore("az://c/f")


def test_nothing_is_asked_before_the_first_use(proxy: Proxy, bucket: str) -> None:
    store = ObjectStore(f"s3://{bucket}", {**S3_OPTIONS, "endpoint": proxy.url})
    store.destination("P")
    store.identity()
    store.scratch("P")
    assert proxy.asked == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_service_on_this_machine_is_asked_without_the_environments_proxy(
    s3: str, bucket: str, proxy: Proxy, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "AWS_PROXY_URL"):
        monkeypatch.setenv(name, proxy.url)
    options = {**S3_OPTIONS, "endpoint": s3.replace("127.0.0.1", host)}
    ObjectStore(f"s3://{bucket}/P", options).write("a", b"data")
    assert proxy.asked == []
    # One that the configuration names is what was asked for.
    ObjectStore(f"s3://{bucket}/P", {**options, "proxy_url": proxy.url}).stat("a")
    assert len(proxy.asked) == 1


def test_scratch_is_the_users_own(behind: ObjectStore, s3: str, bucket: str) -> None:
    mine = behind.scratch("orders/a")
    other = ObjectStore(f"s3://{bucket}/Q", {"endpoint": s3}).scratch("orders/a")
    assert mine != other
    assert mine.is_dir()
    cache = next(parent for parent in mine.parents if parent.name == "cedar")
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700


# Conditions


def test_conditions_are_tried_out_before_the_first_write(proxy: Proxy, bucket: str) -> None:
    options = {**S3_OPTIONS, "endpoint": proxy.url}
    for first in (True, False):
        store = ObjectStore(f"s3://{bucket}/P", options)
        proxy.asked.clear()
        store.write("a", b"1")
        store.write("a", b"2")
        tries = proxy.paths("PUT", "/.cedar/conditions")
        # It stays there: to create it once more is the try.
        assert len(tries) == (3 if first else 2)
        assert len(proxy.paths("PUT", "/P/a")) == 2
        assert keys(store) == ["a"]


@pytest.mark.parametrize("ignored", ["if-match", "if-none-match"])
@pytest.mark.parametrize("way", ["write", "put", "put large"])
def test_a_service_that_ignores_conditions_is_not_written_to(
    proxy: Proxy, bucket: str, behind: ObjectStore, tmp_path: Path, ignored: str, way: str
) -> None:
    proxy.faults.append(Fault("PUT", times=100, drop=(ignored,)))
    store = ObjectStore(f"s3://{bucket}/P", {**S3_OPTIONS, "endpoint": proxy.url})
    path = file_of(tmp_path, LARGE if way == "put large" else 5)
    for _ in range(2):
        with pytest.raises(StoreError, match="ignores the conditions of a write"):
            store.write("a", b"1") if way == "write" else store.put(path, "a")
    assert path.exists()
    assert keys(behind) == []


def test_a_service_without_conditions_is_not_written_to(
    proxy: Proxy, bucket: str, behind: ObjectStore
) -> None:
    proxy.faults.append(Fault("PUT", instead=Answer(501, b"<Code>NotImplemented</Code>")))
    for options in ({}, {"conditional_put": "disabled"}):
        store = ObjectStore(f"s3://{bucket}/P", {**S3_OPTIONS, "endpoint": proxy.url, **options})
        with pytest.raises(StoreError, match=r"s3://.*has no conditional writes.*use another"):
            store.write("a", b"1")
    assert inside(behind) == []


def test_a_service_without_versions_is_told_so(store: ObjectStore, proxy: Proxy) -> None:
    store.write("a", b"1")
    for verb, use in (
        ("HEAD", lambda: store.stat("a")),
        ("GET", lambda: store.checksum("a")),
        ("PUT", lambda: store.write("a", b"2")),
    ):
        proxy.faults.append(Fault(verb, hide="etag"))
        with pytest.raises(StoreError, match=r"tells no ETag of a|ETag Header missing"):
            use()


# Answers that don't come


FAULTS = {
    "busy": {"instead": BUSY},
    "too many": {"instead": Answer(429)},
    "slow": {"instead": Answer(400, b"<Code>RequestTimeout</Code>")},
    "lost": {"lost": True},
    "at once": {"instead": Answer(409, b"<Code>ConditionalRequestConflict</Code>")},
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("if_version", ["any", "absent", "version"])
def test_a_write_is_sent_until_it_is_answered(
    store: ObjectStore, proxy: Proxy, fault: str, if_version: str
) -> None:
    expected: IfVersion = {"any": ANY, "absent": ABSENT}.get(if_version, ANY)
    if if_version == "version":
        expected = store.write("a", b"old").version
    proxy.asked.clear()
    proxy.faults.append(Fault("PUT", times=2, **FAULTS[fault]))
    written = store.write("a", b"new", expected)
    assert store.read("a") == b"new"
    assert store.stat("a").version == written.version
    assert len(proxy.paths("PUT")) == 3


@pytest.mark.parametrize("size", [5, LARGE])
@pytest.mark.parametrize("if_version", [ANY, ABSENT])
@pytest.mark.parametrize("fault", ["busy", "lost"])
def test_a_file_is_sent_until_it_is_there(
    store: ObjectStore, proxy: Proxy, tmp_path: Path, size: int, if_version: IfVersion, fault: str
) -> None:
    path = file_of(tmp_path, size)
    data = path.read_bytes()
    proxy.faults += [Fault("PUT", **FAULTS[fault]), Fault("POST", "uploadId", **FAULTS[fault])]
    info = store.put(path, "a.tif", if_version)
    assert not path.exists()
    assert store.read("a.tif") == data
    assert store.stat("a.tif").version == info.version
    assert [key for key in inside(store) if not key.endswith("conditions")] == ["a.tif"]


@pytest.mark.parametrize("fault", ["busy", "lost", "at once"])
def test_a_copy_is_sent_until_it_is_answered(
    store: ObjectStore, proxy: Proxy, tmp_path: Path, fault: str
) -> None:
    path = file_of(tmp_path, LARGE)
    data = path.read_bytes()
    # What completes the copy, which alone is conditional.
    proxy.faults.append(Fault("POST", "/a.tif?uploadId", **FAULTS[fault]))
    store.put(path, "a.tif", ABSENT)
    assert len(proxy.paths("POST", "/a.tif?uploadId")) == 2
    assert store.read("a.tif") == data


def test_what_another_wrote_when_our_answer_was_lost_is_not_ours(
    store: ObjectStore, behind: ObjectStore, proxy: Proxy
) -> None:
    old = store.write("a", b"old").version
    theirs = [lambda: behind.write("a", b"other"), lambda: behind.delete("a")]
    for then, left in zip(theirs, (["a"], []), strict=True):
        proxy.faults.append(Fault("PUT", "/a", lost=True, then=then))
        with pytest.raises(Conflict, match="expected"):
            store.write("a", b"mine", old)
        assert keys(store) == left
        old = behind.write("a", b"old").version


def test_a_conflict_without_a_lost_answer_costs_no_look(store: ObjectStore, proxy: Proxy) -> None:
    store.write("a", b"1")
    proxy.asked.clear()
    with pytest.raises(Conflict):
        store.write("a", b"1", ABSENT)
    assert [asked.verb for asked in proxy.asked] == ["PUT"]


def test_what_another_operation_is_in_the_way_of_is_tried_again(
    store: ObjectStore, proxy: Proxy
) -> None:
    proxy.faults.append(Fault("PUT", instead=Answer(409, b"<Code>OperationAborted</Code>")))
    store.write("a", b"1", ABSENT)
    assert store.read("a") == b"1"


# Of an error that answers a HEAD there is no text, but for its status.
@pytest.mark.parametrize("fault", ["busy", "too many", "lost"])
@pytest.mark.parametrize(
    ("verb", "use", "expected"),
    [
        ("HEAD", lambda store: store.stat("a").size, 4),
        ("GET", keys, ["a"]),
        ("GET", lambda store: store.read("a", 1, 3), b"at"),
        ("GET", lambda store: store.checksum("a", "md5"), "md5:8d777f385d3dfec8815d20f7496026dc"),
        ("POST", lambda store: store.delete("a"), None),
    ],
    ids=["stat", "objects", "read", "checksum", "delete"],
)
def test_what_may_be_asked_twice_is_asked_again(
    store: ObjectStore,
    proxy: Proxy,
    fault: str,
    verb: str,
    use: Callable[[ObjectStore], object],
    expected: object,
) -> None:
    store.write("a", b"data")
    due = Fault(verb, **FAULTS[fault])
    proxy.faults.append(due)
    assert use(store) == expected
    assert due.times == 0


def test_patience_has_an_end(
    store: ObjectStore, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write("a", b"data")
    monkeypatch.setattr(retry, "PATIENCE", 0.01)
    for instead in (BUSY, Answer(500)):
        proxy.faults[:] = [Fault(times=1000, instead=instead)]
        for use in (
            lambda: store.read("a"),
            lambda: store.write("a", b""),
            lambda: store.write("a", b"", ABSENT),
            lambda: store.fetch("a", tmp_path / "copies" / "copy"),
            lambda: store.stat("a"),
            lambda: list(store.objects()),
            lambda: store.delete("a"),
        ):
            with pytest.raises(StoreError, match=rf"the service answered {instead.status}"):
                use()
    assert list((tmp_path / "copies").iterdir()) == []


def test_a_service_that_is_not_there_is_told(
    bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(retry, "PATIENCE", 0.0)
    monkeypatch.setattr(object_service, "RETRIES", 0)
    # The port of TCP's discard service: nobody listens.
    store = ObjectStore(f"s3://{bucket}", {**S3_OPTIONS, "endpoint": "http://127.0.0.1:9"})
    for use in (lambda: store.stat("a"), lambda: store.write("a", b""), lambda: store.read("a")):
        with pytest.raises(StoreError, match="can't be reached"):
            use()


# What comes in part


def test_a_read_that_breaks_off_is_read_again(
    store: ObjectStore, behind: ObjectStore, proxy: Proxy
) -> None:
    store.write("a", b"0123456789" * 1000)
    # Another version meanwhile: nothing is put together from two.
    proxy.faults += [Fault("GET", cut=5000, then=lambda: behind.write("a", b"new" * 3000))]
    assert store.read("a") == b"new" * 3000


def test_a_copy_that_breaks_off_is_taken_up_where_it_broke(
    store: ObjectStore, proxy: Proxy, tmp_path: Path
) -> None:
    data = os.urandom(5 * CHUNK)
    version = store.write("a", data).version
    proxy.asked.clear()
    proxy.faults += [Fault("GET", cut=2 * CHUNK + 5), Fault("GET", cut=CHUNK + 7)]
    store.fetch("a", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == data
    headers = [
        {name.lower(): text for name, text in asked.headers.items()} for asked in proxy.asked
    ]
    first, second, third = headers
    assert "range" not in first
    starts = [int(re.findall(r"bytes=([0-9]+)-", each["range"])[0]) for each in (second, third)]
    assert 0 < starts[0] < starts[1]
    assert [each["if-match"] for each in (second, third)] == [version, version]


def test_a_copy_is_never_of_two_versions(
    store: ObjectStore, behind: ObjectStore, proxy: Proxy, tmp_path: Path
) -> None:
    store.write("a", os.urandom(3 * CHUNK))
    replace: list[Callable[[], ObjectInfo | None]] = [
        lambda: behind.write("a", os.urandom(3 * CHUNK)),
        lambda: behind.delete("a"),
    ]
    for then, error in zip(replace, (Conflict, NotFoundError), strict=True):
        proxy.faults.append(Fault("GET", cut=2 * CHUNK, then=then))
        with pytest.raises(error):
            store.fetch("a", tmp_path / "copies" / "copy")
        proxy.faults.clear()
        assert list((tmp_path / "copies").iterdir()) == []


def test_a_document_is_loaded_by_one_request(
    store: ObjectStore, behind: ObjectStore, proxy: Proxy
) -> None:
    written = store.write("a.json", os.urandom(3 * CHUNK))
    data = behind.read("a.json")
    proxy.asked.clear()
    loaded, info = store.load("a.json")
    assert (loaded, info.version) == (data, written.version)
    with pytest.raises(StoreError, match="more than the 5 of any document"):
        store.load("a.json", most=5)
    assert [asked.verb for asked in proxy.asked] == ["GET", "GET"]


def test_a_connection_that_breaks_again_and_again_is_given_up(
    store: ObjectStore, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write("a", os.urandom(3 * CHUNK))
    monkeypatch.setattr(retry, "PATIENCE", 0.01)
    proxy.faults.append(Fault("GET", times=1000, cut=0))
    with pytest.raises(StoreError, match=r"can't read a in s3://.*can't be reached"):
        store.fetch("a", tmp_path / "copies" / "copy")
    assert list((tmp_path / "copies").iterdir()) == []


# Large files


def test_a_large_file_is_sent_in_parts(store: ObjectStore, proxy: Proxy, tmp_path: Path) -> None:
    path = file_of(tmp_path, LARGE)
    data = path.read_bytes()
    store.put(path, "a.tif")
    parts = proxy.paths("PUT", "partNumber")
    assert len(parts) == 2
    assert all("/P/a.tif?" in part for part in parts)
    assert store.read("a.tif") == data


def test_a_file_on_a_condition_is_copied_into_place(
    store: ObjectStore, proxy: Proxy, tmp_path: Path
) -> None:
    first = store.put(file_of(tmp_path, LARGE), "a.tif", ABSENT)
    assert all("/P/.cedar/incoming/" in part for part in proxy.paths("PUT", "partNumber=2"))
    path = file_of(tmp_path, LARGE)
    data = path.read_bytes()
    store.put(path, "a.tif", first.version)
    assert store.read("a.tif") == data
    assert inside(store) == [".cedar/conditions", "a.tif"]


@pytest.mark.parametrize("if_version", ["absent", "version"])
def test_who_writes_while_a_file_is_sent_is_not_overwritten(
    store: ObjectStore, behind: ObjectStore, proxy: Proxy, tmp_path: Path, if_version: str
) -> None:
    expected = ABSENT if if_version == "absent" else store.write("a.tif", b"old").version
    path = file_of(tmp_path, LARGE)
    sent = Fault("POST", "incoming", times=2, then=lambda: behind.write("a.tif", b"other"))
    proxy.faults.append(sent)
    with pytest.raises(Conflict, match="expected"):
        store.put(path, "a.tif", expected)
    assert behind.read("a.tif") == b"other"
    assert path.stat().st_size == LARGE
    assert inside(store) == [".cedar/conditions", "a.tif"]


def test_who_writes_before_a_file_is_copied_is_not_overwritten(
    store: ObjectStore, behind: ObjectStore, proxy: Proxy, tmp_path: Path
) -> None:
    path = file_of(tmp_path, LARGE)
    # After the last look: when the copy is begun.
    begun = Fault("POST", "/a.tif?uploads", then=lambda: behind.write("a.tif", b"other"))
    proxy.faults.append(begun)
    with pytest.raises(Conflict, match="another"):
        store.put(path, "a.tif", ABSENT)
    assert begun.times == 0
    assert behind.read("a.tif") == b"other"
    assert path.exists()
    assert inside(store) == [".cedar/conditions", "a.tif"]


def test_a_file_that_would_lose_is_not_sent(
    store: ObjectStore, proxy: Proxy, tmp_path: Path
) -> None:
    store.write("a.tif", b"other")
    proxy.asked.clear()
    with pytest.raises(Conflict):
        store.put(file_of(tmp_path, LARGE), "a.tif", ABSENT)
    assert [asked.verb for asked in proxy.asked] == ["HEAD"]


def test_what_is_too_large_to_copy_is_sent_straight_to_its_key(
    store: ObjectStore, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_bucket, "COPIED", LARGE - 1)
    path = file_of(tmp_path, LARGE)
    store.put(path, "a.tif", ABSENT)
    assert store.stat("a.tif").size == LARGE
    assert proxy.paths("*", "incoming") == []
    with pytest.raises(Conflict, match="expected"):
        store.put(file_of(tmp_path, LARGE), "a.tif", ABSENT)


def test_a_file_has_no_more_parts_than_s3_takes(
    store: ObjectStore, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_bucket, "PARTS", 2)
    monkeypatch.setattr(object_bucket, "PART", 1)
    store.put(file_of(tmp_path, LARGE), "a.tif")
    assert 1 <= len(proxy.paths("PUT", "partNumber")) <= 2
    assert store.stat("a.tif").size == LARGE


# Listing and deleting


@pytest.mark.parametrize("key", ["../../x", "a/./b", "a//b"])
def test_a_name_that_leads_astray_stops_a_listing_and_is_named(
    behind: ObjectStore, s3: str, bucket: str, key: str
) -> None:
    behind.write("Q/a", b"")
    request(f"{s3}/{bucket}/P/Q/{quote(key)}", "PUT", b"")
    with pytest.raises(StoreError, match="no name for one: remove it") as caught:
        list(behind.objects("Q/"))
    assert key in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(behind.objects("R/")) == []
    assert behind.read("Q/a") == b""


def test_names_of_cedars_own_and_backslashes_are_not_listed(
    behind: ObjectStore, s3: str, bucket: str
) -> None:
    behind.write("a", b"")
    for key in (".cedar/x", ".CEDAR/x", "a\\b"):
        request(f"{s3}/{bucket}/P/{quote(key)}", "PUT", b"")
    assert keys(behind) == ["a"]


def test_a_listing_asks_for_no_more_than_a_page_at_first(
    store: ObjectStore, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "1")
    monkeypatch.setattr(object_bucket, "PAGE", 1)
    for number in range(6):
        store.write(f"Q/{number}", b"")
    proxy.asked.clear()
    listing = store.objects("Q/")
    assert proxy.asked == []
    assert next(listing).key == "Q/0"
    assert len(proxy.paths("GET")) < 6
    assert [info.key for info in listing] == [f"Q/{number}" for number in range(1, 6)]
    assert len(proxy.paths("GET")) >= 6


def test_many_are_deleted_by_few_requests(store: ObjectStore, proxy: Proxy) -> None:
    versions = {f"Q/{n}": store.write(f"Q/{n}", b"").version for n in range(120)}
    proxy.asked.clear()
    assert store.delete_many(versions) == {}
    assert len(proxy.paths("POST", "delete")) == 2
    assert keys(store) == []


def test_of_many_that_could_not_be_deleted_together_each_is_tried(
    store: ObjectStore, proxy: Proxy
) -> None:
    versions = {f"Q/{n}": store.write(f"Q/{n}", b"").version for n in range(3)}
    denied = Answer(403, b"<Code>AccessDenied</Code>")
    proxy.faults += [
        Fault("POST", "delete", instead=denied),
        Fault("POST", "P/Q/1", times=10, instead=denied),
        Fault("HEAD", "/Q/2", times=10, instead=denied),
    ]
    failed = store.delete_many(versions)
    assert failed.keys() == {"Q/1", "Q/2"}
    assert all("ask for permission" in str(error) for error in failed.values())
    proxy.faults.clear()
    assert keys(store) == ["Q/1", "Q/2"]


# What errors say


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(403, b"<Code>AccessDenied</Code>"), r"may not do this \(403 AccessDenied\)"),
        (Answer(403, b"<Code>InvalidAccessKeyId</Code>"), r"doesn't take the credentials \(403"),
        (Answer(401), r"doesn't take the credentials \(401\)"),
        (Answer(400, b"<Code>ExpiredToken</Code>"), "400 ExpiredToken"),
        (Answer(301, b"<Code>PermanentRedirect</Code>"), r"say which in object\.options\.region"),
        (Answer(400, b"<Code>AuthorizationHeaderMalformed</Code>"), "is in another region"),
        (Answer(404, b"<Code>NoSuchBucket</Code>"), "no such bucket or container: make it"),
        (Answer(418), "the service answered 418"),
        (Answer(200, b"no XML"), "can't list s3://"),
    ],
    ids=range(9),
)
def test_an_error_says_what_to_do(
    store: ObjectStore, proxy: Proxy, answer: Answer, why: str
) -> None:
    proxy.faults.append(Fault("GET", instead=answer))
    with pytest.raises(StoreError, match=why) as caught:
        list(store.objects())
    message = str(caught.value)
    assert message.startswith("can't list s3://")
    assert "\n" not in message
    assert proxy.url not in message
    assert caught.value.key is None


def test_a_bucket_that_is_not_there_is_no_missing_object(s3: str, tmp_path: Path) -> None:
    store = ObjectStore("s3://no-such-bucket", {**S3_OPTIONS, "endpoint": s3})
    for use in (
        lambda: store.write("a", b""),
        lambda: store.put(file_of(tmp_path, LARGE), "a"),
        lambda: store.read("a"),
        lambda: store.delete("a"),
        lambda: list(store.objects()),
    ):
        with pytest.raises(StoreError, match="no-such-bucket: there is no such bucket") as caught:
            use()
        assert not isinstance(caught.value, NotFoundError)


def test_without_credentials_one_is_told_where_they_go(proxy: Proxy, bucket: str) -> None:
    proxy.faults.append(Fault("PUT", "/latest/api/token", times=100, instead=Answer(403)))
    store = ObjectStore(f"s3://{bucket}", {"endpoint": proxy.url, "metadata_endpoint": proxy.url})
    with pytest.raises(StoreError, match=r"there are no credentials: set them.*AWS_ACCESS_KEY_ID"):
        store.read("a")
    assert len(proxy.asked) == 1


def test_no_error_and_no_log_has_a_secret(
    proxy: Proxy, bucket: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(retry, "PATIENCE", 0.01)
    monkeypatch.setattr(retry, "FIRST_DELAY", 0.001)
    monkeypatch.setattr(object_service, "RETRIES", 0)
    secrets = {"secret_access_key": "hunter2", "session_token": "t0ken", "access_key_id": "AKID7"}
    store = ObjectStore(f"s3://{bucket}", {"endpoint": proxy.url, "region": "x", **secrets})
    said = []
    for answer in (BUSY, Answer(403, b"<Code>AccessDenied</Code>AKID7"), Answer(400, b"hunter2")):
        proxy.faults[:] = [Fault(times=1000, instead=answer)]
        for use in (
            lambda: store.stat("a"),
            lambda: store.read("a"),
            lambda: store.write("a", b""),
            lambda: store.delete("a"),
            lambda: list(store.objects()),
        ):
            with pytest.raises(StoreError) as caught:
                use()
            # The chain of causes, which --debug shows.
            assert caught.value.__cause__ is None
            assert caught.value.__suppress_context__
            said.append(str(caught.value))
    text = f"{said} {caplog.text} {store!r} {store._service!r}"
    assert not [secret for secret in secrets.values() if secret in text]
    assert "t0ken" in proxy.asked[0].headers.values()
