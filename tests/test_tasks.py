"""Export tasks: started once, followed truly, and done only when all of their files are there."""

import threading
import time
from contextlib import ExitStack, contextmanager
from itertools import pairwise

import pytest
from exporting import Bucket, Exporter, exporting_tracker
from orders import COLLECTION, MAY

from cedar import defaults
from cedar.exceptions import (
    CedarError,
    ConfigError,
    EngineError,
    InputError,
    NameTakenError,
    StoreError,
)
from cedar.states import TaskState

TILES = [(0, 0), (0, 1)]
LC08 = "LANDSAT/LC08/C02/T1_L2"
BANDS = {LC08: {"bands": ["red", "nir", "swir1", "qa"]}}


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(defaults, "LATE_OUTPUTS", 0.3)


@pytest.fixture
def tracker(tmp_path):
    return exporting_tracker(tmp_path)


def submitted(tracker, tiles=TILES):
    name, _ = tracker.submit(COLLECTION, tiles, *MAY)
    return name


def states(tracker, name):
    return [entry["status"]["state"] for entry in tracker.read(name).orders]


def test_submit_starts_every_item_and_records_its_task(tracker):
    name = submitted(tracker)
    entries = tracker.read(name).orders
    assert [entry["status"]["state"] for entry in entries] == ["READY", "READY"]
    assert {entry["status"]["id"] for entry in entries} == {"TASK1", "TASK2"}
    assert [entry["shards"] for entry in entries] == [6, 6]
    requests = {request.name: request for request in tracker.engine.requests}
    for entry in entries:
        request = requests[entry["name"]]
        assert request.request_id == entry["request_id"]
        assert request.description == f"{entry['name']}-a1"
    assert tracker.engine.log == ["start", "start"]


def test_documents_are_written_while_starts_wait(tracker, monkeypatch):
    monkeypatch.setattr(defaults, "START_WORKERS", 1)
    left, all_written = set(TILES), threading.Event()
    write, start = tracker.store.write, tracker.engine.start

    def noted(key, *arguments, **options):
        made = write(key, *arguments, **options)
        left.difference_update(tile for tile in TILES if "h{1:03d}v{0:03d}".format(*tile) in key)
        if not left:
            all_written.set()
        return made

    def waiting(request):
        assert all_written.wait(10)
        return start(request)

    monkeypatch.setattr(tracker.store, "write", noted)
    monkeypatch.setattr(tracker.engine, "start", waiting)
    assert states(tracker, submitted(tracker)) == ["READY", "READY"]


def test_nobody_goes_on_with_a_record_before_it_is_begun(tracker, monkeypatch):
    free, write = [], tracker.store.write

    def tried(key, *arguments, **options):
        made = write(key, *arguments, **options)
        if key.startswith("CEDAR_TRACKING/TRACKING") and key.endswith(".json"):
            with tracker.store.claim(key) as ours:
                free.append(ours)
        return made

    monkeypatch.setattr(tracker.store, "write", tried)
    submitted(tracker)
    assert free[0] is False
    assert not any(free)


def test_a_claim_that_fails_leaves_nothing_recorded(tracker, monkeypatch):
    claim = tracker.store.claim

    @contextmanager
    def fails(key):
        if key.endswith(".json"):
            raise StoreError(f"can't claim {key}", key)
        with claim(key) as ours:
            yield ours

    monkeypatch.setattr(tracker.store, "claim", fails)
    with pytest.raises(StoreError, match="can't claim"):
        submitted(tracker)
    assert tracker.list() == []
    assert tracker.engine.log == []


def test_a_submit_waits_for_whoever_has_the_name_of_its_record(tmp_path, monkeypatch):
    tracker = exporting_tracker(tmp_path, tracking_template="ORDER")
    theirs, write = ExitStack(), tracker.store.write
    assert theirs.enter_context(tracker.store.claim("CEDAR_TRACKING/ORDER.json"))

    def let_go(key, *arguments, **options):
        made = write(key, *arguments, **options)
        if key == "CEDAR_TRACKING/ORDER.json":
            theirs.close()
        return made

    monkeypatch.setattr(tracker.store, "write", let_go)
    assert states(tracker, submitted(tracker)) == ["READY", "READY"]
    assert tracker.engine.log.count("start") == 2


