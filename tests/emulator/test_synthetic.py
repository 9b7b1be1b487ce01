from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from cedar import sensors
from cedar.emulator.scenery import MAX_IMAGES, VERSION
from cedar.emulator.synthetic import SyntheticCatalog
from cedar.emulator.values import Grid, Query, ServiceError

LC08, LC09, LE07, LT05, LT04 = (
    f"LANDSAT/{sensor}/C02/T1_L2" for sensor in ("LC08", "LC09", "LE07", "LT05", "LT04")
)
DAY = 86_400_000
PARAGUAY = shapely.box(-54.7, -25.2, -54.6, -25.1)
SCENE = f"{LC08}/LC08_224077_20200518"
GRID = Grid("EPSG:32621", (30.0, 0.0, 730005.0, 0.0, -30.0, -2740005.0), 256, 256)

catalog = SyntheticCatalog()


def ms(text: str) -> int:
    return int(np.datetime64(text, "ms").astype(np.int64))


def search(collection, shape, start, end):
    return catalog.search(collection, Query((shape,), ms(start), ms(end)))


def read(image, name, grid=GRID):
    (band,) = [band for band in image.bands if band.name == name]
    return band.read(grid)


# ---- which scenes there are


def test_the_collections_are_those_that_cedar_knows():
    assert catalog.collections() == sorted(sensors.known())
    assert catalog.has(LC08)
    assert not catalog.has("LANDSAT/LC08/C01/T1_SR")


@given(
    lon=st.floats(-179.9, 179.9),
    lat=st.floats(-79.9, 79.9),
    case=st.sampled_from(
        [
            (LC08, "2015-03-01"),
            (LC09, "2022-06-20"),
            (LE07, "2002-11-11"),
            (LT05, "1990-08-08"),
            (LT04, "1985-01-01"),
        ]
    ),
)
def test_anywhere_there_are_valid_pixels_within_sixteen_days(lon, lat, case):
    collection, start = case
    images = catalog.search(
        collection, Query((shapely.Point(lon, lat),), ms(start), ms(start) + 16 * DAY)
    )
    here = Grid("EPSG:4326", (1e-4, 0.0, lon - 5e-5, 0.0, -1e-4, lat + 5e-5), 1, 1)
    assert any(read(image, "QA_PIXEL", here).mask.all() for image in images)


def test_every_day_scene_comes_again_after_sixteen_days():
    images = search(LC08, PARAGUAY, "2020-01-01", "2021-01-01")
    for row in {image.properties["WRS_ROW"] for image in images} - set(range(122, 249)):
        times = [
            image.properties["system:time_start"]
            for image in images
            if image.properties["WRS_ROW"] == row and image.properties["WRS_PATH"] == 224
        ]
        assert len(times) == 23
        assert {after - before for before, after in pairwise(times)} == {16 * DAY}


@pytest.mark.parametrize(
    ("one", "other", "start"), [(LC08, LC09, "2022-01-01"), (LT05, LE07, "2002-01-01")]
)
def test_two_missions_are_eight_days_apart(one, other, start):
    end = str(np.datetime64(start) + 40)
    (first, *_), (second, *_) = (
        [i for i in search(collection, PARAGUAY, start, end) if i.properties["WRS_ROW"] == 77]
        for collection in (one, other)
    )
    apart = first.properties["system:time_start"] - second.properties["system:time_start"]
    assert abs(apart) == 8 * DAY


def test_a_pass_sees_both_rows_of_its_path_one_after_the_other():
    upper, lower = (catalog.image(f"{LC08}/LC08_2240{row}_20200518") for row in (77, 78))
    apart = lower.properties["system:time_start"] - upper.properties["system:time_start"]
    assert 23_000 < apart < 25_000
    assert upper.footprint.shape.intersects(lower.footprint.shape)


