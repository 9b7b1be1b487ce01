"""Exports on bad days: whatever fails, no item is made twice, and all come home byte by byte."""

import contextlib
import itertools
import random
import sys
import time
from collections import Counter
from types import SimpleNamespace

import googleapiclient.http
import pytest
from bad_days import PASSING, REFUSALS, passing, refusing, share
from exported import BUCKET, KINDS, exporting, store_of, tracker_of, wrong_pixels
from orders import COLLECTION, LANDSAT, MAY

from cedar import defaults, placing, retry
from cedar.causes import Policy
from cedar.changes import former
from cedar.emulator import Emulator
from cedar.emulator.faults import ACTIONS, ERRORS, TASK, Faults
from cedar.emulator.settings import Settings
from cedar.engines.earthengine import EarthEngine
from cedar.exceptions import CedarError, IncompleteError, NameTakenError, StoreError
from cedar.states import TaskState
from cedar.stores import gdrive_folders, leases, store_module
from cedar.stores.base import Store

TILES = [(0, 0), (0, 1)]
FAST = Settings(object_writes=0)
#: All that have an image.
SIX = [(row, col) for row in range(3) for col in range(2)]
#: How often a user does the same again before giving up.
TRIES = 200


#: Tasks are slow, or late to show their files.
SLOW = [{"service": "earthengine", "method": TASK, "action": "delay", "value": 0.05},
        {"service": "earthengine", "method": TASK, "action": "late", "value": 0.1}]  # fmt: skip
#: Methods of Earth Engine's that start nothing.
HARMLESS = ("discovery", "algorithms", "value:*", "operations.*")


def failing(among):
    """Let tasks fail."""
    return refusing("earthengine", TASK, among=among, actions=("status",))


def all_that_passes(kind, probability):
    """Let so many of all requests fail in each way that passes; so many tasks too, others late."""
    faults = [failing(PASSING), passing("earthengine"), passing(kind)]
    return [*(f for each in faults for f in share(each, probability)), *share(SLOW, 0.2)]


def all_refusals(kind, probability):
    """Let so many of all requests be refused for good, and so many tasks fail so.

    Exports aren't refused that were carried out all the same, nor does a store deny what it has:
    :func:`denials`.
    """
    faults = [
        refusing(kind, "*", among=[error for error in REFUSALS if error != 404]),
        failing(REFUSALS),
        refusing("earthengine", "image:export", actions=("status",)),
        *(refusing("earthengine", method) for method in HARMLESS),
    ]
    return [fault for each in faults for fault in share(each, probability)]


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
    monkeypatch.setattr(defaults, "RETRY_FIRST", 0.01)
    for kind in KINDS:
        for made in vars(store_module(kind)).values():
            if isinstance(made, type) and issubclass(made, Store) and made is not Store:
                monkeypatch.setattr(made, "write_interval", 0.0)


@pytest.fixture
def impatient(monkeypatch):
    """What a store fails at is the user's to do again; what is left behind is soon anybody's."""
    monkeypatch.setattr(retry, "PATIENCE", 0.0)
    monkeypatch.setattr(leases, "TERM", 0.3)
    monkeypatch.setattr(gdrive_folders, "_MAKERS_TIME", 0.3)


