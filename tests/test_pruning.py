"""Pruning: what killed processes have left is removed, and never anything else."""

import json
import logging
import os
import time
import uuid

import pytest
from exporting import Bucket, exporting_tracker
from orders import COLLECTION, MAY, real_tracker

from cedar import LocalStore
from cedar.pruning import Kind, remnants
from cedar.stores.gcs import GCSStore
from cedar.stores.leases import LONG_AGO, TERM
from cedar.stores.remnants import claims, newest, size

DAY = 86_400


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The user's cache, empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "cedar"


@pytest.fixture
def store(tmp_path):
    return LocalStore(tmp_path / "store")


def aged(path, days):
    """Set the time of a file, or a directory and all in it, back."""
    moment = time.time() - days * DAY
    for each in (path, *path.rglob("*")):
        os.utime(each, (moment, moment))
    return path


def scratch_of(store, request_id, days=30):
    directory = store.scratch(request_id)
    (directory / "0-0.block").write_bytes(b"1234")
    return aged(directory, days)


def found(store, days=7.0):
    return {(each.kind, each.where) for each in remnants(store, "CEDAR_TRACKING", days)}


def lease(store, key, age=LONG_AGO * TERM + 60, content=None):
    written = {"owner": "x", "host": "y", "written": 1} if content is None else content
    info = store.write(key, json.dumps(written).encode())
    moment = time.time() - age
    os.utime(info.ref, (moment, moment))
    return key


def test_scratch_is_found_that_no_record_has(store):
    old = scratch_of(store, str(uuid.uuid4()))
    scratch_of(store, str(uuid.uuid4()), days=1)
    (each,) = remnants(store, "CEDAR_TRACKING", 7)
    assert (each.kind, each.where, each.size) == (Kind.SCRATCH, str(old), 4)


def test_scratch_that_was_written_into_lately_is_not_found(store):
    directory = scratch_of(store, str(uuid.uuid4()))
    (directory / "0-1.block").write_bytes(b"5")
    assert found(store) == set()


def test_what_is_not_of_cedars_naming_is_not_found(store):
    scratch_of(store, "by-hand")
    scratch_of(store, f"{uuid.uuid4()}-copy")
    own = store.root / ".cedar"
    (own / "tmp").mkdir()
    for file in (own / "tmp" / "notes.txt", own / "notes.part", own / "scratch" / "file"):
        file.write_text("mine", "utf-8")
        aged(file, 30)
    target = store.root / "elsewhere"
    target.mkdir()
    (own / "scratch" / str(uuid.uuid4())).symlink_to(target)
    assert found(store, 0) == set()


def test_scratch_of_an_active_item_stays_however_old_it_is(tmp_path):
    tracker = real_tracker(tmp_path / "store")
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    (entry,) = tracker.read(name).orders
    scratch_of(tracker.store, entry["request_id"])
    assert tracker.remnants(0) == []
    tracker.cancel(name)
    directory = scratch_of(tracker.store, entry["request_id"])
    assert found(tracker.store) == {(Kind.SCRATCH, str(directory))}


def test_scratch_that_no_record_knows_of_stays_for_a_day_at_the_least(tmp_path):
    tracker = real_tracker(tmp_path / "store")
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    tracker.cancel(name)
    (entry,) = tracker.read(name).orders
    ours = scratch_of(tracker.store, entry["request_id"], days=0.5)
    others = scratch_of(tracker.store, str(uuid.uuid4()), days=0.5)
    assert found(tracker.store, 0) == {(Kind.SCRATCH, str(ours))}
    aged(others, 1.1)
    assert found(tracker.store, 0) == {(Kind.SCRATCH, str(each)) for each in (ours, others)}


def test_half_done_work_of_an_order_under_another_prefix_is_kept_by_its_age_alone(tmp_path):
    tracker = real_tracker(tmp_path / "store", tracking_prefix="OTHERS")
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    (entry,) = tracker.read(name).orders
    scratch_of(tracker.store, entry["request_id"], days=6)
    lease(tracker.store, f"OTHERS/{name}.lease")
    assert found(tracker.store) == set()
    assert tracker.remnants(0) != []
    assert {kind for kind, _ in found(tracker.store, 5)} == {Kind.SCRATCH}


def test_where_a_record_can_not_be_read_all_scratch_stays(store, caplog):
    scratch_of(store, str(uuid.uuid4()))
    store.write("CEDAR_TRACKING/BROKEN.json", b"{")
    with caplog.at_level(logging.WARNING, "cedar"):
        assert found(store, 0) == set()
    assert "all scratch is kept: tracking document BROKEN is damaged" in caplog.text


def test_a_record_that_was_cleaned_just_now_is_passed_over(store, monkeypatch):
    old = scratch_of(store, str(uuid.uuid4()))
    monkeypatch.setattr(store, "list", lambda _prefix: ["GONE"])
    assert found(store) == {(Kind.SCRATCH, str(old))}


def test_temporary_files_are_found_when_no_writer_can_be_at_them(store, cache):
    store.write("a/b.json", b"{}")
    cache.mkdir(parents=True)
    old = [
        store.root / ".cedar" / "tmp" / uuid.uuid4().hex,
        store.root / ".cedar" / f".cedar-{uuid.uuid4().hex}.part",
        cache / f".cedar-{uuid.uuid4().hex}.part",
    ]
    for path in old:
        path.write_bytes(b"half")
        aged(path, 2)
    young = store.root / ".cedar" / "tmp" / uuid.uuid4().hex
    young.write_bytes(b"half")
    (store.root / f".cedar-{uuid.uuid4().hex}.part").write_bytes(b"an object of somebody's")
    aged(next(store.root.glob(".cedar-*.part")), 30)
    assert found(store, 0) == {(Kind.TEMPORARY, str(path)) for path in old}
    assert found(store, 3) == set()