def test_neighbouring_paths_overlap():
    east, west = (
        next(i for i in search(LC08, shapely.Point(lon, 0.0), "2020-01-01", "2020-01-17"))
        for lon in (0.0, -1.545)
    )
    assert abs(east.properties["WRS_PATH"] - west.properties["WRS_PATH"]) == 1
    assert east.footprint.shape.intersects(west.footprint.shape)


@given(lon=st.floats(-180, 180), lat=st.floats(-60, 60))
def test_the_satellite_passes_in_the_morning_and_rarely_in_the_evening(lon, lat):
    for image in search(LC08, shapely.Point(lon, lat), "2020-01-01", "2020-03-01"):
        center = image.footprint.shape.centroid.x
        if image.footprint.shape.geom_type == "MultiPolygon":
            continue
        solar = (image.properties["system:time_start"] / DAY * 24 + center / 15) % 24
        if image.properties["WRS_ROW"] < 122:
            assert 9 < solar < 11.5
        else:
            assert 20 < solar < 23.5


def test_a_path_s_night_pass_comes_every_128_days_and_has_no_clouds_over_land():
    found = search(LC08, PARAGUAY, "2018-01-01", "2020-01-01")
    night = [image for image in found if image.properties["WRS_ROW"] >= 122]
    assert {image.properties["CLOUD_COVER_LAND"] for image in night} == {-1}
    assert all(image.properties["SUN_ELEVATION"] < 0 for image in night)
    assert all(image.properties["CLOUD_COVER"] >= 0 for image in night)
    path, row = night[0].properties["WRS_PATH"], night[0].properties["WRS_ROW"]
    times = [
        image.properties["system:time_start"]
        for image in night
        if (image.properties["WRS_PATH"], image.properties["WRS_ROW"]) == (path, row)
    ]
    assert len(times) > 4
    assert {after - before for before, after in pairwise(times)} == {128 * DAY}
    for image in night:
        assert catalog.image(image.id).properties == image.properties


@pytest.mark.parametrize("lat", [65.0, 73.0])
def test_far_north_a_night_and_a_day_pass_meet_in_a_day(lat):
    """Of one platform, on one day of the place's sun: only their paths tell them apart."""
    days = {}
    for image in search(LC08, shapely.Point(15.0, lat), "2020-01-01", "2022-01-01"):
        day = (image.properties["system:time_start"] + 3_600_000) // DAY
        days.setdefault(day, {})[image.properties["WRS_PATH"]] = image
    twice = [day for day in days.values() if len(day) > 1]
    assert twice
    for day in twice:
        assert len({image.properties["WRS_ROW"] >= 122 for image in day.values()}) == 2


@pytest.mark.parametrize("collection", [LT04, LT05, LE07, LC08, LC09])
def test_there_are_images_from_the_first_to_the_last_day_of_service(collection):
    known = sensors.resolve(collection)
    images = search(collection, PARAGUAY, "1970-01-01", "2200-01-01")
    dates = [
        np.datetime64(image.properties["system:time_start"], "ms").astype("datetime64[D]")
        for image in (images[0], images[-1])
    ]
    last = known.service_end or np.datetime64("now").astype("datetime64[D]").item()
    assert 0 <= (dates[0].item() - known.service_start).days < 16
    assert 0 <= (last - dates[1].item()).days < 16


def test_no_image_is_younger_than_the_clock_says():
    then = ms("2020-05-18T13:36:02")
    for moment, found in ((then - 1, False), (then + 1, True)):
        at = SyntheticCatalog(now=lambda moment=moment: moment / 1000)
        assert (at.image(SCENE) is not None) == found
        ids = [image.id for image in at.search(LC08, Query((PARAGUAY,), ms("2020-05-01"), None))]
        assert (SCENE in ids) == found
    assert SyntheticCatalog(now=lambda: 0.0).search(LC08, Query((PARAGUAY,))) == []
    latest = search(LC08, PARAGUAY, "2024-01-01", "2200-01-01")[-1]
    assert latest.properties["system:time_start"] < time.time() * 1000


