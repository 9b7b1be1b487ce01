"""Made again: one more attempt, of the same or of less, while the record keeps all there were."""

import datetime as dt
import json

import pytest
import rasterio
from exported import exporting, wrong_pixels
from exporting import Exporter, exporting_tracker
from orders import COLLECTION, MAY, real_tracker

from cedar import defaults
from cedar.causes import Policy
from cedar.changes import now_ms, retried, settled, status
from cedar.emulator.faults import ERRORS
from cedar.exceptions import EngineError, InputError
from cedar.record import Record
from cedar.retrying import due
from cedar.states import TaskState

LC08 = "LANDSAT/LC08/C02/T1_L2"
BANDS = {LC08: {"bands": ["red", "nir", "swir1", "qa"]}}
TILES = [(0, 0), (0, 1)]
DAY_MS = 86_400_000


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(defaults, "LATE_OUTPUTS", 0.0)
    monkeypatch.setattr(defaults, "RETRY_FIRST", 0.001)


@pytest.fixture
def tracker(tmp_path):
    return exporting_tracker(tmp_path)


@pytest.fixture
def many(tmp_path):
    """A tracker whose items have several dates, and its order."""
    tracker = exporting_tracker(tmp_path, Exporter(None, catalog=None), collections=BANDS)
    tracker.engine.store = tracker.store
    name, _ = tracker.submit(LC08, (0, 0), "2020-05-01", "2020-07-01")
    return tracker, name


def submitted(tracker, tiles=TILES):
    name, _ = tracker.submit(COLLECTION, tiles, *MAY)
    return name


def end(tracker, words, state=TaskState.FAILED):
    """Let every task that goes on end so, and have it noted."""
    engine = tracker.engine
    for task in list(engine.tasks.values()):
        if task.state in (TaskState.READY, TaskState.RUNNING):
            engine.become(task, state, error=words)


def failed(tracker, words="Something new.", tiles=TILES):
    name = submitted(tracker, tiles)
    end(tracker, words)
    tracker.update(name)
    return name


def record_of(tracker, name):
    return Record.open(tracker.store, "CEDAR_TRACKING", name)


def change(tracker, name, make, items=None):
    record = record_of(tracker, name)
    for item in items or [entry["name"] for entry in record.metadata.orders]:
        record.change(item, make)
    record.flush()


def document(tracker, entry):
    return json.loads(tracker.store.read(f"{entry['prefix']}/{entry['name']}.json"))


def keys(tracker):
    return {info.key for info in tracker.store.objects()}


def test_a_failed_item_gets_another_attempt_and_the_record_keeps_the_first(tracker):
    name = failed(tracker)
    before = tracker.read(name).orders
    tracking = tracker.retry(name)
    for old, new in zip(before, tracking.orders, strict=True):
        assert new["attempt"] == 2
        assert new["status"]["state"] == "READY"
        assert new["request_id"] != old["request_id"]
        (kept,) = new["attempts"]
        assert kept == {key: old[key] for key in ("attempt", "request_id", "status", "outputs")}
        assert document(tracker, new)["task"]["request_id"] == new["request_id"]
        assert [event["state"] for event in new["history"]][-2:] == ["UNSUBMITTED", "READY"]
    assert {r.description[-3:] for r in tracker.engine.requests} == {"-a1", "-a2"}
    tracker.engine.finish()
    assert tracker.watch(name, interval=0.01).complete


def test_a_retry_takes_the_images_that_were_ordered_and_doesnt_search(tracker, monkeypatch):
    name = failed(tracker)
    images = [document(tracker, entry)["image"] for entry in tracker.read(name).orders]
    monkeypatch.setattr(tracker.engine, "search", None)
    again = tracker.retry(name)
    assert [document(tracker, entry)["image"] for entry in again.orders] == images


