"""Runs: what a user of a run's file relies on, whatever stops it and wherever it goes on."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import pytest
import yaml
from exported import asked, exporting
from exporting import exporting_tracker
from forked import Forked
from orders import COLLECTION, COLLECTIONS, LANDSAT, real_tracker, utm_grid

from cedar import Tracker, fetching, runs
from cedar.config import load as load_config
from cedar.engines.earthengine import EarthEngine
from cedar.exceptions import CedarError, ConfigError, EngineError, InputError
from cedar.runs import Result
from cedar.states import TaskState

ROOT = Path(__file__).resolve().parents[1]
WATCHED = {"watch": {"interval": 0.01}}
HOME = WATCHED | {"download": {"dest": "data"}}
CLEANED = HOME | {"clean": None}
GONE = HOME | {"clean": {"keep_tracking": False}}


def order(index=(0, 0), **changes):
    """An order of one item of two real scenes, as the file has it."""
    return {
        "collections": [COLLECTION],
        "tiles": {"index": [list(index)]},
        "period_start": "2020-05-01",
        "period_end": "2020-06-01",
        "steps": WATCHED,
        **changes,
    }


@pytest.fixture
def run_of(tmp_path):
    """Write a run's file, and load it."""

    def write(name="a-run", **orders):
        path = tmp_path / "run.yaml"
        text = yaml.safe_dump({"name": name, "orders": orders}, sort_keys=False)
        path.write_text(text, "utf-8")
        return runs.load(path)

    return write


@pytest.fixture
def tracker(tmp_path):
    return real_tracker(tmp_path / "store")


def results(outcomes):
    return {outcome.order: outcome.result for outcome in outcomes}


def labels(tracker):
    """Which order of the run each record is of."""
    return sorted(tracker.read(name)["submission"]["run"]["order"] for name in tracker.list())


def files(directory):
    return sorted(path.name for path in Path(directory).rglob("*") if path.is_file())


class Stop(BaseException):
    """The process ends here."""


def stop(*_args, **_kwds):
    raise Stop


def test_every_step_is_taken_and_the_record_says_so(run_of, tracker, tmp_path):
    told = []
    run = run_of(one=order(steps=CLEANED))
    (outcome,) = run.execute(tracker, lambda *each: told.append(each))
    (name,) = tracker.list()
    assert outcome == runs.Outcome("one", Result.DONE, name, {"COMPLETED": 1}, "cleaned")
    assert [text for _, text in told] == [
        f"placed as {name}",
        f"watching {name}",
        f"downloading into {tmp_path / 'data' / name}",
        "DONE: cleaned",
    ]
    assert len(files(tmp_path / "data" / name)) == 3
    assert tracker.store.list("CEDAR_PREARD") == []
    tracking = tracker.read(name)
    assert tracking["submission"]["run"] == {"name": "a-run", "order": "one"}
    assert tracking.orders[0]["status"]["cleaned_timestamp_ms"] > 0
    assert tracking.complete


def test_cubes_are_made_of_what_was_brought_home_and_again_where_they_are_gone(
    run_of, tracker, tmp_path
):
    steps = HOME | {"convert": {"format": "netcdf", "directory": "cubes"}}
    run = run_of(one=order(steps=steps))
    assert run.plan(tracker)[0].steps == ("submit", "watch", "download", "convert")
    assert results(run.execute(tracker)) == {"one": Result.DONE}
    (cube,) = (tmp_path / "cubes").iterdir()
    assert cube.suffix == ".nc"
    assert run.plan(tracker)[0].steps == ()
    cube.unlink()
    assert run.plan(tracker)[0].steps == ("convert",)
    run.execute(tracker)
    assert cube.exists()
    cube.write_bytes(b"not cedar's")
    (outcome,) = run.execute(tracker)
    assert outcome.result == Result.FAILED
    assert str(cube) in outcome.message


