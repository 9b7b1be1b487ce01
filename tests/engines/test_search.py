"""Searching: what is found, in one request a collection and tile."""

import datetime as dt
import json
from dataclasses import replace

import pytest
from orders import COLLECTION, COLLECTIONS, LANDSAT, utm_grid
from rasterio.crs import CRS

from cedar import TileGrid
from cedar.emulator import Emulator
from cedar.emulator.functions import collections
from cedar.emulator.limits import ELEMENTS
from cedar.engines.earthengine import EarthEngine
from cedar.exceptions import EngineError
from cedar.sensors import resolve

START = dt.datetime(2020, 5, 1, tzinfo=dt.UTC)
END = dt.datetime(2020, 6, 1, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def engine():
    with Emulator(LANDSAT) as emulator:
        yield EarthEngine(emulator=emulator)


TILE = utm_grid()[0, 0]


def search(engine, tile=TILE, start=START, end=END, collection=None, images=None):
    collection = collection or resolve(COLLECTION, COLLECTIONS)
    return engine.search(collection, tile, start, end, images=images)


def test_ancestor_11_what_is_found_says_all_that_a_record_needs_whatever_the_time_zone(engine):
    images = search(engine)
    assert [image.index for image in images] == ["LC08_224077_20200518", "LC08_224078_20200518"]
    first = images[0]
    assert first.id == f"{COLLECTION}/LC08_224077_20200518"
    assert first.time == dt.datetime(2020, 5, 18, 13, 36, 2, tzinfo=dt.UTC)
    assert first.time_start == 1589808962000
    assert isinstance(first.version, int)
    assert first.bands == {"B2", "B3", "B4"}
    assert first.resolution == pytest.approx(30)
    assert first.properties == {"CLOUD_COVER": 12.5, "WRS_PATH": 224, "WRS_ROW": 77}


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [
        ("2020-05-18T13:36:02+00:00", "2020-05-18T13:36:26+00:00", ["LC08_224077_20200518"]),
        ("2020-05-18T13:36:03+00:00", "2020-05-18T13:36:27+00:00", ["LC08_224078_20200518"]),
        ("2020-05-18T15:36:02+02:00", "2020-05-18T15:36:26+02:00", ["LC08_224077_20200518"]),
        ("2020-05-19T00:00:00+00:00", "2020-06-01T00:00:00+00:00", []),
    ],
)
def test_the_range_is_half_open_to_the_second(engine, start, end, found):
    given = dt.datetime.fromisoformat(start), dt.datetime.fromisoformat(end)
    assert [image.index for image in search(engine, TILE, *given)] == found


def test_a_neighbour_that_only_touches_the_tile_is_not_found(engine):
    """The first scene begins at x = 730005, where a tile to its west ends."""
    west = TileGrid(
        ul=(730005.0 - 9000, -2778015.0), crs="EPSG:32621", res=(30, 30), size=(300, 250)
    )
    assert search(engine, west[0, 0]) == []
    assert search(engine, west[0, 1]) != []


@pytest.mark.parametrize(
    ("crs", "ul", "res"),
    [
        ("EPSG:4326", (-54.72, -25.10), (0.00025, 0.00025)),
        ("EPSG:3857", (-6091000.0, -2887000.0), (30, 30)),
        (CRS.from_string("+proj=sinu +R=6371007.181"), (-5509000.0, -2791000.0), (30, 30)),
    ],
)
def test_ancestor_05_a_tile_may_be_in_any_crs_degrees_too(engine, crs, ul, res):
    tile = TileGrid(ul=ul, crs=crs, res=res, size=(300, 300))[0, 0]
    assert len(search(engine, tile)) == 2


def test_a_property_or_a_band_that_one_image_lacks_hides_no_image(tmp_path):
    for path in LANDSAT.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    path = tmp_path / "LC08_224078_20200518.json"
    item = json.loads(path.read_text("utf-8"))
    del item["properties"]["CLOUD_COVER"]
    item["assets"]["data"]["eo:bands"][2]["name"] = "B9"
    path.write_text(json.dumps(item), encoding="utf-8")
    with Emulator(tmp_path) as emulator:
        images = search(EarthEngine(emulator=emulator))
    assert [image.properties.get("CLOUD_COVER") for image in images] == [12.5, None]
    assert [sorted(image.bands) for image in images] == [["B2", "B3", "B4"], ["B2", "B3", "B9"]]


def test_one_search_is_one_request_and_a_long_range_makes_no_more():
    with Emulator() as emulator:
        engine = EarthEngine(emulator=emulator)
        engine.connect()
        asked = len(emulator.requests)
        collection = resolve("LANDSAT/LC08/C02/T1_L2")
        end = dt.datetime(2023, 1, 1, tzinfo=dt.UTC)
        images = search(engine, start=START, end=end, collection=collection)
        assert len(images) > 50
        assert [request.method for request in emulator.requests[asked:]] == ["value:compute"]


