from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from cedar.emulator.synthetic import MAX_IMAGES, SyntheticCatalog
from cedar.emulator.values import Grid, Query, ServiceError

LC08, LC09, LE07, LT05, LT04 = (
    f"LANDSAT/{sensor}/C02/T1_L2" for sensor in ("LC08", "LC09", "LE07", "LT05", "LT04")
)
DAY = 86_400_000
PARAGUAY = shapely.box(-54.7, -25.2, -54.6, -25.1)
SCENE = f"{LC08}/LC08_224077_20200518"
GRID = Grid("EPSG:32621", (30.0, 0.0, 730005.0, 0.0, -30.0, -2740005.0), 256, 256)
#: Over all of the scene and beyond it.
WIDE = Grid("EPSG:32621", (600.0, 0.0, 600000.0, 0.0, -600.0, -2580000.0), 460, 400)

catalog = SyntheticCatalog()


def ms(text: str) -> int:
    return int(np.datetime64(text, "ms").astype(np.int64))


def search(collection, shape, start, end):
    return catalog.search(collection, Query((shape,), ms(start), ms(end)))


def read(image, name, grid=GRID):
    (band,) = [band for band in image.bands if band.name == name]
    return band.read(grid)


# ---- which scenes there are


def test_the_collections_are_landsat_s():
    assert catalog.collections() == sorted([LC08, LC09, LE07, LT05, LT04])
    assert catalog.has(LC08)
    assert not catalog.has("LANDSAT/LC08/C02/T2_L2")