def test_a_run_that_is_done_does_nothing_again(run_of, tracker, tmp_path):
    run = run_of(one=order(steps=HOME), two=order((0, 1), steps=CLEANED), three=order((1, 0)))
    run.execute(tracker)
    before = {name: tracker.read(name)["revision"] for name in tracker.list()}
    requests = len(tracker.engine.emulator.requests)
    assert {*results(run.execute(tracker)).values()} == {Result.DONE}
    assert {name: tracker.read(name)["revision"] for name in tracker.list()} == before
    assert len(tracker.engine.emulator.requests) == requests


def test_what_was_downloaded_and_is_gone_is_downloaded_again(run_of, tracker, tmp_path):
    run = run_of(one=order(steps=HOME))
    run.execute(tracker)
    first = files(tmp_path / "data")
    shutil.rmtree(tmp_path / "data")
    assert run.plan(tracker)[0].steps == ("download",)
    run.execute(tracker)
    assert files(tmp_path / "data") == first


def test_a_later_step_can_be_added_to_an_order_that_is_done(run_of, tracker, tmp_path):
    run_of(one=order()).execute(tracker)
    run = run_of(one=order(steps=CLEANED))
    assert run.plan(tracker)[0].steps == ("download", "clean")
    assert run.execute(tracker)[0].message == "cleaned"
    assert len(tracker.list()) == 1


def test_an_order_that_is_cleaned_with_its_record_is_done_by_its_downloaded_copy(
    run_of, tracker, tmp_path
):
    run = run_of(one=order(steps=GONE))
    assert results(run.execute(tracker)) == {"one": Result.DONE}
    assert tracker.list() == []
    (outcome,) = run.execute(tracker)
    assert (outcome.result, outcome.message) == (Result.DONE, "cleaned")
    assert tracker.list() == []
    (tmp_path / "data" / "note.json").write_text("{}")
    (tmp_path / "data" / "other").mkdir()
    (tmp_path / "data" / "other" / "other.json").write_text("{}")
    (tmp_path / "data" / "other" / "more.json").write_text("{}")
    assert run.plan(tracker)[0].steps == ()


def test_without_the_downloaded_files_an_order_without_record_is_made_again(
    run_of, tracker, tmp_path
):
    run = run_of(one=order(steps=GONE))
    run.execute(tracker)
    next((tmp_path / "data").rglob("*.tif")).unlink()
    assert run.plan(tracker)[0].steps == ("submit", "watch", "download", "clean")


def test_a_copy_of_another_store_is_not_taken_for_this_ones(run_of, tracker, tmp_path):
    run = run_of(one=order(steps=GONE))
    run.execute(tracker)
    other = real_tracker(tmp_path / "other")
    assert run.plan(other)[0].record is None


def test_an_order_of_another_engine_is_refused(run_of, tracker, tmp_path):
    run = run_of(one=order())
    run.execute(tracker)
    real = Tracker(
        utm_grid(), tracker.store, engine=EarthEngine("my-project"), collections=COLLECTIONS
    )
    with pytest.raises(CedarError, match="belongs to another engine"):
        run.execute(real)


def test_a_failure_stops_what_waits_for_it_and_nothing_else(run_of, tracker):
    run = run_of(
        bad=order((3, 3), steps={"submit": {"error_if_empty": True}, **WATCHED}),
        then=order((0, 1), after=["bad"]),
        later=order((1, 1), after=["then"]),
        good=order((0, 0)),
    )
    outcomes = run.execute(tracker)
    assert results(outcomes) == {
        "bad": Result.FAILED,
        "then": Result.WAITING,
        "later": Result.WAITING,
        "good": Result.DONE,
    }
    assert outcomes[0].message.startswith("no image was found for")
    assert outcomes[1].message == "waits for bad"
    assert labels(tracker) == ["good"]


