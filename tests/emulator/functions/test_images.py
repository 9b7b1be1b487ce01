from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cedar.emulator.bands import INTEGERS, cast, common_type
from cedar.emulator.evaluate import render
from cedar.emulator.shapes import shape_in
from cedar.emulator.values import Band, Geometry, Projection, ServiceError

SHAPE = (6, 8)
ONES = np.ones(SHAPE, "int16")
MASKS = arrays(bool, SHAPE)
FLOATS = arrays("float64", SHAPE, elements=st.floats(-1e30, 1e30))


def integers(dtype):
    return arrays(dtype, SHAPE)


def only(run, grid, built, *images):
    """The pixels of an image of one band, outside of which nothing is."""
    ((_, pixels),) = render(run(built, *images), grid())
    return pixels


def check(pixels, values, mask):
    np.testing.assert_array_equal(pixels.mask, mask)
    np.testing.assert_array_equal(pixels.values[mask], values[mask])


FAST = settings(max_examples=25, deadline=None)


@FAST
@given(values=integers("uint16"), mask=MASKS, fill=st.integers(-40_000, 70_000))
def test_unmask_fills_what_is_masked_in_a_type_that_holds_both(
    ee, run, image, grid, values, mask, fill
):
    a = image("a", b=(values, mask))
    pixels = only(run, grid, ee.Image("MEMORY/a").unmask(fill, False), a)
    check(pixels, np.where(mask, values.astype("int64"), fill), np.ones(SHAPE, bool))
    assert np.can_cast("uint16", pixels.values.dtype)
    assert np.iinfo(pixels.values.dtype).min <= fill <= np.iinfo(pixels.values.dtype).max
    if 0 <= fill <= 65_535:
        assert pixels.values.dtype == "uint16"


@FAST
@given(mask=MASKS, other=MASKS)
def test_unmask_takes_the_mask_of_the_value_too(ee, run, image, grid, mask, other):
    a, b = image("a", b=(ONES, mask)), image("b", b=(ONES * 2, other))
    pixels = only(run, grid, ee.Image("MEMORY/a").unmask(ee.Image("MEMORY/b"), False), a, b)
    check(pixels, np.where(mask, 1, 2), mask | other)


def west_half():
    half = Geometry(shapely.box(0, 0, 4, 6), Projection("EPSG:32619", (30, 0, 3e5, 0, -30, 4.7e6)))
    return Geometry(shape_in(half, "EPSG:4326"))


def test_unmask_keeps_the_footprint_unless_told_otherwise(ee, run, image, grid):
    mask = np.zeros(SHAPE, bool)
    mask[:, ::3] = True
    a = image("a", b=(ONES, mask), footprint=west_half())
    inside = np.zeros(SHAPE, bool)
    inside[:, :4] = True
    source = ee.Image("MEMORY/a")
    assert run(source.unmask(7), a).footprint == a.footprint
    check(only(run, grid, source.unmask(7), a), np.where(mask, 1, 7), mask | inside)
    wide = run(source.unmask(7, False), a)
    assert wide.footprint is None
    ((_, pixels),) = render(wide, grid(20, 20, -5, -5))
    assert pixels.mask.all()
    assert (pixels.values == 7).sum() == 400 - mask.sum()


def test_unmask_without_same_footprint_joins_both_footprints(ee, run, image):
    a, b = image("a", b=ONES, footprint=west_half()), image("b", b=ONES)
    joined = run(ee.Image("MEMORY/a").unmask(ee.Image("MEMORY/b"), False), a, b).footprint
    both = shapely.union(a.footprint.shape, b.footprint.shape)
    assert joined.shape.equals(both)


@FAST
@given(mask=MASKS, given=arrays("int8", SHAPE, elements=st.integers(-1, 1)), valid=MASKS)
def test_masks_are_read_updated_and_replaced(ee, run, image, grid, mask, given, valid):
    a, m = image("a", b=(ONES, mask)), image("m", b=(given, valid))
    source, new = ee.Image("MEMORY/a"), ee.Image("MEMORY/m")
    present = only(run, grid, source.mask(), a)
    check(present, mask, np.ones(SHAPE, bool))
    assert present.values.dtype == "float32"
    chosen = valid & (given != 0)
    check(only(run, grid, source.updateMask(new), a, m), ONES, mask & chosen)
    check(only(run, grid, source.mask(new), a, m), np.where(mask, 1, 0), chosen)
    check(only(run, grid, new.selfMask(), a, m), given, chosen)


