"""Placing orders: in which sequence things are written, what names may be, who wins."""

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Event, Timer

import pytest
from forked import Forked
from orders import COLLECTION, COLLECTIONS, LANDSAT, MAY, real_tracker

from cedar import LocalStore, Tracker, TrackingMetadata, defaults, finding, planning
from cedar.emulator import Emulator
from cedar.engines.earthengine import EarthEngine
from cedar.exceptions import InputError, NameTakenError, StoreError
from cedar.metadata import ImageMetadata
from cedar.states import TaskState

NAME = "EXAMPLE_LC08_DN_h000v000_2020-05-01_2020-06-01"
IMAGE = f"CEDAR_PREARD/{NAME}.tif"
#: The same with one band: another request.
BLUE = {COLLECTION: COLLECTIONS[COLLECTION] | {"bands": {"blue": "B2"}}}


class Watched(LocalStore):
    """Tells of every write before it is done, and may refuse it."""

    def __init__(self, directory, refused=lambda number, key: False):
        super().__init__(directory)
        self.refused = refused
        self.log = []

    def _tell(self, key, data):
        self.log.append((key, data))
        if self.refused(len(self.log), key):
            raise StoreError("the disk is full", key)

    def write(self, key, data, *args, **kwds):
        self._tell(key, data)
        return super().write(key, data, *args, **kwds)

    def put(self, path, key, *args, **kwds):
        self._tell(key, None)
        return super().put(path, key, *args, **kwds)


@pytest.fixture
def emulator():
    with Emulator(LANDSAT) as emulator:
        yield emulator


@pytest.fixture
def tracker(tmp_path, emulator):
    return real_tracker(tmp_path, engine=EarthEngine(emulator=emulator))


def watched(tracker, refused=lambda number, key: False):
    """The same tracker, over a store that tells of its writes."""
    twin = real_tracker(tracker.store.root, engine=tracker.engine)
    twin.store = Watched(tracker.store.root, refused)
    return twin


def searched(emulator):
    return sum(request.method == "value:compute" for request in emulator.requests)


def pixels_of(tracker):
    return (tracker.store.root / IMAGE).read_bytes()


def test_ancestor_03_the_record_is_there_with_all_it_needs_before_anything_else(tracker):
    tracker = watched(tracker)
    name, key = tracker.submit(COLLECTION, [(0, 0), (0, 1), (3, 3)], *MAY)
    tracker.watch(name)
    log = tracker.store.log
    assert log[0][0] == key
    first = TrackingMetadata.loads(log[0][1])
    assert first.states == {TaskState.UNSUBMITTED: 2, TaskState.EMPTY: 1}
    assert first["revision"] == 1
    request_ids = [entry["request_id"] for entry in first.orders]
    assert len({*request_ids} - {None}) == 2
    kinds = ["record" if k == key else Path(k).suffix for k, _ in log]
    assert kinds[:5] == ["record", ".json", ".json", ".json", "record"]
    # The ids that were saved first are those that everything is made under.
    assert [entry["request_id"] for entry in tracker.read(name).orders] == request_ids
    revisions = [TrackingMetadata.loads(data)["revision"] for k, data in log if k == key]
    assert revisions == [*range(1, len(revisions) + 1)]


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
def test_ancestor_03_a_submit_that_stops_anywhere_can_be_finished(tracker, emulator, number):
    failing = watched(tracker, lambda n, key: n == number)
    with pytest.raises(StoreError, match="the disk is full"):
        failing.submit(COLLECTION, [(0, 0), (0, 1), (3, 3)], *MAY)
    if number == 1:
        assert list(tracker.store.objects()) == []
        return
    (name,) = tracker.list()
    before = tracker.read(name)
    assert before.states == {TaskState.UNSUBMITTED: 2, TaskState.EMPTY: 1}
    tracking = tracker.watch(name)
    assert tracking.states == {TaskState.COMPLETED: 2, TaskState.EMPTY: 1}
    assert [entry["request_id"] for entry in tracking.orders] == [
        entry["request_id"] for entry in before.orders
    ]
    for entry in tracking.orders:
        document = tracker.store.read_metadata(entry["name"], entry["prefix"])
        assert document["order"]["tracking"] == name


