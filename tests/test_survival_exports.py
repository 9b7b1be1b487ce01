"""Processes killed in the middle of what they do, on bad days: nothing is lost, nothing doubled."""

import itertools
import random
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
import rasterio
from bad_days import REFUSALS, passing, refusing, share
from exported import BUCKET
from killing import Log, Nursery, Victim, hurry, tracker_at
from operations import attempts, ever, remember
from orders import LANDSAT, reference, utm_grid

from cedar.emulator import Emulator
from cedar.emulator.faults import TASK
from cedar.emulator.questions import Answers
from cedar.emulator.settings import Settings
from cedar.states import TaskState

#: What processes do, in turn.
ACTIONS = {
    "gcs": ("submit", "tick", "retry", "submit", "update", "tick"),
    "local": ("submit", "tick", "submit", "retry", "submit", "update"),
}
#: Requests that are followed by something to be lost, if a process ends there → the most of them
#: that it makes before it does.
METHODS = {
    "gcs": {"*": 60, "image:export": 7, "operations.*": 4, "objects.insert": 15, "objects.*": 30},
    "local": {"*": 12, "image:computePixels": 5},
}
#: Seconds that a process lives at the most.
WAIT = 4.0
#: What a task may fail for: all but what no person can mend in a moment.
FAILURES = [error for error in REFUSALS if error != "drive-quota"]


def of_tasks():
    """Everything that goes wrong with a task, whether it says so or not."""
    kinds = [
        *({"action": "status", "value": value} for value in (*FAILURES, 500, 503)),
        {"action": "delay", "value": 0.1},
        {"action": "late", "value": 0.2},
        {"action": "half"},
    ]
    return [{"service": "earthengine", "method": TASK, **kind} for kind in kinds]


def bad_days(kind):
    """Let one request in ten fail in some way; and one task."""
    if kind == "local":
        # No pixel that was changed on its way could be known.
        sound = [fault for fault in passing("earthengine") if fault["action"] != "corrupt"]
        refused = refusing("earthengine", "image:computePixels", actions=["status"])
        return [*share(refused, 0.1), *share(sound, 0.1)]
    refused = refusing("earthengine", "image:export", among=FAILURES, actions=["status"])
    denied = refusing("gcs", "*", among=[error for error in REFUSALS if error != 404])
    faults = share(refused, 0.03), share(denied, 0.01), share(of_tasks(), 0.1)
    services = share(passing("earthengine"), 0.1), share(passing("gcs"), 0.1)
    return [fault for each in (*faults, *services) for fault in each]


def kill(nursery, log, action, number, dice, chosen):
    """Let a process act, and kill it: at a request, or a write, of its own, or at any moment.

    How long it lives is counted in requests, so that a slow machine's do as much as a fast one's.
    """
    methods = METHODS[nursery.kind]
    if chosen and nursery.kind == "local" and dice.random() < 0.6:
        killed = Victim(nursery, action, number, writes=dice.randint(1, 12)).wait(WAIT)
        return "write" if killed else "moment"
    method = dice.choice([*methods]) if chosen else "*"
    after = dice.choice([0, 0, 0.001, 0.01]) if chosen else dice.uniform(0, 0.2)
    victim = Victim(nursery, action, number)
    log.trap(victim, method, dice.randint(1, methods[method]), after)
    # Not every process asks for all of it: then any request will do.
    other = threading.Timer(WAIT / 2, log.trap, [victim, "*", 1, after])
    other.start()
    killed = victim.wait(WAIT)
    other.cancel()
    other.join()
    return "request" if chosen and killed else "moment"


def kill_many(nursery, log, kills, dice):
    """Kill so many processes, half of them at chosen requests and writes; why each died."""
    causes = Counter()
    for number, action in zip(range(kills), itertools.cycle(ACTIONS[nursery.kind]), strict=False):
        chosen = causes["request"] + causes["write"] <= number / 2
        causes[kill(nursery, log, action, number, dice, chosen)] += 1
        assert nursery.errors() == []
    return causes