def test_orders_wait_for_groups_and_go_in_turn(run_of, tracker):
    begun = []
    run = run_of(
        last=order((1, 1), after=["early"]),
        one=order((0, 0), group="early"),
        two=order((0, 1), group="early", after=["one"]),
    )
    done = run.execute(tracker, lambda name, text: begun.append(name) if "placed" in text else None)
    assert begun == ["one", "two", "last"]
    assert [outcome.order for outcome in done] == ["last", "one", "two"]


def test_orders_that_do_not_wait_go_side_by_side(run_of, tmp_path):
    together = threading.Barrier(2, timeout=30)

    class Meeting(EarthEngine):
        def search(self, *args):
            together.wait()
            return super().search(*args)

    engine = Meeting(url="emulator", catalog=LANDSAT)
    tracker = real_tracker(tmp_path / "store", engine=engine)
    outcomes = run_of(one=order(), two=order((0, 1))).execute(tracker)
    assert {*results(outcomes).values()} == {Result.DONE}


def test_only_named_orders_and_groups_are_gone_on_with(run_of, tracker):
    run = run_of(
        one=order((0, 0), group="early"),
        two=order((0, 1), group="early"),
        last=order((1, 1), after=["early"]),
    )
    assert results(run.execute(tracker, only=["last"])) == {"last": Result.WAITING}
    assert results(run.execute(tracker, only=["one"])) == {"one": Result.DONE}
    (outcome,) = run.execute(tracker, only=["last"])
    assert outcome.message == "waits for two"
    assert [*results(run.execute(tracker, only=["early"]))] == ["one", "two"]
    assert results(run.execute(tracker, only=["last"])) == {"last": Result.DONE}
    with pytest.raises(InputError, match="'erly'; the nearest is 'early'"):
        run.execute(tracker, only=["erly"])


def test_an_order_that_was_placed_otherwise_is_an_error_that_says_what_differs(run_of, tracker):
    run_of(one=order()).execute(tracker)
    changed = run_of(one=order(period_end="2020-07-01"), two=order((0, 1)))
    with pytest.raises(InputError) as error:
        changed.execute(tracker)
    (name,) = tracker.list()
    assert str(error.value) == (
        f"order one was placed as {name}, otherwise than it is asked for now: period_end was "
        '"2020-06-01T00:00:00+00:00", and is "2020-07-01T00:00:00+00:00": put that back, or give '
        "the order another name"
    )
    with pytest.raises(InputError, match=r"tile_indices was \[\[0, 0\]\], and is \[\[0, 1\]\]"):
        run_of(one=order((0, 1))).plan(tracker)


def test_other_settings_of_a_collection_make_another_order_but_its_title_does_not(run_of, tmp_path):
    run = run_of(one=order())
    run.execute(real_tracker(tmp_path / "store"))
    title, bands = (
        real_tracker(
            tmp_path / "store", collections={COLLECTION: COLLECTIONS[COLLECTION] | changed}
        )
        for changed in ({"title": "Numbers"}, {"bands": {"blue": "B2"}})
    )
    assert results(run.execute(title)) == {"one": Result.DONE}
    with pytest.raises(InputError, match=r"definitions was .*EXAMPLE/LC08/DN bands"):
        run.execute(bands)


def test_another_run_finds_names_that_are_taken_and_orders_nothing(run_of, tracker):
    run_of(one=order()).execute(tracker)
    (outcome,) = run_of("another", one=order()).execute(tracker)
    assert outcome.result == Result.FAILED
    assert "exists in order" in outcome.message
    assert len(tracker.list()) == 1


def test_an_order_all_of_which_exists_is_done_without_a_record(run_of, tracker):
    run_of(one=order()).execute(tracker)
    run = run_of("another", one=order(steps={"submit": {"existing": "skip"}}))
    (plan,) = run.plan(tracker)
    assert (plan.n_items, plan.n_existing) == (0, 1)
    (outcome,) = run.execute(tracker)
    assert (outcome.result, outcome.record) == (Result.DONE, None)
    assert outcome.message == "all of it exists already"


