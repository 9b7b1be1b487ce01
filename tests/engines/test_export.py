"""Starting tasks: what is asked for, and what is known when the answer is an error or is lost."""

import datetime as dt
import json
from dataclasses import replace

import ee
import httplib2
import pytest
from batch_service import BatchService, operation
from ee._state import _WorkloadTag
from orders import COLLECTION, LANDSAT, MAY, albers_grid, real_tracker

from cedar.emulator import Emulator
from cedar.engines.earthengine import EarthEngine, session
from cedar.engines.earthengine.limiter import Limiter
from cedar.exceptions import EngineError, InputError
from cedar.items import Destination
from cedar.metadata import ImageMetadata

BUCKET = Destination("gcs", "bucket", "PRE/FIX")
FOLDER = Destination("gdrive", "FOLDER", "")


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


@pytest.fixture
def service():
    with Emulator(LANDSAT) as emulator:
        yield BatchService(emulator)


@pytest.fixture
def engine(service):
    engine = EarthEngine("mine", emulator=service)
    engine.connect()
    # The client's own number.
    ee.data.setMaxRetries(5)
    return engine


@pytest.fixture
def pauses(monkeypatch):
    """The pauses before the client sends a request again: noted, not made."""
    pauses = []
    monkeypatch.setattr("time.sleep", pauses.append)
    return pauses


@pytest.fixture
def limiter(monkeypatch):
    """The process's limiter, anew."""
    limiter = Limiter()
    monkeypatch.setattr(session, "LIMITER", limiter)
    return limiter


def prepare(engine, metadata, destination=BUCKET, **options):
    return engine.prepare(metadata, destination, options)


def sent(service, engine, metadata, destination=BUCKET, **options):
    """The body of the request that starts an item, without the graph."""
    engine.start(prepare(engine, metadata, destination, **options))
    body = service.bodies[-1]
    assert {*body.pop("expression")} == {"result", "values"}
    return body


def test_an_export_is_asked_for_with_all_that_decides_what_will_be_written(
    service, engine, metadata
):
    assert sent(service, engine, metadata) == {
        "requestId": metadata.request_id,
        "description": "EXAMPLE_LC08_DN_h000v000_2020-05-01_2020-06-01-a1",
        "grid": {
            "dimensions": {"width": 300, "height": 250},
            "affineTransform": {
                "scaleX": 30.0,
                "shearX": 0.0,
                "translateX": 730005.0,
                "shearY": 0.0,
                "scaleY": -30.0,
                "translateY": -2778015.0,
            },
            "crsCode": "EPSG:32621",
        },
        "fileExportOptions": {
            "fileFormat": "GEO_TIFF",
            "cloudStorageDestination": {
                "bucket": "bucket",
                "filenamePrefix": "PRE/FIX/EXAMPLE_LC08_DN_h000v000_2020-05-01_2020-06-01",
            },
            "geoTiffOptions": {
                "noData": {"floatValue": 0},
                "tileDimensions": {"width": 2560, "height": 2560},
                "tileSize": {"value": 256},
            },
        },
        "maxPixels": {"value": "10000000000000"},
        "workloadTag": metadata["order"]["tracking"].lower(),
    }


def test_in_drive_an_export_goes_into_the_folder_by_its_name(service, engine, metadata):
    files = sent(service, engine, metadata, FOLDER)["fileExportOptions"]
    assert files["driveDestination"] == {
        "folder": "FOLDER",
        "filenamePrefix": "EXAMPLE_LC08_DN_h000v000_2020-05-01_2020-06-01",
    }
    assert "cloudStorageDestination" not in files


def test_the_bands_have_the_names_that_the_metadata_says(service, engine, metadata):
    request = prepare(engine, metadata)
    engine.start(request)
    graph = json.dumps(service.bodies[0]["expression"])
    assert metadata.band_names == ["2020-05-18_blue", "2020-05-18_green", "2020-05-18_red"]
    assert all(f'"{name}"' in graph for name in metadata.band_names)
    for folded in ("clipToBoundsAndScale", "Image.reproject"):
        assert folded not in graph


