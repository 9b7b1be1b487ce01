"""Many processes at one record, and placing orders beside each other: no update is lost."""

import contextlib
import json
import sys
from collections import Counter
from pathlib import Path

import pytest
from exported import BUCKET, KINDS, asked, hasten, tracker_of
from forked import Forked
from orders import COLLECTION, LANDSAT, MAY

from cedar.emulator import Emulator
from cedar.emulator.settings import Settings

#: A process that, round after round, notes something in the record that all share, asks how the
#: order is, and now and then places an order of its own.
PROGRAM = """
import datetime, json, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import pytest
from exported import hasten, tracker_of
from orders import COLLECTION
from cedar.engines.earthengine import EarthEngine
from cedar.record import Record

kind, urls, shared, number, rounds, haste, directory = json.loads(sys.argv[1])
hasten(pytest.MonkeyPatch(), haste)
engine = EarthEngine(url=urls["earthengine"])

class Urls:
    urls = urls

tracker = tracker_of(kind, Path(directory), Urls, engine=engine)
print("ready", flush=True)
sys.stdin.readline()
for turn in range(rounds):
    record = Record.open(tracker.store, "CEDAR_TRACKING", shared)
    item = record.metadata.orders[number % 2]["name"]
    mark = {{"host": str(number), "path": str(turn), "verified": "2026-01-01T00:00:00+00:00"}}
    record.change(item, lambda entry: entry["downloads"].append(mark))
    record.flush()
    tracker.update(shared)
    if turn % 5 == 0:
        # All of them hold the day that has images, and no two are alike.
        first = datetime.date(2020, 5, 17) - datetime.timedelta(days=turn // 5)
        period = str(first), f"2020-07-{{1 + number:02d}}"
        print(tracker.submit(COLLECTION, (0, 0), *period)[0], flush=True)
"""


def _started(kind, urls, *rest):
    arguments = json.dumps([kind, dict(urls), *rest])
    program = PROGRAM.format(tests=str(Path(__file__).parent))
    process = Forked(program, arguments)
    assert process.stdout.readline() == "ready\n", process.stderr.read()
    return process


def rounds_survive(kind, directory, processes, rounds, writes, capsys):
    """Run so many processes for so many rounds each, and count what became of it.

    Parameters
    ----------
    writes : float
        How often a second an object may be written; processes that know of it wait as long.
    """
    # Tasks don't run: what counts is who writes what.
    settings = Settings(object_writes=writes, task_seconds=1e6)
    with Emulator(LANDSAT, settings=settings) as emulator, contextlib.ExitStack() as stack:
        hasten(stack.enter_context(pytest.MonkeyPatch.context()), writes)
        emulator.make_bucket(BUCKET)
        tracker = tracker_of(kind, directory, emulator)
        shared, _ = tracker.submit(COLLECTION, [(0, 0), (0, 1)], *MAY)
        running = [
            stack.enter_context(
                _started(kind, emulator.urls, shared, n, rounds, writes, str(directory))
            )
            for n in range(processes)
        ]
        for process in running:
            process.stdin.write("\n")
            process.stdin.flush()
        ends = [process.communicate(timeout=100 + 20 * rounds * processes) for process in running]
        assert [process.returncode for process in running] == [0] * processes, ends
        tracking = tracker.read(shared)
        marks = Counter(
            (mark["host"], mark["path"]) for e in tracking.orders for mark in e["downloads"]
        )
        expected = {(str(n), str(turn)) for n in range(processes) for turn in range(rounds)}
        placed = [name for out, _ in ends for name in out.split()]
        assert set(marks) == expected
        assert set(marks.values()) == {1}
        assert len(set(placed)) == processes * len(range(0, rounds, 5))
        assert {*placed, shared} == set(tracker.list())
        items = [entry["name"] for name in placed for entry in tracker.read(name).orders]
        assert len(items) == len(set(items))
        assert asked(emulator, "earthengine")["image:export"] == len(items) + 2
        assert not [info.key for info in tracker.store.objects() if info.key.endswith(".lease")]
        with capsys.disabled():
            sys.stdout.write(
                f"\n{kind}: {processes} processes, {len(expected)} updates and {len(placed)} "
                f"orders, none lost; {tracking['revision']} revisions\n"
            )


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("processes", "rounds"), [(2, 10), (8, 3)])
@pytest.mark.parametrize("kind", KINDS)
def test_no_update_is_lost_by_processes_that_wait_for_their_turn(
    kind, processes, rounds, tmp_path, capsys
):
    rounds_survive(kind, tmp_path, processes, rounds, 10.0, capsys)


@pytest.mark.stress
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("processes", "rounds"), [(2, 10), (8, 3)])
@pytest.mark.parametrize("kind", KINDS)
def test_no_update_is_lost_at_one_write_a_second(kind, processes, rounds, tmp_path, capsys):
    rounds_survive(kind, tmp_path, processes, rounds, 1.0, capsys)


@pytest.mark.stress
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("processes", "rounds"), [(2, 250), (8, 63)])
@pytest.mark.parametrize("kind", KINDS)
def test_no_update_is_lost_in_five_hundred_rounds(kind, processes, rounds, tmp_path, capsys):
    rounds_survive(kind, tmp_path, processes, rounds, 10.0, capsys)