def test_all_documents_of_an_order_of_empty_items_are_written_at_last(tracker):
    failing = watched(tracker, lambda n, key: n == 2)
    with pytest.raises(StoreError):
        failing.submit(COLLECTION, [(3, 3), (3, 2)], *MAY)
    (name,) = tracker.list()
    assert tracker.watch(name).complete
    assert len(tracker.store.list("CEDAR_PREARD")) == 2


def test_what_a_second_search_finds_otherwise_is_noted(tracker, emulator, tmp_path, caplog):
    failing = watched(tracker, lambda n, key: n == 2)
    with pytest.raises(StoreError):
        failing.submit(COLLECTION, [(0, 0), (0, 1)], *MAY)
    (name,) = tracker.list()
    assert [entry["n_images"] for entry in tracker.read(name).orders] == [2, 2]
    catalog = tmp_path / "scenes"
    catalog.mkdir()
    for path in LANDSAT.glob("LC08_224077*"):
        (catalog / path.name).write_bytes(path.read_bytes())
    with Emulator(catalog) as fewer:
        tracking = real_tracker(tmp_path, engine=EarthEngine(emulator=fewer)).watch(name)
    assert [entry["n_images"] for entry in tracking.orders] == [1, 1]
    assert tracking.complete
    assert "1 images now, 2 when it was ordered" in caplog.text


def test_an_item_whose_images_are_all_gone_since_it_was_ordered_is_empty(tracker, tmp_path):
    failing = watched(tracker, lambda n, key: n == 2)
    with pytest.raises(StoreError):
        failing.submit(COLLECTION, (0, 0), *MAY)
    (name,) = tracker.list()
    catalog = tmp_path / "scenes"
    catalog.mkdir()
    for path in LANDSAT.glob("LC08_*"):
        text = path.read_bytes()
        if path.suffix == ".json":
            text = text.replace(b"2020-05-18T", b"2021-05-18T")
        (catalog / path.name).write_bytes(text)
    with Emulator(catalog) as moved:
        tracking = real_tracker(tmp_path, engine=EarthEngine(emulator=moved)).watch(name)
    assert tracking.states == {TaskState.EMPTY: 1}


def test_a_name_that_exists_is_an_error_that_names_its_order(tracker, emulator, tmp_path):
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    tracker.watch(name)
    before = tracker.store.read(IMAGE)
    blue = real_tracker(tmp_path, engine=tracker.engine, collections=BLUE)
    with pytest.raises(NameTakenError, match=rf"{NAME} exists in order {name}") as caught:
        blue.submit(COLLECTION, [(0, 0), (0, 1)], *MAY)
    assert (caught.value.names, caught.value.order) == ((NAME,), name)
    assert isinstance(caught.value, InputError)
    assert tracker.list() == [name]
    assert tracker.store.read(IMAGE) == before


def test_a_name_that_exists_ends_a_search_that_is_under_way(
    tracker, emulator, tmp_path, monkeypatch
):
    tracker.submit(COLLECTION, (0, 0), *MAY)
    asked, looked, ended, numbers = searched(emulator), Event(), Event(), count()
    search, taken_names = EarthEngine.search, planning.taken_names

    def after_the_listing(*args):
        # The first is answered once the names are known, the second once that has ended it all.
        assert (ended if next(numbers) else looked).wait(20)
        return search(*args)

    def listed(*args):
        taken = taken_names(*args)
        # When its answer is there, not when it is about to be.
        Timer(0.2, looked.set).start()
        return taken

    class Pool(ThreadPoolExecutor):
        def shutdown(self, wait=True, *, cancel_futures=False):
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            ended.set()
            super().shutdown(wait)

    monkeypatch.setattr(defaults, "PULL_WORKERS", 1)
    monkeypatch.setattr(EarthEngine, "search", after_the_listing)
    monkeypatch.setattr(planning, "taken_names", listed)
    monkeypatch.setattr(finding, "ThreadPoolExecutor", Pool)
    blue = real_tracker(tmp_path, engine=tracker.engine, collections=BLUE)
    tiles = [(row, col) for row in range(4) for col in range(4)]
    with pytest.raises(NameTakenError, match=NAME):
        blue.submit(COLLECTION, tiles, *MAY)
    assert searched(emulator) - asked <= 2