class BadDay:
    """An order of two items, in six files each, by a user who does the same again after an error.

    Attributes
    ----------
    happened : Counter
        How often each fault did, by service, action and value; tasks' by ``task`` instead.
    errors : Counter
        Those that the user saw.
    """

    def __init__(self, kind, directory, emulator, monkeypatch):
        self.kind, self.directory, self.emulator = kind, directory, emulator
        self.happened, self.errors = Counter(), Counter()
        self._engine = EarthEngine(url=emulator.urls["earthengine"])
        find = Faults.next

        def noted(faults, service, method):
            fault = find(faults, service, method)
            if fault is not None:
                to = TASK if method == TASK else service
                self.happened[to, fault.action, fault.value] += 1
            return fault

        monkeypatch.setattr(Faults, "next", noted)

    @property
    def home(self):
        """Where files are brought."""
        return self.directory / "home"

    def tracker(self):
        """As a command has it: one that remembers nothing."""
        return tracker_of(
            self.kind,
            self.directory,
            self.emulator,
            engine=self._engine,
            retry=Policy(later_minutes=0),
        )

    def again(self, act, until=bool):
        """Do something until it succeeds."""
        before = self.errors.copy()
        for _ in range(TRIES):
            try:
                done = act(self.tracker())
            except CedarError as error:
                self.errors[str(error)] += 1
            else:
                if until(done):
                    return done
        raise AssertionError(f"{TRIES} times in vain: {self.errors - before}")

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
        """Watch until it is complete; what has failed for good is made again."""

        def act(tracker):
            tracking = tracker.watch(name, interval=0.01)
            return tracking if until(tracking) else tracker.retry(name)

        return self.again(act, until)

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
        """One order, each of its attempts started once at the most; no item was made twice."""
        tracker = self.tracker()
        assert tracker.list() == [name]
        attempts = [
            (f"{each['name']}-a{each['attempt']}", each["request_id"], each["status"]["id"])
            for entry in tracker.read(name).orders
            for each in (*former(entry), entry)
            if each["status"].get("id") is not None
        ]
        with self.emulator._state.transaction() as rows:
            tasks = [
                tuple(row)
                for row in rows.execute("SELECT description, request_id, id, state FROM operations")
            ]
        assert sorted(task[:-1] for task in tasks) == sorted(attempts)
        made = Counter(what.rpartition("-a")[0] for what, *_, state in tasks if state != "FAILED")
        assert not made or max(made.values()) == 1

    def wrong_bytes(self, tracking):
        """How many bytes at home aren't the store's."""
        wrong = 0
        for entry in tracking.orders:
            for output in entry["outputs"]:
                there = self.tracker().store.read(f"{entry['prefix']}/{output['name']}")
                here = (self.home / output["name"]).read_bytes()
                wrong += sum(a != b for a, b in itertools.zip_longest(here, there))
        return wrong

    def check_nothing_left(self):
        """Neither the store nor the directory has more than was brought home."""
        left = {info.key for info in self.tracker().store.objects()}
        if retry.PATIENCE == 0:
            # What isn't given back at the first try is left to `cedar prune`.
            left = {key for key in left if not key.endswith(".lease")}
        assert left == set()
        assert [path.name for path in self.directory.iterdir()] == ["home"]
        assert {path.suffix for path in self.home.iterdir()} == {".tif", ".json", ".vrt"}


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
        assert day.wrong_bytes(tracking) == 0
    day.clean(name)
    with day.calm():
        day.check_nothing_left()


def whole_orders(kind, directory, faults, seeds, monkeypatch, capsys):
    """Make orders, one a day; count what happened, and the errors that were seen."""
    happened, errors, requests, began = Counter(), Counter(), 0, time.monotonic()
    for seed in seeds:
        with bad_day(kind, directory / str(seed), faults, seed, monkeypatch) as day:
            whole_order(day)
        happened += day.happened
        errors += day.errors
        requests += len(day.emulator.requests)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{kind}: {len(seeds)} orders in {time.monotonic() - began:.1f} s, {requests} "
            f"requests, {happened.total()} faults of {len(happened)} kinds, {errors.total()} "
            "errors seen, 0 tasks twice, 0 bytes wrong\n"
        )
    # Of those that are asked for most often, a long run has every kind, or nearly.
    of_the_store = {(f["action"], f.get("value")) for f in faults if f["service"] == kind}
    missed = of_the_store - {(action, value) for to, action, value in happened if to == kind}
    assert len(missed) <= 2 or len(seeds) < 20
    return happened, errors


def test_every_fault_there_is_happens_here():
    faults = [*all_that_passes("gcs", 0.1), *all_refusals("gcs", 0.1), *denials("gcs", 0.1)]
    # `half` is test_exports': what it leaves is never complete.
    assert {fault["action"] for fault in faults} | {"half"} == set(ACTIONS)
    assert {*PASSING, *REFUSALS} == set(ERRORS)


