"""The record of an order: changed by many, written one at a time, never half."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from orders import COLLECTION, MAY, real_tracker

from cedar import LocalStore
from cedar.exceptions import CedarError, Conflict, DocumentError, NotFoundError
from cedar.pump import status
from cedar.record import Record, check_identity
from cedar.states import TaskState

PREFIX = "CEDAR_TRACKING"
TILES = [(0, 0), (0, 1), (1, 0), (1, 1)]


class LosesAnswers(LocalStore):
    """Writes, and then says that it didn't: as a client that tries again and loses to itself."""

    lose = True

    def write(self, key, data, *args, **kwds):
        info = super().write(key, data, *args, **kwds)
        if self.lose:
            raise Conflict(f"{key} isn't what was expected", key)
        return info


@pytest.fixture
def tracker(tmp_path):
    return real_tracker(tmp_path)


@pytest.fixture
def record(tracker):
    name, _ = tracker.submit(COLLECTION, TILES, *MAY)
    return Record.open(tracker.store, PREFIX, name)


def again(record):
    return Record.open(record.store, PREFIX, record.name)


def states(record):
    return [entry["status"]["state"] for entry in again(record).metadata.orders]


def names(record):
    return [entry["name"] for entry in record.metadata.orders]


def test_changes_are_seen_at_once_and_written_by_flush_in_one_write(record):
    before = record.store.stat(record.key)
    for name in names(record):
        record.change(name, status(TaskState.FAILED))
    assert record.metadata.states == {TaskState.FAILED: 4}
    assert record.store.stat(record.key) == before
    revision = again(record).metadata["revision"]
    record.flush()
    assert states(record) == [TaskState.FAILED] * 4
    assert again(record).metadata["revision"] == revision + 1


def test_a_flush_without_changes_writes_nothing(record):
    before = record.store.stat(record.key)
    record.flush()
    assert record.store.stat(record.key) == before


def test_what_others_wrote_meanwhile_is_kept(record):
    one, two, *_ = names(record)
    other = again(record)
    record.change(one, status(TaskState.FAILED))
    other.change(two, status(TaskState.CANCELLED))
    other.flush()
    record.flush()
    assert states(record)[:2] == [TaskState.FAILED, TaskState.CANCELLED]
    other.refresh()
    assert other.metadata == again(record).metadata


def test_changes_by_many_threads_and_records_are_all_kept(record):
    def count(part):
        mine = again(record)
        for _ in range(10):
            mine.change(
                names(mine)[part % 4],
                lambda entry: entry.update(attempt=entry["attempt"] + 1),
            )
            mine.flush()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, range(8)))
    assert [entry["attempt"] for entry in again(record).metadata.orders] == [21] * 4


def test_a_write_that_landed_though_its_answer_was_lost_is_known_for_ours(record, tmp_path):
    store = LosesAnswers(tmp_path)
    mine = Record.open(store, PREFIX, record.name)
    one, two, *_ = names(mine)
    revision = mine.metadata["revision"]
    mine.change(one, lambda entry: entry.update(attempt=entry["attempt"] + 1))
    mine.flush()
    assert again(record).metadata["revision"] == revision + 1
    assert again(record).entry(one)["attempt"] == 2
    store.lose = False
    mine.change(two, status(TaskState.FAILED))
    mine.flush()
    assert states(record)[1] == TaskState.FAILED


def test_a_record_that_was_made_though_its_answer_was_lost_is_not_made_twice(tmp_path):
    tracker = real_tracker(tmp_path)
    order = tracker.order(COLLECTION, (0, 0), *MAY)
    tracker.store = LosesAnswers(tmp_path)
    with pytest.raises(Conflict):
        # What comes after the record, the items' documents, isn't what this is about.
        tracker.place(order)
    assert tracker.list() == [order.name]


def test_a_flush_of_a_record_that_was_deleted_meanwhile_does_not_bring_it_back(record):
    record.change(names(record)[0], status(TaskState.FAILED))
    record.store.delete(record.key)
    with pytest.raises(NotFoundError, match="no order"):
        record.flush()
    assert record.store.list(PREFIX) == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "can't be read as JSON"),
        (b"{", "can't be read as JSON"),
        (b"[]", "is not a mapping"),
        (b"{}", "lacks"),
        (b'{"schema_version": 2}', "schema_version 2.*upgrade cedar"),
        (b"\xff\xfe", "can't be read"),
    ],
)
def test_a_damaged_record_says_what_is_wrong_with_it(record, data, message):
    record.store.write(record.key, data)
    with pytest.raises(DocumentError, match=message) as caught:
        again(record)
    assert record.name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_keys_of_a_later_release_survive_a_change(record):
    document = json.loads(record.store.read(record.key))
    document["later"] = {"a": 1}
    document["orders"][0]["later"] = [2]
    record.store.store_metadata(document, record.name, PREFIX)
    mine = again(record)
    mine.change(names(mine)[1], status(TaskState.FAILED))
    mine.flush()
    written = json.loads(record.store.read(record.key))
    assert written["later"] == {"a": 1}
    assert written["orders"][0]["later"] == [2]


def test_a_state_never_heard_of_is_waited_for_and_kept_as_it_came(tracker, record):
    tracker.watch(record.name)
    document = json.loads(record.store.read(record.key))
    document["orders"][0]["status"]["state"] = "PONDERING"
    record.store.store_metadata(document, record.name, PREFIX)
    looks = []

    class Enough(Exception):
        pass

    def look(tracking):
        looks.append(tracking.states)
        if len(looks) == 5:
            raise Enough

    with pytest.raises(Enough):
        tracker.watch(record.name, interval=0, callback=look)
    tracking = tracker.watch(record.name, timeout=0)
    assert tracking.states == {"PONDERING": 1, TaskState.COMPLETED: 3}
    assert not tracking.complete
    assert tracker.update(record.name).states == tracking.states
    assert tracker.cancel(record.name).states == tracking.states


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("store", "kind", "gcs"),
        ("store", "identity", "gs://bucket"),
        ("engine", "name", "other"),
        ("engine", "project", "theirs"),
        ("engine", "emulated", False),
    ],
)
def test_a_record_of_another_store_or_engine_is_told_by_what_differs(
    tracker, record, section, key, value
):
    identities = {"store": tracker.store.identity(), "engine": tracker.engine.identity()}
    check_identity(record.metadata, section, identities[section])
    with pytest.raises(CedarError, match=f"another {section}: its {key}.*{value}"):
        check_identity(record.metadata, section, identities[section] | {key: value})


def test_the_url_of_a_service_is_no_part_of_what_it_is(tracker, record):
    identity = tracker.engine.identity() | {"url": "http://127.0.0.1:4711"}
    check_identity(record.metadata, "engine", identity)
