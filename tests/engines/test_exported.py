"""Tasks of the emulator's: what they write, and that a request starts one of them at most."""

import json
import urllib.request
from urllib.parse import quote, urlencode

import ee
import numpy as np
import pytest
import rasterio
from orders import COLLECTION, LANDSAT, MAY, albers_grid, real_tracker, reference, utm_grid
from rasterio.io import MemoryFile

from cedar.emulator import Emulator
from cedar.emulator.questions import Answers
from cedar.emulator.settings import Settings
from cedar.engines.earthengine import EarthEngine
from cedar.exceptions import EngineError
from cedar.grids import Tile
from cedar.items import Destination
from cedar.metadata import ImageMetadata
from cedar.states import TaskState

BUCKET = Destination("gcs", "bucket", "PRE/FIX")
FOLDER = Destination("gdrive", "FOLDER", "")
#: The client's own.
RETRIES = 5
#: Exports of others before ours.
OTHERS = 9


def item(directory, grid=None, tile=(0, 0)):
    """The metadata of an item over the real scenes: one group of three bands."""
    tracker = real_tracker(directory, grid)
    name, _ = tracker.submit(COLLECTION, tile, *MAY)
    (entry,) = tracker.read(name).orders
    return ImageMetadata(tracker.store.read_metadata(entry["name"], entry["prefix"]))


@pytest.fixture(scope="module")
def metadata(tmp_path_factory):
    """300 × 250 pixels, one group of three bands of uint16."""
    return item(tmp_path_factory.mktemp("store"))


def ask(address, body=None):
    content = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(address, content, headers)) as answer:
        return answer.read()


def make_bucket(emulator):
    ask(f"{emulator.urls['gcs']}/storage/v1/b?project=mine", {"name": BUCKET.container})


def files(emulator, destination):
    """Name → bytes of all that is in a bucket or a folder."""
    if destination.kind == "gcs":
        objects = f"{emulator.urls['gcs']}/storage/v1/b/{destination.container}/o"
        listed = json.loads(ask(objects)).get("items", [])
        names = [each["name"] for each in listed]
        return {name: ask(f"{objects}/{quote(name, safe='')}?alt=media") for name in names}
    drive = f"{emulator.urls['gdrive']}/drive/v2/files"
    (folder,) = listing(drive, f"title = '{destination.container}'")
    return {
        each["title"]: ask(f"{drive}/{each['id']}?alt=media")
        for each in listing(drive, f"'{folder['id']}' in parents")
    }


def listing(drive, query):
    return json.loads(ask(f"{drive}?{urlencode({'q': query})}"))["items"]


def connected(emulator):
    engine = EarthEngine("mine", emulator=emulator)
    engine.connect()
    ee.data.setMaxRetries(RETRIES)
    return engine


def started(engine, emulator, metadata, destination=BUCKET, **options):
    """How a task is that was started, and that had its time."""
    name = engine.start(engine.prepare(metadata, destination, options))
    emulator.settle()
    (status,) = engine.poll([name.rpartition("/")[2]]).values()
    assert status.name == name
    return status


def waiting(emulator):
    """Operations that the emulator has."""
    return ee.data.listOperations()


def pulled(engine, metadata, scratch):
    request = engine.prepare(metadata, Destination("local", "", ""), {})
    with rasterio.open(engine.pull(request, scratch, lambda part: None)) as image:
        return image.read(), image.profile, image.descriptions


