from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from rasterio.warp import transform

from cedar import sensors
from cedar.emulator.orbits import frame
from cedar.emulator.questions import Answers, answering
from cedar.emulator.synthetic import SyntheticCatalog
from cedar.emulator.values import Grid, Query

LC08, LE07, LT05 = (f"LANDSAT/{sensor}/C02/T1_L2" for sensor in ("LC08", "LE07", "LT05"))
SCENE = f"{LC08}/LC08_224077_20200518"
PARAGUAY = shapely.box(-54.7, -25.2, -54.6, -25.1)
#: Some km in the middle of path 224, row 77; every centre is a corner of four of its pixels.
GRID = Grid("EPSG:32621", (30.0, 0.0, 730005.0, 0.0, -30.0, -2740005.0), 256, 256)
#: Over all of it and beyond.
WIDE = Grid("EPSG:32621", (600.0, 0.0, 620000.0, 0.0, -600.0, -2580000.0), 410, 410)

catalog = SyntheticCatalog()


def ms(text):
    return int(np.datetime64(text, "ms").astype(np.int64))


def search(collection, shape, start, end):
    return catalog.search(collection, Query((shape,), ms(start), ms(end)))


def by_day(collection, start, end, row=77):
    found = search(collection, PARAGUAY, start, end)
    return [image for image in found if image.properties["WRS_ROW"] == row]


def read(image, name, grid=GRID):
    (band,) = [band for band in image.bands if band.name == name]
    return band.read(grid)


def kelvin(values):
    return values * 0.00341802 + 149


def turned(path, row, along, across, step=100.0):
    """A grid in the frame of a scene: its rows go ahead, so many metres from its centre."""
    where = frame(path, row)
    (x, y), (east, north) = where.ahead, where.center
    origin = (
        east + along[0] * x + across[0] * y,
        north + along[0] * y - across[0] * x,
    )
    size = [int((last - first) / step) for first, last in (across, along)]
    coefficients = (step * y, step * x, origin[0], -step * x, step * y, origin[1])
    return Grid(where.projection.crs, coefficients, *size)


# ---- a pixel is a function of the scene and the place


pixels = st.tuples(st.integers(-1500, 1500), st.integers(-1500, 1500))


@given(
    st.lists(pixels, min_size=1, max_size=6),
    st.sampled_from(
        [
            catalog.image(SCENE),
            by_day(LE07, "2006-12-01", "2007-01-01")[0],
            search(LC08, shapely.Point(25.0, 62.0), "2020-01-01", "2020-02-01")[0],
        ]
    ),
    st.sampled_from(["window", "EPSG:4326", "EPSG:3857", "ESRI:102033", "next zone"]),
)
def test_a_pixel_is_the_same_through_whichever_grid_it_is_read(places, image, way):
    projection, (width, height) = image.bands[0].projection, image.bands[0].size
    pixel, _, left, _, _, top = projection.transform
    for across, down in places:
        column, row = width // 2 + across, height // 2 + down
        x, y = left + (column + 0.5) * pixel, top - (row + 0.5) * pixel
        if way == "window":
            grid = Grid(projection.crs, (30, 0, x - 15 - 120, 0, -30, y + 15 + 210), 9, 12)
            at = (7, 4)
        else:
            crs = f"EPSG:{int(projection.crs[5:]) + 1}" if way == "next zone" else way
            (there_x,), (there_y,) = transform(projection.crs, crs, [x], [y])
            step = 1e-5 if way == "EPSG:4326" else 1.0
            grid = Grid(crs, (step, 0, there_x - step / 2, 0, -step, there_y + step / 2), 1, 1)
            at = (0, 0)
        alone = Grid(projection.crs, (30, 0, x - 15, 0, -30, y + 15), 1, 1)
        for band in image.bands:
            (value,), (valid,) = (each.ravel() for each in band.read(alone))
            read_there = band.read(grid)
            assert read_there.mask[at] == valid
            if valid:
                assert read_there.values[at] == value