def test_a_mask_of_one_band_is_for_all_and_others_go_in_pairs(ee, run, image, grid):
    left, right = np.zeros(SHAPE), np.zeros(SHAPE)
    left[0], right[1] = 1, 1
    a = image("a", x=ONES, y=ONES, z=ONES)
    m = image("m", l=left, r=right)
    two = ee.Image("MEMORY/a").select(["x", "y"])
    rendered = dict(render(run(two.updateMask(ee.Image("MEMORY/m")), a, m), grid()))
    assert rendered["x"].mask.nonzero()[0].tolist() == [0] * 8
    assert rendered["y"].mask.nonzero()[0].tolist() == [1] * 8
    with pytest.raises(ServiceError, match=r"Image.updateMask: Expected 1 or 3 bands, got 2"):
        run(ee.Image("MEMORY/a").updateMask(ee.Image("MEMORY/m")), a, m)


def test_each_band_has_a_mask_of_its_own(ee, run, image, grid):
    hole = np.ones(SHAPE, bool)
    hole[2, 3] = False
    a = image("a", x=(ONES, hole), y=ONES)
    rendered = dict(render(run(ee.Image("MEMORY/a"), a), grid()))
    np.testing.assert_array_equal(rendered["x"].mask, hole)
    assert rendered["y"].mask.all()


@FAST
@given(data=st.data(), count=st.integers(1, 4))
def test_a_mosaic_has_the_last_valid_pixel_of_each_band_on_top(ee, run, image, grid, data, count):
    types = data.draw(st.lists(st.sampled_from(INTEGERS[:-1]), min_size=count, max_size=count))
    expected = {name: (np.zeros(SHAPE, "int64"), np.zeros(SHAPE, bool)) for name in "xy"}
    images = []
    for i, dtype in enumerate(types):
        bands = {name: (data.draw(integers(dtype)), data.draw(MASKS)) for name in "xy"}
        images.append(image(str(i), **bands))
        for name, (values, mask) in bands.items():
            below, valid = expected[name]
            expected[name] = (np.where(mask, values.astype("int64"), below), valid | mask)
    mosaic = run(ee.ImageCollection("MEMORY").mosaic(), *images)
    for name, pixels in render(mosaic, grid()):
        check(pixels, *expected[name])
    for band in mosaic.bands:
        assert band.projection == Projection("EPSG:4326", (1, 0, 0, 0, 1, 0))
        assert all(np.can_cast(dtype, band.dtype) for dtype in types)


def test_a_mosaic_of_nothing_has_no_bands_and_one_of_other_bands_is_refused(ee, run, image):
    none = ee.ImageCollection("MEMORY").filter(ee.Filter.eq("a", 1)).mosaic()
    assert run(none.bandNames()) == []
    with pytest.raises(ServiceError, match="applied to an Image with no bands"):
        run(none.select("b"))
    with pytest.raises(ServiceError, match="incompatible bands was encountered"):
        run(ee.ImageCollection("MEMORY").mosaic(), image("a", x=ONES), image("b", y=ONES))


def test_bands_are_selected_by_name_pattern_or_index_and_renamed(ee, run, image):
    a = image("a", SR_B2=ONES, SR_B3=ONES, QA=ONES)
    source = ee.Image("MEMORY/a")
    for selectors, names in (
        (["QA", "SR_B2"], ["QA", "SR_B2"]),
        (["SR_B.", "QA"], ["SR_B2", "SR_B3", "QA"]),
        ([1], ["SR_B3"]),
    ):
        assert run(source.select(selectors).bandNames(), a) == names
    assert run(source.select(["QA", "SR_.*"], ["q", "b", "g"]).bandNames(), a) == ["q", "b", "g"]
    assert run(source.rename(["x", "y", "z"]).bandNames(), a) == ["x", "y", "z"]
    no_match = r"Image.select: Band pattern 'B' did not match any bands. Available bands: \[SR_B2, "
    with pytest.raises(ServiceError, match=no_match):
        run(source.select("B"), a)
    for built in (source.select([3]), source.select(["("])):
        with pytest.raises(ServiceError, match=r"Image.select"):
            run(built, a)
    with pytest.raises(ServiceError, match=r"names \(1\) must match the number of bands \(3\)"):
        run(source.rename("x"), a)
    with pytest.raises(ServiceError, match="2 bands have the name 'x'"):
        run(source.rename(["x", "x", "y"]), a)