@pytest.mark.parametrize("destination", [BUCKET, FOLDER])
@pytest.mark.parametrize("cog", [True, False])
@pytest.mark.parametrize("grid", [utm_grid, albers_grid])
def test_the_shards_of_an_export_are_the_pixels_that_a_pull_reads(tmp_path, destination, cog, grid):
    metadata = item(tmp_path / "store", grid())
    height, width = metadata["tile"]["size"][::-1]
    with Emulator(LANDSAT) as emulator:
        make_bucket(emulator)
        engine = connected(emulator)
        options = {
            "shardSize": 64,
            "fileDimensions": [192, 128],
            "formatOptions": {"cloudOptimized": cog},
        }
        status = started(engine, emulator, metadata, destination, **options)
        assert (status.state, status.progress) == (TaskState.COMPLETED, 1.0)
        written = files(emulator, destination)
        expected, profile, descriptions = pulled(engine, metadata, tmp_path)
    stem = ("PRE/FIX/" if destination is BUCKET else "") + metadata["task"]["name"]
    pixels = np.zeros_like(expected)
    places = [(row, col) for row in range(0, height, 128) for col in range(0, width, 192)]
    assert written.keys() == {f"{stem}-{row:010}-{col:010}.tif" for row, col in places}
    for row, col in places:
        content = written[f"{stem}-{row:010}-{col:010}.tif"]
        with MemoryFile(content) as file, file.open() as shard:
            pixels[:, row : row + shard.height, col : col + shard.width] = shard.read()
            assert (shard.dtypes[0], shard.nodata) == ("uint16", 0)
            assert (shard.crs, shard.descriptions) == (profile["crs"], descriptions)
            assert shard.transform * (0, 0) == profile["transform"] * (col, row)
            assert (shard.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") == "COG") is cog
    assert (pixels != expected).sum() == 0
    assert expected.any()
    if grid is utm_grid:
        assert (pixels == reference(Tile.from_dict(metadata["tile"]))).all()


def test_an_image_that_fits_into_one_file_has_the_items_name(metadata):
    with Emulator(LANDSAT) as emulator:
        make_bucket(emulator)
        status = started(connected(emulator), emulator, metadata)
        assert status.urls[0].endswith("/storage/browser/bucket/PRE/FIX/")
        assert files(emulator, BUCKET).keys() == {f"PRE/FIX/{metadata['task']['name']}.tif"}


@pytest.mark.parametrize("answer", ["operation", "already-exists"])
@pytest.mark.parametrize("order", ["newest", "oldest"])
@pytest.mark.parametrize("fault", [{"action": "fail-after", "value": 503}, {"action": "truncate"}])
def test_an_export_whose_answer_is_lost_is_one_task(metadata, monkeypatch, answer, order, fault):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    lost = {"service": "earthengine", "method": "image:export", "nth": OTHERS + 1, **fault}
    answers = Answers(duplicate_request=answer, operations_order=order)
    settings = Settings(concurrent_tasks=0, page_size=3)
    with Emulator(LANDSAT, faults=[lost], answers=answers, settings=settings) as emulator:
        engine = connected(emulator)
        other = metadata.document
        for number in range(OTHERS):
            other["task"]["request_id"] = f"other-{number}"
            engine.start(engine.prepare(ImageMetadata(other), BUCKET, {}, attempt=number + 2))
        before = len(emulator.requests)
        name = engine.start(engine.prepare(metadata, BUCKET, {}))
        assert [each.method for each in emulator.requests[before:]].count("image:export") > 1
        assert engine.start(engine.prepare(metadata, BUCKET, {})) == name
        ours = [each for each in waiting(emulator) if each["name"] == name]
        assert len(waiting(emulator)) == OTHERS + 1
        assert ours[0]["metadata"]["description"] == f"{metadata['task']['name']}-a1"


def test_over_a_network_too_an_export_whose_answer_is_cut_off_is_one_task(metadata, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    cut = {"service": "earthengine", "method": "image:export", "nth": 1, "action": "truncate"}
    with Emulator(LANDSAT, faults=[cut], settings=Settings(concurrent_tasks=0)) as emulator:
        engine = EarthEngine("mine", url=emulator.urls["earthengine"])
        engine.connect()
        ee.data.setMaxRetries(RETRIES)
        name = engine.start(engine.prepare(metadata, BUCKET, {}))
        assert [each["name"] for each in waiting(emulator)] == [name]
        assert [each.method for each in emulator.requests].count("image:export") == 2


def test_a_connection_that_was_reset_before_the_service_heard_of_it_loses_nothing(
    metadata, monkeypatch
):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    reset = {"service": "earthengine", "method": "image:export", "nth": 1, "action": "reset"}
    with Emulator(LANDSAT, faults=[reset], settings=Settings(concurrent_tasks=0)) as emulator:
        engine = connected(emulator)
        name = engine.start(engine.prepare(metadata, BUCKET, {}))
        assert [each["name"] for each in waiting(emulator)] == [name]


def test_a_service_that_can_not_be_reached_leaves_it_to_the_next_try(metadata, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    reset = {"service": "earthengine", "method": "image:export", "action": "reset"}
    down = [{**reset, "nth": 1, "count": RETRIES + 1}]
    with Emulator(LANDSAT, faults=down, settings=Settings(concurrent_tasks=0)) as emulator:
        engine = connected(emulator)
        request = engine.prepare(metadata, BUCKET, {})
        with pytest.raises(EngineError, match="can't be reached") as caught:
            engine.start(request)
        assert (caught.value.transient, caught.value.full) == (True, False)
        assert [each["name"] for each in waiting(emulator)] == []
        assert engine.start(request)


def test_a_full_queue_takes_the_same_request_once_there_is_room(metadata, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    settings = Settings(concurrent_tasks=0, queued_tasks=1)
    with Emulator(LANDSAT, settings=settings) as emulator:
        engine = connected(emulator)
        other = metadata.document
        other["task"]["request_id"] = "other"
        first = engine.start(engine.prepare(ImageMetadata(other), BUCKET, {}))
        request = engine.prepare(metadata, BUCKET, {})
        with pytest.raises(EngineError, match="Too many tasks already in the queue") as caught:
            engine.start(request)
        assert (caught.value.transient, caught.value.full) == (False, True)
        engine.cancel(first.rpartition("/")[2])
        second = engine.start(request)
        states = {name: status.state for name, status in engine.poll(ids(first, second)).items()}
        assert states == dict(zip(ids(first, second), ["CANCELLED", "READY"], strict=True))


def ids(*names):
    return [name.rpartition("/")[2] for name in names]


def test_a_task_that_fails_says_why(metadata):
    with Emulator(LANDSAT) as emulator:
        status = started(connected(emulator), emulator, metadata)
        assert status.state == TaskState.FAILED
        assert "bucket" in status.error
        assert status.started is not None


def test_a_task_is_cancelled_once_and_stays_so(metadata):
    with Emulator(LANDSAT, settings=Settings(concurrent_tasks=0)) as emulator:
        engine = connected(emulator)
        (task,) = ids(engine.start(engine.prepare(metadata, BUCKET, {})))
        for _ in range(2):
            engine.cancel(task)
            assert engine.poll([task])[task].state == TaskState.CANCELLED


def test_a_forgotten_task_is_not_in_the_answer_and_can_be_started_again(metadata):
    settings = Settings(forget_after=60.0)
    with Emulator(LANDSAT, settings=settings, clock="stepped") as emulator:
        make_bucket(emulator)
        engine = connected(emulator)
        (task,) = ids(started(engine, emulator, metadata).name)
        emulator.clock.advance(61)
        assert engine.poll([task]) == {}
        engine.cancel(task)
        assert ids(started(engine, emulator, metadata).name) != [task]