def test_only_what_is_asked_for_is_made_again(tracker):
    name = failed(tracker)
    first, second = (entry["name"] for entry in tracker.read(name).orders)
    change(tracker, name, status(TaskState.CANCELLED), [first])
    assert [e["attempt"] for e in tracker.retry(name, items=["*nothing*", second]).orders] == [1, 2]
    tracking = tracker.retry(name)
    assert [entry["attempt"] for entry in tracking.orders] == [1, 2]
    tracking = tracker.retry(name, states=["CANCELLED"])
    assert [entry["attempt"] for entry in tracking.orders] == [2, 2]


def test_what_is_complete_or_active_is_never_made_again(tracker):
    name = submitted(tracker)
    assert {entry["attempt"] for entry in tracker.retry(name, items=["*"]).orders} == {1}
    tracker.engine.finish()
    tracking = tracker.retry(name, items=["*"])
    assert (tracking.complete, {entry["attempt"] for entry in tracking.orders}) == (True, {1})
    with pytest.raises(InputError, match="what is COMPLETED isn't made again"):
        tracker.retry(name, states=["COMPLETED"])
    with pytest.raises(InputError, match=r"no item of .* is called 'X'"):
        tracker.retry(name, items=["X"])
    assert len(tracker.engine.requests) == 2


def test_an_incomplete_item_is_made_again_and_nothing_of_either_attempt_outlasts_a_clean(tracker):
    name = submitted(tracker, (0, 0))
    tracker.engine.finish(parts=slice(0, 3))
    assert tracker.update(name).states == {"INCOMPLETE": 1}
    (entry,) = tracker.retry(name).orders
    assert set(entry["replaces"]) == {o["name"] for o in entry["attempts"][0]["outputs"]}
    assert (entry["outputs"], entry["status"]["state"]) == ([], "READY")
    tracker.engine.finish(parts=slice(2, 6))
    tracking = tracker.update(name)
    # What the first attempt left isn't what the second made.
    assert tracking.states == {"INCOMPLETE": 1}
    assert len(tracking.orders[0]["outputs"]) == 4
    foreign = "CEDAR_PREARD/somebody.tif"
    tracker.store.write(foreign, b"else's")
    tracker.clean(tracking, name, force=True)
    assert keys(tracker) == {foreign}


def test_what_somebody_else_has_put_in_an_old_attempts_place_is_not_cleaned(tracker):
    name = submitted(tracker, (0, 0))
    tracker.engine.finish(parts=slice(0, 1))
    (output,) = tracker.update(name).orders[0]["outputs"]
    end(tracker, "x")
    tracker.retry(name)
    end(tracker, "Something new.")
    tracking = tracker.update(name)
    tracker.store.write(f"CEDAR_PREARD/{output['name']}", b"somebody's")
    tracker.clean(tracking, name, force=True)
    assert keys(tracker) == {f"CEDAR_PREARD/{output['name']}"}


def test_downloads_of_an_attempt_dont_count_for_the_next(tracker, tmp_path):
    name = submitted(tracker, (0, 0))
    tracker.engine.finish(parts=slice(0, 3))
    tracker.download(tracker.update(name), tmp_path / "home")
    assert tracker.read(name).orders[0]["downloads"]
    assert not tracker.retry(name).orders[0]["downloads"]


def test_an_unknown_item_that_the_service_knows_again_isnt_made_twice(tracker):
    name = submitted(tracker)
    change(tracker, name, settled(TaskState.UNKNOWN, "forgotten"))
    tracking = tracker.retry(name)
    assert {entry["attempt"] for entry in tracking.orders} == {1}
    assert tracking.states == {"READY": 2}


def test_an_unknown_item_whose_files_are_there_is_settled_and_not_made_again(tracker):
    name = submitted(tracker)
    tracker.engine.finish()
    tracker.engine.tasks.clear()
    change(tracker, name, settled(TaskState.UNKNOWN, "forgotten"))
    tracking = tracker.retry(name)
    assert (tracking.complete, {entry["attempt"] for entry in tracking.orders}) == (True, {1})


def test_an_unknown_item_that_nobody_knows_is_made_again(tracker):
    name = submitted(tracker)
    tracker.engine.tasks.clear()
    assert tracker.update(name).states == {"UNKNOWN": 2}
    assert tracker.retry(name).states == {"READY": 2}
    assert len(tracker.engine.requests) == 4


