from __future__ import annotations

import datetime as dt
import io
import json
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
import rasterio
from rasterio.crs import CRS
from rasterio.io import MemoryFile
from rasterio.windows import Window

from cedar.emulator import Emulator
from cedar.emulator.pixels import compute_pixels
from cedar.emulator.service import Request
from cedar.exceptions import ConfigError, InputError

COLLECTION = "EXAMPLE/LC08/DN"
ID_77, ID_78 = (f"{COLLECTION}/LC08_2240{row}_20200518" for row in (77, 78))
PIXELS = "/v1/projects/any/image:computePixels"
VALUE = "/v1/projects/any/value:compute"


def grid(width=64, height=48, column=100, row=200, **changes):
    """A grid on the pixels of row 77's clip."""
    return {
        "dimensions": {"width": width, "height": height},
        "affineTransform": {
            "scaleX": 30,
            "translateX": 730005 + 30 * column,
            "scaleY": -30,
            "translateY": -2778015 - 30 * row,
        },
        "crsCode": "EPSG:32621",
        **changes,
    }


def clip(landsat, row, column=100, line=200, width=64, height=48):
    with rasterio.open(landsat / f"LC08_2240{row}_20200518.tif") as file:
        return file.read(window=Window(column, line, width, height))


def send(emulator, verb, path, body=b""):
    response, content = emulator.transport.request(emulator.url + path, verb, body)
    return response.status, json.loads(content)


# ---- connecting


def test_the_official_client_connects_and_computes(emulator, client):
    assert client.Number(40).add(2).getInfo() == 42
    assert client.ImageCollection(COLLECTION).size().getInfo() == 2
    assert client.Image(ID_77).get("WRS_ROW").getInfo() == 77


def test_every_request_is_in_the_log(emulator, client):
    client.Number(1).getInfo()
    client.data.getAsset(ID_77)
    assert [request.method for request in emulator.requests] == [
        "discovery",
        "discovery",
        "algorithms",
        "value:compute",
        "assets",
    ]
    assert emulator.requests[3] == Request("earthengine", "value:compute", VALUE, 200)
    assert emulator.requests[4].path == f"/v1/projects/earthengine-public/assets/{ID_77}"


def test_the_transport_says_that_it_is_emulated_and_the_address_leads_nowhere(emulator):
    assert emulator.transport.emulated is True
    assert emulator.url.endswith(".invalid")


def test_without_a_catalog_there_are_synthetic_scenes(connect):
    with Emulator() as emulator:
        ee = connect(emulator)
        scenes = (
            ee.ImageCollection("LANDSAT/LC08/C02/T1_L2")
            .filterBounds(ee.Geometry.Point([-54.65, -25.15]))
            .filterDate("2020-05-01", "2020-06-01")
        )
        indexes = scenes.aggregate_array("system:index").getInfo()
        assert "LC08_224077_20200518" in indexes
        assert set(scenes.aggregate_array("cedar:synthetic").getInfo()) == {True}


def test_a_catalog_has_its_items_and_nothing_else(client):
    with pytest.raises(client.EEException, match="LANDSAT/LC08/C02/T1_L2"):
        client.ImageCollection("LANDSAT/LC08/C02/T1_L2").size().getInfo()


def test_a_catalog_that_does_not_exist_is_an_error_at_once(tmp_path):
    with pytest.raises(ConfigError, match="there is no such directory"):
        Emulator(tmp_path / "nowhere")


def test_outside_its_block_it_answers_with_a_clear_error(landsat):
    emulator = Emulator(landsat)
    with emulator:
        pass
    status, answer = send(emulator, "GET", "/$discovery/rest")
    assert status == 400
    assert answer["error"]["status"] == "FAILED_PRECONDITION"
    assert "with block" in answer["error"]["message"]


# ---- what it refuses


