"""Synthetic scenes of every collection: which there are, what they say, what their pixels hold."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import shapely
from rasterio.warp import transform

from cedar.emulator.scenery import MAX_IMAGES
from cedar.emulator.synthetic import SyntheticCatalog
from cedar.emulator.values import Grid, Query, ServiceError
from cedar.sensors import known

S2, S1 = "COPERNICUS/S2_SR_HARMONIZED", "COPERNICUS/S1_GRD"
SCORES = "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED"
L30, S30 = "NASA/HLS/HLSL30/v002", "NASA/HLS/HLSS30/v002"
DAILY, COMPOSITE, NBAR = (f"MODIS/061/{each}" for each in ("MOD09GA", "MOD09A1", "MCD43A4"))
L8_TOA, L8_SECOND = "LANDSAT/LC08/C02/T1_TOA", "LANDSAT/LC08/C02/T2_L2"
NEW = [
    S1,
    S2,
    SCORES,
    L30,
    S30,
    DAILY,
    COMPOSITE,
    NBAR,
    L8_TOA,
    L8_SECOND,
    "LANDSAT/LE07/C02/T1_TOA",
]

PARAGUAY = shapely.box(-54.7, -25.2, -54.6, -25.1)
GREENLAND = shapely.box(-45.0, 72.0, -44.9, 72.1)
EAST_OF_THE_DATELINE = shapely.Point(-179.95, 66.0)
GRID = Grid("EPSG:32721", (30.0, 0.0, 735_000.0, 0.0, -30.0, 7_215_000.0), 40, 40)

catalog = SyntheticCatalog(now=lambda: 1_790_000_000.0)


def ms(text):
    return int(np.datetime64(text, "ms").astype(np.int64))


def search(collection, shape=PARAGUAY, start="2018-05-01", end="2018-07-01"):
    return catalog.search(collection, Query((shape,), ms(start), ms(end)))


def read(image, name, grid=GRID):
    (band,) = [band for band in image.bands if band.name == name]
    return band.read(grid)


def with_data(collection, name, **period):
    """Images that have all of the grid."""
    return [each for each in search(collection, **period) if read(each, name).mask.all()]


@pytest.mark.parametrize("collection", NEW)
@pytest.mark.parametrize("shape", [PARAGUAY, GREENLAND, EAST_OF_THE_DATELINE])
def test_an_image_that_a_search_finds_is_found_by_its_id(collection, shape):
    found = search(collection, shape, "2018-05-01", "2018-12-01")[:40]
    assert found
    for image in found:
        again = catalog.image(image.id)
        assert (again.id, again.properties, again.version, again.footprint) == (
            image.id,
            image.properties,
            image.version,
            image.footprint,
        )
        assert image.footprint.shape.intersects(shape)
        assert image.properties["cedar:synthetic"] is True
        assert image.id == f"{collection}/{image.properties['system:index']}"


@pytest.mark.parametrize("collection", NEW)
def test_a_search_is_by_time_and_keeps_to_its_half_open_period(collection):
    every = search(collection, start="2018-05-01", end="2018-12-01")
    times = [image.properties["system:time_start"] for image in every]
    assert times == sorted(times)
    first, last = times[0], times[-1]
    found = catalog.search(collection, Query((PARAGUAY,), first, last))
    assert {image.id for image in found} == {
        image.id for image in every if first <= image.properties["system:time_start"] < last
    }


@pytest.mark.parametrize("collection", known())
def test_no_image_is_older_than_the_service_or_younger_than_the_clock(collection):
    start = known()[collection].service_start
    assert catalog.search(collection, Query((PARAGUAY,), None, ms(f"{start}"))) == []
    assert SyntheticCatalog(now=lambda: 0.0).search(collection, Query((PARAGUAY,))) == []


@pytest.mark.parametrize("collection", [S1, S2, L30, S30])
def test_a_search_for_too_much_says_to_narrow_it(collection):
    with pytest.raises(ServiceError, match=f"more than {MAX_IMAGES}: narrow the search"):
        catalog.search(collection, Query())


def test_modis_meets_every_shape_on_the_globe_and_none_beyond():
    assert search(DAILY, shapely.Point(300, 0)) == []


@pytest.mark.parametrize(
    ("collection", "index"),
    [
        (S2, "20180502T134211_20180502T143412_T21JYN"),
        (S2, "20180532T134211_20180502T143412_T21JYN"),
        (S2, "20180502T134211_20180502T143412_T99JYN"),
        (S2, "LC08_224077_20200518"),
        (L30, "T21JYN_20180501T000000"),
        (L30, "T21JYN_20180532T000000"),
        (L30, "T99JYN_20180501T000000"),
        (L30, "2018_05_01"),
        (S1, "S1A_IW_GRDH_1SDV_20180501T000000_20180501T000025_000001_000001_0000"),
        (S1, "S1A_IW_GRDH_1SDV_20180532T000000_20180501T000025_000001_000001_0000"),
        (S1, "S1C_IW_GRDH_1SDV_20180501T000000_20180501T000025_000001_000001_0000"),
        (S1, "S1A_IW"),
        (S1, "S1A_IW_GRDH_1SDV_20180501T001500_20180501T001525_000001_000001_0000"),
        (DAILY, "2018_05_32"),
        (DAILY, "2018_5_1"),
        (DAILY, "1999_05_01"),
        (COMPOSITE, "2018_01_02"),
    ],
)
def test_a_scene_that_was_never_taken_is_none(collection, index):
    assert catalog.image(f"{collection}/{index}") is None


def test_one_second_makes_another_scene():
    """An index is whole or not at all."""
    for collection in (S1, S2, L30):
        image = search(collection)[0]
        index = image.properties["system:index"]
        assert catalog.image(image.id.replace(index[-4:], "ZZZZ")) is None


@pytest.mark.parametrize("collection", NEW)
def test_bands_have_the_collections_types_and_names(collection):
    bands = {band.native: band for band in known()[collection].bands}
    image = search(collection, end="2018-12-01")[0]
    for band in image.bands:
        pixels = band.read(GRID)
        assert band.dtype == pixels.values.dtype == bands[band.name].dtype
        low, high = bands[band.name].valid_range or (-np.inf, np.inf)
        valid = pixels.values[pixels.mask]
        assert np.all((valid >= low) & (valid <= high))
        assert not np.isnan(valid).any()
    lacking = set(bands) - {band.name for band in image.bands}
    joined = {native for native, band in bands.items() if band.joined}
    assert lacking == ({"HH", "HV"} if collection == S1 else joined)


@pytest.mark.parametrize("collection", NEW)
def test_a_pixel_is_the_same_through_whichever_grid_it_is_read(collection):
    for image in search(collection, end="2018-12-01")[:2]:
        for band in image.bands:
            a, _, left, _, e, top = band.projection.transform
            (x,), (y,) = transform("EPSG:4326", band.projection.crs, [-54.65], [-25.15])
            column, row = (x - left) // a, (y - top) // e
            x, y = left + (column + 0.5) * a, top + (row + 0.5) * e
            own = Grid(band.projection.crs, (a, 0, x - a / 2, 0, e, y - e / 2), 1, 1)
            (lon,), (lat,) = transform(band.projection.crs, "EPSG:4326", [x], [y])
            other = Grid("EPSG:4326", (1e-6, 0, lon - 5e-7, 0, -1e-6, lat + 5e-7), 1, 1)
            one, two = band.read(own), band.read(other)
            assert one.mask == two.mask
            assert one.values == two.values


# ---- Landsat


def test_tier_2_has_some_scenes_and_says_which_tier_it_is():
    first = {
        i.properties["system:index"] for i in search("LANDSAT/LC08/C02/T1_L2", end="2020-01-01")
    }
    second = search(L8_SECOND, end="2020-01-01")
    assert 0.1 < len(second) / len(first) < 0.3
    assert {i.properties["LANDSAT_PRODUCT_ID"][-3:] for i in second} == {"_T2"}


def test_toa_is_of_the_same_pass_in_floats():
    level_2, toa = (
        catalog.image("LANDSAT/LC08/C02/T1_L2/LC08_224077_20200518"),
        catalog.image(f"{L8_TOA}/LC08_224077_20200518"),
    )
    assert toa.properties["PROCESSING_LEVEL"] == "L1TP"
    one, other = read(level_2, "SR_B4"), read(toa, "B4")
    assert np.allclose(one.values * 2.75e-5 - 0.2, other.values, atol=3e-5)
    assert np.array_equal(read(level_2, "QA_PIXEL").values, read(toa, "QA_PIXEL").values)
    assert 270 < read(toa, "B10").values.mean() < 320
    assert read(toa, "SZA").values[0, 0] == round(100 * (90 - toa.properties["SUN_ELEVATION"]))


# ---- Sentinel-2 and HLS


def test_most_granules_have_scores_of_the_same_time_index_and_place():
    granules = {i.properties["system:index"]: i for i in search(S2, end="2019-05-01")}
    scores = {i.properties["system:index"]: i for i in search(SCORES, end="2019-05-01")}
    assert scores.keys() < granules.keys()
    assert 0.8 < len(scores) / len(granules) < 0.95
    for index, image in scores.items():
        assert image.footprint == granules[index].footprint
        same = [each.properties["system:time_start"] for each in (image, granules[index])]
        assert same[0] == same[1]
    missing = min(granules.keys() - scores.keys())
    assert catalog.image(f"{SCORES}/{missing}") is None


def test_scores_tell_clouds_from_clear_ground_and_reach_both_ends():
    clear, clouded = [], []
    for image in with_data(SCORES, "cs", end="2018-12-01"):
        granule = catalog.image(f"{S2}/{image.properties['system:index']}")
        classes, score = read(granule, "SCL").values, read(image, "cs").values
        assert np.all(read(image, "cs_cdf").values <= score)
        clear.append(score[classes == 4])
        clouded.append(score[classes == 9])
    clear, clouded = np.concatenate(clear), np.concatenate(clouded)
    assert clear.min() > clouded.max()
    assert (clear.max(), clouded.min()) == (1, 0)


@pytest.mark.parametrize(
    ("name", "pixel"), [("B4", 10), ("B11", 20), ("B9", 60), ("SCL", 20), ("WVP", 10)]
)
def test_bands_of_sentinel_2_have_their_own_pixels(name, pixel):
    (band,) = [band for band in search(S2)[0].bands if band.name == name]
    assert band.projection.transform[0] == pixel
    assert band.size == (109_800 // pixel,) * 2
    (image, *_) = [i for i in with_data(S2, "B4") if i.properties["MGRS_TILE"][:2] == "21"]
    grid = Grid(GRID.crs, (10.0, 0.0, 735_000.0, 0.0, -10.0, 7_215_000.0), 60, 60)
    values, times = read(image, name, grid).values, pixel // 10
    assert np.array_equal(values, values[::times, ::times].repeat(times, 0).repeat(times, 1))


def test_a_granule_is_called_as_sentinel_2_s_are():
    for image in search(S2):
        properties = image.properties
        assert re.fullmatch(r"\d{8}T\d{6}_\d{8}T\d{6}_T2[12]J\w\w", properties["system:index"])
        assert properties["system:index"].endswith(properties["MGRS_TILE"])
        assert properties["PRODUCT_ID"].startswith(f"S2{properties['SPACECRAFT_NAME'][-1]}_MSIL2A_")
        assert 1 <= properties["SENSING_ORBIT_NUMBER"] <= 143
        assert 0 <= properties["CLOUDY_PIXEL_PERCENTAGE"] <= 100


def test_a_datatake_is_seen_every_ten_days_by_each_satellite():
    for spacecraft in ("Sentinel-2A", "Sentinel-2B"):
        days = {
            (i.properties["SENSING_ORBIT_NUMBER"], i.properties["system:time_start"] // 86_400_000)
            for i in search(S2)
            if i.properties["SPACECRAFT_NAME"] == spacecraft
        }
        for orbit in {orbit for orbit, _ in days}:
            assert set(np.diff(sorted(day for each, day in days if each == orbit))) == {10}


def test_the_classes_of_sentinel_2_are_what_is_seen():
    seen = set()
    for image in with_data(S2, "SCL", end="2019-05-01"):
        seen |= set(np.unique(read(image, "SCL").values).tolist())
    assert {3, 4, 5, 8, 9, 10} <= seen <= set(range(1, 12))


@pytest.mark.parametrize(("collection", "native"), [(S2, "SCL"), (L30, "Fmask")])
def test_a_swath_ends_in_the_middle_of_a_tile(collection, native):
    shares = []
    for image in search(collection):
        band = next(band for band in image.bands if band.name == native)
        _, _, left, _, _, top = band.projection.transform
        step = 109_800 / 90
        grid = Grid(band.projection.crs, (step, 0, left, 0, -step, top), 90, 90)
        shares.append(band.read(grid).mask.mean())
        said = image.properties.get("SPATIAL_COVERAGE", 100 * shares[-1])
        assert said == pytest.approx(100 * shares[-1], abs=10)
        beyond = Grid(band.projection.crs, (step, 0, left - 90 * step, 0, -step, top), 90, 90)
        assert not band.read(beyond).mask.any()
    assert max(shares) > 0.8
    assert any(0.05 < share < 0.7 for share in shares)
    assert all(share > 0 for share in shares)


def test_fmask_tells_clouds_and_celsius_is_cold_there():
    image = next(
        each
        for each in with_data(L30, "Fmask", end="2018-12-01")
        if 0.1 < (read(each, "Fmask").values >> 1 & 1).mean() < 0.9
    )
    cloud = read(image, "Fmask").values >> 1 & 1 == 1
    celsius = read(image, "B10").values
    assert celsius[cloud].mean() < 0 < celsius[~cloud].mean() < 50
    assert read(image, "B4").values[cloud].mean() > 0.4


def test_hls_are_the_passes_of_landsat_and_of_sentinel_2():
    products = {i.properties["LANDSAT_PRODUCT_ID"][:4] for i in search(L30, end="2018-08-01")}
    assert products == {"LC08"}
    both = search(L30, start="2022-05-01", end="2022-07-01")
    assert {i.properties["LANDSAT_PRODUCT_ID"][:4] for i in both} == {"LC08", "LC09"}
    times = {i.properties["system:time_start"] for i in search(S2)}
    assert {i.properties["system:time_start"] for i in search(S30)} == times


# ---- Sentinel-1


def test_sentinel_1_looks_from_both_directions_and_nothing_in_a_slice_is_twice():
    directions = set()
    for image in search(S1):
        properties = image.properties
        directions.add(properties["orbitProperties_pass"])
        assert properties["transmitterReceiverPolarisation"] == ["VV", "VH"]
        assert properties["system:index"].startswith(
            f"S1{properties['platform_number']}_IW_GRDH_1SDV_"
        )
    assert directions == {"ASCENDING", "DESCENDING"}


def test_slices_of_a_pass_follow_without_gap_or_overlap():
    wide = shapely.box(-56, -28, -53, -22)
    grid = Grid("EPSG:4326", (0.05, 0, -56.0, 0, -0.05, -22.0), 60, 120)
    passes = {}
    for image in search(S1, wide, "2018-05-01", "2018-05-13"):
        properties = image.properties
        day = properties["system:time_start"] // 43_200_000
        key = day, properties["relativeOrbitNumber_start"], properties["orbitProperties_pass"]
        passes.setdefault(key, []).append(image)
    followed = 0
    for images in passes.values():
        times = np.array([each.properties["system:time_start"] for each in images])
        assert np.all(np.abs(np.diff(times) - 25_000) < 50)
        # Its own pixels are finer: nothing is coarser here than what is asked for.
        masks = np.array([read(each, "VV", grid).mask for each in images])
        assert masks.sum(axis=0).max() == 1
        seen = masks.any(axis=0)
        rows = np.flatnonzero(seen.any(axis=1))
        followed += len(rows) == rows[-1] - rows[0] + 1 and len(images) > 2
        for each, mask in zip(images, masks, strict=True):
            shown = shapely.contains_xy(
                each.footprint.shape.buffer(0.06), *grid.centers_in("EPSG:4326")
            )
            assert not (mask & ~shown).any()
    assert followed


def test_near_the_poles_it_has_horizontal_polarization():
    image = search(S1, GREENLAND)[0]
    assert [band.name for band in image.bands] == ["HH", "HV", "angle"]
    assert "_1SDH_" in image.id


def test_backscatter_is_in_decibels_and_looks_to_the_right():
    # Not where one slice ends and the next begins.
    grid = Grid(GRID.crs, (30.0, 0.0, 735_000.0, 0.0, -30.0, 7_235_000.0), 40, 40)
    image = next(each for each in search(S1) if read(each, "VV", grid).mask.all())
    same, cross, angle = (read(image, name, grid).values for name in ("VV", "VH", "angle"))
    assert -30 < cross.mean() < same.mean() < 0
    assert 30 <= angle.min() <= angle.max() <= 46
    rising = image.properties["orbitProperties_pass"] == "ASCENDING"
    assert (angle[20, -1] > angle[20, 0]) == rising


# ---- MODIS


def test_an_image_of_modis_is_a_day_or_eight():
    assert [i.properties["system:index"] for i in search(DAILY, end="2018-05-04")] == [
        "2018_05_01",
        "2018_05_02",
        "2018_05_03",
    ]
    composites = search(COMPOSITE, start="2017-12-01", end="2018-02-01")
    days = [i.properties["system:index"] for i in composites]
    assert days == [
        "2017_12_03", "2017_12_11", "2017_12_19", "2017_12_27",
        "2018_01_01", "2018_01_09", "2018_01_17", "2018_01_25",
    ]  # fmt: skip


def test_pixels_of_modis_are_those_of_its_grid():
    image = search(DAILY)[0]
    by_name = {band.name: band for band in image.bands}
    assert by_name["sur_refl_b01"].size == (86_400, 43_200)
    assert by_name["state_1km"].size == (43_200, 21_600)
    assert by_name["sur_refl_b01"].projection.transform[2] == pytest.approx(
        -20_015_109.354, abs=1e-2
    )
    assert by_name["sur_refl_b01"].projection.transform[5] == pytest.approx(
        10_007_554.677, abs=1e-2
    )
    (x,), (y,) = transform("EPSG:4326", by_name["state_1km"].projection.crs, [-54.65], [-25.15])
    lon, lat = math.radians(-54.65), math.radians(-25.15)
    assert (x, y) == pytest.approx((6_371_007.181 * lon * math.cos(lat), 6_371_007.181 * lat))


def test_daily_swaths_leave_gaps_near_the_equator_that_move():
    grid = Grid("EPSG:4326", (0.5, 0, -60.0, 0, -0.5, 0.5), 120, 1)
    masks = [read(i, "sur_refl_b01", grid).mask for i in search(DAILY, end="2018-05-04")]
    assert all(0.7 < mask.mean() < 1 for mask in masks)
    assert not np.array_equal(masks[0], masks[1])
    north = Grid("EPSG:4326", (0.5, 0, -60.0, 0, -0.5, 60.5), 120, 1)
    assert read(search(DAILY)[0], "sur_refl_b01", north).mask.all()
    assert all(read(i, "sur_refl_b01", grid).mask.all() for i in search(COMPOSITE))


def test_a_composite_says_of_which_day_a_pixel_is():
    grid = Grid("EPSG:4326", (0.1, 0, -60.0, 0, -0.1, -10.0), 60, 60)
    image = catalog.image(f"{COMPOSITE}/2018_05_01")
    days = read(image, "DayOfYear", grid).values
    assert (days.min(), days.max()) == (121, 128)


def test_nbar_has_no_clouds():
    image = search(NBAR)[0]
    grid = Grid("EPSG:4326", (0.05, 0, -60.0, 0, -0.05, -20.0), 200, 200)
    blue = read(image, "Nadir_Reflectance_Band3", grid).values
    assert blue.max() < 2000
    quality = read(image, "BRDF_Albedo_Band_Mandatory_Quality_Band3", grid).values
    assert set(np.unique(quality).tolist()) == {0, 1}


def test_the_state_of_a_cloudy_pixel_says_so():
    grid = Grid("EPSG:4326", (0.05, 0, -60.0, 0, -0.05, -20.0), 200, 200)
    image = search(COMPOSITE)[0]
    state = read(image, "StateQA", grid).values
    cloudy = state & 0b11 == 1
    assert 0.1 < cloudy.mean() < 0.6
    assert np.array_equal(cloudy, state >> 10 & 1 == 1)
    blue = read(image, "sur_refl_b03", grid).values
    assert blue[cloudy].mean() > 3 * blue[~cloudy].mean()


# ---- one landscape


@pytest.mark.parametrize(
    ("collection", "water"),
    [(L30, lambda fmask: fmask >> 5 & 1 == 1), (S2, lambda classes: classes == 6)],
)
def test_all_sensors_see_one_river(collection, water):
    grid = Grid("EPSG:4326", (3e-4, 0, -54.7, 0, -3e-4, -25.1), 400, 400)
    toa = catalog.image(f"{L8_TOA}/LC08_224078_20180105")
    river = read(toa, "QA_PIXEL", grid).values >> 7 & 1 == 1
    name = "Fmask" if collection == L30 else "SCL"
    agreed = []
    for image in search(collection, end="2018-08-01"):
        pixels = read(image, name, grid)
        seen = pixels.mask & water(pixels.values)
        if seen.sum() > 100:
            agreed.append((seen & river).sum() / seen.sum())
    assert agreed
    assert min(agreed) > 0.6
