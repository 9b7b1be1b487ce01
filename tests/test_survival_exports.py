"""Processes killed in the middle of exporting, on bad days: no task is lost, none is doubled."""

import itertools
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from exported import BUCKET, tracker_of
from orders import LANDSAT

from cedar.emulator import Emulator
from cedar.emulator.questions import Answers
from cedar.emulator.settings import Settings
from cedar.engines.earthengine import EarthEngine
from cedar.states import TaskState
from cedar.stores import leases

#: Does one thing over and over, for as long as it lives.
PROGRAM = """
import json, sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from exported import tracker_of
from orders import COLLECTION
from cedar import retry
from cedar.engines.earthengine import EarthEngine
from cedar.exceptions import CedarError
from cedar.stores import leases
import googleapiclient.http

urls, directory, action, number = json.loads(sys.argv[1])
retry.FIRST_DELAY, leases.TERM = 0.02, 2.0
googleapiclient.http._retry_request.__globals__["time"].sleep = lambda seconds: None

class There:
    urls = urls

tracker = tracker_of("gcs", Path(directory), There, engine=EarthEngine(url=urls["earthengine"]))
print("ready", flush=True)
sys.stdin.readline()
while True:
    try:
        if action == "submit":
            tiles = [(row, col) for row in range(2) for col in range(2)]
            tracker.submit(COLLECTION, tiles, f"2020-05-{{1 + number:02d}}", "2020-06-01")
            number = (number + 1) % 17
        elif action == "tick":
            tracker.tick()
        else:
            for name in tracker.list():
                tracker.update(name)
    except CedarError as error:
        print(error, file=sys.stderr, flush=True)
    time.sleep(0.01)
"""
_TRANSIENT = (
    {"action": "status", "value": 503},
    {"action": "status", "value": 429},
    {"action": "fail-after", "value": 503},
    {"action": "truncate"},
    {"action": "reset"},
)


def bad_days():
    """Each kind of fault so often that one request in ten has one."""
    part = 0.1 / len(_TRANSIENT)
    return [
        {"service": service, "method": "*", "probability": part, **fault}
        for service in ("earthengine", "gcs")
        for fault in _TRANSIENT
    ]


def started(urls, directory, action, number):
    arguments = json.dumps([dict(urls), str(directory), action, number])
    program = PROGRAM.format(tests=str(Path(__file__).parent))
    process = subprocess.Popen(
        [sys.executable, "-c", program, arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"NO_GCE_CHECK": "true"},
    )
    assert process.stdout.readline() == "ready\n"
    return process


def wait_until(condition, seconds):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.002)


def kill(emulator, process, dice):
    """Let a process act and kill it: half of the times right after one of its requests."""
    seen = len(emulator.requests)
    process.stdin.write("\n")
    process.stdin.flush()
    if dice.random() < 0.5:
        count = dice.randrange(1, 60)
        wait_until(lambda: len(emulator.requests) >= seen + count, 5)
    else:
        wait_until(lambda: False, dice.uniform(0.0, 1.5))
    process.kill()
    process.communicate()


def operations(emulator):
    """How many operations each description has ever had."""
    with emulator._state.transaction() as rows:
        return Counter(row["description"] for row in rows.execute("SELECT * FROM operations"))


def survive(directory, kills, seed, answers, forget_after, capsys):
    dice = random.Random(seed)
    settings = Settings(object_writes=10, queued_tasks=30, forget_after=forget_after)
    options = {"settings": settings, "answers": answers, "seed": seed, "faults": bad_days()}
    with Emulator(LANDSAT, **options) as emulator:
        emulator.make_bucket(BUCKET)
        actions = itertools.cycle(["submit", "tick", "submit", "update"])
        for number in range(kills):
            process = started(emulator.urls, directory, next(actions), number % 17)
            kill(emulator, process, dice)
        emulator._faults._faults.clear()
        tracker = tracker_of("gcs", directory, emulator, engine=EarthEngine(emulator=emulator))
        end = time.monotonic() + 120
        while (done := tracker.tick()).unfinished and time.monotonic() < end:
            assert not done.failures
        entries = [entry for name in tracker.list() for entry in tracker.read(name).orders]
        made = [e for e in entries if e["status"]["state"] != TaskState.EMPTY]
        assert {e["status"]["state"] for e in made} == {TaskState.COMPLETED}, done
        names = [entry["name"] for entry in made]
        assert len(names) == len(set(names))
        if forget_after is None:
            ops = operations(emulator)
            assert ops == {f"{name}-a1": 1 for name in names}
        with capsys.disabled():
            sys.stdout.write(
                f"\n{kills} kills, {len(tracker.list())} orders, {len(names)} items, each with one "
                f"operation; {len(emulator.requests)} requests\n"
            )
        assert names


@pytest.fixture(autouse=True)
def _short_leases(monkeypatch):
    monkeypatch.setattr(leases, "TERM", 2.0)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("duplicate", ["operation", "already-exists"])
def test_no_task_is_lost_or_doubled_by_kills(duplicate, tmp_path, capsys):
    survive(tmp_path, 4, 1, Answers(duplicate_request=duplicate), None, capsys)


@pytest.mark.stress
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("duplicate", ["operation", "already-exists"])
@pytest.mark.parametrize("forget_after", [None, 5.0])
def test_no_task_is_lost_or_doubled_by_fifty_kills(duplicate, forget_after, tmp_path, capsys):
    answers = Answers(duplicate_request=duplicate)
    survive(tmp_path, 50, random.randrange(2**32), answers, forget_after, capsys)