def test_the_record_holds_the_request_ids_before_the_first_start(tracker):
    seen = []
    start = tracker.engine.start

    def looking(request):
        seen.append(tracker.read(tracker.list()[0]).entry(request.name)["request_id"])
        return start(request)

    tracker.engine.start = looking
    submitted(tracker)
    assert sorted(seen) == sorted(request.request_id for request in tracker.engine.requests)


@pytest.mark.parametrize("dash", [True, False])
def test_an_item_is_complete_when_all_of_its_files_are_there(tracker, dash):
    name = submitted(tracker)
    tracker.engine.finish(dash=dash)
    tracking = tracker.update(name)
    assert tracking.complete
    for entry in tracking.orders:
        assert len(entry["outputs"]) == 6
        for output in entry["outputs"]:
            info = tracker.store.stat(f"CEDAR_PREARD/{output['name']}")
            assert (output["size"], output["version"]) == (info.size, info.version)


def test_half_of_the_files_is_not_complete_and_the_rest_is_taken_when_it_comes(tracker):
    name = submitted(tracker, (0, 0))
    tracker.engine.finish(parts=slice(0, 3))
    tracking = tracker.watch(name, interval=0.05)
    assert tracking.states == {TaskState.INCOMPLETE: 1}
    assert not tracking.complete
    assert len(tracking.orders[0]["outputs"]) == 3
    tracker.engine.write(tracker.engine.requests[0])
    assert tracker.update(name).complete


def test_watch_waits_for_files_that_a_store_is_late_to_show(tracker, monkeypatch):
    monkeypatch.setattr(defaults, "LATE_OUTPUTS", 30)
    name = submitted(tracker, (0, 0))
    tracker.engine.finish(parts=slice(0, 0))

    def seen(tracking):
        if tracking.states == {TaskState.INCOMPLETE: 1}:
            tracker.engine.write(tracker.engine.requests[0])

    assert tracker.watch(name, interval=0.01, callback=seen).complete


def test_files_that_only_begin_like_an_items_are_none_of_its(tracker):
    name = submitted(tracker, (0, 0))
    item = tracker.read(name).orders[0]["name"]
    foreign = [f"{item}_B.tif", f"{item}-0000000000-0000000001.tif", f"{item}.tif"]
    for file in foreign:
        tracker.store.write(f"CEDAR_PREARD/{file}", b"somebody's")
    tracker.engine.finish()
    assert tracker.update(name).complete
    tracker.download(tracker.read(name), tracker.store.root.parent / "home")
    tracker.clean(tracker.read(name), name)
    left = {info.key.rpartition("/")[2] for info in tracker.store.objects("CEDAR_PREARD/")}
    assert left == set(foreign)


def test_empty_files_are_not_outputs(tracker):
    name = submitted(tracker, (0, 0))
    tracker.engine.finish()
    file = next(info.key for info in tracker.store.objects("CEDAR_PREARD/") if ".tif" in info.key)
    tracker.store.write(file, b"")
    assert tracker.update(name).states == {TaskState.INCOMPLETE: 1}


def test_overwritten_files_do_not_count_as_what_replaces_them(tracker):
    first = submitted(tracker, (0, 0))
    tracker.engine.finish()
    tracker.update(first)
    again, _ = tracker.submit(COLLECTION, (0, 0), *MAY, existing="overwrite")
    task = tracker.read(again).orders[0]["status"]["id"]
    tracker.engine.become(tracker.engine.tasks[task], TaskState.COMPLETED)
    assert tracker.update(again).states == {TaskState.INCOMPLETE: 1}


def test_a_lost_answer_starts_nothing_twice(tracker):
    tracker.engine.refusals = [(EngineError("the answer was lost", transient=True),)]
    name = submitted(tracker)
    assert sorted(states(tracker, name)) == ["READY", "UNSUBMITTED"]
    tracker.watch(name, interval=0.01, timeout=0)
    assert states(tracker, name) == ["READY", "READY"]
    assert len(tracker.engine.tasks) == 2
    # Found by its description: the request wasn't even sent again.
    assert tracker.engine.log.count("start") == 2