def test_a_task_that_was_started_while_its_item_was_cancelled_is_found_before_a_retry(tracker):
    tracker.engine.refusals = [(EngineError("lost", transient=True),)]
    name = submitted(tracker, (0, 0))
    change(tracker, name, status(TaskState.CANCELLED))
    tracking = tracker.retry(name, states=["CANCELLED"])
    assert len(tracker.engine.requests) == 1
    assert tracking.orders[0]["status"]["state"] == "CANCEL_REQUESTED"
    assert tracker.update(name).states == {"CANCELLED": 1}
    assert tracker.retry(name, states=["CANCELLED"]).states == {"READY": 1}


def test_a_retry_that_is_cut_off_after_the_record_goes_on_with_the_same_images(tracker):
    name = failed(tracker)
    images = [document(tracker, entry)["image"] for entry in tracker.read(name).orders]
    for entry in tracker.read(name).orders:
        change(tracker, name, retried(1, f"new-{entry['tile'][1]}"), [entry["name"]])
    assert tracker.resume(name).states == {"READY": 2}
    entries = tracker.read(name).orders
    assert [document(tracker, entry)["image"] for entry in entries] == images
    assert {r.request_id for r in tracker.engine.requests[2:]} == {"new-0", "new-1"}


def test_a_document_that_was_lost_is_searched_again(tracker):
    name = failed(tracker)
    entry = tracker.read(name).orders[0]
    before = document(tracker, entry)["image"]
    tracker.store.delete(f"CEDAR_PREARD/{entry['name']}.json")
    assert document(tracker, tracker.retry(name).orders[0])["image"] == before


def test_two_retries_at_once_make_one_attempt(tracker):
    name = failed(tracker)
    one, other = record_of(tracker, name), record_of(tracker, name)
    item = one.metadata.orders[0]["name"]
    one.change(item, retried(1, "one"))
    one.flush()
    other.change(item, retried(1, "other"))
    other.flush()
    entry = tracker.read(name).entry(item)
    assert (entry["attempt"], entry["request_id"]) == (2, "one")


# Other images


@pytest.fixture
def losing(tracker, monkeypatch):
    """An order whose item failed since an image is gone, and which that is."""
    name = failed(tracker, "Image.load: Image asset 'X' not found.", (0, 0))
    images = document(tracker, tracker.read(name).orders[0])["image"]["groups"][0]["images"]
    lost, search = images[0]["system:id"], tracker.engine.search

    def without(*args):
        return [image for image in search(*args) if image.id != lost]

    monkeypatch.setattr(tracker.engine, "search", without)
    return name, lost


def test_where_an_image_is_gone_the_difference_is_shown_and_agreed_to(tracker, losing):
    name, lost = losing
    asked = []
    assert tracker.retry(name, consent=lambda found: bool(asked.append(found))).states == {
        "FAILED": 1
    }
    ((difference,),) = asked
    assert (difference.removed, difference.added) == ((lost,), ())
    assert len(tracker.engine.requests) == 1
    (entry,) = tracker.retry(name, consent=lambda found: True).orders
    assert (entry["n_images"], entry["n_groups"], entry["n_bands"]) == (1, 1, 3)
    (request,) = tracker.engine.requests[1:]
    (group,) = request.metadata["image"]["groups"]
    assert lost not in {image["system:id"] for image in group["images"]}


def test_without_anybody_to_agree_other_images_are_never_taken(tracker, losing, caplog):
    assert tracker.retry(losing[0]).states == {"FAILED": 1}
    assert "other images now" in caplog.text


def test_an_image_that_is_back_needs_no_consent(tracker):
    name = failed(tracker, "Image.load: Image asset 'X' not found.", (0, 0))
    assert tracker.retry(name).states == {"READY": 1}


def test_an_item_that_has_no_image_any_more_is_empty(tracker, losing, monkeypatch):
    monkeypatch.setattr(tracker.engine, "search", lambda *args: [])
    tracking = tracker.retry(losing[0], consent=lambda found: True)
    assert (tracking.states, tracking.complete) == ({"EMPTY": 1}, True)