@settings(max_examples=60, deadline=None)
@given(
    lon=st.floats(-179.9, 179.9),
    lat=st.floats(-79.9, 79.9),
    case=st.sampled_from(
        [
            (LC08, "2015-03-01"),
            (LC09, "2022-06-20"),
            (LE07, "2003-11-11"),
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
    assert any(image.bands[0].read(here).mask.all() for image in images)


def test_every_scene_comes_again_after_sixteen_days():
    images = search(LC08, PARAGUAY, "2020-01-01", "2021-01-01")
    for row in {image.properties["WRS_ROW"] for image in images}:
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


@settings(max_examples=30, deadline=None)
@given(lon=st.floats(-180, 180), lat=st.floats(-60, 60))
def test_the_satellite_passes_in_the_morning(lon, lat):
    for image in search(LC08, shapely.Point(lon, lat), "2020-01-01", "2020-01-17"):
        center = image.footprint.shape.centroid.x
        if image.footprint.shape.geom_type == "MultiPolygon":
            continue
        solar = (image.properties["system:time_start"] / DAY * 24 + center / 15) % 24
        assert 9 < solar < 11.5


def test_no_image_is_older_than_its_mission_or_younger_than_now():
    assert search(LC09, PARAGUAY, "2015-01-01", "2021-10-31") == []
    assert search(LT05, PARAGUAY, "2012-05-06", "2020-01-01") == []
    assert len(search(LT05, PARAGUAY, "2012-04-01", "2020-01-01")) > 0
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
    assert 1600 < len(a_day) < 1900


# ---- what a scene says of itself


def test_a_scene_has_landsat_s_properties_and_says_that_it_is_synthetic():
    image = catalog.image(SCENE)
    assert image.properties["cedar:synthetic"] is True
    assert image.id == SCENE
    assert image.version == 1
    assert image.properties["system:index"] == "LC08_224077_20200518"
    assert image.properties["system:time_start"] == ms("2020-05-18T13:36:02")
    assert image.properties["SPACECRAFT_ID"] == "LANDSAT_8"
    assert (image.properties["WRS_PATH"], image.properties["WRS_ROW"]) == (224, 77)
    assert image.properties["LANDSAT_PRODUCT_ID"].startswith("LC08_L2SP_224077_20200518_")
    assert 0 <= image.properties["CLOUD_COVER"] <= 100
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
        search(collection, PARAGUAY, "2001-01-01", "2020-06-01")[0]
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
        f"{LC08}/LC08_224122_20200518",
        f"{LC08}/LC08_224077_20100523",
        f"{LC08}/thing",
        "LANDSAT/LC08/C01/T1_SR/LC08_224077_20200518",
        "LC08_224077_20200518",
    ],
)
def test_a_scene_that_was_never_taken_is_none(image_id):
    assert catalog.image(image_id) is None


# ---- pixels


def test_values_are_reflectances_temperatures_and_bits():
    image = catalog.image(SCENE)
    for name in ("SR_B1", "SR_B2", "SR_B3", "SR_B4", "SR_B5", "SR_B6", "SR_B7"):
        values, mask = read(image, name)
        assert values.dtype == np.uint16
        reflectance = values[mask] * 2.75e-5 - 0.2
        assert -0.01 < reflectance.min() < reflectance.max() < 0.8
        assert (values[mask] != 0).all()
    kelvin = read(image, "ST_B10").values * 0.00341802 + 149
    assert 240 < kelvin.min() < kelvin.max() < 330
    assert not read(image, "QA_RADSAT").values.any()


def test_quality_tells_clear_land_water_shadow_and_cloud():
    values, mask = read(catalog.image(SCENE), "QA_PIXEL", WIDE)
    oli = set(np.unique(values[mask]))
    assert oli == {21824, 21952, 23888, 22280}
    older = search(LT05, PARAGUAY, "2001-01-01", "2001-06-01")[0]
    values, mask = read(older, "QA_PIXEL", WIDE)
    # No cirrus band, so no confidence of cirrus in bits 14 and 15.
    assert set(np.unique(values[mask])) == {value & 0x3FFF for value in oli}


def test_clouds_cover_what_the_property_says():
    for image in search(LC08, PARAGUAY, "2020-01-01", "2021-01-01"):
        qa, mask = read(image, "QA_PIXEL", WIDE)
        cloudy = 100 * ((qa[mask] & 8) > 0).mean()
        assert cloudy == pytest.approx(image.properties["CLOUD_COVER"], abs=4)


def test_a_scene_has_fill_inside_its_outline():
    mask = read(catalog.image(SCENE), "SR_B4", WIDE).mask
    outline = WIDE.centers_in("EPSG:4326")
    inside = shapely.contains_xy(catalog.image(SCENE).footprint.shape, *outline)
    assert not mask[~inside].any()
    assert 0.7 < mask[inside].mean() < 0.95
    assert all(np.array_equal(band.read(WIDE).mask, mask) for band in catalog.image(SCENE).bands)


def test_nothing_is_read_off_a_scene():
    away = Grid("EPSG:32621", (30.0, 0.0, 100000.0, 0.0, -30.0, -1000000.0), 8, 6)
    values, mask = read(catalog.image(SCENE), "SR_B4", away)
    assert values.shape == mask.shape == (6, 8)
    assert not mask.any()


def test_a_pixel_is_the_same_whatever_it_is_read_with():
    image = catalog.image(SCENE)
    whole = read(image, "SR_B5")
    a, b, c, d, e, f = GRID.transform
    part = Grid(GRID.crs, (a, b, c + 100 * a, d, e, f + 50 * e), 40, 30)
    assert np.array_equal(read(image, "SR_B5", part).values, whole.values[50:80, 100:140])
    # Nearest: a finer grid repeats the 30 m pixels of the scene.
    origin = image.bands[0].projection.transform
    fine = Grid(GRID.crs, (10.0, 0.0, origin[2] + 90000, 0.0, -10.0, origin[5] - 60000), 30, 30)
    values = read(image, "SR_B5", fine).values
    assert np.array_equal(values, values[::3, ::3].repeat(3, axis=0).repeat(3, axis=1))


def test_land_is_the_same_from_two_zones():
    """Scenes of two UTM zones that overlap show one landscape, but for their pixels' places."""
    images = search(LC08, shapely.Point(-54.0, -25.0), "2020-01-01", "2021-01-01")
    clear = {}
    for image in images:
        if image.properties["CLOUD_COVER"] < 1:
            clear.setdefault(image.bands[0].projection.crs, image)
    assert len(clear) == 2
    grid = Grid("EPSG:4326", (0.0003, 0.0, -54.02, 0.0, -0.0003, -24.99), 64, 64)
    first, second = (read(image, "QA_PIXEL", grid) for image in clear.values())
    water = [qa.values & 128 > 0 for qa in (first, second)]
    assert (water[0] == water[1]).mean() > 0.97


def test_fields_have_seasons():
    def greenness(month):
        images = search(LC08, PARAGUAY, f"2020-{month:02d}-01", f"2020-{month + 1:02d}-08")
        images = [image for image in images if image.properties["WRS_ROW"] == 77]
        image = min(images, key=lambda i: i.properties["CLOUD_COVER"])
        red, nir = (read(image, name).values * 2.75e-5 - 0.2 for name in ("SR_B4", "SR_B5"))
        clear = read(image, "QA_PIXEL").values == 21824
        return ((nir - red) / (nir + red))[clear].mean()

    assert greenness(1) > greenness(7) + 0.1


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
    assert elapsed < 1  # 0.03 s on a quiet machine