def test_a_grid_whose_crs_has_no_code_is_sent_with_its_wkt(service, engine, tmp_path):
    metadata = item(tmp_path, albers_grid())
    grid = sent(service, engine, metadata)["grid"]
    assert "crsCode" not in grid
    assert grid["crsWkt"] == metadata["tile"]["crs"]


def test_the_users_options_are_honoured_and_each_task_has_all_of_them(service, engine, metadata):
    options = {
        "fileDimensions": [512, 256],
        "shardSize": 128,
        "maxPixels": 1e6,
        "priority": 7,
        "skipEmptyTiles": True,
        "formatOptions": {"cloudOptimized": True},
    }
    bodies = [sent(service, engine, metadata, **options) for _ in range(2)]
    assert bodies[0] == bodies[1]
    assert bodies[0]["fileExportOptions"]["geoTiffOptions"] == {
        "cloudOptimized": True,
        "noData": {"floatValue": 0},
        "tileDimensions": {"width": 512, "height": 256},
        "tileSize": {"value": 128},
        "skipEmptyFiles": True,
    }
    assert (bodies[0]["maxPixels"], bodies[0]["priority"]) == ({"value": "1000000"}, {"value": 7})


def tagged(metadata, order):
    document = metadata.document
    document["order"]["tracking"] = order
    return ImageMetadata(document)


@pytest.mark.parametrize(
    ("order", "tag"),
    [
        ("TRACKING_1", "tracking_1"),
        ("Été 2020/α.β", "t__2020"),
        ("_-a-_", "a"),
        ("a" * 63, "a" * 63),
        ("___", None),
        (None, None),
    ],
)
def test_a_task_bears_a_tag_of_its_orders_name(service, engine, metadata, order, tag):
    body = sent(service, engine, tagged(metadata, order))
    assert body.get("workloadTag") == tag
    assert _WorkloadTag().validate(tag) == (tag or "")


def test_orders_with_long_names_have_different_tags(service, engine, metadata):
    orders = ["TRACKING_" + "A" * 60 + end for end in ("1", "2")]
    tags = {sent(service, engine, tagged(metadata, order))["workloadTag"] for order in orders}
    assert len(tags) == 2
    assert {_WorkloadTag().validate(tag) for tag in tags} == tags
    assert {len(tag) for tag in tags} == {63}


def test_the_callers_own_tag_stays(service, engine, metadata):
    ee.data.setDefaultWorkloadTag("callers")
    try:
        assert sent(service, engine, metadata)["workloadTag"] != "callers"
        assert ee.data.getWorkloadTag() == "callers"
    finally:
        ee.data.setDefaultWorkloadTag(None)


def test_a_store_that_the_service_does_not_write_to_is_refused(service, engine, metadata):
    request = replace(prepare(engine, metadata), destination=Destination("local", "/", "P"))
    with pytest.raises(InputError, match="doesn't export into a local store"):
        engine.start(request)
    assert service.asked == []


@pytest.mark.parametrize("status", [400, 429])
def test_a_full_queue_is_told_apart_from_what_may_pass(
    service, engine, metadata, pauses, limiter, status
):
    words = "Too many tasks already in the queue (3000). Please wait for some of them to complete."
    service.refusals["POST", "image:export"] = status, words
    with pytest.raises(EngineError, match="Too many tasks already in the queue") as caught:
        engine.start(prepare(engine, metadata))
    assert (caught.value.full, caught.value.transient) == (True, False)
    assert limiter.allowed == 40


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_an_export_whose_outcome_is_in_doubt_was_sent_again_under_the_same_id(
    service, engine, metadata, pauses, status
):
    service.refusals["POST", "image:export"] = status
    with pytest.raises(EngineError, match="It will not be") as caught:
        engine.start(prepare(engine, metadata))
    assert (caught.value.full, caught.value.transient) == (False, True)
    assert {body["requestId"] for body in service.bodies} == {metadata.request_id}
    assert len(service.bodies) == 6
    assert sum(pauses) < 63


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_is_told_in_the_services_words_and_is_for_good(service, engine, metadata, status):
    service.refusals["POST", "image:export"] = status
    with pytest.raises(EngineError, match="Earth Engine: It will not be") as caught:
        engine.start(prepare(engine, metadata))
    assert (caught.value.full, caught.value.transient) == (False, False)
    assert len(service.bodies) == 1