def test_a_claim_that_its_process_left_is_found_and_one_that_is_held_is_not(store):
    claims = store.root / ".cedar" / "claims"
    with store.claim("held"):
        (held,) = claims.iterdir()
        left = claims / ("0" * 64)
        left.touch()
        (claims / "notes").touch()
        (claims / ("1" * 64)).mkdir()
        (each,) = remnants(store, "CEDAR_TRACKING", 7)
        assert (each.kind, each.where) == (Kind.CLAIM, str(left))
    assert not held.exists()


def test_a_lease_is_found_when_nobody_waits_for_it_any_more(tmp_path):
    tracker = exporting_tracker(tmp_path / "store")
    tracker.submit(COLLECTION, (0, 0), *MAY)
    store = tracker.store
    stale = {
        lease(store, "CEDAR_TRACKING/placing.lease"),
        lease(store, "CEDAR_PREARD/item.tif.lease"),
    }
    lease(store, "CEDAR_PREARD/fresh.tif.lease", age=60)
    lease(store, "CEDAR_PREARD/not.lease", content={"a": "car's"})
    lease(store, "CEDAR_PREARD/nor.lease", content=["owner", "host", "written"])
    lease(store, "CEDAR_PREARD/large.lease", content={"owner": "x" * 20_000})
    lease(store, "CEDAR_PREARD/no-lease.json")
    lease(store, "ELSEWHERE/item.tif.lease")
    assert found(store) == {(Kind.LEASE, key) for key in stale}


def test_a_lease_that_is_none_or_gone_is_left(store, monkeypatch):
    key = lease(store, "CEDAR_TRACKING/a.lease")
    info = store.stat(key)
    store.write(key, b"\xff\xfe")
    assert found(store) == set()
    store.delete(key)
    monkeypatch.setattr(store, "objects", lambda _prefix: iter([info]))
    assert found(store) == set()


def test_what_was_found_is_removed_and_everything_else_stays(tmp_path):
    tracker = exporting_tracker(tmp_path / "store")
    name, _ = tracker.submit(COLLECTION, [(0, 0), (0, 1)], *MAY)
    store = tracker.store
    tracker.engine.finish()
    tracker.update(name)
    before = {info.key: info.version for info in store.objects()}
    directory = scratch_of(store, str(uuid.uuid4()))
    lease(store, "CEDAR_TRACKING/placing.lease")
    left = store.root / ".cedar" / "claims" / ("0" * 64)
    left.touch()
    temporary = store.root / ".cedar" / "tmp" / uuid.uuid4().hex
    temporary.write_bytes(b"half")
    aged(temporary, 30)
    files = {path for path in store.root.rglob("*") if path.is_file()}
    there = tracker.remnants()
    assert {each.kind for each in there} == set(Kind)
    assert tracker.prune(there) == there
    assert {info.key: info.version for info in store.objects()} == before
    gone = files - {path for path in store.root.rglob("*") if path.is_file()}
    assert gone == {
        directory / "0-0.block", left, temporary, store.root / "CEDAR_TRACKING/placing.lease",
    }  # fmt: skip
    assert tracker.remnants() == []


def test_what_is_in_use_again_by_the_time_of_removing_is_left(tmp_path):
    tracker = exporting_tracker(tmp_path / "store")
    store = tracker.store
    lease(store, "CEDAR_TRACKING/placing.lease")
    left = store.root / ".cedar" / "claims"
    with store.claim("held"):
        (claim,) = left.iterdir()
    claim.touch()
    there = tracker.remnants()
    assert {each.kind for each in there} == {Kind.CLAIM, Kind.LEASE}
    lease(store, "CEDAR_TRACKING/placing.lease", age=0)
    with store.claim("held"):
        assert tracker.prune(there) == []
        assert claim.exists()
    store.stat("CEDAR_TRACKING/placing.lease")


def test_a_store_without_a_directory_of_its_own_has_its_scratch_in_the_cache(tmp_path, cache):
    class Elsewhere(Bucket):
        """Keeps scratch as stores of services do."""

        def scratch(self, prefix):
            path = cache / "scratch" / "digest" / prefix
            path.mkdir(parents=True, exist_ok=True)
            return path

    store = Elsewhere(tmp_path / "store")
    directory = scratch_of(store, str(uuid.uuid4()))
    assert found(store) == {(Kind.SCRATCH, str(directory))}
    assert sorted(path.name for path in directory.parent.iterdir()) == [directory.name]


def test_what_went_away_meanwhile_is_nothing(tmp_path):
    assert newest(tmp_path / "gone") == float("inf")
    assert size(tmp_path / "gone") == 0


def test_a_store_that_has_leases_has_no_claims_on_the_disk():
    assert claims(GCSStore("bucket", url="http://127.0.0.1:1")) == []


def test_a_user_without_a_home_has_no_cache_to_look_in(store, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr("cedar.stores.remnants.cache_root", _homeless)
    assert found(store) == set()


def _homeless():
    raise RuntimeError("Could not determine home directory.")