# Parts


def test_what_is_too_large_is_cut_in_two_by_date(many):
    tracker, name = many
    (whole,) = tracker.read(name).orders
    groups = document(tracker, whole)["image"]["groups"]
    assert len(groups) > 2
    end(tracker, "User memory limit exceeded.")
    tracking = tracker.retry(name, split=True)
    parts = tracking.orders
    assert [part["name"] for part in parts] == [f"{whole['name']}-p01", f"{whole['name']}-p02"]
    assert {part["family"] for part in parts} == {whole["name"]}
    assert parts[0]["date_start"] == whole["date_start"]
    assert parts[0]["date_end"] == parts[1]["date_start"]
    assert parts[1]["date_end"] == whole["date_end"]
    documents = [document(tracker, part) for part in parts]
    assert [group for each in documents for group in each["image"]["groups"]] == groups
    assert abs(parts[0]["n_groups"] - parts[1]["n_groups"]) <= 1
    assert sum(part["n_bands"] for part in parts) == whole["n_bands"]
    assert parts[0]["attempts"][0]["request_id"] == whole["request_id"]
    assert tracking.states == {"READY": 2}
    tracker.engine.finish()
    tracking = tracker.update(name)
    assert tracking.complete
    tracker.clean(tracking, name, force=True)
    assert not keys(tracker)


def test_parts_are_cut_again_under_numbers_that_were_never_used(many):
    tracker, name = many
    end(tracker, "User memory limit exceeded.")
    stem = tracker.retry(name, split=True).orders[0]["family"]
    foreign = f"CEDAR_PREARD/{stem}-p03.tif"
    tracker.store.write(foreign, b"somebody's")
    tracker.retry(name, items=["*-p01"], split=True)
    end(tracker, "User memory limit exceeded.")
    tracking = tracker.retry(name, items=["*-p01"], split=True)
    assert [entry["name"][-4:] for entry in tracking.orders] == ["-p04", "-p05", "-p02"]
    assert [old["name"][-4:] for old in tracking.orders[0]["attempts"][1:]] == ["-p01"]
    tracker.engine.finish()
    end(tracker, "x")
    tracker.clean(tracker.update(name), name, force=True)
    assert keys(tracker) == {foreign}


def test_one_date_is_cut_by_its_bands(tracker):
    name = failed(tracker, "Computation timed out.", (0, 0))
    parts = tracker.retry(name, split=True).orders
    assert [part["bands"] for part in parts] == [["blue", "green"], ["red"]]
    assert [part["n_bands"] for part in parts] == [2, 1]
    for part in parts:
        image = document(tracker, part)["image"]
        assert [band["name"] for band in image["bands"]] == part["bands"]
    end(tracker, "Computation timed out.")
    tracker.update(name)
    parts = tracker.retry(name, items=["*-p01"], split=True).orders
    assert [part["bands"] for part in parts] == [["blue"], ["green"], ["red"]]
    with pytest.raises(InputError, match="can't be made smaller, it is one band of one date"):
        tracker.retry(name, items=["*-p02"], split=True)


def test_the_documents_of_parts_that_were_lost_are_searched_again(tracker, monkeypatch):
    name = failed(tracker, "Computation timed out.", (0, 0))
    monkeypatch.setattr("cedar.retrying._write_parts", lambda record, cuts: None)
    parts = tracker.retry(name, split=True).orders
    assert [part["n_bands"] for part in parts] == [2, 1]
    assert [
        [band["name"] for band in document(tracker, part)["image"]["bands"]] for part in parts
    ] == [["blue", "green"], ["red"]]


def test_split_cuts_what_was_too_large_and_makes_the_rest_again(tracker):
    name = submitted(tracker)
    first, second = list(tracker.engine.tasks.values())
    tracker.engine.become(first, TaskState.FAILED, error="User memory limit exceeded.")
    tracker.engine.become(second, TaskState.FAILED, error="Something new.")
    tracker.update(name)
    tracking = tracker.retry(name, split=True)
    assert len(tracking.orders) == 3
    assert sorted(entry["attempt"] for entry in tracking.orders) == [1, 1, 2]