def finished(tracker, kind, seconds):
    """Go on, with nobody else and nothing that fails, until there is nothing to be done."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        failures = tracker.tick().failures
        assert not failures
        for name in tracker.list():
            if kind == "local":
                tracker.watch(name, interval=0.01)
            if not tracker.read(name).complete:
                tracker.retry(name)
        tracking = [tracker.read(name) for name in tracker.list()]
        if all(each.complete for each in tracking):
            return tracking
    raise AssertionError([each.states for each in tracking])


def check_tasks(emulator, entries):
    """Each attempt has one task that lives or has ended well, at the most; and the last has one."""
    alive = [each for each in ever(emulator) if each[2] not in ("FAILED", "CANCELLED")]
    count = Counter(words for _, words, _ in alive)
    known = attempts(entries)
    assert {words: n for words, n in count.items() if n > 1} == {}
    assert count.keys() <= known.keys()
    made = [entry for entry in entries if entry["status"]["state"] == TaskState.COMPLETED]
    assert {f"{entry['name']}-a{entry['attempt']}" for entry in made} <= count.keys()
    for task, words, _ in alive:
        # Of one that was forgotten before it was on record, the store tells that there was one.
        assert known[words] in (task, None)
    return len(ever(emulator))


def check_images(store, entries):
    """Each item has one image, which is right; and there are no others."""
    made = [entry for entry in entries if entry["status"]["state"] == TaskState.COMPLETED]
    for entry in made:
        (output,) = entry["outputs"]
        with rasterio.open(Path(store, entry["prefix"], output["name"])) as image:
            assert image.tags()["CEDAR_REQUEST_ID"] == entry["request_id"]
            expected = reference(utm_grid()[entry["tile"]])
            bands = [("blue", "green", "red").index(words[11:]) for words in image.descriptions]
            assert (image.read() == expected[bands]).all()
    named = {output["name"] for entry in made for output in entry["outputs"]}
    assert {path.name for path in Path(store, "CEDAR_PREARD").glob("*.tif")} == named
    return len(made)


def survive(kind, directory, kills, seed, answers, forget_after, capsys):
    """Kill so many processes, let the next one bring it all to its end, and look what there is."""
    dice, log, began = random.Random(seed), Log(), time.monotonic()
    settings = Settings(object_writes=0, queued_tasks=12, forget_after=forget_after)
    options = {"settings": settings, "answers": answers, "seed": seed, "faults": bad_days(kind)}
    emulator = Emulator(LANDSAT, **options)
    emulator.requests = log
    remember(emulator)
    with emulator:
        emulator.make_bucket(BUCKET)
        with Nursery(kind, emulator.urls, directory) as nursery:
            causes = kill_many(nursery, log, kills, dice)
        emulator._faults._faults.clear()
        tracker = tracker_at(kind, emulator.urls, directory / "store")
        tracking = finished(tracker, kind, 240)
        entries = [entry for each in tracking for entry in each.orders]
        names = [entry["name"] for entry in entries]
        assert len(set(names)) == len(names) > 0
        if kind == "local":
            tasks = check_images(directory / "store", entries)
        else:
            tasks = check_tasks(emulator, entries)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{kind}, seed {seed}: {kills} kills {dict(causes)}, {len(tracking)} orders, "
            f"{len(entries)} items in {len(attempts(entries))} attempts, {tasks} tasks, none "
            f"doubled; {len(log)} requests, {time.monotonic() - began:.0f} s\n"
        )


@pytest.fixture(autouse=True)
def _hurry(monkeypatch):
    hurry(monkeypatch.setattr)


DUPLICATES = ("operation", "already-exists")
#: The store, what a request that was sent twice is answered, seconds until a task is forgotten.
SERVICES = [
    *(("gcs", duplicate, forget) for duplicate in DUPLICATES for forget in (None, 1.0)),
    ("local", "operation", None),
]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("kind", "duplicate", "forget_after"),
    [("gcs", "operation", 1.0), ("gcs", "already-exists", None), ("local", "operation", None)],
)
def test_nothing_is_lost_or_doubled_by_kills(kind, duplicate, forget_after, tmp_path, capsys):
    survive(kind, tmp_path, 6, 1, Answers(duplicate_request=duplicate), forget_after, capsys)


@pytest.mark.stress
@pytest.mark.timeout(2400)
@pytest.mark.parametrize(("kind", "duplicate", "forget_after"), SERVICES)
def test_nothing_is_lost_or_doubled_by_forty_kills(kind, duplicate, forget_after, tmp_path, capsys):
    """Five times: two hundred in all."""
    seed = random.randrange(2**32)
    survive(kind, tmp_path, 40, seed, Answers(duplicate_request=duplicate), forget_after, capsys)