@pytest.mark.parametrize(
    "key", [IMAGE, IMAGE.replace(".tif", "-0000000000-0000000256.tif"), f"CEDAR_PREARD/{NAME}.json"]
)
def test_a_file_of_the_name_at_the_destination_is_an_error_too(tracker, key):
    tracker.store.write(key, b"somebody's")
    with pytest.raises(NameTakenError, match=f"{NAME} exists at the destination") as caught:
        tracker.submit(COLLECTION, (0, 0), *MAY)
    assert caught.value.order is None
    assert tracker.list() == []


@pytest.mark.parametrize("key", [IMAGE.replace("00_", "00__"), f"CEDAR_PREARD/{NAME}2.tif"])
def test_ancestor_24_a_file_that_only_shares_the_start_of_a_name_is_in_nobodys_way(tracker, key):
    tracker.store.write(key, b"somebody's")
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    assert tracker.watch(name).complete
    assert tracker.store.read(key) == b"somebody's"


def test_skip_leaves_out_what_exists_and_orders_the_rest(tracker):
    first, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    tracker.watch(first)
    before = pixels_of(tracker)
    second, _ = tracker.submit(COLLECTION, [(0, 0), (0, 1)], *MAY, existing="skip")
    tracking = tracker.watch(second)
    assert [entry["tile"] for entry in tracking.orders] == [[0, 1]]
    assert tracking["submission"]["existing"] == "skip"
    assert pixels_of(tracker) == before
    with pytest.raises(InputError, match="every item exists already"):
        tracker.submit(COLLECTION, [(0, 0), (0, 1)], *MAY, existing="skip")
    assert len(tracker.list()) == 2


def test_skip_leaves_out_what_another_order_is_still_at_work_on(tracker):
    first, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    second, _ = tracker.submit(COLLECTION, [(0, 0), (0, 1)], *MAY, existing="skip")
    assert [entry["tile"] for entry in tracker.read(second).orders] == [[0, 1]]
    assert tracker.read(first).states == {TaskState.READY: 1}


@pytest.mark.parametrize("existing", ["error", "overwrite"])
def test_what_another_order_is_still_at_work_on_is_never_overwritten(tracker, existing, tmp_path):
    first, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    blue = real_tracker(tmp_path, engine=tracker.engine, collections=BLUE)
    with pytest.raises(NameTakenError, match=f"still being made by order {first}") as caught:
        blue.submit(COLLECTION, [(0, 0), (0, 1)], *MAY, existing=existing)
    assert (caught.value.names, caught.value.order) == ((NAME,), first)
    assert tracker.list() == [first]


def test_overwrite_replaces_what_was_there_and_the_older_order_knows(tracker):
    first, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    tracker.watch(first)
    before = pixels_of(tracker)
    second, _ = tracker.submit(COLLECTION, (0, 0), *MAY, existing="overwrite")
    assert pixels_of(tracker) == before
    (entry,) = tracker.watch(second).orders
    assert entry["status"]["state"] == TaskState.COMPLETED
    # Its tags name the order.
    assert pixels_of(tracker) != before
    assert tracker.update(first).states == {TaskState.INCOMPLETE: 1}
    assert tracker.update(second).complete


def test_overwrite_of_what_was_changed_since_fails_and_leaves_it(tracker):
    tracker.store.write(IMAGE, b"somebody's")
    second, _ = tracker.submit(COLLECTION, [(0, 0), (0, 1)], *MAY, existing="overwrite")
    tracker.store.write(IMAGE, b"somebody else's")
    failed, done = tracker.watch(second).orders
    assert failed["status"]["state"] == TaskState.FAILED
    assert f"{IMAGE} is in the store, and isn't" in failed["status"]["error_message"]
    assert done["status"]["state"] == TaskState.COMPLETED
    assert tracker.store.read(IMAGE) == b"somebody else's"


def test_overwrite_of_what_is_gone_meanwhile_is_no_conflict(tracker):
    first, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    tracker.watch(first)
    second, _ = tracker.submit(COLLECTION, (0, 0), *MAY, existing="overwrite")
    tracker.clean(tracker.read(first), first, force=True)
    assert tracker.watch(second).complete


def test_a_file_that_turned_up_at_the_destination_is_never_overwritten(tracker):
    name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    tracker.store.write(IMAGE, b"somebody's")
    (entry,) = tracker.watch(name).orders
    assert entry["status"]["state"] == TaskState.FAILED
    assert "move it away, or order with --overwrite" in entry["status"]["error_message"]
    assert tracker.store.read(IMAGE) == b"somebody's"