def test_a_pixel_is_the_same_whatever_is_beside_it():
    image = catalog.image(SCENE)
    whole = read(image, "SR_B5")
    a, b, c, d, e, f = GRID.transform
    part = Grid(GRID.crs, (a, b, c + 100 * a, d, e, f + 50 * e), 40, 30)
    assert np.array_equal(read(image, "SR_B5", part).values, whole.values[50:80, 100:140])
    # Nearest: a finer grid repeats the 30 m pixels of the scene.
    origin = image.bands[0].projection.transform
    fine = Grid(GRID.crs, (10.0, 0.0, origin[2] + 90000, 0.0, -10.0, origin[5] - 90000), 30, 30)
    values = read(image, "SR_B5", fine).values
    assert np.array_equal(values, values[::3, ::3].repeat(3, axis=0).repeat(3, axis=1))


def test_between_two_pixels_it_is_the_one_that_the_answer_says():
    image = catalog.image(SCENE)
    with answering(Answers(tie="down-right")):
        right = read(image, "SR_B5").values
    with answering(Answers(tie="up-left")):
        left = read(image, "SR_B5").values
    assert np.array_equal(left[1:, 1:], right[:-1, :-1])
    assert not np.array_equal(left, right)


# ---- where there are data


def test_data_end_beyond_the_footprint_behind_and_before_it_ahead():
    image = catalog.image(SCENE)
    for along, has_data, is_shown in (
        ((-89_900, -89_500), True, False),
        ((90_100, 90_500), False, True),
        ((-89_000, 89_900), True, True),
        ((-92_000, -90_100), False, False),
        ((90_700, 92_000), False, False),
    ):
        grid = turned(224, 77, along, (-90_000, 90_000), step=400.0)
        mask = read(image, "SR_B4", grid).mask
        shown = shapely.contains_xy(image.footprint.shape, *grid.centers_in("EPSG:4326"))
        assert (mask == has_data).all()
        assert (shown == is_shown).all()


