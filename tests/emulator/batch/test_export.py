"""image:export: what it takes, and what it refuses at once."""

from __future__ import annotations

import json
import math

import pytest
from export_requests import cloud, grid, request, tiles, to_drive

from cedar.emulator import Emulator
from cedar.emulator.batch.export import Destination, Export
from cedar.emulator.settings import Settings
from cedar.emulator.values import Grid, ServiceError

PATH = "/v1/projects/any/image:export"


def geotiff(**options):
    return {"fileExportOptions": cloud(**options)}


def test_a_request_s_parts_are_read():
    export = Export.parse(
        request(
            cloud(
                "a/b",
                tileSize={"value": 128},
                tileDimensions={"width": "256", "height": 384},
                cloudOptimized=True,
                noData={"floatValue": -1.5},
                skipEmptyFiles=True,
            ),
            description="A.b,c:d;e_f-9",
            maxPixels={"value": "10000000000000"},
            priority={"value": 9999},
            requestId="a-Z0",
            workloadTag="a.b-c_d",
        )
    )
    assert export.destination == Destination("gcs", "a-bucket", "a/b")
    assert (export.description, export.request_id) == ("A.b,c:d;e_f-9", "a-Z0")
    assert (export.priority, export.max_pixels) == (9999, 10**13)
    assert (export.tile_size, export.file_size) == (128, (256, 384))
    assert export.cloud_optimized
    assert export.skip_empty
    assert export.no_data == -1.5
    affine = (30.0, 0.0, 730005.0, 0.0, -30.0, -2778015.0)
    assert export.grid == Grid("EPSG:32621", affine, 300, 250)


def test_what_a_request_leaves_out_has_the_service_s_defaults():
    given = request(to_drive(folder=None))
    for field in ("description", "grid"):
        del given[field]
    export = Export.parse(given)
    assert export.destination == Destination("gdrive", "", "image")
    assert (export.description, export.request_id, export.grid) == ("", "", None)
    assert (export.priority, export.max_pixels) == (100, 10**8)
    assert (export.tile_size, export.file_size) == (256, (10_240, 10_240))
    assert (export.cloud_optimized, export.no_data, export.skip_empty) == (False, None, False)


def test_a_file_is_no_smaller_than_a_tile():
    assert Export.parse(request(cloud(tileSize=16_384))).file_size == (16_384, 16_384)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"floatValue": 3}, 3),
        ({"floatValue": "NaN"}, math.nan),
        ({"integerValue": "-7"}, -7),
        ({"integerValue": 7}, 7),
        ({}, None),
        (None, None),
    ],
)
def test_nodata_is_a_number_however_it_is_written(given, read):
    no_data = Export.parse(request(cloud(noData=given))).no_data
    assert no_data == pytest.approx(read, nan_ok=True)


@pytest.mark.parametrize("priority", [0, "0", 0.0, {"value": "0"}])
def test_a_whole_number_may_be_written_in_any_way(priority):
    assert Export.parse(request(priority=priority)).priority == 0