def test_a_range_with_more_images_than_the_service_lists_is_searched_in_parts():
    tile = TileGrid(ul=(-20, 20), crs="EPSG:4326", res=(0.01, 0.01), size=(3000, 2000))[0, 0]
    collection = resolve("LANDSAT/LC08/C02/T1_L2")
    whole = (dt.datetime(2019, 1, 1, tzinfo=dt.UTC), dt.datetime(2019, 10, 1, tzinfo=dt.UTC))
    with Emulator() as emulator:
        engine = EarthEngine(emulator=emulator)
        engine.connect()
        asked = len(emulator.requests)
        found = search(engine, tile, *whole, collection)
        assert [request.status for request in emulator.requests[asked:]] == [400, 200, 200]
    with Emulator(strict=False) as emulator:
        assert search(EarthEngine(emulator=emulator), tile, *whole, collection) == found
    assert 5000 < len(found) < 10000


def test_of_listed_images_those_are_found_that_meet_the_tile_in_the_range(engine):
    listed = ["LC08_224078_20200518", "LC08_224079_20200518"]
    assert [image.index for image in search(engine, images=listed)] == listed[:1]
    assert search(engine, end=START + dt.timedelta(days=1), images=listed) == []


def test_more_listed_images_than_a_request_should_carry_are_asked_for_in_parts():
    real = ["LC08_224077_20200518", "LC08_224078_20200518"]
    listed = sorted([*real, *(f"LC08_{number:06d}_20200518" for number in range(10_000))])
    with Emulator(LANDSAT) as emulator:
        engine = EarthEngine(emulator=emulator)
        engine.connect()
        asked = len(emulator.requests)
        found = search(engine, images=[*listed[::2], *listed[1::2]])
        assert [request.status for request in emulator.requests[asked:]] == [200, 200, 200]
    assert [image.index for image in found] == real


@pytest.fixture
def one_at_a_time(monkeypatch):
    """A service that lists no more than one image."""
    words = ELEMENTS.words.format(most=ELEMENTS.most)
    monkeypatch.setattr(collections, "ELEMENTS", replace(ELEMENTS, most=1, words=words))


@pytest.mark.parametrize("end", ["13:36:50", "13:36:27", "13:37:00.001", "23:59:59"])
def test_where_a_range_is_split_no_image_is_lost_or_found_twice(engine, one_at_a_time, end):
    """The images are of 13:36:02 and 13:36:26: the middle between 13:36:02 and 13:36:50."""
    start = dt.datetime.fromisoformat("2020-05-18T13:36:02+00:00")
    images = search(engine, start=start, end=dt.datetime.fromisoformat(f"2020-05-18T{end}+00:00"))
    assert [image.index for image in images] == ["LC08_224077_20200518", "LC08_224078_20200518"]


def test_more_images_of_one_moment_than_the_service_lists_are_its_error(tmp_path, one_at_a_time):
    for path in LANDSAT.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    for path in tmp_path.glob("*.json"):
        item = json.loads(path.read_text("utf-8"))
        item["properties"]["datetime"] = "2020-05-18T13:36:02Z"
        path.write_text(json.dumps(item), encoding="utf-8")
    with Emulator(tmp_path) as emulator:
        with pytest.raises(EngineError, match="accumulating over 5000 elements") as caught:
            search(EarthEngine(emulator=emulator))
        assert not caught.value.transient
        assert len(emulator.requests) < 100


def test_a_tile_across_the_antimeridian_is_searched_on_both_sides_in_one_request():
    """At the equator 180° is at x = 166,021 in UTM zone 1."""
    grid = TileGrid(ul=(151_000, 15_000), crs="EPSG:32601", res=(30, 30), size=(1000, 1000))
    collection = resolve("LANDSAT/LC08/C02/T1_L2")
    with Emulator() as emulator:
        engine = EarthEngine(emulator=emulator)
        engine.connect()
        asked = len(emulator.requests)
        across = {image.id for image in search(engine, grid[0, 0], collection=collection)}
        assert len(emulator.requests) == asked + 1
        halves = TileGrid(ul=(151_000, 15_000), crs="EPSG:32601", res=(30, 30), size=(500, 1000))
        sides = [
            {image.id for image in search(engine, halves[0, col], collection=collection)}
            for col in (0, 1)
        ]
    assert across == sides[0] | sides[1] != set()


def test_a_collection_that_the_service_has_not_is_its_error(engine):
    settings = {"NO/SUCH": COLLECTIONS[COLLECTION]}
    with pytest.raises(EngineError, match="NO/SUCH") as caught:
        search(engine, collection=resolve("NO/SUCH", settings))
    assert not caught.value.transient