def test_a_plan_says_what_would_be_done_and_writes_nothing(run_of, tracker, tmp_path):
    run = run_of(
        one=order(tiles={"row": [0, 3], "col": [3, 0]}, steps=CLEANED),
        two=order((0, 1), after=["one"], steps={}),
    )
    one, two = run.plan(tracker)
    assert (one.steps, one.after, one.record) == (
        ("submit", "watch", "download", "clean"),
        (),
        None,
    )
    assert (one.n_items, one.n_empty) == (4, 3)
    assert (two.steps, two.after, two.error) == (("submit",), ("one",), None)
    assert files(tmp_path / "store") == []


def test_a_plan_says_why_an_order_cannot_be_placed(run_of, tracker, tmp_path):
    run_of(one=order()).execute(tracker)
    (plan,) = run_of("another", one=order()).plan(tracker)
    assert "exists in order" in plan.error
    small = real_tracker(tmp_path / "other", max_tasks=0)
    (plan,) = run_of(one=order()).plan(small)
    assert "max_tasks" in plan.error


def test_two_records_of_one_order_are_an_error_that_names_both(run_of, tracker):
    run = run_of(one=order())
    run.execute(tracker)
    (name,) = tracker.list()
    document = tracker.read(name).document
    tracker.store.store_metadata(document, f"{name}-copy", "CEDAR_TRACKING")
    with pytest.raises(CedarError, match=f"two records say .* order one of run a-run: {name}"):
        run.execute(tracker)


def test_a_record_that_is_removed_meanwhile_is_not_found(run_of, tracker, monkeypatch):
    run = run_of(one=order())
    run.execute(tracker)
    (name,) = tracker.list()
    tracker.clean(tracker.read(name), name, force=True)
    monkeypatch.setattr(tracker, "list", lambda: [name])
    assert run.plan(tracker)[0].record is None


@pytest.mark.parametrize(
    ("where", "what"),
    [
        ("write", "the record is there, its items' documents aren't"),
        ("watch", "placed, nothing made"),
        ("download", "made, nothing at home"),
        ("clean", "at home, nothing deleted"),
        ("note_cleaned", "deleted, and the record doesn't say so"),
        ("remove", "deleted, and the record is still there"),
    ],
)
def test_a_run_goes_on_wherever_it_was_stopped(run_of, tracker, monkeypatch, where, what):
    run = run_of(one=order(steps=GONE if where == "remove" else CLEANED), two=order((0, 1)))
    with monkeypatch.context() as patch:
        if where == "write":
            write = tracker.store.write
            patch.setattr(
                tracker.store,
                "write",
                lambda key, *args, **kwds: (
                    stop() if key.startswith("CEDAR_PREARD/") else write(key, *args, **kwds)
                ),
            )
        elif where == "note_cleaned":
            patch.setattr("cedar.steering.note_cleaned", stop)
        elif where == "remove":
            patch.setattr(tracker.store, "remove", stop)
        else:
            patch.setattr(tracker, where, stop)
        with pytest.raises(Stop):
            run.execute(tracker)
    assert {*results(run.execute(tracker)).values()} == {Result.DONE}
    assert labels(tracker) == (["two"] if where == "remove" else ["one", "two"])
    assert {*results(run.execute(tracker)).values()} == {Result.DONE}
    made = [info.key for info in tracker.store.objects("CEDAR_PREARD/")]
    assert len(made) == 2


def test_what_the_time_is_over_for_is_unfinished_and_goes_on(run_of, tmp_path):
    tracker = exporting_tracker(tmp_path / "store")
    run = run_of(one=order(steps=HOME), then=order((0, 1), after=["one"]))
    outcomes = run.execute(tracker, timeout=0)
    assert results(outcomes) == {"one": Result.UNFINISHED, "then": Result.WAITING}
    assert outcomes[0].message == "not complete yet: 1 READY"
    assert not (tmp_path / "data").exists()
    tracker.engine.finish()
    outcomes = run.execute(tracker, timeout=0)
    assert results(outcomes) == {"one": Result.DONE, "then": Result.UNFINISHED}
    assert len(tracker.engine.requests) == 2


