from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.warp import transform

from cedar.emulator.evaluate import render
from cedar.emulator.values import Grid, Projection, ServiceError

SHAPE = (6, 8)
RAMP = np.arange(48, dtype="uint16").reshape(SHAPE)
NATIVE = Projection("EPSG:32619", (30.0, 0.0, 300_000.0, 0.0, -30.0, 4_700_000.0))
FAST = settings(max_examples=25, deadline=None)
EIGHTHS = st.integers(-16, 24).map(lambda i: i / 8)
#: Never at an edge, where rounding would decide.
BESIDE = EIGHTHS.map(lambda i: i + 1 / 32)


def pixels_on(grid, built):
    ((_, pixels),) = render(built, grid)
    return pixels


def fractional(grid):
    """Native column and row of the centres, by rasterio alone."""
    x, y = grid.centers()
    moved = transform(grid.crs, NATIVE.crs, x.ravel(), y.ravel())
    x, y = (np.reshape(each, x.shape) for each in moved)
    return (x - 300_000) / 30, (y - 4_700_000) / -30


def albers(pixel=30.0):
    x, y = transform("EPSG:32619", "EPSG:5070", [300_000 + 120], [4_700_000 - 90])
    return Grid("EPSG:5070", (pixel, 0, x[0] - 4.3 * pixel, 0, -pixel, y[0] + 3.2 * pixel), 9, 7)


def test_projections_and_their_scale(ee, run, image):
    a = image("a", b=RAMP)
    source = ee.Image("MEMORY/a")
    assert run(source.projection(), a) == NATIVE
    assert run(source.projection().nominalScale(), a) == 30
    assert run(ee.Projection("EPSG:4326").nominalScale()) == pytest.approx(111_319.49)
    assert run(ee.Projection("EPSG:2249").nominalScale()) == pytest.approx(0.3048, rel=1e-5)
    mosaic = ee.ImageCollection([source]).mosaic()
    assert run(mosaic.projection(), a) == Projection("EPSG:4326", (1, 0, 0, 0, 1, 0))
    with pytest.raises(ServiceError, match=r"contains different projections. Use Image.select"):
        run(source.addBands(ee.Image(1)).projection(), a)
    with pytest.raises(ServiceError, match="The image has no bands"):
        run(ee.ImageCollection([]).mosaic().projection())
    for transform_ in ([1, 0, 0, 0, 1], [1, 0, 0, 1, 0, 0]):
        with pytest.raises(ServiceError, match="Projection: The transform"):
            run(ee.Projection("EPSG:4326", transform_))


@FAST
@given(column=BESIDE, row=BESIDE, pixel=st.sampled_from([0.3, 1.0, 2.5]))
def test_reprojection_gives_the_pixel_of_the_projection_that_a_centre_is_in(
    ee, run, image, grid, column, row, pixel
):
    a = image("a", b=RAMP)
    shifted = [60, 0, 300_030, 0, -60, 4_700_000]
    built = run(ee.Image("MEMORY/a").reproject("EPSG:32619", shifted), a)
    assert built.bands[0].projection == Projection("EPSG:32619", tuple(map(float, shifted)))
    asked = grid(7, 5, column, row, pixel)
    x, y = fractional(asked)
    # In pixels of 60 m from column 1 on; each is the native pixel below and right of its centre.
    native_column, native_row = 2 * np.floor((x - 1) / 2) + 2, 2 * np.floor(y / 2) + 1
    inside = (native_column >= 0) & (native_column < 8) & (native_row >= 0) & (native_row < 6)
    pixels = pixels_on(asked, built)
    np.testing.assert_array_equal(pixels.mask, inside)
    expected = native_row * 8 + native_column
    np.testing.assert_array_equal(pixels.values[inside], expected[inside])


def test_reprojection_by_scale_and_its_grid(ee, run, image):
    a = image("a", b=RAMP)
    built = run(ee.Image("MEMORY/a").reproject("EPSG:32619", None, 60), a)
    assert built.bands[0].projection.transform == (60, 0, 0, 0, -60, 0)
    a, _, c, _, e, f = built.grid.transform
    assert (a, e) == (60, -60)
    assert c <= 300_000 <= 300_240 <= c + 60 * built.grid.width
    assert f >= 4_700_000 >= 4_699_820 >= f - 60 * built.grid.height
    with pytest.raises(ServiceError, match="give either 'crsTransform' or 'scale'"):
        run(ee.Image(1).reproject("EPSG:32619", [60, 0, 0, 0, -60, 0], 60))
    with pytest.raises(ServiceError, match="a scale for a projection without transform"):
        run(ee.Image(1).reproject(ee.Projection("EPSG:32619", [2, 0, 0, 0, 2, 0]), None, 60))


def test_a_reprojection_that_would_need_too_many_pixels_is_refused(ee, run, image, grid):
    fine = ee.Image("MEMORY/a").reproject("EPSG:32619", [0.01, 0, 0, 0, -0.01, 0])
    with pytest.raises(ServiceError, match=r"Reprojection output too large \(\d+x\d+ pixels\)"):
        pixels_on(grid(), run(fine, image("a", b=RAMP)))