def test_what_cant_be_cut_is_left_and_said_while_the_rest_goes_on(tracker, caplog):
    name = failed(tracker, "User memory limit exceeded.")
    entry = tracker.read(name).orders[0]
    tracker.store.delete(f"CEDAR_PREARD/{entry['name']}.json")
    tracking = tracker.retry(name, split=True)
    assert tracking.states == {"FAILED": 1, "READY": 2}
    assert "left as it is" in caplog.text


def test_a_process_that_follows_the_whole_survives_its_being_cut(many):
    tracker, name = many
    end(tracker, "User memory limit exceeded.")
    tracker.update(name)
    other = record_of(tracker, name)
    (whole,) = other.metadata.orders
    tracker.retry(name, split=True)
    other.change(whole["name"], status(TaskState.CANCELLED))
    other.flush()
    assert tracker.read(name).states == {"READY": 2}


# By itself


@pytest.mark.parametrize(
    ("words", "wait_ms"),
    [
        ("Internal error encountered.", (0, 1_000)),
        ("Quota exceeded for quota metric 'x' and limit 'y per minute'", (3_500_000, 3_700_000)),
        (
            "Your usage exceeded the custom quota for 'e.com/daily_eecu_usage_time'",
            (0, DAY_MS + 1),
        ),
    ],
)
def test_what_may_pass_waits_for_its_time_and_says_so(tracker, words, wait_ms):
    name = submitted(tracker, (0, 0))
    end(tracker, words)
    tracker.watch(name, timeout=0, interval=0.01)
    (entry,) = tracker.read(name).orders
    assert (entry["attempt"], entry["status"]["state"]) == (2, "UNSUBMITTED")
    assert entry["status"]["error_message"] == words
    assert wait_ms[0] <= entry["status"]["not_before_ms"] - now_ms() + 1_000
    assert entry["status"]["not_before_ms"] - now_ms() <= wait_ms[1]


@pytest.mark.parametrize(
    "words",
    [
        "User memory limit exceeded.",
        "Computation timed out.",
        "Image.load: Image asset 'X' not found.",
        "The user has exceeded their Drive storage quota",
        "Exported bands must have compatible data types",
        "Something that nobody has ever read.",
    ],
)
def test_what_doesnt_pass_is_left_with_the_services_own_words(tracker, words):
    name = submitted(tracker, (0, 0))
    end(tracker, words)
    (entry,) = tracker.watch(name, interval=0.01).orders
    assert (entry["attempt"], entry["status"]["state"]) == (1, "FAILED")
    assert entry["status"]["error_message"] == words
    assert len(tracker.engine.requests) == 1


def test_watch_tries_again_until_it_works(tracker):
    name = submitted(tracker)

    def going_on(tracking):
        if {entry["attempt"] for entry in tracking.orders} == {3}:
            tracker.engine.finish()
        end(tracker, "Internal error encountered.")

    tracking = tracker.watch(name, interval=0.01, callback=going_on)
    assert tracking.complete
    assert {len(entry["attempts"]) for entry in tracking.orders} == {2}


def test_watch_gives_up_after_so_many_attempts(tmp_path):
    tracker = exporting_tracker(tmp_path, retry=Policy(attempts=3))
    name = submitted(tracker, (0, 0))
    tracking = tracker.watch(
        name, interval=0.01, callback=lambda _: end(tracker, "Internal error encountered.")
    )
    assert (tracking.states, tracking.orders[0]["attempt"]) == ({"FAILED": 1}, 3)
    assert len(tracker.engine.requests) == 3
    assert tracker.retry(name).orders[0]["attempt"] == 4


def test_tick_tries_again_what_is_due_even_where_all_has_ended(tracker):
    name = submitted(tracker)
    for attempt in (1, 2):
        end(tracker, "Internal error encountered.")
        tracker.update(name)
        assert tracker.read(name).states == {"FAILED": 2}
        done = tracker.tick()
        assert (done.failures, len(done.unfinished)) == ({}, 1)
        change(tracker, name, lambda entry: entry["status"].update(not_before_ms=0))
        tracker.tick()
        assert {entry["attempt"] for entry in tracker.read(name).orders} == {attempt + 1}
    tracker.engine.finish()
    assert not tracker.tick().unfinished
    assert tracker.read(name).complete


