"""Which tasks run, when, and what becomes of them when they, or who runs them, end too soon."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from export_requests import (
    BUCKET,
    cloud,
    drive,
    grid,
    make_bucket,
    objects,
    pixels,
    request,
    tiles,
    to_drive,
)
from forked import Forked

from cedar.emulator import Emulator
from cedar.emulator.batch import exporter, rendering
from cedar.emulator.settings import Settings

TESTS = Path(__file__).parents[2]


def emulators(landsat, state=None, **settings):
    # Several tasks may write one object, and nobody moves the clock for them.
    settings = Settings(**{"task_seconds": 60, "object_writes": 0, **settings})
    return Emulator(landsat, state=state, clock="stepped", settings=settings)


@pytest.fixture
def hold(monkeypatch):
    """Holds every task at its second block until `go` is set; `there` is set when one is there."""
    there, go = threading.Event(), threading.Event()
    rendered = rendering.render

    def render(image, grid, *args, **kwds):
        if threading.current_thread() not in seen:
            seen.add(threading.current_thread())
        else:
            there.set()
            assert go.wait(30)
        return rendered(image, grid, *args, **kwds)

    seen = set()
    monkeypatch.setattr(rendering, "render", render)
    yield there, go
    go.set()


# ---- which run


def test_so_many_of_a_project_run_at_once_by_priority_then_by_age(landsat, exports):
    with emulators(landsat, concurrent_tasks=2) as emulator:
        make_bucket(emulator)
        client = exports(emulator)
        names = [client.start(priority=priority) for priority in (100, 5, 7, 200, 7)]
        order = [0, 1, 3, 2, 4]  # the first two found places that were free
        for running in (order[:2], order[2:4], order[4:]):
            emulator.settle()
            states = client.states(names)
            assert [i for i, state in enumerate(states) if state == "RUNNING"] == sorted(running)
            emulator.clock.advance(60)
        emulator.settle()
        assert client.states(names) == ["SUCCEEDED"] * 5


def test_each_project_has_its_own_places(landsat, exports):
    with emulators(landsat, concurrent_tasks=1) as emulator:
        make_bucket(emulator)
        client = exports(emulator)
        names = []
        for project in ("any", "other"):
            client.ee.data.setCloudApiUserProject(project)
            names += [client.start(), client.start()]
        emulator.settle()
        assert client.states(names) == ["RUNNING", "PENDING"] * 2


def test_tasks_take_no_time_unless_so_set(landsat, exports):
    with emulators(landsat, task_seconds=0) as emulator:
        make_bucket(emulator)
        client = exports(emulator)
        names = [client.start(files=cloud(f"image{i}")) for i in range(5)]
        emulator.settle()
        assert client.states(names) == ["SUCCEEDED"] * 5
        assert sorted(objects(emulator)) == [f"image{i}.tif" for i in range(5)]


def test_a_task_that_fails_takes_its_time_too(landsat, exports):
    with emulators(landsat) as emulator:
        client = exports(emulator)
        name = client.start(expression={"result": "0", "values": {"0": {"constantValue": 1}}})
        emulator.clock.advance(59)
        emulator.settle()
        assert client.state(name) == "RUNNING"
        emulator.clock.advance(1)
        emulator.settle()
        assert client.error(name) == {
            "code": 3,
            "message": "The expression does not evaluate to an image.",
        }


def test_progress_moves_while_blocks_are_made(landsat, exports, hold):
    there, go = hold
    with emulators(landsat, task_seconds=0) as emulator:
        make_bucket(emulator)
        client = exports(emulator)
        name = client.start(files=cloud(**tiles()))
        assert there.wait(30)
        metadata = client.metadata(name)
        assert metadata["stages"][0]["completeWorkUnits"] == 1
        assert metadata["progress"] == pytest.approx(1 / 12)
        with pytest.raises(TimeoutError, match="1 task"):
            emulator.settle(timeout=0)
        go.set()
        emulator.settle()
        assert client.metadata(name)["progress"] == 1


def test_by_the_real_clock_a_task_lasts_as_long_as_set(landsat, exports):
    with Emulator(landsat, settings=Settings(task_seconds=0.2)) as emulator:
        make_bucket(emulator)
        client = exports(emulator)
        name = client.start()
        emulator.settle()
        while client.state(name) == "RUNNING":
            pass
        metadata = client.metadata(name)
        assert metadata["state"] == "SUCCEEDED"
        assert metadata["endTime"] > metadata["startTime"]


# ---- cancelling


def test_a_task_that_waits_is_cancelled_at_once(landsat, exports):
    with emulators(landsat, concurrent_tasks=0) as emulator:
        client = exports(emulator)
        name = client.start()
        client.ee.data.cancelOperation(name)
        assert client.state(name) == "CANCELLED"
        assert client.error(name) == {"code": 1, "message": "Cancelled."}
        assert "endTime" in client.metadata(name)


def test_a_task_that_runs_is_cancelled_before_it_writes(landsat, exports):
    with emulators(landsat) as emulator:
        make_bucket(emulator)
        client = exports(emulator)
        names = [client.start() for _ in range(3)]
        emulator.settle()
        client.ee.data.cancelOperation(names[0])
        emulator.settle()
        assert client.states(names) == ["CANCELLED", "RUNNING", "RUNNING"]  # its place is free
        assert objects(emulator) == {}


def test_a_task_that_computes_is_cancelling_until_it_notices(landsat, exports, hold):
    there, go = hold
    with emulators(landsat) as emulator:
        make_bucket(emulator)
        client = exports(emulator)
        name = client.start(files=cloud(**tiles()))
        assert there.wait(30)
        for _ in range(2):
            client.ee.data.cancelOperation(name)
            assert client.state(name) == "CANCELLING"
        go.set()
        emulator.settle()
        assert client.state(name) == "CANCELLED"
        assert objects(emulator) == {}
        assert not any((emulator._state.directory / "tasks").iterdir())


def test_a_cancelled_task_that_fails_meanwhile_is_cancelled(landsat, exports, hold):
    there, go = hold
    with emulators(landsat, task_seconds=0) as emulator:
        client = exports(emulator)
        node = {"functionName": "Image.load", "arguments": {"id": {"constantValue": "NO/SUCH"}}}
        real = rendering.evaluate

        def evaluate(*given):
            there.set()
            assert go.wait(30)
            return real(*given)

        rendering.evaluate = evaluate
        try:
            name = client.start(
                expression={"result": "0", "values": {"0": {"functionInvocationValue": node}}}
            )
            assert there.wait(30)
            client.ee.data.cancelOperation(name)
            go.set()
            emulator.settle()
        finally:
            rendering.evaluate = real
        assert client.state(name) == "CANCELLED"


def test_a_task_that_is_cancelled_as_it_writes_its_last_file_is_cancelled(
    landsat, exports, monkeypatch
):
    with emulators(landsat, task_seconds=0) as emulator:
        make_bucket(emulator)
        client = exports(emulator)
        write = exporter.CloudStorageWriter.write
        names, named = [], threading.Event()

        def cancel_then_write(self, *given):
            assert named.wait(30)
            client.ee.data.cancelOperation(names[0])
            write(self, *given)

        monkeypatch.setattr(exporter.CloudStorageWriter, "write", cancel_then_write)
        names.append(client.start(files=cloud("x")))
        named.set()
        emulator.settle()
        assert client.state(names[0]) == "CANCELLED"
        assert list(objects(emulator)) == ["x.tif"]  # it is there, whole, and nobody says so


def test_what_has_ended_stays_as_it_is(landsat, exports):
    with emulators(landsat, task_seconds=0) as emulator:
        make_bucket(emulator)
        client = exports(emulator)
        good, bad = client.start(), client.start(maxPixels=1)
        emulator.settle()
        for name in (good, bad):
            client.ee.data.cancelOperation(name)
        assert client.states([good, bad]) == ["SUCCEEDED", "FAILED"]


# ---- who runs them ends


def test_what_runs_when_the_emulator_ends_runs_again_in_the_next(landsat, tmp_path, exports):
    with emulators(landsat, tmp_path) as first:
        make_bucket(first)
        client = exports(first)
        names = [client.start(files=cloud(f"image{i}")) for i in range(3)]
        first.settle()
        client.ee.data.cancelOperation(names[2])
    assert not any((tmp_path / "owners").iterdir())
    assert not any((tmp_path / "tasks").iterdir())
    with emulators(landsat, tmp_path, concurrent_tasks=0) as idle:
        assert exports(idle).states(names) == ["PENDING", "PENDING", "CANCELLED"]
        assert exports(idle).metadata(names[0])["startTime"].startswith("1970")
    with emulators(landsat, tmp_path) as second:
        second.settle()  # they run with nobody asking
        client = exports(second)
        assert client.states(names) == ["RUNNING", "RUNNING", "CANCELLED"]
        second.clock.advance(60)
        second.settle()
        assert [client.metadata(name).get("attempt") for name in names] == [2, 2, None]
        assert sorted(objects(second)) == ["image0.tif", "image1.tif"]


def test_no_thread_outlives_the_emulator(landsat, exports):
    before = set(threading.enumerate())
    with emulators(landsat) as emulator:
        make_bucket(emulator)
        client = exports(emulator)
        client.start()
        client.start()
        emulator.settle()
        assert len(set(threading.enumerate()) - before) == 2
    assert set(threading.enumerate()) <= before


def test_two_emulators_of_one_state_run_each_task_once(landsat, tmp_path, exports):
    with (
        emulators(landsat, tmp_path, task_seconds=0) as one,
        emulators(landsat, tmp_path, task_seconds=0) as other,
    ):
        make_bucket(one)
        clients = [exports(one), None]
        names = [clients[0].start(files=cloud(f"image{i}")) for i in range(10)]
        clients[1] = exports(other)
        names += [clients[1].start(files=cloud(f"image{i}")) for i in range(10, 20)]
        one.settle()
        other.settle()
        one.settle()
        assert clients[1].states(names) == ["SUCCEEDED"] * 20
        assert {clients[1].metadata(name)["attempt"] for name in names} == {1}
        assert len(objects(other)) == 20


def test_the_places_are_those_of_all_emulators_of_a_state(landsat, tmp_path, exports):
    one = emulators(landsat, tmp_path, concurrent_tasks=2)
    other = emulators(landsat, tmp_path, concurrent_tasks=2)
    with one, other:
        make_bucket(one)
        first = exports(one).start()
        one.settle()
        client = exports(other)
        names = [first, client.start(), client.start()]
        other.settle()
        assert client.states(names) == ["RUNNING", "RUNNING", "PENDING"]


def test_another_emulator_s_task_can_be_cancelled(landsat, tmp_path, exports):
    with emulators(landsat, tmp_path) as one, emulators(landsat, tmp_path) as other:
        make_bucket(one)
        name = exports(one).start()
        one.settle()
        client = exports(other)
        client.ee.data.cancelOperation(name)
        assert client.state(name) in ("CANCELLING", "CANCELLED")
        one.settle()
        assert client.state(name) == "CANCELLED"


def test_who_waits_for_another_s_places_takes_them_unasked(landsat, tmp_path, exports, monkeypatch):
    taken = threading.Event()
    render = exporter.render_shards
    with emulators(landsat, tmp_path, concurrent_tasks=1) as other:
        with emulators(landsat, tmp_path, concurrent_tasks=1) as one:
            make_bucket(one)
            first = exports(one).start()
            one.settle()
            client = exports(other)
            names = [first, client.start()]
            assert client.states(names) == ["RUNNING", "PENDING"]
            monkeypatch.setattr(
                exporter, "render_shards", lambda *args: (taken.set(), render(*args))[-1]
            )
        assert taken.wait(30)
        assert client.states(names) == ["RUNNING", "PENDING"]  # the older goes first
        other.clock.advance(60)
        other.settle()
        assert client.states(names) == ["SUCCEEDED", "RUNNING"]


KILLED = """
import sys
sys.path.insert(0, {tests!r})
from export_requests import *
from cedar.emulator import Emulator
from cedar.emulator.batch import destinations
from cedar.emulator.settings import Settings