def test_the_clients_export_grid_comes_out_to_the_bit(ee, run, image):
    a = image("a", b=RAMP)
    export = ee.batch.Export.image.toDrive(
        ee.Image("MEMORY/a"),
        crs="EPSG:32619",
        crsTransform=[30, 0, 300_015, 0, -30, 4_700_000],
        dimensions="5x4",
    )
    built = run(export.config["expression"], a)
    assert built.grid == Grid("EPSG:32619", (30, 0, 300_015, 0, -30, 4_700_000), 5, 4)
    pixels = pixels_on(Grid("EPSG:32619", (30, 0, 299_985, 0, -30, 4_700_030), 8, 8), built)
    assert pixels.mask.sum() == 20
    np.testing.assert_array_equal(pixels.values[1:5, 1:6], RAMP[:4, 1:6])


def test_clipping_needs_a_geometry_and_nothing_else(ee, run, image):
    a = image("a", b=RAMP)
    clip = "Image.clipToBoundsAndScale"
    with pytest.raises(ServiceError, match="needs a geometry"):
        run(ee.ApiFunction.call_(clip, ee.Image("MEMORY/a")), a)
    arguments = {"input": ee.Image("MEMORY/a"), "geometry": ee.Geometry.Point(0, 0), "scale": 5}
    with pytest.raises(ServiceError, match="does not implement argument 'scale'"):
        run(ee.ApiFunction.apply_(clip, arguments), a)


@FAST
@given(column=EIGHTHS, row=EIGHTHS, hole=st.integers(0, 47))
def test_bilinear_weighs_four_neighbours_and_needs_all_that_count(
    ee, run, image, grid, column, row, hole
):
    values = RAMP.astype("float64") ** 1.5
    mask = np.ones(SHAPE, bool)
    mask.flat[hole] = False
    built = run(ee.Image("MEMORY/a").resample("bilinear"), image("a", b=(values, mask)))
    asked = grid(4, 3, column, row)
    pixels = pixels_on(asked, built)
    x, y = fractional(asked)
    padded = np.pad(np.where(mask, values, np.nan), 4, constant_values=np.nan)
    for i, (u, v) in enumerate(zip(x.ravel() - 0.5, y.ravel() - 0.5, strict=True)):
        u, v = round(u, 6), round(v, 6)
        left, top = int(np.floor(u)), int(np.floor(v))
        total = 0.0
        for down, part in ((0, 1 - (v - top)), (1, v - top)):
            for right, share in ((0, 1 - (u - left)), (1, u - left)):
                if part * share > 0:
                    total += part * share * padded[top + down + 4, left + right + 4]
        assert pixels.mask.flat[i] == np.isfinite(total)
        if np.isfinite(total):
            assert pixels.values.flat[i] == pytest.approx(total, abs=1e-3)


def test_bilinear_on_the_native_grid_changes_nothing(ee, run, image, grid):
    mask = RAMP % 5 > 0
    built = run(ee.Image("MEMORY/a").resample(), image("a", b=(RAMP, mask)))
    pixels = pixels_on(grid(), built)
    np.testing.assert_array_equal(pixels.mask, mask)
    np.testing.assert_array_equal(pixels.values[mask], RAMP[mask])
    assert pixels.values.dtype == "uint16"


def test_a_mean_is_of_the_valid_native_pixels_whose_centres_are_inside(ee, run, image):
    mask = RAMP % 5 > 0
    a = image("a", b=(RAMP, mask))
    built = run(ee.Image("MEMORY/a").reduceResolution(ee.Reducer.mean()), a)
    asked = albers(75.0)
    pixels = pixels_on(asked, built)
    column, row = np.meshgrid(np.arange(8) + 0.5, np.arange(6) + 0.5)
    x, y = transform(
        "EPSG:32619", "EPSG:5070", *(300_000 + 30 * column.ravel(), 4_700_000 - 30 * row.ravel())
    )
    at_column = np.floor((np.array(x) - asked.transform[2]) / 75)
    at_row = np.floor((np.array(y) - asked.transform[5]) / -75)
    checked = 0
    for i in range(asked.height):
        for j in range(asked.width):
            within = (at_column == j) & (at_row == i)
            if within.any():
                valid = RAMP.ravel()[within & mask.ravel()]
                assert pixels.mask[i, j] == bool(valid.size)
                if valid.size:
                    assert pixels.values[i, j] == pytest.approx(valid.mean())
                    checked += 1
    assert checked > 6
    assert pixels.values.dtype == "float64"