def test_an_order_with_an_item_that_failed_comes_home_but_is_not_cleaned(run_of, tmp_path):
    tracker = exporting_tracker(tmp_path / "store")
    both = order(tiles={"index": [[0, 0], [0, 1]]}, steps=CLEANED)
    run = run_of(one=both, then=order((1, 1), after=["one"]))
    run.execute(tracker, timeout=0)
    first, _ = tracker.engine.tasks.values()
    tracker.engine.become(first, TaskState.FAILED, error="Image has no bands.")
    tracker.engine.finish()
    outcomes = run.execute(tracker, timeout=0)
    assert results(outcomes) == {"one": Result.FAILED, "then": Result.WAITING}
    assert outcomes[0].message.endswith(": Image has no bands.")
    assert len(list((tmp_path / "data").rglob("*.tif"))) == 6
    assert tracker.store.list("CEDAR_PREARD") != []
    assert run.plan(tracker)[0].steps == ("watch", "download", "clean")


def test_files_that_are_missing_are_not_called_done(run_of, tmp_path, monkeypatch):
    monkeypatch.setattr("cedar.defaults.LATE_OUTPUTS", 0.0)
    tracker = exporting_tracker(tmp_path / "store")
    run = run_of(one=order())
    run.execute(tracker, timeout=0)
    tracker.engine.finish(parts=slice(2))
    (outcome,) = run.execute(tracker)
    assert outcome.result == Result.UNFINISHED
    assert outcome.message == "files are missing: 1 INCOMPLETE"


def test_without_a_step_to_watch_an_order_is_done_when_all_of_it_is_started(run_of, tmp_path):
    tracker = exporting_tracker(tmp_path / "store")
    tracker.engine.refusals = [EngineError("Too many tasks", full=True)]
    run = run_of(one=order(steps={}))
    run.execute(tracker)
    (outcome,) = run.execute(tracker)
    assert (outcome.result, outcome.states) == (Result.DONE, {"READY": 1})
    assert len(tracker.engine.tasks) == 1


def test_exports_of_a_run_survive_an_answer_that_was_lost(run_of, tmp_path):
    tracker = exporting_tracker(tmp_path / "store")
    tracker.engine.refusals = [(KeyboardInterrupt(),)]
    run = run_of(one=order())
    with pytest.raises(KeyboardInterrupt):
        run.execute(tracker, timeout=0)
    run.execute(tracker, timeout=0)
    tracker.engine.finish()
    assert results(run.execute(tracker)) == {"one": Result.DONE}
    assert len(tracker.engine.tasks) == 1