def test_a_search_is_ordered_by_time_and_keeps_to_its_half_open_period():
    start = ms("2020-05-18T13:36:02")
    images = catalog.search(LC08, Query((PARAGUAY,), start, start + 16 * DAY))
    times = [image.properties["system:time_start"] for image in images]
    assert times == sorted(times)
    assert times[0] == start
    assert times[-1] < start + 16 * DAY


def test_every_shape_of_a_query_must_be_met():
    far = shapely.Point(-54.65, -22.0)
    both = catalog.search(LC08, Query((PARAGUAY, far), ms("2020-05-01"), ms("2020-06-01")))
    assert both == []
    assert search(LC08, far, "2020-05-01", "2020-06-01") != []


def test_a_scene_over_the_antimeridian_is_found_from_both_sides():
    east, west = (
        {i.id for i in search(LC08, shapely.Point(lon, 65.0), "2020-07-01", "2020-07-17")}
        for lon in (179.9, -179.9)
    )
    assert east & west
    shape = catalog.image(min(east & west)).footprint.shape
    assert shape.geom_type == "MultiPolygon"
    assert shape.area < 30


def test_a_search_for_too_much_says_to_narrow_it():
    with pytest.raises(ServiceError, match="narrow the search by bounds and dates"):
        catalog.search(LC08, Query())
    with pytest.raises(ServiceError, match=f"more than {MAX_IMAGES}"):
        catalog.search(LC08, Query(start=ms("2020-01-01"), end=ms("2020-03-01")))
    a_day = catalog.search(LC08, Query(start=ms("2020-01-01"), end=ms("2020-01-02")))
    assert 1600 < len([image for image in a_day if image.properties["WRS_ROW"] < 122]) < 1900
    assert 150 < len([image for image in a_day if image.properties["WRS_ROW"] >= 122]) < 300


# ---- what a scene says of itself


def test_a_scene_has_landsat_s_properties_and_says_that_it_is_synthetic():
    image = catalog.image(SCENE)
    assert image.properties["cedar:synthetic"] is True
    assert image.id == SCENE
    assert image.version == VERSION
    assert image.properties["system:index"] == "LC08_224077_20200518"
    assert image.properties["system:time_start"] == ms("2020-05-18T13:36:02")
    assert image.properties["SPACECRAFT_ID"] == "LANDSAT_8"
    assert image.properties["PROCESSING_LEVEL"] == "L2SP"
    assert (image.properties["WRS_PATH"], image.properties["WRS_ROW"]) == (224, 77)
    assert image.properties["LANDSAT_PRODUCT_ID"].startswith("LC08_L2SP_224077_20200518_")
    assert image.properties["CLOUD_COVER"] == image.properties["CLOUD_COVER_LAND"] == 28.34
    # A morning of late autumn in the south: a low sun in the north-east.
    assert 25 < image.properties["SUN_ELEVATION"] < 45
    assert 20 < image.properties["SUN_AZIMUTH"] < 60


@pytest.mark.parametrize(
    ("collection", "index", "bands"),
    [
        (
            LC08,
            "LC08_224077_20200518",
            "SR_B1 SR_B2 SR_B3 SR_B4 SR_B5 SR_B6 SR_B7 ST_B10 QA_PIXEL QA_RADSAT",
        ),
        (LT05, None, "SR_B1 SR_B2 SR_B3 SR_B4 SR_B5 SR_B7 ST_B6 QA_PIXEL QA_RADSAT"),
        (LE07, None, "SR_B1 SR_B2 SR_B3 SR_B4 SR_B5 SR_B7 ST_B6 QA_PIXEL QA_RADSAT"),
    ],
)
def test_bands_are_the_collection_s_uint16(collection, index, bands):
    image = (
        search(collection, PARAGUAY, "2001-02-01", "2020-06-01")[0]
        if index is None
        else catalog.image(f"{collection}/{index}")
    )
    assert [band.name for band in image.bands] == bands.split()
    assert {band.dtype for band in image.bands} == {"uint16"}
    assert {band.projection.crs for band in image.bands} == {"EPSG:32621"}