def test_an_overwriting_submit_that_stopped_goes_on_with_documents_of_its_own(tracker):
    first, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
    tracker.watch(first)
    failing = watched(tracker, lambda n, key: key.startswith("CEDAR_PREARD"))
    with pytest.raises(StoreError):
        failing.submit(COLLECTION, (0, 0), *MAY, existing="overwrite")
    (second,) = {*tracker.list()} - {first}
    (entry,) = tracker.watch(second).orders
    assert entry["status"]["state"] == TaskState.COMPLETED
    document = ImageMetadata(tracker.store.read_metadata(NAME, "CEDAR_PREARD"))
    assert document.request_id == entry["request_id"]


def test_one_listing_finds_what_an_overwriting_order_may_replace(tracker, monkeypatch):
    listed = []
    objects = LocalStore.objects

    def counted(self, prefix=""):
        listed.append(prefix)
        return objects(self, prefix)

    monkeypatch.setattr(LocalStore, "objects", counted)
    tiles = [(row, col) for row in range(4) for col in range(4)]
    tracker.submit(COLLECTION, tiles, *MAY, "D", existing="overwrite")
    # Twice what exists (files, orders), and once what may be replaced.
    assert len(listed) == 5


def test_orders_of_one_name_get_a_number(tmp_path, emulator):
    engine = EarthEngine(emulator=emulator)
    tracker = real_tracker(tmp_path, engine=engine, tracking_template="ORDER_{date_start}")
    made = [tracker.submit(COLLECTION, tile, *MAY) for tile in [(0, 0), (0, 1), (1, 0)]]
    assert [name for name, _ in made] == [
        "ORDER_2020-05-01",
        "ORDER_2020-05-01-2",
        "ORDER_2020-05-01-3",
    ]
    for name, key in made:
        assert key == f"CEDAR_TRACKING/{name}.json"
        tracking = tracker.watch(name)
        assert tracking["tracking"]["name"] == name
        (entry,) = tracking.orders
        document = tracker.store.read_metadata(entry["name"], entry["prefix"])
        assert document["order"]["tracking"] == name


def test_of_submits_of_one_order_at_once_by_threads_one_wins(tracker):
    trackers = [real_tracker(tracker.store.root, engine=tracker.engine) for _ in range(4)]

    def submit(tracker: Tracker):
        try:
            return tracker.submit(COLLECTION, [(0, 0), (0, 1)], *MAY)[0]
        except NameTakenError:
            return None

    with ThreadPoolExecutor(4) as pool:
        names = [name for name in pool.map(submit, trackers) if name]
    assert tracker.list() == names
    assert len(names) == 1
    assert tracker.watch(names[0]).states == {TaskState.COMPLETED: 2}


PROGRAM = """
import sys
sys.path.insert(0, {tests!r})
from cedar.exceptions import NameTakenError
from orders import COLLECTION, MAY, real_tracker
tracker = real_tracker({store!r})
order = tracker.order(COLLECTION, [(0, 0), (0, 1)], *MAY)
print("ready", flush=True)
sys.stdin.readline()
try:
    print(tracker.place(order)[0])
except NameTakenError as error:
    print("taken")
"""


def test_of_submits_of_one_order_at_once_by_processes_one_wins(tracker):
    program = PROGRAM.format(tests=str(Path(__file__).parent), store=str(tracker.store.root))
    processes = [Forked(program) for _ in range(3)]
    # All have searched, and found the names free.
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 3
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert sorted(answers) == sorted([*tracker.list(), "taken", "taken"])
    assert len(tracker.list()) == 1
    assert tracker.read(tracker.list()[0]).states == {TaskState.READY: 2}


def test_watch_waits_no_longer_than_its_timeout_for_a_submit_that_is_under_way(tracker):
    failing = watched(tracker, lambda n, key: n == 2)
    with pytest.raises(StoreError):
        failing.submit(COLLECTION, (0, 0), *MAY)
    (name,) = tracker.list()
    with tracker.store.claim(f"CEDAR_TRACKING/{name}.json") as ours:
        assert ours
        tracking = tracker.watch(name, timeout=0)
    assert tracking.states == {TaskState.UNSUBMITTED: 1}
    assert tracker.watch(name).complete
