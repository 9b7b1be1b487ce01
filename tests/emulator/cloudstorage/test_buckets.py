from __future__ import annotations

import pytest
from google.api_core import exceptions

from cedar.emulator import Emulator
from cedar.emulator.settings import Settings


def test_the_official_client_makes_finds_lists_and_removes_buckets(emulator, client_of):
    client = client_of(emulator)
    made = client.create_bucket("a.bucket-1", location="EU")
    assert (made.name, made.location, made.storage_class) == ("a.bucket-1", "EU", "STANDARD")
    age = emulator.clock.now() - made.time_created
    assert 0 <= age.total_seconds() < 60
    assert client.get_bucket("a.bucket-1").location == "EU"
    assert [each.name for each in client.list_buckets()] == ["a.bucket-1"]
    made.delete()
    assert list(client.list_buckets()) == []
    assert client.lookup_bucket("a.bucket-1") is None
    assert [request.method for request in emulator.requests] == [
        "buckets.insert",
        "buckets.get",
        "buckets.list",
        "buckets.delete",
        "buckets.list",
        "buckets.get",
    ]


def test_buckets_are_listed_in_pages_by_name_and_prefix_a_project_at_a_time(client_of):
    with Emulator(settings=Settings(page_size=2)) as emulator:
        client = client_of(emulator)
        for name in ("ccc", "aaa-2", "aaa-1", "aaa-3", "bbb"):
            client.create_bucket(name)
        client.create_bucket("other", project="another")
        names = [each.name for each in client.list_buckets()]
        assert names == ["aaa-1", "aaa-2", "aaa-3", "bbb", "ccc"]
        assert len([each for each in emulator.requests if each.method == "buckets.list"]) == 3
        assert [each.name for each in client.list_buckets(prefix="aaa")] == names[:3]
        assert [each.name for each in client.list_buckets(project="another")] == ["other"]
        pages = client.list_buckets(page_size=1).pages
        assert [each.name for each in next(pages)] == ["aaa-1"]


def test_a_name_is_only_once(wire):
    again = wire.make_bucket()
    assert (again.status, again.reason) == (409, "conflict")


@pytest.mark.parametrize(
    "name", ["ab", "a" * 64, "Bucket", "-bucket", "bucket-", "buc ket", "bück", "a/b", 3, None]
)
def test_a_name_that_none_may_have_is_refused(wire, name):
    refused = wire.make_bucket(name)
    assert (refused.status, refused.reason) == (400, "invalid")
    assert "Invalid bucket name" in refused.json["error"]["message"]


def test_a_bucket_with_objects_stays(wire, bucket):
    wire.insert("a", b"1")
    with pytest.raises(exceptions.Conflict, match="not empty"):
        bucket.delete()
    assert wire.download("a").content == b"1"


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("GET", "/storage/v1/b/none"),
        ("DELETE", "/storage/v1/b/none"),
        ("GET", "/storage/v1/b/none/o"),
        ("GET", "/storage/v1/b/none/o/a"),
        ("DELETE", "/storage/v1/b/none/o/a"),
        ("PATCH", "/storage/v1/b/none/o/a"),
        ("GET", "/storage/v1/b/none/iam/testPermissions?permissions=storage.objects.get"),
        ("GET", "/download/storage/v1/b/none/o/a?alt=media"),
        ("POST", "/upload/storage/v1/b/none/o?uploadType=media&name=a"),
        ("POST", "/upload/storage/v1/b/none/o?uploadType=resumable&name=a"),
        ("GET", "/none/a"),
        ("GET", "/none?list-type=2"),
    ],
)
def test_what_is_asked_of_a_bucket_that_is_not_there_is_not_found(wire, verb, path):
    answer = wire.ask(verb, path)
    assert (answer.status, answer.reason) == (404, "notFound")
    assert answer.json["error"]["message"] == "The specified bucket does not exist."


def test_a_project_must_be_given(wire):
    for verb, body in (("GET", b""), ("POST", {"name": "another"})):
        refused = wire.ask(verb, "/storage/v1/b", body)
        assert (refused.status, refused.reason) == (400, "invalid")
        assert "project" in refused.json["error"]["message"]


def test_what_a_bucket_can_not_be_here_is_refused(wire):
    refused = wire.ask(
        "POST", "/storage/v1/b?project=any", {"name": "another", "versioning": {"enabled": True}}
    )
    assert (refused.status, refused.reason) == (400, "invalid")
    assert "'versioning'" in refused.json["error"]["message"]


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_object_is_refused(wire, body):
    refused = wire.ask("POST", "/storage/v1/b?project=any", body)
    assert (refused.status, refused.reason) == (400, "parseError")


def test_who_asks_may_do_all_with_a_bucket(bucket):
    permissions = ["storage.objects.create", "storage.objects.delete"]
    assert bucket.test_iam_permissions(permissions) == permissions


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("GET", "/"),
        ("PUT", "/storage/v1/b/bucket"),
        ("POST", "/storage/v1/b/bucket/o/a/compose"),
        ("PUT", "/bucket/a"),
        ("DELETE", "/bucket/a"),
        ("GET", "/upload/storage/v1/b/bucket/o"),
        ("GET", "/storage/v2/b"),
    ],
)
def test_a_method_that_the_emulator_lacks_is_said_to_be_lacking(wire, verb, path):
    refused = wire.ask(verb, path)
    assert (refused.status, refused.reason) == (400, "invalid")
    assert f"has no method for {verb} {path}" in refused.json["error"]["message"]
    assert wire.emulator.requests[-1].method == "unknown"


@pytest.mark.parametrize(
    "path",
    [
        "/storage/v1/b?project=any&pageToken=%21",
        "/storage/v1/b?project=any&maxResults=-1",
        "/storage/v1/b?project=any&maxResults=1e3",
        "/storage/v1/b/bucket/o?pageToken=abc",
        "/storage/v1/b/bucket/o?matchGlob=**",
        "/storage/v1/b/bucket/o/a?ifGenerationMatch=now",
        "/storage/v1/b/bucket/o/a?ifGenerationMatch=" + "1" * 10_000,
        "/storage/v1/b/bucket/o/%FF",
        "/storage/v1/b/bucket?ifMetagenerationMatch=1",
    ],
)
def test_a_parameter_that_can_not_be_is_refused(wire, path):
    wire.insert("a")
    refused = wire.ask("GET", path)
    assert (refused.status, refused.reason) == (400, "invalid")
    assert len(refused.content) < 1000