#: Days of each kind: two in a short run, twenty others in a long one.
DAYS = [
    *(pytest.param(kind, range(2), id=kind) for kind in KINDS),
    *(pytest.param(kind, range(100, 120), id=f"{kind}-20", marks=pytest.mark.stress)
      for kind in KINDS),
]  # fmt: skip


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("kind", "seeds"), DAYS)
def test_orders_come_home_while_a_tenth_of_all_requests_fails(
    kind, seeds, tmp_path, monkeypatch, capsys
):
    faults = all_that_passes(kind, 0.1)
    happened, errors = whole_orders(kind, tmp_path, faults, seeds, monkeypatch, capsys)
    assert happened.total() > 5 * len(seeds)
    # Drive's own words. The client takes them for a refusal where Earth Engine says them.
    assert errors.keys() <= {"Earth Engine: User Rate Limit Exceeded"}


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("kind", "seeds"), DAYS)
def test_orders_come_home_by_a_user_who_does_the_same_again(
    kind, seeds, tmp_path, monkeypatch, capsys, impatient
):
    faults = all_that_passes(kind, 0.04)
    _, errors = whole_orders(kind, tmp_path, faults, seeds, monkeypatch, capsys)
    assert errors


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("kind", "seeds"), DAYS)
def test_orders_come_home_though_services_refuse_a_tenth_of_all_requests(
    kind, seeds, tmp_path, monkeypatch, capsys, impatient
):
    faults = all_refusals(kind, 0.1)
    _, errors = whole_orders(kind, tmp_path, faults, seeds, monkeypatch, capsys)
    assert errors.total() > 5 * len(seeds)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("kind", "seeds"), DAYS)
def test_a_store_that_denies_what_it_has_gets_nothing_made_twice_or_called_done(
    kind, seeds, tmp_path, monkeypatch, impatient
):
    for seed in seeds:
        faults = denials(kind, 0.1)
        with bad_day(kind, tmp_path / str(seed), faults, seed, monkeypatch) as day:
            name = day.submit()
            day.again(
                lambda tracker, name=name: tracker.watch(name, interval=0.01),
                lambda tracking: not tracking.active,
            )
            with day.calm():
                tracking = day.tracker().update(name)
                assert tracking.states.keys() <= {TaskState.COMPLETED, TaskState.FAILED}
                day.check_once(name)
                tracking = day.watch(name)
                day.download(name)
                assert wrong_pixels(tracking, day.home) == 0
                day.check_once(name)
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
        there = exporting(
            "gcs",
            tmp_path,
            emulator=settings,
            export_image_kwds=one_file,
            retry=Policy(attempts=1),
        )
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


def test_an_export_that_is_refused_fails_in_the_services_words(six):
    # Said of another attempt than ours, that it was started before passes by itself.
    values = [error for error in REFUSALS if error != 409]
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
#: What happens to one download after the other, the last of it again and again.
DAMAGES = [
    [("corrupt", 0)],
    [("corrupt", None)],
    [("corrupt", 2**40)],
    [("truncate", 0)],
    [("truncate", 0.5)],
    # Where a body broke off, the rest of it breaks off or is damaged, too.
    [("truncate", 0.5), ("truncate", 0.5)],
    [("truncate", 0.5), ("corrupt", 0)],
    [("truncate", 0.5), ("corrupt", 2**40)],
]


def damaged(service, damage, count):
    """Damage downloads, `count` of them by the last of a damage."""
    fault = {"service": service, "method": "*.download"}
    *first, last = [
        {**fault, "action": action, "value": value, "nth": n}
        for n, (action, value) in enumerate(damage, 1)
    ]
    return Faults([*first, {**last, "count": count}])


@pytest.mark.parametrize("count", [1, 10_000])
@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_body_is_never_taken_whole_or_in_a_range(kind, count, tmp_path, monkeypatch):
    if count > 1:
        monkeypatch.setattr(retry, "PATIENCE", 0.02)
    module = {"gcs": "gcs_upload", "gdrive": "gdrive_connection"}[kind]
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
                    emulator._faults = damaged(kind, damage, count)
                    try:
                        right = read() == expected
                    except StoreError:
                        taken["refused"] += 1
                        assert not list(tmp_path.iterdir())
                    else:
                        assert right, (damage, expected[:10])
                        taken["right"] += 1
                emulator._faults = Faults()
    assert taken["refused"] > 50 if count > 1 else not taken["refused"], taken