def test_two_processes_place_an_order_once(run_of, tmp_path):
    run = run_of(**{f"of-{col}": order((0, col)) for col in range(4)})
    trackers = [real_tracker(tmp_path / "store") for _ in range(2)]
    done = []
    threads = [
        threading.Thread(target=lambda tracker=tracker: done.append(run.execute(tracker)))
        for tracker in trackers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [{*results(outcomes).values()} for outcomes in done] == [{Result.DONE}] * 2
    assert len(trackers[0].list()) == 4


def test_an_order_that_another_process_is_placing_is_not_waited_for_for_ever(run_of, tracker):
    run = run_of(one=order())
    with tracker.store.claim("CEDAR_TRACKING/a-run.one.run"):
        (outcome,) = run.execute(tracker, timeout=0)
    assert outcome.result == Result.FAILED
    assert "another process is placing it" in outcome.message


def test_an_interrupted_run_gives_back_what_is_under_way(run_of, tracker):
    run = run_of(one=order(), two=order((0, 1)))

    def interrupt(_name, text):
        if text.startswith("watching"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.execute(tracker, interrupt)
    states = [state for name in tracker.list() for state in tracker.read(name).states]
    assert not {TaskState.RUNNING, TaskState.CANCEL_REQUESTED} & {*states}
    assert {*results(run.execute(tracker)).values()} == {Result.DONE}


PROGRAM = """
import sys
sys.path.insert(0, {tests!r})
from orders import real_tracker
from cedar import defaults, runs
from cedar.engines.earthengine import blocks, pull

# Small blocks, few at a time: many moments to be killed at.
blocks.BLOCK_BYTES, pull.AT_ONCE, defaults.PULL_WORKERS = 9 * 128**2, 2, 1
run, tracker = runs.load({file!r}), real_tracker({store!r})
print("ready", flush=True)
sys.stdin.readline()
outcomes = run.execute(tracker)
print(*sorted({{outcome.result for outcome in outcomes}}), flush=True)
"""


def test_a_run_survives_kills(run_of, tmp_path):
    run_of(
        one=order(steps=CLEANED),
        two=order((0, 1), steps=HOME),
        three=order((1, 0), after=["one"], steps=GONE),
    )
    program = PROGRAM.format(
        tests=str(ROOT / "tests"), file=str(tmp_path / "run.yaml"), store=str(tmp_path / "store")
    )
    for seconds in (0.05, 0.1, 0.15, 0.2, 0.3, None):
        process = Forked(program)
        assert process.stdout.readline() == "ready\n"
        process.stdin.write("\n")
        process.stdin.flush()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        written, _ = process.communicate()
    assert written == "DONE\n"
    tracker = real_tracker(tmp_path / "store")
    assert labels(tracker) == ["one", "two"]
    images = [info.key for info in tracker.store.objects("CEDAR_PREARD/") if "tif" in info.key]
    assert len(images) == 1
    copies = [json.loads(path.read_text()) for path in (tmp_path / "data").glob("*/TRACKING*.json")]
    assert sorted(copy["submission"]["run"]["order"] for copy in copies) == ["one", "three", "two"]
    assert len(list((tmp_path / "data").rglob("*.tif"))) == 3


def test_a_run_exports_brings_home_and_cleans_on_the_real_wire(run_of, tmp_path):
    with exporting("gcs", tmp_path) as (emulator, tracker):
        run = run_of(one=order(steps=CLEANED), two=order((0, 1), after=["one"], steps=HOME))
        assert {*results(run.execute(tracker)).values()} == {Result.DONE}
        assert asked(emulator, "earthengine")["image:export"] == 2
        assert len(list((tmp_path / "data").rglob("*.tif"))) == 12
        assert len([info for info in tracker.store.objects() if ".lease" in info.key]) == 0


def test_the_example_is_one_for_the_template_of_the_configuration(tmp_path):
    for name, source in (("cedar.yaml", "template.yaml"), ("run.yaml", "run.yaml")):
        shutil.copy(ROOT / "config" / source, tmp_path / name)
    run = runs.load(tmp_path / "run.yaml")
    plans = run.plan(Tracker.from_config(load_config(tmp_path / "cedar.yaml")))
    assert [(plan.order, plan.n_items, plan.n_empty, plan.error) for plan in plans] == [
        ("winter", 4, 0, None),
        ("winter-9", 2, 0, None),
        ("spring", 1, 0, None),
    ]
    assert plans[2].after == ("winter", "winter-9")


def test_tiles_are_found_in_every_way_at_once(run_of, tracker, tmp_path):
    lon, lat = -54.71, -25.11
    square = [[lon, lat], [lon + 0.01, lat], [lon + 0.01, lat + 0.01], [lon, lat]]
    (tmp_path / "roi.geojson").write_text(
        json.dumps({"type": "Polygon", "coordinates": [square]}), "utf-8"
    )
    ways = {
        "index": [[3, 3]],
        "row": [2],
        "col": [2, 3],
        "point": [[lon, lat]],
        "bbox": [[lon, lat, lon + 0.01, lat + 0.01]],
        "roi": ["roi.geojson"],
    }
    where = run_of(one=order(tiles=ways)).file.orders["one"].where
    assert where.tiles(utm_grid())[:4] == [(3, 3), (2, 2), (2, 3), (0, 0)]
    assert len(where.tiles(utm_grid())) >= 6


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tiles": {"row": [0]}}, "orders, one: tiles: row and col go together"),
        (
            {"steps": {"download": {"dest": "x"}}},
            "orders, one: steps: download needs watch before it: add `watch:`",
        ),
        (
            {"steps": {"watch": None, "clean": None}},
            "orders, one: steps: clean needs download before it: add `download:`",
        ),
        (
            {"steps": {"convert": {"to": "zarr"}}},
            "orders, one, steps, convert: unknown key 'to'; the nearest known is 'directory'",
        ),
        (
            {"steps": {"watch": None, "convert": None}},
            "orders, one: steps: convert needs download before it: add `download:`",
        ),
        (
            {"after": ["twoo"]},
            "orders, one: no order or group is called 'twoo'; the nearest is 'two'",
        ),
        ({"after": ["two"]}, "orders wait for each other: "),
        ({"after": ["one"]}, "orders wait for each other: one after one"),
        ({"group": "two"}, "'two' is the name of an order and of a group: rename one"),
        ({"stepss": {}}, "orders, one: unknown key 'stepss'; the nearest known is 'steps'"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line_that_says_why(run_of, tmp_path, changes, message):
    with pytest.raises(ConfigError) as error:
        run_of(one=order(**changes), two=order((0, 1), after=["one"]))
    assert str(error.value).startswith(f"{tmp_path / 'run.yaml'}: {message}")
    assert error.value.path == str(tmp_path / "run.yaml")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tiles": {"index": [[9, 9]]}}, "order one: "),
        ({"tiles": {"index": []}}, "order one: an order needs at least one tile"),
        ({"tiles": {"bbox": [[0, 0, 1, 1]]}}, r"order one: bbox 0 0 1 1 meets no tile"),
        ({"tiles": {"roi": ["nowhere.json"]}}, "order one: can't read .*nowhere.json"),
        ({"period_end": "2020-13-01"}, "order one: "),
        ({"period_freq": "1M"}, "order one: "),
        ({"collections": ["LANDSAT/LC08/C02/T1_L9"]}, "order one: "),
    ],
)
def test_an_order_that_cannot_be_used_stops_the_run_before_anything_is_done(
    run_of, tracker, tmp_path, changes, message
):
    run = run_of(good=order((0, 1)), one=order(**changes))
    with pytest.raises(InputError, match=message):
        run.execute(tracker)
    assert files(tmp_path / "store") == []


def test_an_empty_file_is_no_run(tmp_path):
    (tmp_path / "run.yaml").write_text("")
    with pytest.raises(ConfigError, match="null is not a mapping"):
        runs.load(tmp_path / "run.yaml")


def test_a_download_that_stops_halfway_is_gone_on_with(run_of, tracker, tmp_path, monkeypatch):
    run = run_of(one=order(steps=HOME))
    with monkeypatch.context() as patch:
        patch.setattr(fetching.Fetcher, "run", stop)
        with pytest.raises(Stop):
            run.execute(tracker)
    assert run.plan(tracker)[0].steps == ("download",)
    assert results(run.execute(tracker)) == {"one": Result.DONE}
    assert len(list((tmp_path / "data").rglob("*.tif"))) == 1


def test_an_engine_that_is_out_of_reach_fails_the_order_and_the_next_run_goes_on(run_of, tmp_path):
    tracker = exporting_tracker(tmp_path / "store")
    tracker.engine.refusals = [EngineError("Caller does not have permission")]
    run = run_of(one=order(steps=HOME))
    (outcome,) = run.execute(tracker, timeout=0)
    assert outcome.result == Result.FAILED
    assert outcome.message.endswith("Caller does not have permission")