def test_a_scene_that_a_search_finds_is_found_by_its_id():
    for image in search(LE07, PARAGUAY, "2010-01-01", "2010-06-01"):
        again = catalog.image(image.id)
        assert (again.id, again.properties, again.version) == (
            image.id,
            image.properties,
            image.version,
        )
        assert again.footprint == image.footprint


@pytest.mark.parametrize(
    "image_id",
    [
        f"{LC08}/LC08_224077_20200519",
        f"{LC08}/LC08_224077_20200231",
        f"{LC08}/LC09_224077_20200518",
        f"{LC08}/LC08_234077_20200518",
        f"{LC08}/LC08_224249_20200518",
        f"{LC08}/LC08_224184_20200603",
        f"{LC08}/LC08_224077_20100523",
        f"{LC08}/thing",
        "LANDSAT/LC08/C01/T1_SR/LC08_224077_20200518",
        "LC08_224077_20200518",
    ],
)
def test_a_scene_that_was_never_taken_is_none(image_id):
    assert catalog.image(image_id) is None


def test_some_scenes_have_no_temperature_and_say_so():
    images = search(LC08, PARAGUAY, "2013-04-01", "2023-04-01")
    without = [i for i in images if i.properties["PROCESSING_LEVEL"] == "L2SR"]
    assert 0.04 < len(without) / len(images) < 0.14
    here = Grid("EPSG:4326", (0.001, 0.0, -54.7, 0.0, -0.001, -25.1), 100, 100)
    for image in images:
        level = image.properties["PROCESSING_LEVEL"]
        assert image.properties["LANDSAT_PRODUCT_ID"].startswith(f"LC08_{level}_")
    for image in without[:10]:
        assert all(band.read(here).mask.any() == (band.name != "ST_B10") for band in image.bands)


def test_a_few_scenes_lack_a_band():
    images = [
        image
        for collection in (LC08, LT05)
        for image in search(collection, PARAGUAY, "1995-01-01", "2023-04-01")
    ]
    lacking = {"ST_B10": 0, "ST_B6": 0, "QA_RADSAT": 0}
    for image in images:
        native = {band.native for band in sensors.resolve(image.id.rpartition("/")[0]).bands}
        missing = native - {band.name for band in image.bands}
        assert len(missing) < 2
        for name in missing:
            lacking[name] += 1
            assert name == "QA_RADSAT" or image.properties["PROCESSING_LEVEL"] == "L2SR"
    assert all(0 < count < 0.05 * len(images) for count in lacking.values())


# ---- a cube of it


def test_pixels_are_deterministic_in_many_threads():
    def look(_):
        image = SyntheticCatalog().image(SCENE)
        return np.stack([read(image, name).values for name in ("SR_B4", "QA_PIXEL")])

    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(look, range(6))
    assert all(np.array_equal(first, other) for other in others)


# ---- speed


def test_twenty_years_of_a_tile_are_found_at_once():
    search(LE07, PARAGUAY, "1999-06-01", "1999-08-01")
    start = time.perf_counter()
    images = search(LE07, PARAGUAY, "1999-06-01", "2019-06-01")
    elapsed = time.perf_counter() - start
    assert len(images) > 800
    assert elapsed < 1  # 0.04 s on a quiet machine


def test_three_bands_of_a_tile_are_read_at_once():
    first, *images = search(LC08, PARAGUAY, "2019-01-01", "2019-06-01")[:8]
    for image in (first, *images):
        start = time.perf_counter()
        for band in image.bands[:3]:
            band.read(GRID)
        elapsed = time.perf_counter() - start
    assert elapsed < 0.5  # 0.013 s on a quiet machine