def test_a_scene_is_turned_in_its_raster_and_the_rest_is_fill():
    image = catalog.image(SCENE)
    (width, height), projection = image.bands[0].size, image.bands[0].projection
    a, _, c, _, e, f = projection.transform
    grid = Grid(projection.crs, (a * 20, 0, c, 0, e * 20, f), width // 20, height // 20)
    masks = [band.read(grid).mask for band in image.bands]
    assert 0.5 < masks[0].mean() < 0.8
    assert not any(masks[0][corner] for corner in ((0, 0), (0, -1), (-1, 0), (-1, -1)))
    assert all(np.array_equal(mask, masks[0]) for mask in masks)


def test_nothing_is_read_off_a_scene():
    away = Grid("EPSG:32621", (30.0, 0.0, 100000.0, 0.0, -30.0, -1000000.0), 8, 6)
    values, mask = read(catalog.image(SCENE), "SR_B4", away)
    assert values.shape == mask.shape == (6, 8)
    assert not mask.any()


def test_landsat_7_has_gaps_without_its_corrector_in_each_band_elsewhere():
    before, after = (
        next(i for i in images if i.properties["PROCESSING_LEVEL"] == "L2SP")
        for images in (
            by_day(LE07, "2003-01-01", "2003-05-31")[::-1],
            by_day(LE07, "2003-05-31", "2003-12-01"),
        )
    )
    grid = turned(224, 77, (-20_000, 20_000), (-92_000, 92_000))
    assert all(band.read(grid).mask.all() for band in before.bands)
    masks = [band.read(grid).mask for band in after.bands]
    lost = 1 - np.mean(masks)
    assert 0.17 < lost < 0.24  # the USGS says 22 %
    middle = slice(grid.width // 2 - 90, grid.width // 2 + 90)
    assert all(mask[:, middle].all() for mask in masks)
    for i, one in enumerate(masks):
        for other in masks[:i]:
            assert (one & ~other).any()
            assert (other & ~one).any()


def test_other_satellites_have_no_gaps():
    grid = turned(224, 77, (-20_000, 20_000), (-92_000, 92_000))
    image = by_day(LT05, "2005-01-01", "2005-03-01")[0]
    assert image.bands[0].read(grid).mask.all()


# ---- what is in the pixels


def test_values_are_reflectances_temperatures_and_bits():
    for image in by_day(LC08, "2020-01-01", "2021-01-01"):
        for band in sensors.resolve(LC08).bands:
            if band.valid_range is None or band.native not in [each.name for each in image.bands]:
                continue
            values, mask = read(image, band.native, WIDE)
            assert values.dtype == np.uint16
            if mask.any():
                low, high = band.valid_range
                assert low <= values[mask].min() <= values[mask].max() <= high
        clear = read(image, "QA_PIXEL").values == 21824
        red = read(image, "SR_B4").values[clear] * 2.75e-5 - 0.2
        assert ((red > 0) & (red < 0.4)).all()


def test_land_clouds_and_night_have_their_temperatures():
    image = catalog.image(SCENE)
    heat, qa = kelvin(read(image, "ST_B10", WIDE).values), read(image, "QA_PIXEL", WIDE).values
    assert ((heat[qa == 21824] > 270) & (heat[qa == 21824] < 320)).all()
    assert heat[qa & 8 > 0].max() < 270


def test_what_is_brighter_than_its_range_is_held_in_it_and_flagged_in_radsat():
    cloudy = max(
        by_day(LC08, "2019-01-01", "2021-01-01"), key=lambda i: i.properties["CLOUD_COVER"]
    )
    radsat, mask = read(cloudy, "QA_RADSAT", WIDE)
    assert set(np.unique(radsat[mask])) > {0}
    for number in range(1, 8):
        saturated = mask & (radsat & 1 << (number - 1) > 0)
        values = read(cloudy, f"SR_B{number}", WIDE).values
        assert saturated.any()
        assert (values[saturated] == 65455).all()
        assert (values[mask & ~saturated] <= 65455).all()


def confidence(qa, first):
    return qa >> first & 3


@pytest.mark.parametrize("collection", [LC08, LE07, LT05])
def test_quality_bits_and_their_confidences_agree(collection):
    start = {LC08: "2020-01-01", LE07: "2002-01-01", LT05: "2002-01-01"}[collection]
    end = str(np.datetime64(start) + 150)
    sky = set()
    for image in by_day(collection, start, end):
        values, mask = read(image, "QA_PIXEL", WIDE)
        qa = np.unique(values[mask]).astype(int)
        bit = {number: qa >> number & 1 == 1 for number in range(8)}
        fill, dilated, cirrus, cloud, shadow, snow, clear, water = bit.values()
        assert not fill.any()
        assert (clear == ~(cloud | dilated)).all()
        assert not (cloud & (dilated | shadow | water | snow)).any()
        assert not (water & snow).any()
        assert (confidence(qa, 8) == np.where(cloud, 3, 1)).all()
        assert (confidence(qa, 10) == np.where(shadow, 3, 1)).all()
        assert (confidence(qa, 12) == np.where(snow, 3, 1)).all()
        # TM and ETM+ have no band for cirrus, so no bits.
        told = np.where(cirrus, 3, 1) if collection == LC08 else 0
        assert (confidence(qa, 14) == told).all()
        sky |= {
            name
            for name, there in (
                ("dilated", dilated), ("cirrus", cirrus), ("cloud", cloud),
                ("shadow", shadow), ("clear", clear), ("water", water),
            )
            if there.any()
        }  # fmt: skip
    assert sky == {"dilated", "cloud", "shadow", "clear", "water"} | (
        {"cirrus"} if collection == LC08 else set()
    )


def test_the_usual_values_of_quality_are_landsat_s():
    """LSDS-1619, table of QA_PIXEL values: clear, water, dilated, cloud, shadow, cirrus, snow."""
    seen = set()
    for image in by_day(LC08, "2020-01-01", "2020-08-01"):
        values, mask = read(image, "QA_PIXEL", WIDE)
        seen |= set(np.unique(values[mask]).tolist())
    assert seen >= {21824, 21952, 21762, 21890, 22280, 23888, 54596, 55052}
    winter = search(LC08, shapely.Point(25.0, 62.0), "2020-01-01", "2020-02-01")
    there = Grid("EPSG:32635", (600.0, 0.0, 480000.0, 0.0, -600.0, 6900000.0), 60, 60)
    snowy = [read(image, "QA_PIXEL", there) for image in winter]
    assert any((values[mask] == 30048).any() for values, mask in snowy)


def test_clouds_cover_what_the_properties_say():
    images = by_day(LC08, "2020-01-01", "2022-01-01")
    for image in images:
        values, mask = read(image, "QA_PIXEL", WIDE)
        cloudy = 100 * ((values[mask] & 8) > 0).mean()
        assert cloudy == pytest.approx(image.properties["CLOUD_COVER"], abs=4)
        land = values[mask & (values & 128 == 0)]
        assert 100 * ((land & 8) > 0).mean() == pytest.approx(
            image.properties["CLOUD_COVER_LAND"], abs=4
        )


def test_shadows_fall_away_from_the_sun():
    image = catalog.image(SCENE)
    azimuth = np.radians(image.properties["SUN_AZIMUTH"])
    qa = read(image, "QA_PIXEL").values
    cloud, shadow = qa & 8 > 0, qa & 16 > 0
    away = 1_200 / np.tan(np.radians(image.properties["SUN_ELEVATION"]))
    east, north = -away * np.sin(azimuth), -away * np.cos(azimuth)
    moved = np.roll(cloud, (-round(north / 30), round(east / 30)), axis=(0, 1))
    inside = np.s_[60:-60, 60:-60]
    assert shadow[inside].any()
    assert moved[inside][shadow[inside]].mean() > 0.9


def test_neighbouring_rows_see_one_sky():
    upper, lower = (catalog.image(f"{LC08}/LC08_2240{row}_20200518") for row in (77, 78))
    grid = turned(224, 77, (80_000, 88_000), (-20_000, 20_000))
    greens = [read(image, "SR_B5", grid) for image in (upper, lower)]
    assert all(mask.all() for _, mask in greens)
    skies = [read(image, "QA_PIXEL", grid).values & 8 > 0 for image in (upper, lower)]
    # One has more clouds than the other, in the same places.
    assert not (skies[0] & ~skies[1]).any() or not (skies[1] & ~skies[0]).any()


def test_land_is_the_same_from_two_zones():
    """Scenes of two UTM zones that overlap show one landscape, but for their pixels' places."""
    images = search(LC08, shapely.Point(-54.0, -25.0), "2018-01-01", "2021-01-01")
    clear = {}
    for image in images:
        if image.properties["CLOUD_COVER"] < 1 and image.properties["WRS_ROW"] < 122:
            clear.setdefault(image.bands[0].projection.crs, image)
    assert len(clear) == 2
    grid = Grid("EPSG:4326", (0.0003, 0.0, -54.02, 0.0, -0.0003, -24.99), 64, 64)
    first, second = (read(image, "QA_PIXEL", grid) for image in clear.values())
    water = [qa.values & 128 > 0 for qa in (first, second)]
    assert (water[0] == water[1]).mean() > 0.97


def test_fields_have_seasons():
    def greenness(month):
        images = by_day(LC08, f"2020-{month:02d}-01", f"2020-{month + 1:02d}-08")
        image = min(images, key=lambda i: i.properties["CLOUD_COVER"])
        red, nir = (read(image, name).values * 2.75e-5 - 0.2 for name in ("SR_B4", "SR_B5"))
        clear = read(image, "QA_PIXEL").values == 21824
        return ((nir - red) / (nir + red))[clear].mean()

    assert greenness(1) > greenness(7) + 0.1


def test_by_night_there_is_no_reflectance_but_a_temperature():
    images = search(LC08, PARAGUAY, "2019-01-01", "2021-01-01")
    night = [i for i in images if i.properties["WRS_ROW"] >= 122]
    image = next(i for i in night if i.properties["PROCESSING_LEVEL"] == "L2SP")
    there = Grid("EPSG:32621", (300.0, 0.0, 730005.0, 0.0, -300.0, -2780005.0), 32, 32)
    values, mask = read(image, "SR_B4", there)
    assert mask.any()
    assert np.abs(values[mask] * 2.75e-5 - 0.2).max() < 0.003
    heat, mask = read(image, "ST_B10", there)
    assert kelvin(heat[mask]).min() > 200
    qa, mask = read(image, "QA_PIXEL", there)
    assert not (qa[mask] & 16).any()