@pytest.mark.parametrize(
    ("verb", "path"),
    [
        ("GET", VALUE),
        ("GET", "/v1/projects/any/image:export"),
        ("DELETE", "/v1/projects/any/operations/A"),
        ("POST", "/v1alpha/projects/any/value:compute"),
        ("GET", "/"),
    ],
)
def test_a_method_that_it_does_not_have_is_not_found(emulator, verb, path):
    status, answer = send(emulator, verb, path)
    assert status == 404
    assert answer == {"error": {"code": 404, "message": "Method not found.", "status": "NOT_FOUND"}}
    assert emulator.requests == [Request("earthengine", "unknown", path, 404)]


def test_a_payload_past_the_limit_is_refused_in_the_service_s_words(client):
    with pytest.raises(
        client.EEException, match=r"^Request payload size exceeds the limit: 10485760 bytes\.$"
    ):
        client.String("x" * 10_485_760).length().getInfo()


@pytest.mark.parametrize(
    "body",
    ["{", "[]", b"\xff", '{"a": NaN}', '{"a": 1e999}', '{"a": 1%s}' % ("0" * 309), "[" * 100_000],
)
def test_a_body_that_is_no_json_object_is_refused(emulator, body):
    status, answer = send(emulator, "POST", VALUE, body)
    assert status == 400
    assert answer["error"]["message"].startswith("Invalid JSON payload received.")


@pytest.mark.parametrize("path", [VALUE, PIXELS])
@pytest.mark.parametrize("body", [{}, {"expression": {}}, {"expression": {"result": "0"}}])
def test_a_request_without_an_expression_is_refused(emulator, path, body):
    body = json.dumps({**body, "fileFormat": "NPY", "grid": grid()} if path == PIXELS else body)
    status, answer = send(emulator, "POST", path, body)
    assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")


def test_a_file_format_of_the_wrong_type_is_refused(emulator):
    status, answer = send(emulator, "POST", PIXELS, json.dumps({"fileFormat": ["NPY"]}))
    assert (status, answer["error"]["status"]) == (400, "INVALID_ARGUMENT")


# ---- assets


def test_an_image_s_asset_tells_its_bands_and_properties(client):
    asset = client.data.getAsset(ID_77)
    assert (asset["type"], asset["id"]) == ("IMAGE", ID_77)
    assert asset["startTime"] == "2020-05-18T13:36:02.000000Z"
    assert asset["properties"]["WRS_ROW"] == 77
    assert [band["id"] for band in asset["bands"]] == ["B2", "B3", "B4"]
    assert asset["bands"][0] == {
        "id": "B2",
        "dataType": {"precision": "INT", "range": {"min": 0, "max": 65535}},
        "grid": {
            "crsCode": "EPSG:32621",
            "dimensions": {"width": 384, "height": 384},
            "affineTransform": {
                "scaleX": 30,
                "shearX": 0,
                "translateX": 730005,
                "shearY": 0,
                "scaleY": -30,
                "translateY": -2778015,
            },
        },
    }
    assert asset["geometry"]["type"] == "Polygon"


def test_a_collection_is_an_asset_too(client):
    asset = client.data.getAsset(COLLECTION)
    assert (asset["type"], asset["id"]) == ("IMAGE_COLLECTION", COLLECTION)


def test_an_asset_that_does_not_exist_is_not_found(emulator, client):
    with pytest.raises(client.EEException, match="'NO/SUCH' not found"):
        client.data.getAsset("NO/SUCH")
    assert emulator.requests[-1].status == 404


def test_a_float_band_s_type_has_no_range(connect, landsat, tmp_path):
    item = json.loads((landsat / "LC08_224077_20200518.json").read_text())
    for dtype in ("float32", "float64"):
        profile = {"driver": "GTiff", "count": 1, "width": 4, "height": 3, "dtype": dtype}
        place = rasterio.Affine(30, 0, 730005, 0, -30, -2778015)
        with rasterio.open(
            tmp_path / f"{dtype}.tif", "w", crs="EPSG:32621", transform=place, **profile
        ) as file:
            file.write(np.ones((3, 4), dtype), 1)
        item["assets"][dtype] = {"href": f"{dtype}.tif"}
    del item["assets"]["data"]
    (tmp_path / "item.json").write_text(json.dumps(item))
    with Emulator(tmp_path) as emulator:
        bands = connect(emulator).data.getAsset(ID_77)["bands"]
    assert [band["dataType"] for band in bands] == [{"precision": "FLOAT"}, {"precision": "DOUBLE"}]