def test_a_task_that_the_record_does_not_know_is_found_by_another_process(tracker, tmp_path):
    class Killed(BaseException):
        pass

    start = tracker.engine.start

    def dying(request):
        start(request)
        raise Killed

    tracker.engine.start = dying
    with pytest.raises(Killed):
        submitted(tracker)
    (name,) = tracker.list()
    tracker.engine.start = start
    tracker.engine.by_request.clear()  # The service has forgotten the request ids.
    other = exporting_tracker(tmp_path, tracker.engine)
    other.watch(name, timeout=0, interval=0.01)
    assert states(other, name) == ["READY", "READY"]
    assert len(tracker.engine.tasks) == 2


def test_a_full_queue_leaves_the_rest_planned_until_there_is_room(tracker):
    full = EngineError("Too many tasks already in the queue (3000).", full=True)
    tracker.engine.refusals = [full, full]
    name = submitted(tracker)
    assert states(tracker, name) == ["UNSUBMITTED", "UNSUBMITTED"]
    messages = [entry["status"].get("error_message") for entry in tracker.read(name).orders]
    assert str(full) in messages
    tracker.engine.refusals.clear()
    tracker.watch(name, interval=0.01, timeout=0)
    assert states(tracker, name) == ["READY", "READY"]
    assert all(e["status"]["error_message"] is None for e in tracker.read(name).orders)


def test_what_the_service_refuses_fails_with_its_words_and_the_others_go_on(tracker):
    tracker.engine.refusals = [EngineError("Earth Engine: Exported bands must have …")]
    name = submitted(tracker)
    assert sorted(states(tracker, name)) == ["FAILED", "READY"]
    errors = [entry["status"]["error_message"] for entry in tracker.read(name).orders]
    assert "Earth Engine: Exported bands must have …" in errors


def test_what_is_wrong_for_all_items_ends_the_submit_and_keeps_what_was_started(tracker):
    tracker.engine.refusals = [None, ConfigError("no project")]
    with pytest.raises(ConfigError, match="no project"):
        submitted(tracker)
    (name,) = tracker.list()
    assert sorted(states(tracker, name)) == ["READY", "UNSUBMITTED"]


def test_the_services_words_are_recorded(tracker):
    name = submitted(tracker, (0, 0))
    (task,) = tracker.engine.tasks.values()
    fields = {"started": 5, "progress": 0.25, "urls": ("gs://…",), "eecu_seconds": 1.5}
    tracker.engine.become(task, TaskState.RUNNING, **fields)
    status = tracker.update(name).orders[0]["status"]
    assert status["state"] == "RUNNING"
    assert status["start_timestamp_ms"] == 5
    assert status["progress"] == 0.25
    assert status["output_url"] == ["gs://…"]
    assert status["eecu_seconds"] == 1.5
    tracker.engine.become(task, TaskState.FAILED, error="User memory limit exceeded.")
    status = tracker.update(name).orders[0]["status"]
    assert (status["state"], status["error_message"]) == ("FAILED", "User memory limit exceeded.")


def test_an_update_that_finds_nothing_new_writes_nothing(tracker):
    name = submitted(tracker)
    tracker.update(name)
    before = tracker.read(name)["revision"]
    assert tracker.update(name)["revision"] == before


def test_a_state_never_heard_of_is_kept_and_waited_for(tracker):
    name = submitted(tracker, (0, 0))
    (task,) = tracker.engine.tasks.values()
    tracker.engine.become(task, "DREAMING")
    tracking = tracker.watch(name, interval=0.01, timeout=0.05)
    assert tracking.states == {"DREAMING": 1}
    assert not tracking.complete
    tracker.engine.finish()
    tracker.engine.become(task, TaskState.COMPLETED)
    tracker.engine.write(tracker.engine.requests[0])
    assert tracker.watch(name, interval=0.01).complete


def test_a_forgotten_task_is_settled_from_the_store(tracker):
    name = submitted(tracker)
    tracker.engine.finish()
    tracker.engine.tasks.clear()
    tracking = tracker.update(name)
    assert tracking.complete
    assert [entry["status"]["settled_by"] for entry in tracking.orders] == ["store", "store"]