@pytest.mark.parametrize("pixel", [2, 3])
@pytest.mark.parametrize("offset", [-1, -2, 1])
def test_a_mean_at_the_edge_is_of_the_valid_pixels_that_there_are(
    ee, run, image, grid, pixel, offset
):
    mask = RAMP % 5 > 0
    built = run(
        ee.Image("MEMORY/a").reduceResolution(ee.Reducer.mean()), image("a", b=(RAMP, mask))
    )
    pixels = pixels_on(grid(5, 4, offset, offset, pixel=pixel), built)
    around = np.pad(np.where(mask, RAMP, np.nan), 20, constant_values=np.nan)
    start = 20 + offset
    window = around[start : start + 4 * pixel, start : start + 5 * pixel]
    blocks = np.ma.masked_invalid(window).reshape(4, pixel, 5, pixel)
    expected = blocks.mean(axis=(1, 3))
    np.testing.assert_array_equal(pixels.mask, ~np.ma.getmaskarray(expected))
    np.testing.assert_allclose(pixels.values[pixels.mask], expected.compressed())


def test_a_mean_of_finer_pixels_is_the_nearest(ee, run, image, grid):
    built = run(ee.Image("MEMORY/a").reduceResolution(ee.Reducer.mean()), image("a", b=RAMP))
    pixels = pixels_on(grid(24, 18, pixel=1 / 3), built)
    np.testing.assert_array_equal(pixels.values, np.kron(RAMP, np.ones((3, 3))))


def test_a_mean_of_too_many_pixels_or_of_another_kind_is_refused(ee, run, image, grid):
    a = image("a", b=RAMP)
    source = ee.Image("MEMORY/a")
    built = run(source.reduceResolution(ee.Reducer.mean(), False, 3), a)
    with pytest.raises(ServiceError, match=r"4 input pixels .* more than maxPixels \(3\)"):
        pixels_on(grid(4, 3, pixel=2), built)
    with pytest.raises(ServiceError, match="does not implement argument 'bestEffort'"):
        run(source.reduceResolution(ee.Reducer.mean(), True), a)
    with pytest.raises(ServiceError, match=r"has Reducer.mean only"):
        run(source.reduceResolution(ee.Reducer.max()), a)
    with pytest.raises(ServiceError, match="does not implement mode 'bicubic'"):
        run(source.resample("bicubic"), a)


def test_composites_are_not_resampled_but_what_they_are_made_of_is(ee, run, image, grid):
    a = image("a", b=RAMP)
    source = ee.Image("MEMORY/a")
    mosaic = ee.ImageCollection([source]).mosaic()
    for built in (
        mosaic.resample("bilinear"),
        mosaic.unmask(0).toInt16().resample("bilinear"),
        mosaic.reduceResolution(ee.Reducer.mean()),
        source.addBands(mosaic).resample(),
    ):
        with pytest.raises(ServiceError, match="can't be used on composites"):
            run(built, a)
    before = ee.ImageCollection([source.resample("bilinear")]).mosaic()
    shifted = grid(7, 5, 0.5, 0.5)
    expected = (RAMP[:-1, :-1] + RAMP[:-1, 1:] + RAMP[1:, :-1] + RAMP[1:, 1:]) / 4
    np.testing.assert_array_equal(pixels_on(shifted, run(before, a)).values, np.rint(expected))
    pinned = mosaic.reproject("EPSG:32619", list(NATIVE.transform)).resample("bilinear")
    np.testing.assert_array_equal(pixels_on(shifted, run(pinned, a)).values, np.rint(expected))


def test_a_constant_resampled_is_the_constant(ee, run, grid):
    built = run(ee.Image(7).resample("bilinear").addBands(ee.Image(7).updateMask(0).resample()))
    (_, valid), (_, masked) = render(built, grid())
    assert (valid.values == 7).all()
    assert valid.mask.all()
    assert not masked.mask.any()


def test_a_source_in_another_crs_is_read_at_exact_centres(ee, run, image):
    asked = albers()
    pixels = pixels_on(asked, run(ee.Image("MEMORY/a"), image("a", b=RAMP)))
    x, y = (np.floor(each).astype(int) for each in fractional(asked))
    inside = (x >= 0) & (x < 8) & (y >= 0) & (y < 6)
    np.testing.assert_array_equal(pixels.mask, inside)
    np.testing.assert_array_equal(pixels.values[inside], RAMP[y[inside], x[inside]])
    assert inside.sum() > 30


def test_centres_without_coordinates_in_the_sources_crs_are_an_error(ee, run, image):
    beyond_the_pole = Grid("EPSG:4326", (0.5, 0, -69, 0, -0.5, 91), 3, 4)
    built = run(ee.Image("MEMORY/a").resample("bilinear"), image("a", b=RAMP))
    with pytest.raises(ServiceError, match="without coordinates in EPSG:32619"):
        pixels_on(beyond_the_pole, built)


@pytest.mark.parametrize("method", ["resample", "reduceResolution", "reproject"])
def test_a_grid_beside_the_source_is_masked_whatever_the_method(ee, run, image, grid, method):
    arguments = {
        "resample": ["bilinear"],
        "reduceResolution": [ee.Reducer.mean()],
        "reproject": ["EPSG:32619", [60, 0, 0, 0, -60, 0]],
    }
    built = getattr(ee.Image("MEMORY/a"), method)(*arguments[method])
    pixels = pixels_on(grid(column=5000), run(built, image("a", b=RAMP)))
    assert not pixels.mask.any()