# ---- pixels


def compute(client, **changes):
    request = {
        "expression": client.Image(ID_77),
        "fileFormat": "NUMPY_NDARRAY",
        "grid": grid(),
        **changes,
    }
    return client.data.computePixels(request)


def test_pixels_come_as_a_structured_array_a_field_a_band(client, landsat):
    array = compute(client)
    assert array.shape == (48, 64)
    assert array.dtype == [("B2", "uint16"), ("B3", "uint16"), ("B4", "uint16")]
    assert np.array_equal(np.stack([array[name] for name in array.dtype.names]), clip(landsat, 77))


def test_a_crs_may_be_wkt(client):
    spelled = {**grid(), "crsWkt": CRS.from_epsg(32621).to_wkt()}
    del spelled["crsCode"]
    assert np.array_equal(compute(client, grid=spelled), compute(client))


def test_bands_come_as_they_are_asked_for(client, landsat):
    array = compute(client, bandIds=["B4", "B2"])
    assert array.dtype.names == ("B4", "B2")
    assert np.array_equal(array["B4"], clip(landsat, 77)[2])


def test_masked_pixels_come_as_zero(client, landsat):
    there = grid(100, 100, column=300, row=300)
    array = compute(client, grid=there)["B2"]
    wanted = np.zeros((100, 100), "uint16")
    wanted[:84, :84] = clip(landsat, 77, 300, 300, 84, 84)[0]
    assert np.array_equal(array, wanted)


def test_pixels_come_as_a_geotiff_that_says_where_it_is_from(client, landsat):
    content = compute(client, fileFormat="GEO_TIFF")
    with MemoryFile(content) as memory, memory.open() as file:
        assert file.descriptions == ("B2", "B3", "B4")
        assert (file.crs, file.transform[2], file.transform[5]) == ("EPSG:32621", 733005, -2784015)
        assert file.tags()["EMULATED"] == "cedar.emulator"
        assert np.array_equal(file.read(), clip(landsat, 77))


def test_many_threads_get_the_right_pixels(client, landsat):
    def one(column):
        return compute(client, grid=grid(32, 32, column=column, row=0))["B3"]

    columns = list(range(0, 320, 8))
    with ThreadPoolExecutor(8) as pool:
        blocks = list(pool.map(one, columns))
    whole = clip(landsat, 77, 0, 0, 384, 32)[1]
    for column, block in zip(columns, blocks, strict=True):
        assert np.array_equal(block, whole[:, column : column + 32])
    assert any(not np.array_equal(a, b) for a, b in pairwise(blocks))


def test_the_size_limit_counts_a_mask_byte_a_band(client, monkeypatch):
    monkeypatch.setattr("cedar.emulator.pixels.render", lambda *_, **__: [])
    one = {"bandIds": ["B2"]}
    compute(client, grid=grid(4096, 4096), **one)  # 3 × 2²⁴ bytes: exactly the limit
    with pytest.raises(
        client.EEException,
        match=r"^Total request size \(50343936 bytes\) must be less than or equal to "
        r"50331648 bytes\.$",
    ):
        compute(client, grid=grid(4097, 4096), **one)
    with pytest.raises(client.EEException, match="Total request size"):
        compute(client, grid=grid(2400, 2400))


def test_a_side_is_at_most_32768(client):
    with pytest.raises(
        client.EEException,
        match=r"^Pixel grid dimensions \(32769x1\) must be less than or equal to 32768\.$",
    ):
        compute(client, grid=grid(32769, 1))