def test_added_bands_get_a_suffix_or_overwrite(ee, run, image, grid):
    a, b = image("a", x=ONES, y=ONES), image("b", x=ONES * 2, y=ONES * 2)
    one, two = ee.Image("MEMORY/a"), ee.Image("MEMORY/b")
    assert run(one.addBands(two).addBands(two).bandNames(), a, b) == [
        *["x", "y", "x_1", "y_1", "x_2", "y_2"]
    ]
    assert run(one.addBands(two, ["y"]).bandNames(), a, b) == ["x", "y", "y_1"]
    replaced = run(one.addBands(two, ["y"], True), a, b)
    assert [pixels.values[0, 0] for _, pixels in render(replaced, grid())] == [1, 2]
    assert replaced.id == "MEMORY/a"


def test_clip_masks_outside_and_narrows_the_footprint(ee, run, image, grid):
    a = image("a", footprint=west_half(), b=ONES)
    outline = [300_060, 4_699_820, 300_240, 4_700_000]
    box = ee.Geometry.Rectangle(outline, "EPSG:32619", False)
    for shape in (box, ee.Feature(box, {"x": 1})):
        clipped = run(ee.Image("MEMORY/a").clip(shape), a)
        assert clipped.properties == a.properties
        ((_, pixels),) = render(clipped, grid())
        np.testing.assert_array_equal(pixels.mask[0], np.arange(8) >= 2)
        whole = a.footprint.shape
        assert 0.4 < clipped.footprint.shape.area / whole.area < 0.6
        assert whole.buffer(1e-9).contains(clipped.footprint.shape)
    everywhere = run(ee.Image(1).clip(box))
    assert everywhere.footprint.projection == Projection("EPSG:32619")
    with pytest.raises(
        ServiceError, match=r"Expected type: Geometry or Feature. Actual type: Image"
    ):
        run(ee.ApiFunction.call_("Image.clip", ee.Image(1), ee.Image(2)))


def test_constants_are_valid_everywhere_and_as_narrow_as_they_can_be(ee, run, grid):
    made = run(ee.Image.constant([1, -1, 300, 0.5, 70_000.0, -(2**40)]))
    assert [band.name for band in made.bands] == [f"constant_{i}" for i in range(6)]
    types = ["uint8", "int8", "uint16", "float64", "uint32", "int64"]
    assert [band.dtype for band in made.bands] == types
    assert all(pixels.mask.all() for _, pixels in render(made, grid()))
    assert [pixels.values[5, 7] for _, pixels in render(made, grid())] == [
        *[1, -1, 300, 0.5, 70_000, -(2**40)]
    ]
    assert run(ee.Image(5).bandNames()) == ["constant"]


def test_a_constant_widens_a_type_by_its_value(ee, run, image):
    a = image("a", i=ONES.astype("int8"), f=ONES.astype("float32"))
    filled = run(ee.Image("MEMORY/a").unmask(0), a)
    assert [band.dtype for band in filled.bands] == ["int8", "float32"]
    filled = run(ee.Image("MEMORY/a").unmask(200), a)
    assert [band.dtype for band in filled.bands] == ["int16", "float32"]


@given(names=st.lists(st.sampled_from(INTEGERS), min_size=1, max_size=4))
def test_the_common_type_of_integers_is_the_smallest_that_holds_all(names):
    bands = [Band("", name, Projection("EPSG:4326"), lambda grid: None) for name in names]
    common = common_type(bands)
    assert all(np.can_cast(name, common) for name in names)
    smaller = [t for t in INTEGERS if np.dtype(t).itemsize < np.dtype(common).itemsize]
    assert not any(all(np.can_cast(name, t) for name in names) for t in smaller)


@FAST
@given(values=FLOATS, dtype=st.sampled_from(INTEGERS))
def test_a_cast_cuts_fractions_off_and_stays_in_range(values, dtype):
    info = np.iinfo(dtype)
    got = cast(values, dtype)
    assert got.dtype == dtype
    for value, result in zip(values.ravel(), got.ravel(), strict=True):
        assert int(result) == min(max(int(value), info.min), info.max)


@FAST
@given(data=st.data(), source=st.sampled_from(INTEGERS), target=st.sampled_from(INTEGERS))
def test_a_cast_between_integers_saturates(data, source, target):
    values = data.draw(integers(source))
    info = np.iinfo(target)
    expected = [min(max(int(v), info.min), info.max) for v in values.ravel()]
    assert [int(v) for v in cast(values, target).ravel()] == expected


def test_nan_is_cast_to_0_and_what_float32_lacks_to_infinity():
    assert cast(np.array([np.nan, np.inf, -np.inf]), "int16").tolist() == [0, 32767, -32768]
    assert cast(np.array([1e300]), "float32").tolist() == [np.inf]
