"""Exports on bad days: whatever fails, each item is made once, and comes home byte by byte."""

import contextlib
import random
import sys
import time
from collections import Counter
from types import SimpleNamespace

import googleapiclient.http
import pytest
from exported import BUCKET, KINDS, exporting, store_of, tracker_of, wrong_pixels
from orders import COLLECTION, LANDSAT, MAY

from cedar import defaults, placing, retry
from cedar.emulator import Emulator
from cedar.emulator.faults import ACTIONS, ERRORS, REASONS, TASK, Faults
from cedar.emulator.settings import Settings
from cedar.engines.earthengine import EarthEngine
from cedar.exceptions import CedarError, IncompleteError, NameTakenError, StoreError
from cedar.states import TaskState
from cedar.stores import leases, store_module
from cedar.stores.base import Store

TILES = [(0, 0), (0, 1)]
FAST = Settings(object_writes=0)
#: All that have an image.
SIX = [(row, col) for row in range(3) for col in range(2)]
#: What a request may fail with, and pass when it is sent again.
PASSING = (429, 500, 503, 504, "quota", "rate-limit")
#: What a service says for good. Sent again by its user, the request is carried out all the same.
REFUSALS = tuple(error for error in ERRORS if error not in PASSING)
#: How often a user does the same again before giving up.
TRIES = 100


def errors(service, among):
    """Those errors that a service can have."""
    return [error for error in among if service == "earthengine" or error in REASONS]


def passing(service):
    """Every fault of a service's that passes by itself."""
    kinds = [
        *({"action": "status", "value": value} for value in errors(service, PASSING)),
        *({"action": "fail-after", "value": value} for value in errors(service, PASSING)),
        {"action": "reset"},
        {"action": "delay", "value": 0.002},
        *({"action": "truncate", "value": value} for value in (0, 10, 0.5, 0.99)),
        *({"action": "corrupt", "value": value} for value in (0, None, 2**40)),
    ]
    return [{"service": service, "method": "*", **kind} for kind in kinds]


def refusing(service, *methods, among=REFUSALS):
    """Every refusal of a service's, of requests that are carried out and that aren't."""
    return [
        {"service": service, "method": method, "action": action, "value": value}
        for method in methods
        for action in ("status", "fail-after")
        for value in errors(service, among)
    ]


def share(faults, probability):
    """Let so many of the requests have one of some faults."""
    return [fault | {"probability": probability / len(faults)} for fault in faults]


def all_that_passes(kind, probability):
    """Let so many of all requests fail in each way that passes; and tasks be slow and late."""
    of_tasks = {"service": "earthengine", "method": TASK}
    tasks = [{**of_tasks, "action": "delay", "value": 0.05},
             {**of_tasks, "action": "late", "value": 0.1}]  # fmt: skip
    faults = [passing("earthengine"), passing(kind)]
    return [*share(tasks, 0.2), *(f for each in faults for f in share(each, probability))]


def all_refusals(kind, probability):
    """Let so many of all requests be refused, but for exports, which then have failed.

    A store doesn't deny what it has: :func:`denials`.
    """
    among = [error for error in REFUSALS if error != 404]
    store = refusing(kind, "*", among=among)
    others = ("discovery", "algorithms", "value:*", "operations.*")
    engine = [share(refusing("earthengine", method), probability) for method in others]
    return [*share(store, probability), *(fault for each in engine for fault in each)]