def test_bands_are_at_most_1024(client):
    image = client.Image.constant([1] * 1025)
    with pytest.raises(
        client.EEException,
        match=r"^Number of bands \(1025\) must be less than or equal to 1024\.$",
    ):
        compute(client, expression=image)


AFFINE = {"scaleX": 30, "scaleY": -30}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fileFormat": "PNG"}, "no file format 'PNG', only NPY and GEO_TIFF"),
        ({"visualizationOptions": {}}, "no field 'visualizationOptions'"),
        ({"bandIds": ["B9"]}, "B9"),
        ({"bandIds": "B2"}, "list of bands' names"),
        ({"grid": None}, "needs a grid"),
        ({"grid": grid(crsCode="")}, "either crsCode or crsWkt"),
        ({"grid": grid(crsWkt="EPSG:32621")}, "either crsCode or crsWkt"),
        ({"grid": grid(crsCode="EPSG:1")}, "CRS of a map projection could not be parsed"),
        ({"grid": grid(dimensions={"width": 3})}, "needs dimensions"),
        (
            {"grid": grid(affineTransform={**AFFINE, "shearX": "much"})},
            "affineTransform of numbers",
        ),
        ({"grid": grid(affineTransform={"scaleX": 30})}, "can't be inverted"),
        ({"grid": grid(0, 5)}, "must be positive"),
    ],
)
def test_pixels_that_can_t_be_made_are_refused(client, changes, words):
    with pytest.raises(client.EEException, match=words):
        compute(client, **changes)


def coarse(scale):
    return grid(
        8, 8, affineTransform={**grid()["affineTransform"], "scaleX": scale, "scaleY": -scale}
    )


def test_pixels_much_coarser_than_the_image_s_need_a_method(client, landsat):
    with pytest.raises(client.EEException, match="no pyramids"):
        compute(client, grid=coarse(60))
    assert compute(client, grid=coarse(45)).shape == (8, 8)
    image = client.Image(ID_77)
    nearest = compute(
        client, expression=image.reproject(image.select(0).projection()), grid=coarse(60)
    )
    assert np.array_equal(nearest["B2"], clip(landsat, 77)[0, 1:17:2, 1:17:2])


def test_what_is_no_image_has_no_pixels(client):
    with pytest.raises(client.EEException, match="not evaluate to an image"):
        compute(client, expression=client.Number(1))
    with pytest.raises(client.EEException, match="has no bands"):
        compute(client, expression=client.Image(ID_77).select([]))


# ---- limits lifted


@pytest.fixture
def lenient(landsat, connect):
    with Emulator(landsat, strict=False) as emulator:
        yield connect(emulator)


def test_without_strict_pixels_of_any_number_and_size_are_made(lenient):
    constant = lenient.Image.constant
    assert compute(lenient, expression=constant(1), grid=grid(32769, 1)).shape == (1, 32769)
    content = compute(lenient, expression=constant([1] * 1025), grid=grid(1, 1), fileFormat="NPY")
    many = np.load(io.BytesIO(content), max_header_size=2**16)
    assert len(many.dtype.names) == 1025
    # 9 bytes a pixel: more than 2²⁴ × 3.
    assert compute(lenient, expression=constant(2**40), grid=grid(2400, 2400)).size == 2400**2


def test_without_strict_more_than_5000_elements_are_looked_at(client, lenient):
    del client  # its emulator is strict; the last to connect has the client
    images = [lenient.Image(0)] * 5001
    many = lenient.ImageCollection(images)
    assert len(many.aggregate_array("system:index").getInfo()) == 5001
    assert many.toBands().bandNames().length().getInfo() == 5001


def test_strict_refuses_to_stack_more_than_5000_bands(client):
    one = client.Image.constant([0] * 2501)
    with pytest.raises(client.EEException, match="Too many bands: 5002, at most 5000"):
        client.ImageCollection([one, one]).toBands().bandNames().getInfo()


