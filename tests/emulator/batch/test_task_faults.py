"""Faults of tasks: what no client asks for, and every client must see."""

from __future__ import annotations

import pytest
from export_requests import cloud, drive, make_bucket, objects, tiles, to_drive

from cedar.emulator import Emulator
from cedar.emulator.faults import ERRORS, TASK, Faults
from cedar.emulator.settings import Settings
from cedar.exceptions import InputError


def fault(action, **settings):
    when = {} if "probability" in settings else {"nth": 1}
    return {"service": "earthengine", "method": TASK, "action": action, **when, **settings}


def emulators(landsat, *faults, state=None, **settings):
    settings = Settings(**{"object_writes": 0, **settings})
    return Emulator(landsat, faults=faults, clock="stepped", state=state, settings=settings)


@pytest.mark.parametrize("error", ERRORS)
def test_a_task_fails_with_the_words_of_an_error(landsat, exports, error):
    with emulators(landsat, fault("status", value=error)) as emulator:
        make_bucket(emulator)
        client = exports(emulator)
        bad = client.start()
        emulator.settle()
        good = client.start()
        emulator.settle()
        assert client.states([bad, good]) == ["FAILED", "SUCCEEDED"]
        assert client.error(bad)["message"] == ERRORS[error][2]
        assert client.error(bad)["code"] in range(1, 17)


@pytest.mark.parametrize(
    ("error", "code"),
    [(400, 3), (403, 7), (404, 5), (429, 8), ("memory", 3), (500, 13), (503, 14), (504, 4)],
)
def test_a_task_s_error_has_a_code_of_google_rpc(landsat, exports, error, code):
    with emulators(landsat, fault("status", value=error)) as emulator:
        client = exports(emulator)
        name = client.start()
        emulator.settle()
        assert client.error(name)["code"] == code


@pytest.mark.parametrize(
    ("options", "there"), [(tiles(), 3), (tiles(64, 320, 128), 1), ({}, 0)], ids=["6", "2", "1"]
)
def test_a_task_may_write_half_of_its_files_and_say_that_it_succeeded(
    landsat, exports, options, there
):
    with emulators(landsat, fault("half")) as emulator:
        make_bucket(emulator)
        client = exports(emulator)
        name = client.start(files=cloud("x", **options))
        emulator.settle()
        metadata = client.metadata(name)
        assert (metadata["state"], metadata["progress"]) == ("SUCCEEDED", 1)
        half = sorted(objects(emulator))
        assert len(half) == there
        client.start(files=cloud("x", **options))
        emulator.settle()
        whole = sorted(objects(emulator))
        assert half == whole[:there]
        assert len(whole) > there


def test_a_task_may_run_longer(landsat, exports):
    with emulators(landsat, fault("delay", value=30), task_seconds=60) as emulator:
        make_bucket(emulator)
        client = exports(emulator)
        names = [client.start(), client.start()]
        emulator.clock.advance(60)
        emulator.settle()
        assert sorted(client.states(names)) == ["RUNNING", "SUCCEEDED"]
        emulator.clock.advance(30)
        emulator.settle()
        assert client.states(names) == ["SUCCEEDED"] * 2


@pytest.mark.parametrize("to", ["gcs", "gdrive"])
def test_files_may_be_there_later_than_the_task_says(landsat, exports, to):
    with emulators(landsat, fault("late", value=30)) as emulator:
        make_bucket(emulator)
        client = exports(emulator)

        def there():
            if to == "gcs":
                return len(objects(emulator))
            return len([file for file in drive(emulator) if file["title"] != "A folder"])

        name = client.start(files=cloud("x", **tiles()) if to == "gcs" else to_drive(**tiles()))
        emulator.settle()
        before = client.ee.data.getOperation(name)
        assert before["metadata"]["state"] == "SUCCEEDED"
        emulator.clock.advance(29)
        emulator.settle()
        assert there() == 0
        emulator.clock.advance(1)
        emulator.settle()
        assert there() == 6
        assert client.ee.data.getOperation(name) == before
        if to == "gdrive":
            (folder,) = (file["id"] for file in drive(emulator) if file["title"] == "A folder")
            assert before["metadata"]["destinationUris"][0].endswith(f"/{folder}")
        assert not any((emulator._state.directory / "tasks").glob("*/*"))


def test_late_files_come_unasked(landsat, exports):
    late = fault("late", value=0.1)
    with Emulator(landsat, faults=[late]) as emulator:
        make_bucket(emulator)
        exports(emulator).start()
        emulator.settle()
        while not objects(emulator):
            pass


def test_late_files_hold_no_place_of_another_task(landsat, exports):
    with emulators(landsat, fault("late", value=30), concurrent_tasks=1) as emulator:
        make_bucket(emulator)
        client = exports(emulator)
        names = [client.start(), client.start()]
        emulator.settle()
        assert client.states(names) == ["SUCCEEDED"] * 2


def test_late_files_come_in_the_next_emulator(landsat, tmp_path, exports):
    with emulators(landsat, fault("late", value=30), state=tmp_path) as first:
        make_bucket(first)
        name = exports(first).start(files=cloud("x", **tiles()))
        first.settle()
    with emulators(landsat, state=tmp_path) as second:
        second.settle()
        assert objects(second) == {}
        second.clock.advance(30)
        second.settle()
        assert len(objects(second)) == 6
        assert exports(second).state(name) == "SUCCEEDED"


def test_late_files_that_nobody_takes_any_more_are_given_up(landsat, exports, caplog):
    late = fault("late", value=30)
    with emulators(landsat, late, drive_quota=1000) as emulator:
        client = exports(emulator)
        name = client.start(files=to_drive())
        emulator.settle()
        emulator.clock.advance(30)
        emulator.settle()
        assert client.state(name) == "SUCCEEDED"
        assert [file["title"] for file in drive(emulator)] == ["A folder"]
        emulator.settle()
    assert caplog.text.count("won't come") == 1


def test_an_operation_is_remembered_until_its_files_are_there(landsat, exports):
    with emulators(landsat, fault("late", value=30), forget_after=10) as emulator:
        make_bucket(emulator)
        client = exports(emulator)
        client.start()
        emulator.settle()
        emulator.clock.advance(20)
        assert len(client.ee.data.listOperations()) == 1
        emulator.clock.advance(10)
        emulator.settle()
        assert len(objects(emulator)) == 1
        assert client.ee.data.listOperations() == []


def test_only_a_fault_that_names_tasks_happens_to_them():
    every = {"service": "earthengine", "method": "*", "action": "reset", "nth": 1}
    faults = Faults([every, fault("half")])
    assert faults.next("earthengine", TASK).action == "half"
    assert faults.next("earthengine", "operations.get").action == "reset"


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (fault("reset"), "a task takes status, delay, half, late, not reset"),
        (fault("fail-after", value=503), "a task takes"),
        (fault("truncate"), "a task takes"),
        (fault("half", value=2), "half takes no value"),
        (fault("late"), "late takes seconds"),
        (fault("late", value=-1), "late takes seconds"),
        ({**fault("half"), "method": "*"}, "half is for earthengine's method 'task' only"),
        ({**fault("late", value=1), "method": "operations.get"}, "late is for"),
        ({**fault("half"), "service": "gcs"}, "half is for"),
    ],
)
def test_a_fault_that_a_task_or_a_request_cannot_have_is_refused(given, problem):
    with pytest.raises(InputError, match=problem):
        Faults([given])