def denials(kind, probability):
    """Let a store deny so often that it has what is asked for, or that it has taken it."""
    return share(refusing(kind, "*", among=[404]), probability)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Pauses are short, and nothing is written as seldom as the services ask for."""
    dice = SimpleNamespace(random=lambda: random.random() / 1000)
    monkeypatch.setattr(googleapiclient.http, "random", dice)
    monkeypatch.setattr(retry, "FIRST_DELAY", 0.001)
    monkeypatch.setattr(placing, "_POLL", (0.01, 1.5, 0.1))
    monkeypatch.setattr(defaults, "RECORD_INTERVAL", 0.05)
    for kind in KINDS:
        for made in vars(store_module(kind)).values():
            if isinstance(made, type) and issubclass(made, Store) and made is not Store:
                monkeypatch.setattr(made, "write_interval", 0.0)


@pytest.fixture
def impatient(monkeypatch):
    """What a store fails at is the user's to do again; what is left behind is soon anybody's."""
    monkeypatch.setattr(retry, "PATIENCE", 0.0)
    monkeypatch.setattr(leases, "TERM", 0.3)


class BadDay:
    """An order of two items, in six files each, by a user who does the same again after an error.

    Attributes
    ----------
    happened : Counter
        How often each fault did, by service, action and value.
    refused : int
        How often the user saw an error.
    """

    def __init__(self, kind, directory, emulator, monkeypatch):
        self.kind, self.directory, self.emulator = kind, directory, emulator
        self.happened, self.refused = Counter(), 0
        self._engine = EarthEngine(url=emulator.urls["earthengine"])
        find = Faults.next

        def noted(faults, service, method):
            fault = find(faults, service, method)
            if fault is not None:
                self.happened[service, fault.action, fault.value] += 1
            return fault

        monkeypatch.setattr(Faults, "next", noted)

    @property
    def home(self):
        """Where files are brought."""
        return self.directory / "home"

    def tracker(self):
        """As a command has it: one that remembers nothing."""
        return tracker_of(self.kind, self.directory, self.emulator, engine=self._engine)

    def again(self, act, until=bool):
        """Do something until it succeeds."""
        seen = Counter()
        for _ in range(TRIES):
            try:
                done = act(self.tracker())
            except CedarError as error:
                seen[str(error)] += 1
                self.refused += 1
            else:
                if until(done):
                    return done
                seen[getattr(done, "states", str(done))] += 1
        raise AssertionError(f"{TRIES} times in vain: {seen}")

    def submit(self):
        """Submit until there is an order, perhaps one that was cut off."""

        def act(tracker):
            try:
                return tracker.submit(COLLECTION, TILES, *MAY)[0]
            except NameTakenError as taken:
                if taken.order is None:  # Files of no order: there must never be any.
                    raise AssertionError(str(taken)) from taken
                return taken.order

        return self.again(act)

    def watch(self, name, until=lambda tracking: tracking.complete):
        """Watch until it is complete."""
        return self.again(lambda tracker: tracker.watch(name, interval=0.01), until)

    def download(self, name):
        """Download until all is here."""
        return self.again(lambda tracker: tracker.download(tracker.read(name), self.home))

    def clean(self, name):
        """Clean until there is nothing left to clean."""

        def act(tracker):
            if name in tracker.list():
                try:
                    tracker.clean(tracker.read(name), name)
                except IncompleteError:  # It says that it wasn't noted that all is here.
                    tracker.download(tracker.read(name), self.home)
            return name not in tracker.list()

        return self.again(act)

    @contextlib.contextmanager
    def calm(self):
        """Let nothing fail in the block."""
        faults, self.emulator._faults = self.emulator._faults, Faults()
        yield
        self.emulator._faults = faults

    def check_once(self, name):
        """Each item was started once at the most, and nothing else was; there is one order."""
        tracker = self.tracker()
        assert tracker.list() == [name]
        entries = tracker.read(name).orders
        known = {
            (f"{entry['name']}-a1", entry["request_id"], entry["status"].get("id"))
            for entry in entries
            if entry["status"].get("id") is not None
        }
        with self.emulator._state.transaction() as rows:
            found = rows.execute("SELECT description, request_id, id FROM operations").fetchall()
        assert sorted(map(tuple, found)) == sorted(known)

    def check_nothing_left(self):
        """Neither the store nor the directory has more than was brought home."""
        left = {info.key for info in self.tracker().store.objects()}
        # The next order that is placed takes it over.
        assert left <= {"CEDAR_TRACKING/placing.lease"}
        assert [path.name for path in self.directory.iterdir()] == ["home"]
        assert {path.suffix for path in self.home.iterdir()} == {".tif", ".json"}


@contextlib.contextmanager
def bad_day(kind, directory, faults, seed, monkeypatch):
    """A day with an emulator of its own."""
    with (
        Emulator(LANDSAT, faults=faults, seed=seed, settings=FAST) as emulator,
        monkeypatch.context() as patch,
    ):
        emulator.make_bucket(BUCKET)
        yield BadDay(kind, directory, emulator, patch)


def whole_order(day):
    """One order, from submit to clean."""
    name = day.submit()
    tracking = day.watch(name)
    day.download(name)
    assert wrong_pixels(tracking, day.home) == 0
    assert (day.home / f"{name}.json").is_file()
    with day.calm():
        day.check_once(name)
    day.clean(name)
    with day.calm():
        day.check_nothing_left()


def whole_orders(kind, directory, faults, seeds, monkeypatch, capsys):
    """Make orders, one a day, and count what happened."""
    happened, refused, requests, began = Counter(), 0, 0, time.monotonic()
    for seed in seeds:
        with bad_day(kind, directory / str(seed), faults, seed, monkeypatch) as day:
            whole_order(day)
        happened += day.happened
        refused += day.refused
        requests += len(day.emulator.requests)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{kind}: {len(seeds)} orders in {time.monotonic() - began:.1f} s, {requests} "
            f"requests, {happened.total()} faults of {len(happened)} kinds, {refused} errors seen\n"
        )
    return happened


def test_every_fault_there_is_happens_here():
    faults = [*all_that_passes("gcs", 0.1), *all_refusals("gcs", 0.1), *denials("gcs", 0.1)]
    # `half` is test_exports': what it leaves is never complete.
    assert {fault["action"] for fault in faults} | {"half"} == set(ACTIONS)
    assert {*PASSING, *REFUSALS} == set(ERRORS)


#: Days of each kind: one in a short run, twenty others in a long one.
DAYS = [
    *(pytest.param(kind, range(1), id=kind) for kind in KINDS),
    *(pytest.param(kind, range(100, 120), id=f"{kind}-20", marks=pytest.mark.stress)
      for kind in KINDS),
]  # fmt: skip


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("kind", "seeds"), DAYS)
def test_orders_come_home_while_a_tenth_of_all_requests_fails(
    kind, seeds, tmp_path, monkeypatch, capsys
):
    faults = all_that_passes(kind, 0.1)
    happened = whole_orders(kind, tmp_path, faults, seeds, monkeypatch, capsys)
    assert happened.total() > 5 * len(seeds)
    if len(seeds) == 20:
        assert len(happened) == len(faults)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("kind", "seeds"), DAYS)
def test_orders_come_home_by_a_user_who_does_the_same_again(
    kind, seeds, tmp_path, monkeypatch, capsys, impatient
):
    faults = all_that_passes(kind, 0.02)
    assert whole_orders(kind, tmp_path, faults, seeds, monkeypatch, capsys)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("kind", "seeds"), DAYS)
def test_orders_come_home_though_services_refuse_now_and_then(
    kind, seeds, tmp_path, monkeypatch, capsys, impatient
):
    faults = all_refusals(kind, 0.02)
    assert whole_orders(kind, tmp_path, faults, seeds, monkeypatch, capsys)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("kind", "seeds"), DAYS)
def test_a_store_that_denies_what_it_has_gets_nothing_made_twice_or_called_done(
    kind, seeds, tmp_path, monkeypatch, impatient
):
    for seed in seeds:
        faults = denials(kind, 0.05)
        with bad_day(kind, tmp_path / str(seed), faults, seed, monkeypatch) as day:
            name = day.submit()
            day.watch(name, lambda tracking: not tracking.active)
            with day.calm():
                day.check_once(name)
                tracking = day.tracker().update(name)
                states = {TaskState.COMPLETED, TaskState.FAILED, TaskState.INCOMPLETE}
                assert tracking.states.keys() <= states
                whole = tracking.document
                whole["orders"] = [e for e in tracking.orders if len(e["outputs"]) == 6]
                day.download(name)
                assert wrong_pixels(type(tracking)(whole), day.home) == 0
                day.clean(name)


def in_turn(method, action, values):
    """An emulator where the first of some requests has the first of these, and so on; each once."""
    fault = {"service": "earthengine", "method": method, "action": action}
    faults = [{**fault, "value": value, "nth": n} for n, value in enumerate(values, 1)]
    return {"faults": faults, "settings": FAST}


@pytest.fixture
def six(tmp_path, monkeypatch):
    """Make an order of six items, of a file each, by an emulator of these settings."""
    monkeypatch.setattr(defaults, "START_WORKERS", 1)
    one_file = {"shardSize": 256, "fileDimensions": 512}

    def six(**settings):
        there = exporting("gcs", tmp_path, emulator=settings, export_image_kwds=one_file)
        with there as (emulator, tracker):
            name, _ = tracker.submit(COLLECTION, SIX, *MAY)
            tracking = tracker.watch(name, interval=0.05)
            with emulator._state.transaction() as rows:
                ((count,),) = rows.execute("SELECT count(*) FROM operations")
        return tracking, count

    return six


def told(tracking):
    """What the record says of the items that have no files."""
    return sorted(e["status"]["error_message"] for e in tracking.orders if not e["outputs"])


# Said of another attempt than ours, that it was started before passes by itself.
@pytest.mark.parametrize("values", [[error for error in REFUSALS if error != 409]])
def test_an_export_that_is_refused_fails_in_the_services_words(values, six):
    for some in (values[:4], values[4:]):
        tracking, count = six(**in_turn("image:export", "status", some))
        words = (" ".join(ERRORS[value][2].split()) for value in some)
        assert told(tracking) == sorted(f"Earth Engine: {each}" for each in words)
        assert tracking.states[TaskState.FAILED] == len(some)
        assert tracking.states[TaskState.COMPLETED] == len(SIX) - len(some) == count


@pytest.mark.parametrize("action", ["status", "fail-after"])
def test_an_export_whose_answer_says_little_is_started_once(action, six):
    tracking, count = six(**in_turn("image:export", action, [*PASSING, 409]))
    assert tracking.complete
    assert count == len(SIX)


def test_a_task_that_fails_says_why_and_the_others_come_home(six):
    for some in (list(ERRORS)[n : n + 5] for n in range(0, len(ERRORS), 5)):
        tracking, _ = six(**in_turn(TASK, "status", some))
        assert told(tracking) == sorted(ERRORS[value][2] for value in some)
        assert tracking.states == {TaskState.FAILED: 5, TaskState.COMPLETED: 1}


#: More than the stores read with one request, while these tests run, and less.
PART = 1 << 18
LARGE = random.Random(1).randbytes(PART + 70_000)
SMALL = LARGE[:70_000]
#: Ranges, half-open: a few bytes, at the start, at the end, over a part's end.
RANGES = [(0, 10), (69_000, 70_000), (5, None), (PART, None), (PART - 5, PART + 5)]
DAMAGES = [
    ("corrupt", 0),
    ("corrupt", None),
    ("corrupt", 2**40),
    ("truncate", 0),
    ("truncate", 0.5),
]


def damaged(service, action, value, count):
    """Damage so many downloads, the first and those after it, each in the same way."""
    fault = {"service": service, "method": "*.download", "nth": 1, "count": count}
    return Faults([{**fault, "action": action, "value": value}])


@pytest.mark.parametrize("count", [1, 2, 10_000])
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_body_is_never_taken_whole_or_in_a_range(kind, count, tmp_path, monkeypatch):
    monkeypatch.setattr(retry, "PATIENCE", 0.02)
    for module in {"gcs": ("gcs", "gcs_upload"), "gdrive": ("gdrive_connection",)}[kind]:
        monkeypatch.setattr(f"cedar.stores.{module}.PART", PART)
    taken = Counter()
    with Emulator(settings=FAST) as emulator:
        emulator.make_bucket(BUCKET)
        store = store_of(kind, emulator.urls, tmp_path)
        copy = tmp_path / "a.bin"
        for data in (SMALL, LARGE):
            store.write("a.bin", data)
            reads = [
                *((lambda at=at: store.read("a.bin", *at), data[slice(*at)]) for at in RANGES),
                (lambda: store.read("a.bin"), data),
                (lambda: store.load("a.bin")[0], data),
                (lambda: store.fetch("a.bin", copy) and copy.read_bytes(), data),
                (lambda: store.retrieve("a.bin", copy).read_bytes(), data),
                (lambda: store.checksum("a.bin"), store.checksum("a.bin")),
            ]
            for damage in DAMAGES:
                for read, expected in reads:
                    copy.unlink(missing_ok=True)
                    emulator._faults = damaged(kind, *damage, count)
                    try:
                        right = read() == expected
                    except StoreError:
                        taken["refused"] += 1
                        assert not list(tmp_path.iterdir())
                    else:
                        assert right, (damage, expected[:10])
                        taken["right"] += 1
                emulator._faults = Faults()
    assert taken["right"] > 50 if count == 1 else taken["refused"] > 0, taken