def test_a_forgotten_task_without_all_of_its_files_is_unknown_until_they_are_there(tracker):
    name = submitted(tracker, (0, 0))
    tracker.engine.write(tracker.engine.requests[0], slice(0, 5))
    tracker.engine.tasks.clear()
    tracking = tracker.watch(name, interval=0.01)
    assert tracking.states == {TaskState.UNKNOWN: 1}
    assert "forgotten" in tracking.orders[0]["status"]["error_message"]
    tracker.engine.write(tracker.engine.requests[0])
    assert tracker.update(name).complete


def test_cancel_stops_the_tasks_and_what_waits_first(tracker):
    name = submitted(tracker)
    first, second = tracker.read(name).orders
    task = tracker.engine.tasks[first["status"]["id"]]
    tracker.engine.become(task, TaskState.RUNNING)
    tracker.update(name)
    assert tracker.cancel(name).states == {TaskState.CANCELLED: 2}
    cancelled = [line for line in tracker.engine.log if line.startswith("cancel")]
    assert cancelled == [f"cancel {second['name']}-a1", f"cancel {first['name']}-a1"]


def test_cancel_keeps_what_is_finished(tracker):
    name = submitted(tracker)
    tracker.engine.finish()
    assert tracker.cancel(name).complete
    assert not [line for line in tracker.engine.log if line.startswith("cancel")]


def test_cancel_finds_tasks_that_the_record_does_not_know(tracker):
    tracker.engine.refusals = [(EngineError("lost", transient=True),)] * 2
    name = submitted(tracker)
    assert tracker.cancel(name).states == {TaskState.CANCELLED: 2}
    assert {task.state for task in tracker.engine.tasks.values()} == {TaskState.CANCELLED}


def test_an_item_cancelled_while_its_start_is_on_the_way_does_not_stay_running(tracker, tmp_path):
    on_the_way, go = threading.Event(), threading.Event()
    start = tracker.engine.start

    def slow(request):
        on_the_way.set()
        assert go.wait(10)
        return start(request)

    tracker.engine.start = slow
    submit = threading.Thread(target=submitted, args=(tracker, (0, 0)))
    submit.start()
    assert on_the_way.wait(10)
    other = exporting_tracker(tmp_path, tracker.engine)
    (name,) = other.list()
    assert other.cancel(name).states == {TaskState.CANCELLED: 1}
    go.set()
    submit.join()
    assert tracker.watch(name, interval=0.01).states == {TaskState.CANCELLED: 1}
    assert {task.state for task in tracker.engine.tasks.values()} == {TaskState.CANCELLED}