DRIVE = to_drive()
BOTH = {**cloud(), "driveDestination": DRIVE["driveDestination"]}
NEITHER = {"fileFormat": "GEO_TIFF"}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"pyramidingPolicy": "mean"}, "image:export has no field 'pyramidingPolicy'"),
        ({"assetExportOptions": {}}, "no field 'assetExportOptions'"),
        ({"expression": None}, "needs an expression"),
        ({"expression": "0"}, "needs an expression"),
        ({"fileExportOptions": None}, "no file format None"),
        ({"fileExportOptions": []}, "fileExportOptions must be an object"),
        ({"fileExportOptions": {**cloud(), "fileFormat": "TF_RECORD_IMAGE"}}, "TF_RECORD_IMAGE"),
        ({"fileExportOptions": {**cloud(), "tfRecordOptions": {}}}, "'tfRecordOptions'"),
        ({"fileExportOptions": BOTH}, "Exactly one export destination"),
        ({"fileExportOptions": NEITHER}, "Exactly one export destination"),
        ({"fileExportOptions": cloud(bucket="")}, "needs a bucket"),
        ({"fileExportOptions": cloud(bucket=3)}, "bucket must be text"),
        ({"fileExportOptions": cloud(prefix="a/")}, "filenamePrefix that ends with a name"),
        ({"fileExportOptions": cloud(prefix="")}, "filenamePrefix that ends with a name"),
        ({"fileExportOptions": cloud(prefix=["a"])}, "filenamePrefix must be text"),
        (geotiff(metadataKeys=["a"]), "geoTiffOptions has no field 'metadataKeys'"),
        (geotiff(tileSize=100), "multiple of 16, not 100"),
        (geotiff(tileSize=0), "multiple of 16, not 0"),
        (geotiff(tileSize=-16), "multiple of 16, not -16"),
        (geotiff(tileSize={"values": 16}), "tileSize has no field 'values'"),
        (
            geotiff(**tiles(64, 100, 128)),
            r"\(100x128\) must be a multiple of the shard size \(64\)",
        ),
        (geotiff(**tiles(64, 128, 0)), "must be a multiple"),
        (geotiff(tileDimensions={}), "must be a multiple"),
        (geotiff(tileDimensions=[1, 2]), "tileDimensions must be an object"),
        (geotiff(cloudOptimized="yes"), "cloudOptimized must be true or false"),
        (geotiff(skipEmptyFiles=1), "skipEmptyFiles must be true or false"),
        (geotiff(noData=3), "noData must be an object"),
        (geotiff(noData={"floatValue": "3"}), "noData must hold a number"),
        (geotiff(noData={"floatValue": True}), "noData must hold a number"),
        (geotiff(noData={"floatValue": 1, "integerValue": 1}), "noData must hold a number"),
        (geotiff(noData={"integerValue": 1.5}), "noData must be a whole number"),
        ({"description": "no spaces"}, r"only the following characters: .* must be at most 100"),
        ({"description": "ä"}, "only the following characters"),
        ({"description": "a\n"}, "only the following characters"),
        ({"description": "a" * 101}, "at most 100 characters"),
        ({"description": 3}, "description must be text"),
        ({"description": "a.b", "fileExportOptions": DRIVE}, 'a..z, A..Z, 0-9, "_" or "-"'),
        ({"requestId": "a_b"}, "Invalid request ID"),
        ({"requestId": "a" * 61}, "Invalid request ID"),
        ({"requestId": "a\n"}, "Invalid request ID"),
        ({"priority": -1}, "between 0 and 9999, not -1"),
        ({"priority": 10_000}, "between 0 and 9999, not 10000"),
        ({"priority": 1.5}, "priority must be a whole number"),
        ({"priority": True}, "priority must be a whole number"),
        ({"maxPixels": "1e9"}, "maxPixels must be a whole number"),
        ({"maxPixels": "9" * 20}, "maxPixels must be a whole number"),
        ({"workloadTag": "-a"}, "Invalid workload tag"),
        ({"workloadTag": "a" * 64}, "Invalid workload tag"),
        ({"workloadTag": ["a"]}, "workloadTag must be text"),
        ({"grid": []}, "needs a grid, as an object"),
        ({"grid": {}}, "either crsCode or crsWkt"),
        ({"grid": {**grid(), "crsCode": "EPSG:0"}}, "could not be parsed"),
        ({"grid": grid(0, 1)}, "must be positive"),
    ],
)
def test_what_cannot_be_taken_is_refused_at_once(changes, problem):
    with pytest.raises(ServiceError, match=problem) as raised:
        Export.parse(request(**{"files": None, **changes}))
    assert (raised.value.code, raised.value.status) == (400, "INVALID_ARGUMENT")


def test_what_is_refused_starts_no_operation(landsat, ask):
    with Emulator(landsat, settings=Settings(concurrent_tasks=0)) as emulator:
        status, body = ask(emulator, "POST", PATH, json.dumps(request(priority=-1)).encode())
        assert status == 400
        assert json.loads(body)["error"]["status"] == "INVALID_ARGUMENT"
        assert ask(emulator, "GET", "/v1/projects/any/operations") == (200, b"{}")


def test_a_request_past_the_payload_limit_is_refused(landsat, ask):
    large = request(
        expression={"result": "0", "values": {"0": {"constantValue": "x" * 10_485_760}}}
    )
    with Emulator(landsat) as emulator:
        status, body = ask(emulator, "POST", PATH, json.dumps(large).encode())
    assert status == 400
    assert b"Request payload size exceeds the limit: 10485760 bytes." in body