with Emulator({landsat!r}, state={state!r}, settings=Settings(task_seconds={seconds})) as emulator:
    make_bucket(emulator)
    written = []
    class Slow(destinations.{writer}):
        def write(self, name, path):
            if len(written) == 2:
                print("ready", flush=True)
                sys.stdin.readline()
            written.append(name)
            super().write(name, path)
    from cedar.emulator.batch import exporter
    exporter.{writer} = Slow
    files = {files}
    for _ in range({count}):
        ask(emulator, "earthengine", "POST", "/v1/projects/any/image:export", request(files))
    if {seconds}:
        emulator.settle()
        print("ready", flush=True)
    sys.stdin.readline()
"""


def killed(landsat, state, seconds=0, count=1, writer="CloudStorageWriter", files=None):
    """A process that runs tasks, killed: waiting for time, or when it has written two files."""
    program = KILLED.format(
        tests=str(TESTS),
        landsat=str(landsat),
        state=str(state),
        seconds=seconds,
        count=count,
        writer=writer,
        files=files or cloud(**tiles()),
    )
    with Forked(program) as process:
        assert process.stdout.readline() == "ready\n"
        process.kill()
    assert process.returncode == -9


def names_in(client):
    return [operation["name"] for operation in client.ee.data.listOperations()]


def test_what_a_killed_process_ran_runs_again(landsat, tmp_path, exports):
    killed(landsat, tmp_path, seconds=1e6, count=3)
    with emulators(landsat, tmp_path, task_seconds=0) as emulator:
        emulator.settle()
        client = exports(emulator)
        names = names_in(client)
        assert client.states(names) == ["SUCCEEDED"] * 3
        assert sorted(client.metadata(name)["attempt"] for name in names) == [1, 2, 2]
    assert not any((tmp_path / "owners").iterdir())


def test_a_process_that_is_there_already_takes_over_from_one_that_is_killed(
    landsat, tmp_path, exports
):
    with emulators(landsat, tmp_path, task_seconds=0) as emulator:
        killed(landsat, tmp_path, seconds=1e6)
        client = exports(emulator)
        (name,) = names_in(client)  # asking is enough
        emulator.settle()
        assert client.state(name) == "SUCCEEDED"
        assert client.metadata(name)["attempt"] == 2


def test_a_task_that_a_killed_process_was_to_cancel_is_cancelled(landsat, tmp_path, exports):
    with emulators(landsat, tmp_path, concurrent_tasks=0) as emulator:
        killed(landsat, tmp_path, seconds=1e6)
        with emulator._state.transaction() as rows:  # as if it had been told just before
            rows.execute("UPDATE operations SET state = 'CANCELLING'")
        client = exports(emulator)
        (name,) = names_in(client)
        assert client.state(name) == "CANCELLED"


def reference(landsat):
    with Emulator(landsat) as emulator:
        make_bucket(emulator)
        return written_at_once(emulator)


def written_at_once(emulator):
    from export_requests import ask

    ask(emulator, "earthengine", "POST", "/v1/projects/any/image:export", request(cloud(**tiles())))
    emulator.settle()
    return objects(emulator)


def test_files_are_whole_after_a_kill_between_them(landsat, tmp_path, exports):
    killed(landsat, tmp_path)
    with emulators(landsat, tmp_path, task_seconds=0, concurrent_tasks=0) as emulator:
        assert len(objects(emulator, BUCKET)) == 2
        assert exports(emulator).states(names_in(exports(emulator))) == ["PENDING"]
    with emulators(landsat, tmp_path, task_seconds=0) as emulator:
        emulator.settle()
        written = objects(emulator, BUCKET)
    expected = reference(landsat)
    assert written.keys() == expected.keys()
    assert len(written) == 6
    for name, content in written.items():
        assert np.array_equal(pixels(content), pixels(expected[name]))


def test_files_in_drive_are_not_doubled_by_a_kill_between_them(landsat, tmp_path, exports):
    killed(landsat, tmp_path, writer="DriveWriter", files=to_drive(**tiles()))
    with emulators(landsat, tmp_path, task_seconds=0) as emulator:
        emulator.settle()
        titles = sorted(file["title"] for file in drive(emulator))
    assert titles == [
        "A folder",
        *(f"image-{row:010d}-{col:010d}.tif" for row in (0, 128) for col in (0, 128, 256)),
    ]


def test_a_fault_of_the_emulator_fails_the_task_and_no_other(landsat, exports, monkeypatch, caplog):
    with emulators(landsat, task_seconds=0) as emulator:
        make_bucket(emulator)
        client = exports(emulator)
        with monkeypatch.context() as patch:
            patch.setattr(rendering, "render", lambda *args, **kwds: 1 / 0)
            bad = client.start()
            emulator.settle()
        good = client.start(grid=grid(64, 64))
        emulator.settle()
        assert client.states([bad, good]) == ["FAILED", "SUCCEEDED"]
        error = client.error(bad)
        assert error["code"] == 13
        assert "fault in the emulator, ZeroDivisionError" in error["message"]
    assert "the emulator failed at projects/any" in caplog.text
