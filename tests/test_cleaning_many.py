"""Clean among orders whose names begin alike: its own objects, and nothing else, ever."""

from __future__ import annotations

import re
import signal

import pytest
import yaml
from exported import BUCKET, store_of
from forked import COMMAND, Forked
from orders import COLLECTION, COLLECTIONS, LANDSAT, MAY, utm_grid

from cedar import TileGrid, Tracker
from cedar.emulator import Emulator
from cedar.emulator.settings import Settings
from cedar.engines.earthengine import EarthEngine
from cedar.exceptions import IncompleteError
from cedar.stores.gcs import GCSStore
from cedar.stores.gdrive import GDriveStore

#: Of orders, and of the one item that each has: every name begins another, or looks like a shard.
#: Drive takes many requests for what Cloud Storage does in one, so it has a few of them.
NAMES = {
    "gcs": (
        "A", "AB", "A-B", "A-0000000000", "A-1", "A0", "A00000000000", "A1", "A11", "AA",
        "A_", "A_1", "A_10", "A_100", "A_1_", "A_1-0", "A_1_0", "A_1_00", "A_11", "A__",
    ),
    "gdrive": ("A", "A-0000000000", "A_1", "A_10", "AA"),
}  # fmt: skip
#: Orders that a process is killed at cleaning, → at which request: images, documents, record.
KILLED_AT = {"A": 1, "A-1": 2, "A_1": 3}
GRID = TileGrid.from_dict(utm_grid().to_dict() | {"crs": "EPSG:32621", "size": [128, 128]})
#: Two rows of two files an image.
SHARDS = {"shardSize": 64, "fileDimensions": 64}


def own(name):
    """What matches the keys of an order's objects: of 4 images, a document and the record."""
    shard = r"-?\d{10}-\d{10}"
    return re.compile(
        rf"CEDAR_PREARD/{re.escape(name)}({shard}\.tif|\.json)|CEDAR_TRACKING/{re.escape(name)}\.json"
    )


class Log(list):
    """An emulator's log that kills a process at a request that deleted something."""

    victim, left = None, 0

    def append(self, request):
        super().append(request)
        if request.method in ("batch", "objects.delete") and self.victim is not None:
            self.left -= 1
            if self.left == 0:
                self.victim.send_signal(signal.SIGKILL)


@pytest.fixture(scope="module", params=["gcs", "gdrive"])
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def emulator(kind, tmp_path_factory):
    """A bucket, or a Drive, with an order of each name, complete, and things of others."""
    state = tmp_path_factory.mktemp("state")
    made = Emulator(LANDSAT, state=state, settings=Settings(object_writes=0, concurrent_tasks=20))
    made.requests = Log()
    with made, pytest.MonkeyPatch.context() as patch:
        made.make_bucket(BUCKET)
        for each in (GCSStore, GDriveStore):
            patch.setattr(each, "write_interval", 0.0)
        for name in NAMES[kind]:
            tracker = tracker_at(kind, made, state, name)
            tracker.submit(COLLECTION, (0, 0), *MAY)
        for name in NAMES[kind]:
            assert tracker.watch(name, interval=0.05).complete
        for key in ("CEDAR_PREARD/A_2.tif", "CEDAR_PREARD/A", "CEDAR_TRACKING/A.json.old"):
            tracker.store.write(key, b"somebody's")
        yield made


def tracker_at(kind, emulator, directory, name="A"):
    return Tracker(
        GRID,
        store_of(kind, emulator.urls, directory),
        name,
        tracking_template=name,
        engine=EarthEngine(emulator=emulator),
        collections=COLLECTIONS,
        export_image_kwds=SHARDS,
    )


def keys(tracker):
    return {(info.key, info.version) for info in tracker.store.objects()}


def gone(there, now, name):
    """Whether all of an order's objects are gone, and no others."""
    assert now < there
    lost = {key for key, _ in there - now}
    assert [key for key in lost if not own(name).fullmatch(key)] == []
    return len(lost) == 6 and not any(own(name).fullmatch(key) for key, _ in now)


def config_at(kind, emulator, path):
    """Write a configuration for another process."""
    section = {"gcs": {"bucket": BUCKET}, "gdrive": {"folder": "cedar"}}[kind]
    document = {
        "tile_grid": GRID.to_dict() | {"crs": "EPSG:32621"},
        "tracker": {"store": kind},
        kind: {**section, "url": emulator.urls[kind]},
        "earthengine": {"url": emulator.urls["earthengine"]},
        "collections": COLLECTIONS,
    }
    path.write_text(yaml.safe_dump(document), "utf-8")
    return path


def test_clean_of_each_takes_its_own_objects_and_no_others(kind, emulator, tmp_path):
    tracker, names = tracker_at(kind, emulator, tmp_path), NAMES[kind]
    there = keys(tracker)
    assert sum(bool(own(name).fullmatch(key)) for name in names for key, _ in there) == 6 * len(
        names
    )
    for name in names:
        with pytest.raises(IncompleteError, match="no verified copy"):
            tracker.clean(tracker.read(name), name)
    assert keys(tracker) == there
    config = config_at(kind, emulator, tmp_path / "cedar.yaml")
    killed = 0
    for number, name in enumerate(names):
        tracker.download(tracker.read(name), tmp_path / name)
        planned = tracker.cleaning(tracker.read(name), name)
        assert (planned.left, planned.refused) == ((), {})
        there = keys(tracker)
        if kind == "gcs" and (nth := KILLED_AT.get(name)):
            killed += kill_in_the_middle(emulator, name, config, nth)
            assert keys(tracker) <= there
            assert all(own(name).fullmatch(key) for key, _ in there - keys(tracker))
        if name in tracker.list():
            tracker.clean(tracker.read(name), name)
        now = keys(tracker)
        assert gone(there, now, name), number
        assert {(info.key, info.version) for info in planned.objects} == there - now
    assert killed == (3 if kind == "gcs" else 0)
    assert {key for key, _ in keys(tracker)} == {
        "CEDAR_PREARD/A_2.tif", "CEDAR_PREARD/A", "CEDAR_TRACKING/A.json.old",
    }  # fmt: skip


def kill_in_the_middle(emulator, name, config, nth):
    """Have another process clean an order, and kill it at a deletion; whether that came."""
    emulator.requests.left = nth
    emulator.requests.victim = process = Forked(COMMAND, "clean", name, "--yes", "-C", str(config))
    process.communicate()
    emulator.requests.victim = None
    return process.returncode == -signal.SIGKILL