@pytest.mark.parametrize("page", [b"<html>a proxy's page", b'{"na', b"{}", b"[]"])
def test_an_answer_that_can_not_be_read_leaves_the_outcome_in_doubt(
    service, engine, metadata, monkeypatch, page
):
    answer = httplib2.Response({"status": 200}), page
    request = prepare(engine, metadata)
    monkeypatch.setattr(service, "request", lambda *_, **__: answer)
    with pytest.raises(EngineError, match="can't be read") as caught:
        engine.start(request)
    assert caught.value.transient


def submitted(metadata, moment):
    document = metadata.document
    document["order"]["submitted"] = moment.isoformat()
    return ImageMetadata(document)


def listed(service, metadata, *tasks):
    """Have operations of the item's description: seconds since START, and where they wrote."""
    description = f"{metadata['task']['name']}-a1"
    service.operations = [
        operation(number, description=description, destinationUris=urls) for number, urls in tasks
    ]
    service.operations.append(operation(5000))
    service.refusals["POST", "image:export"] = 409


BROWSER = "https://console.developers.google.com/storage/browser"
DRIVE = "https://drive.google.com/#folders/abc"


@pytest.mark.parametrize(
    ("destination", "tasks", "found"),
    [
        (BUCKET, [(900, [])], 900),
        (BUCKET, [(900, []), (1000, []), (800, [])], 1000),
        (BUCKET, [(401, []), (399, [])], 401),
        (BUCKET, [(900, [f"{BROWSER}/bucket/PRE/FIX/"]), (800, [])], 900),
        (BUCKET, [(900, [f"{BROWSER}/another/PRE/FIX/"]), (800, [])], 800),
        (BUCKET, [(900, ["gs://another/bucket"]), (800, ["gs://bucket/x"])], 800),
        (BUCKET, [(900, [DRIVE]), (800, [])], 800),
        (BUCKET, [(900, ["https://example.org/form/of/another/day"]), (800, [])], 900),
        (FOLDER, [(900, [DRIVE])], 900),
        (FOLDER, [(900, [f"{BROWSER}/FOLDER/"]), (800, [DRIVE])], 800),
    ],
)
def test_a_task_that_was_started_before_is_found_by_description_time_and_place(
    service, engine, metadata, destination, tasks, found
):
    # Ten minutes before it was submitted, by a clock that may be wrong.
    start = operation(0)["metadata"]["createTime"]
    late = submitted(metadata, dt.datetime.fromisoformat(start) + dt.timedelta(seconds=1000))
    listed(service, late, *tasks)
    name = engine.start(prepare(engine, late, destination))
    assert name == f"projects/mine/operations/OURS{found}"
    assert len(service.bodies) == 1


@pytest.mark.parametrize("tasks", [[], [(399, [])], [(900, [f"{BROWSER}/another/"])]])
def test_a_task_that_was_started_before_and_is_not_listed_yet_is_asked_for_again_later(
    service, engine, metadata, tasks
):
    start = operation(0)["metadata"]["createTime"]
    late = submitted(metadata, dt.datetime.fromisoformat(start) + dt.timedelta(seconds=1000))
    listed(service, late, *tasks)
    with pytest.raises(EngineError, match="was started before, but lists no such task") as caught:
        engine.start(prepare(engine, late))
    assert caught.value.transient


def test_every_request_about_tasks_goes_through_the_one_limiter(
    service, engine, metadata, monkeypatch
):
    class Counting(Limiter):
        n = 0

        def request(self, size=0):
            self.n += 1
            return super().request(size)

    limiter = Counting()
    monkeypatch.setattr(session, "LIMITER", limiter)
    task = engine.start(prepare(engine, metadata)).rpartition("/")[2]
    engine.cancel(task)
    engine.poll([task])
    engine.poll([task, "GONE1", "GONE2"])
    assert limiter.n == len(service.asked) == 1 + 1 + 1 + (1 + 2)