def waiting(tracker, tiles=TILES):
    """An order whose items failed for a quota, and wait for an hour."""
    name = failed(tracker, "Quota exceeded for quota metric 'x'.", tiles)
    tracker.tick()
    assert tracker.read(name).states == {"UNSUBMITTED": len(tiles)}
    assert tracker.tick().unfinished
    assert len(tracker.engine.requests) == len(tiles)
    return name


def test_retry_begins_at_once_what_waits_for_a_quota(tracker):
    name = waiting(tracker)
    tracking = tracker.retry(name)
    assert tracking.states == {"READY": 2}
    assert [(e["attempt"], len(e["attempts"])) for e in tracking.orders] == [(2, 1), (2, 1)]
    assert [r.description[-3:] for r in tracker.engine.requests] == ["-a1", "-a1", "-a2", "-a2"]
    tracker.engine.finish()
    assert tracker.watch(name, interval=0.01).complete


def test_retry_begins_those_that_it_is_asked_for(tracker):
    name = waiting(tracker)
    first, second = tracker.read(name).orders
    assert tracker.retry(name, states=["UNKNOWN"]).states == {"UNSUBMITTED": 2}
    tracking = tracker.retry(name, items=[first["name"]])
    assert [e["status"]["state"] for e in tracking.orders] == ["READY", "UNSUBMITTED"]
    assert tracking.entry(second["name"]) == second


def test_what_waits_isnt_begun_whole_where_parts_were_asked_for(tracker, caplog):
    name = waiting(tracker)
    before = tracker.read(name).orders
    tracking = tracker.retry(name, items=["*"], split=True)
    assert tracking.orders == before
    first = before[0]["name"]
    assert f"left as it is: {first} (and 1 more) waits to be made again whole" in caplog.text
    assert tracker.retry(name, split=True).states == {"READY": 2}


def test_what_is_begun_at_once_isnt_begun_again_by_a_round_or_another_retry(tracker, tmp_path):
    name = waiting(tracker)
    other = exporting_tracker(tmp_path, tracker.engine)
    assert tracker.retry(name).states == other.retry(name).states == {"READY": 2}
    other.tick()
    assert len(tracker.engine.requests) == 4


def test_an_item_of_2019_is_never_due(tracker):
    name = failed(tracker, "Internal error encountered.", (0, 0))
    record = record_of(tracker, name)
    (item,) = due(record, Policy())
    record.change(item, lambda entry: entry.update(collection=None))
    assert due(record, Policy()) == []


# What cedar pulls


def test_a_pull_that_failed_is_made_again_over_what_it_made(tmp_path):
    tracker = real_tracker(tmp_path)
    name = submitted(tracker, (0, 0))
    (entry,) = tracker.watch(name).orders
    tracker.store.delete(f"CEDAR_PREARD/{entry['name']}.tif")
    assert tracker.update(name).states == {"INCOMPLETE": 1}
    assert tracker.retry(name).states == {"READY": 1}
    tracking = tracker.watch(name)
    assert (tracking.complete, tracking.orders[0]["attempt"]) == (True, 2)


def test_a_pull_that_waits_for_a_quota_is_not_made_before_its_time(tmp_path):
    tracker = real_tracker(tmp_path)
    name = submitted(tracker, (0, 0))
    quota = status(TaskState.FAILED, error_message="Quota exceeded for 'x'.")
    change(tracker, name, quota)
    tracking = tracker.watch(name, timeout=0.1, interval=0.01)
    assert (tracking.states, tracking.orders[0]["attempt"]) == ({"READY": 1}, 2)
    past = dt.timedelta(hours=-2) / dt.timedelta(milliseconds=1)
    change(tracker, name, lambda entry: entry["status"].update(not_before_ms=now_ms() + int(past)))
    assert tracker.watch(name, interval=0.01).complete