def test_without_strict_coarse_pixels_are_the_nearest(lenient, landsat):
    nearest = compute(lenient, grid=coarse(60))["B2"]
    assert np.array_equal(nearest, clip(landsat, 77)[0, 1:17:2, 1:17:2])


# ---- time


def test_no_synthetic_image_is_later_than_the_clock(connect):
    with Emulator(clock="stepped") as emulator:
        ee = connect(emulator)
        now = emulator.clock.now()
        scenes = ee.ImageCollection("LANDSAT/LC08/C02/T1_L2").filterBounds(
            ee.Geometry.Point([-54.65, -25.15])
        )
        later = scenes.filterDate(now.isoformat(), (now + dt.timedelta(days=60)).isoformat())
        seen = [0]
        for _ in range(3):
            times = later.aggregate_array("system:time_start").getInfo()
            assert max(times, default=0) <= emulator.clock.now().timestamp() * 1000
            seen.append(len(times))
            emulator.clock.advance(dt.timedelta(days=16).total_seconds())
        assert seen[:2] == [0, 0]
        assert 0 < seen[2] < seen[3]
        assert emulator.clock.now() == now + dt.timedelta(days=48)


def test_a_stepped_clock_goes_forward_only_and_a_real_one_by_itself():
    with pytest.raises(InputError, match="can't go back"):
        Emulator(clock="stepped").clock.advance(-1)
    emulator = Emulator()
    before = dt.datetime.now(dt.UTC)
    assert before <= emulator.clock.now() <= dt.datetime.now(dt.UTC)
    with pytest.raises(InputError, match="clock='stepped'"):
        emulator.clock.advance(1)


def test_waiting_for_delayed_requests_that_never_come_ends():
    with pytest.raises(TimeoutError, match="0 of 1 requests are delayed"):
        Emulator(clock="stepped").clock.wait_for_sleepers(1, timeout=0.01)


def test_an_unknown_clock_is_an_error():
    with pytest.raises(InputError, match="clock is one of real, stepped, not 'sundial'"):
        Emulator(clock="sundial")


# ---- answers kept


@pytest.fixture
def made(monkeypatch):
    """What is computed: a list that grows by a body each time."""
    bodies = []

    def counted(body, catalog):
        bodies.append(body)
        return compute_pixels(body, catalog)

    monkeypatch.setattr("cedar.emulator.earthengine.compute_pixels", counted)
    return bodies


def columns(ee, *numbers):
    return [compute(ee, grid=grid(8, 8, column=number)) for number in numbers]


def test_with_a_cache_the_same_pixels_are_computed_once(landsat, connect, made):
    with Emulator(landsat, cache_bytes=100_000) as emulator:
        first, other, again = columns(connect(emulator), 1, 2, 1)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert len(made) == 2
    assert [r.method for r in emulator.requests].count("image:computePixels") == 3


def test_without_one_they_are_computed_each_time(client, made):
    columns(client, 1, 1)
    assert len(made) == 2


def test_a_cache_forgets_what_was_used_longest_ago(landsat, connect, made):
    # An answer of 8 × 8 pixels of 3 bands is 384 bytes and a header of 128 to 192.
    with Emulator(landsat, cache_bytes=1200) as emulator:
        ee = connect(emulator)
        columns(ee, 1, 2, 1, 3)
        assert len(made) == 3
        columns(ee, 1, 3)
        assert len(made) == 3
        columns(ee, 2)
        assert len(made) == 4


def test_a_cache_keeps_no_answer_larger_than_itself_and_no_refusal(landsat, connect, made):
    with Emulator(landsat, cache_bytes=100) as emulator:
        ee = connect(emulator)
        columns(ee, 1, 1)
        assert len(made) == 2
        for _ in range(2):
            with pytest.raises(ee.EEException, match="B9"):
                compute(ee, bandIds=["B9"])
        assert len(made) == 4