def test_two_watches_start_each_item_once(tracker, tmp_path):
    tracker.engine.refusals = [EngineError("full", full=True)] * 2
    name = submitted(tracker)
    tracker.engine.refusals.clear()
    tracker.engine.log.clear()
    other = exporting_tracker(tmp_path, tracker.engine)
    threads = [
        threading.Thread(target=each.watch, args=(name, 0.01, 0.1)) for each in (tracker, other)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert states(tracker, name) == ["READY", "READY"]
    assert len(tracker.engine.tasks) == 2
    assert tracker.engine.log.count("start") == 2


def test_watch_goes_on_after_a_moment_without_the_service(tracker):
    name = submitted(tracker, (0, 0))
    tracker.engine.finish()
    poll, failures = tracker.engine.poll, [EngineError("gone for a moment", transient=True)] * 2

    def failing(ids):
        if failures:
            raise failures.pop()
        return poll(ids)

    tracker.engine.poll = failing
    assert tracker.watch(name, interval=0.01).complete


def test_watch_ends_where_the_service_refuses_for_good(tracker):
    name = submitted(tracker, (0, 0))

    def refusing(ids):
        raise EngineError("Earth Engine: not registered")

    tracker.engine.poll = refusing
    with pytest.raises(EngineError, match="not registered"):
        tracker.watch(name, interval=0.01)


def test_watch_stops_in_time(tracker):
    name = submitted(tracker, (0, 0))
    begin = time.monotonic()
    assert not tracker.watch(name, interval=60, timeout=0.1).complete
    assert time.monotonic() - begin < 20


def test_what_waits_at_the_service_is_cancelled_before_it_is_cleaned_with_force(tracker):
    name = submitted(tracker, (0, 0))
    with pytest.raises(CedarError, match="no verified copy"):
        tracker.clean(tracker.read(name), name)
    tracker.clean(tracker.read(name), name, force=True)
    assert {task.state for task in tracker.engine.tasks.values()} == {TaskState.CANCELLED}
    assert tracker.list() == []


def test_an_emulated_engine_does_not_export_into_a_real_store(tracker):
    type(tracker.store).emulated, before = False, type(tracker.store).emulated
    try:
        with pytest.raises(ConfigError, match="emulator's"):
            submitted(tracker)
    finally:
        type(tracker.store).emulated = before
    assert tracker.list() == []


def family_tracker(directory, engine=None):
    """A tracker of synthetic scenes, whose images may have two dates of four bands."""
    store = Bucket(directory)
    engine = engine or Exporter(store, catalog=None)
    engine.max_bands = 8
    return exporting_tracker(directory, engine, collections=BANDS)


def test_an_item_of_too_many_bands_is_split_by_date_into_a_family(tmp_path):
    tracker = family_tracker(tmp_path)
    name, _ = tracker.submit(LC08, (0, 0), "2022-05-01", "2022-08-01")
    tracking = tracker.read(name)
    family = f"{LC08.replace('/', '_')}_h000v000_2022-05-01_2022-08-01"
    assert len(tracking.orders) > 2
    for number, entry in enumerate(tracking.orders, 1):
        assert entry["family"] == family
        assert entry["name"] == f"{family}-p{number:02d}"
        assert 0 < entry["n_bands"] <= 8
    ends = [(entry["date_start"], entry["date_end"]) for entry in tracking.orders]
    assert ends[0][0].startswith("2022-05-01")
    assert ends[-1][1].startswith("2022-08-01")
    assert all(one[1] == next_one[0] for one, next_one in pairwise(ends))
    requests = {request.name: request for request in tracker.engine.requests}
    dates = [
        group["date"]
        for entry in tracking.orders
        for group in requests[entry["name"]].metadata["image"]["groups"]
    ]
    assert dates == sorted(dates)
    assert sum(entry["n_groups"] for entry in tracking.orders) == len(dates)


def test_a_name_in_a_family_of_another_order_is_taken(tmp_path):
    tracker = family_tracker(tmp_path)
    tracker.submit(LC08, (0, 0), "2022-05-01", "2022-08-01")
    with pytest.raises(NameTakenError, match="2022-05-01_2022-08-01"):
        tracker.submit(LC08, (0, 0), "2022-05-01", "2022-08-01")


def test_a_family_whose_submit_was_cut_off_is_searched_again_part_by_part(tmp_path):
    tracker = family_tracker(tmp_path)
    write = tracker.store.write
    writes = []

    def failing(key, data, *args, **kwds):
        writes.append(key)
        if len(writes) == 3:
            raise StoreError("the disk is full", key)
        return write(key, data, *args, **kwds)

    tracker.store.write = failing
    with pytest.raises(StoreError):
        tracker.submit(LC08, (0, 0), "2022-05-01", "2022-08-01")
    (name,) = tracker.list()
    ordered = tracker.read(name).orders
    other = family_tracker(tmp_path, tracker.engine)
    other.watch(name, interval=0.01, timeout=0)
    tracking = other.read(name)
    assert {entry["status"]["state"] for entry in tracking.orders} == {"READY"}
    counts = [(entry["name"], entry["n_groups"], entry["n_images"]) for entry in ordered]
    assert [(e["name"], e["n_groups"], e["n_images"]) for e in tracking.orders] == counts
    requests = {request.name: request for request in tracker.engine.requests}
    for entry in tracking.orders:
        assert len(requests[entry["name"]].metadata["image"]["groups"]) == entry["n_groups"]


def test_a_date_that_alone_has_too_many_bands_is_refused(tmp_path):
    tracker = family_tracker(tmp_path)
    tracker.engine.max_bands = 3
    with pytest.raises(InputError, match="fewer bands"):
        tracker.submit(LC08, (0, 0), "2022-05-01", "2022-08-01")
    assert tracker.list() == []