def test_a_pull_that_waits_for_a_quota_keeps_its_words_and_can_be_hurried(tmp_path):
    tracker = real_tracker(tmp_path)
    name = submitted(tracker, (0, 0))
    change(tracker, name, status(TaskState.FAILED, error_message="Quota exceeded for 'x'."))
    (entry,) = tracker.watch(name, timeout=0, interval=0.01).orders
    assert entry["status"]["error_message"] == "Quota exceeded for 'x'."
    (entry,) = tracker.retry(name).orders
    assert (entry["status"]["state"], entry["status"]["error_message"]) == ("READY", None)
    (entry,) = tracker.watch(name, interval=0.01).orders
    assert (entry["status"]["state"], entry["attempt"]) == ("COMPLETED", 2)
    assert entry["status"]["error_message"] is None


def test_a_band_part_that_is_pulled_has_the_pixels_of_the_whole(tmp_path):
    tracker = real_tracker(tmp_path)
    name = submitted(tracker, (0, 0))
    change(tracker, name, status(TaskState.FAILED, error_message="Computation timed out."))
    tracking = tracker.retry(name, split=True)
    tracking = tracker.watch(name)
    assert tracking.complete
    other, _ = tracker.submit(COLLECTION, (0, 0), *MAY, existing="overwrite")
    (whole,) = tracker.watch(other).orders
    with rasterio.open(tmp_path / "CEDAR_PREARD" / f"{whole['name']}.tif") as image:
        expected = image.read()
    bands = []
    for part in tracking.orders:
        with rasterio.open(tmp_path / "CEDAR_PREARD" / f"{part['name']}.tif") as image:
            bands += list(image.read())
    assert (expected == bands).all()


# Through the official clients


@pytest.mark.parametrize("value", ["memory", "too-large", "drive-quota"])
def test_what_the_service_refused_comes_home_after_a_retry(value, tmp_path):
    task = {"service": "earthengine", "method": "task", "nth": 1}
    faults = [{**task, "action": "status", "value": value}]
    with exporting("gcs", tmp_path, emulator={"faults": faults}) as (_, tracker):
        name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
        (entry,) = tracker.watch(name, interval=0.05).orders
        assert (entry["status"]["state"], entry["attempt"]) == ("FAILED", 1)
        assert entry["status"]["error_message"] == ERRORS[value][2]
        tracker.retry(name)
        tracking = tracker.watch(name, interval=0.05)
        tracker.download(tracking, tmp_path / "home")
        assert wrong_pixels(tracking, tmp_path / "home") == 0
        tracker.clean(tracker.read(name), name)
        assert not keys(tracker)


@pytest.mark.parametrize("value", ["quota", "rate-limit"])
def test_a_quotas_failure_comes_home_by_itself(value, tmp_path):
    task = {"service": "earthengine", "method": "task", "nth": 1}
    faults = [{**task, "action": "status", "value": value}]
    emulator = {"faults": faults}
    with exporting(
        "gcs", tmp_path, emulator=emulator, retry=Policy(later_minutes=0.001)
    ) as (_, tracker):  # fmt: skip
        name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
        tracking = tracker.watch(name, interval=0.05)
        assert (tracking.complete, tracking.orders[0]["attempt"]) == (True, 2)
        assert tracking.orders[0]["attempts"][0]["status"]["error_message"] == ERRORS[value][2]


@pytest.mark.parametrize("kind", ["gcs", "gdrive"])
def test_half_an_export_and_the_attempt_after_it_leave_nothing_behind(kind, tmp_path):
    faults = [{"service": "earthengine", "method": "task", "nth": 1, "action": "half"}]
    with exporting(kind, tmp_path, emulator={"faults": faults}) as (_, tracker):
        name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
        assert tracker.watch(name, interval=0.05).states == {"INCOMPLETE": 1}
        tracker.retry(name)
        tracking = tracker.watch(name, interval=0.05)
        tracker.download(tracking, tmp_path / "home")
        assert wrong_pixels(tracking, tmp_path / "home") == 0
        tracker.clean(tracker.read(name), name)
        assert not keys(tracker)
