from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cedar.emulator.bands import INTEGERS
from cedar.emulator.evaluate import render
from cedar.emulator.values import ServiceError

SHAPE = (6, 8)
ONES = np.ones(SHAPE, "int16")
MASKS = arrays(bool, SHAPE)
NARROW = [name for name in INTEGERS if name != "int64"]
FAST = settings(max_examples=20, deadline=None)
CASTS = {
    "uint8": ["toUint8", "uint8", "toByte", "byte"],
    "int8": ["toInt8", "int8"],
    "uint16": ["toUint16", "uint16"],
    "int16": ["toInt16", "int16", "toShort", "short"],
    "uint32": ["toUint32", "uint32"],
    "int32": ["toInt32", "int32", "toInt", "int"],
    "int64": ["toInt64", "int64", "toLong", "long"],
    "float32": ["toFloat", "float"],
    "float64": ["toDouble", "double"],
}
EXACT = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "max": max,
    "min": min,
    "bitwiseAnd": lambda a, b: a & b,
    "bitwiseOr": lambda a, b: a | b,
    "bitwiseXor": lambda a, b: a ^ b,
    "mod": lambda a, b: math.fmod(a, b) if b else 0,
}
TRUTHS = {
    "eq": lambda a, b: a == b,
    "neq": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
    "and": lambda a, b: bool(a) and bool(b),
    "or": lambda a, b: bool(a) or bool(b),
}


def only(run, grid, built, *images):
    ((_, pixels),) = render(run(built, *images), grid())
    return pixels


@pytest.mark.parametrize(("dtype", "names"), CASTS.items())
def test_every_cast_gives_its_type_and_keeps_the_mask(ee, run, image, grid, dtype, names):
    mask = np.arange(48).reshape(SHAPE) % 3 > 0
    values = np.linspace(-300, 70_000, 48).reshape(SHAPE)
    a = image("a", b=(values, mask))
    for name in names:
        pixels = only(run, grid, getattr(ee.Image("MEMORY/a"), name)(), a)
        assert pixels.values.dtype == dtype
        np.testing.assert_array_equal(pixels.mask, mask)
    if np.dtype(dtype).kind in "iu":
        info = np.iinfo(dtype)
        expected = np.clip(np.trunc(values), float(info.min), float(info.max))
        np.testing.assert_array_equal(pixels.values[mask], expected[mask].astype(dtype))


@FAST
@given(
    data=st.data(),
    types=st.tuples(st.sampled_from(NARROW), st.sampled_from(NARROW)),
    name=st.sampled_from([*EXACT, *TRUTHS]),
    masks=st.tuples(MASKS, MASKS),
)
def test_operators_agree_with_pythons_integers(ee, run, image, grid, data, types, name, masks):
    left, right = (data.draw(arrays(dtype, SHAPE)) for dtype in types)
    a, b = image("a", x=(left, masks[0])), image("b", y=(right, masks[1]))
    called = ee.ApiFunction.call_(f"Image.{name}", ee.Image("MEMORY/a"), ee.Image("MEMORY/b"))
    result = run(called, a, b)
    assert [band.name for band in result.bands] == ["x"]
    assert result.properties == {}
    ((_, pixels),) = render(result, grid())
    np.testing.assert_array_equal(pixels.mask, masks[0] & masks[1])
    info = np.iinfo(pixels.values.dtype)
    compute = EXACT.get(name) or TRUTHS[name]
    pairs = zip(left.ravel().tolist(), right.ravel().tolist(), strict=True)
    expected = [min(max(int(compute(*pair)), info.min), info.max) for pair in pairs]
    at = pixels.mask.ravel()
    np.testing.assert_array_equal(pixels.values.ravel()[at], np.array(expected)[at])
    if name in TRUTHS:
        assert pixels.values.dtype == "uint8"


def test_division_gives_fractions_and_0_for_division_by_0(ee, run, image, grid):
    a = image("a", b=np.full(SHAPE, 5, "uint16"))
    divided = only(run, grid, ee.Image("MEMORY/a").divide(2), a)
    assert divided.values.dtype == "float32"
    assert divided.values[0, 0] == 2.5
    assert only(run, grid, ee.Image("MEMORY/a").divide(0), a).values[0, 0] == 0
    wide = image("a", b=np.full(SHAPE, 5, "int32"))
    assert only(run, grid, ee.Image("MEMORY/a").divide(2), wide).values.dtype == "float64"


def test_constants_are_computed_by_value(ee, run, grid):
    assert only(run, grid, ee.Image(200).add(100)).values[0, 0] == 300
    assert only(run, grid, ee.Image(5).divide(2)).values[0, 0] == 2.5
    assert only(run, grid, ee.Image(5).gt(2)).values[0, 0] == 1


def test_not_and_clamp(ee, run, image, grid):
    values = np.arange(48, dtype="int16").reshape(SHAPE) - 5
    a = image("a", b=values)
    np.testing.assert_array_equal(
        only(run, grid, ee.Image("MEMORY/a").Not(), a).values, values == 0
    )
    clamped = only(run, grid, ee.Image("MEMORY/a").clamp(0, 1e9), a)
    assert clamped.values.dtype == "int16"
    np.testing.assert_array_equal(clamped.values, np.clip(values, 0, None))
    with pytest.raises(ServiceError, match=r"low \(5\) is above high \(1\)"):
        run(ee.Image("MEMORY/a").clamp(5, 1), a)


@FAST
@given(mask=MASKS, when=arrays("int8", SHAPE, elements=st.integers(-1, 1)), valid=MASKS, new=MASKS)
def test_where_replaces_only_where_all_are_valid(ee, run, image, grid, mask, when, valid, new):
    images = (
        image("a", b=(ONES, mask)),
        image("t", b=(when, valid)),
        image("v", b=(ONES * 300, new)),
    )
    source, test, value = (ee.Image(f"MEMORY/{name}") for name in "atv")
    pixels = only(run, grid, source.where(test, value), *images)
    np.testing.assert_array_equal(pixels.mask, mask)
    expected = np.where(valid & (when != 0) & new, 300, 1)
    np.testing.assert_array_equal(pixels.values[mask], expected[mask])


def test_bands_pair_by_name_by_place_or_one_with_all(ee, run, image, grid):
    a = image("a", x=ONES, y=ONES * 2)
    one = ee.Image("MEMORY/a")
    by_name = run(one.subtract(one.select(["y", "x"])), a)
    assert [p.values[0, 0] for _, p in render(by_name, grid())] == [0, 0]
    by_place = run(one.subtract(one.select(["y", "x"], ["p", "q"])), a)
    assert [(n, p.values[0, 0]) for n, p in render(by_place, grid())] == [("x", -1), ("y", 1)]
    to_all = run(one.select("y").subtract(one), a)
    assert [(n, p.values[0, 0]) for n, p in render(to_all, grid())] == [("x", 1), ("y", 0)]
    with pytest.raises(ServiceError, match=r"Image.add: Expected 1 or 3 bands, got 2"):
        run(one.addBands(one.select("x")).add(one), a)
    with pytest.raises(ServiceError, match=r"the other must also have no bands. Got 0 and 2"):
        run(ee.ImageCollection("MEMORY").filter(ee.Filter.eq("z", 1)).mosaic().add(one), a)


@FAST
@given(data=st.data(), name=st.sampled_from(["max", "min", "mean", "sum"]))
def test_bands_are_reduced_without_what_is_masked(ee, run, image, grid, data, name):
    values = [data.draw(arrays(t, SHAPE)) for t in ("uint8", "int16", "int8")]
    masks = [data.draw(MASKS) for _ in values]
    bands = dict(zip("xyz", zip(values, masks, strict=True), strict=True))
    reduced = run(ee.Image("MEMORY/a").reduce(getattr(ee.Reducer, name)()), image("a", **bands))
    ((band, pixels),) = render(reduced, grid())
    assert band == name
    stack = np.ma.MaskedArray(np.stack([v.astype("float64") for v in values]), ~np.stack(masks))
    expected = getattr(stack, name)(axis=0)
    np.testing.assert_array_equal(pixels.mask, np.any(masks, axis=0))
    np.testing.assert_allclose(pixels.values[pixels.mask], expected[pixels.mask].data)


def test_any_mask_is_the_maximum_of_the_masks(ee, run, image, grid):
    x, y = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    x[0], y[:, 0] = True, True
    a = image("a", x=(ONES, x), y=(ONES, y))
    present = only(run, grid, ee.Image("MEMORY/a").mask().reduce(ee.Reducer.max()), a)
    assert present.mask.all()
    np.testing.assert_array_equal(present.values, x | y)


def test_a_reduction_that_the_emulator_lacks_is_refused(ee, run, image):
    a = image("a", x=ONES)
    with pytest.raises(ServiceError, match="has no 'list' of pixels"):
        run(ee.Image("MEMORY/a").reduce(ee.Reducer.toList()), a)
    with pytest.raises(ServiceError, match="does not implement argument 'numInputs'"):
        run(ee.Image("MEMORY/a").reduce(ee.Reducer.max(2)), a)


@FAST
@given(
    data=st.data(), name=st.sampled_from(["add", "subtract", "multiply"]),
    types=st.tuples(st.sampled_from(NARROW[:4]), st.sampled_from(NARROW[:4])),
)  # fmt: skip
def test_sums_differences_and_products_of_integers_are_exact(
    ee, run, image, grid, data, name, types
):
    left, right = (data.draw(arrays(dtype, SHAPE)) for dtype in types)
    built = getattr(ee.Image("MEMORY/a"), name)(ee.Image("MEMORY/b"))
    pixels = only(run, grid, built, image("a", x=left), image("b", y=right))
    pairs = zip(left.ravel().tolist(), right.ravel().tolist(), strict=True)
    wanted = [EXACT[name](*pair) for pair in pairs]
    assert pixels.values.ravel().tolist() == wanted


@pytest.mark.parametrize(
    ("name", "compute", "dtype"),
    [
        ("abs", np.abs, "float64"), ("ceil", np.ceil, "float64"), ("floor", np.floor, "float64"),
        ("round", lambda values: np.floor(values + 0.5), "float64"), ("exp", np.exp, "float64"),
        ("sqrt", np.sqrt, "float64"), ("log", np.log, "float64"),
        ("Not", lambda values: values == 0, "uint8"),
    ],
)  # fmt: skip
def test_functions_of_one_value(ee, run, image, grid, name, compute, dtype):
    values = np.linspace(0, 4, 48).reshape(SHAPE)
    mask = np.arange(48).reshape(SHAPE) % 3 > 0
    pixels = only(run, grid, getattr(ee.Image("MEMORY/a"), name)(), image("a", b=(values, mask)))
    assert pixels.values.dtype == dtype
    np.testing.assert_array_equal(pixels.mask, mask)
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(pixels.values[mask], compute(values)[mask])


def test_abs_and_bitwise_not_have_types_that_hold_them(ee, run, image, grid):
    a = image("a", b=np.full(SHAPE, -128, "int8"))
    assert only(run, grid, ee.Image("MEMORY/a").abs(), a).values[0, 0] == 128
    b = image("b", b=np.full(SHAPE, 25, "uint8"))
    turned = only(run, grid, ee.Image("MEMORY/b").bitwiseNot(), b)
    assert (turned.values[0, 0], turned.values.dtype) == (-26, "int16")


def test_bits_are_shifted(ee, run, image, grid):
    a = image("a", b=np.full(SHAPE, 0b1011, "uint16"))
    source = ee.Image("MEMORY/a")
    assert only(run, grid, source.leftShift(3), a).values[0, 0] == 0b1011000
    assert only(run, grid, source.rightShift(2), a).values[0, 0] == 0b10
    assert only(run, grid, source.rightShift(80), a).values[0, 0] == 0


def test_a_normalized_difference_is_of_the_first_two_bands_unless_named(ee, run, image, grid):
    values = np.array([[5, 3, -1, 0], [1, 1, 4, 0]], "int16")
    bands = {f"b{i}": np.resize(values[i], SHAPE) for i in (0, 1)}
    a = image("a", **bands, c=ONES)
    pixels = only(run, grid, ee.Image("MEMORY/a").normalizedDifference(), a)
    assert pixels.mask[0, :4].tolist() == [True, True, False, True]
    assert pixels.values[0, :2].tolist() == pytest.approx([4 / 6, 2 / 4])
    assert pixels.values[0, 3] == 0
    with pytest.raises(ServiceError, match="Need 2 bands, got 3"):
        run(ee.Image("MEMORY/a").normalizedDifference(["b0", "b1", "c"]), a)


def test_remap_masks_what_it_does_not_know_unless_there_is_a_default(ee, run, image, grid):
    a = image("a", b=np.resize(np.array([1, 2, 3, 4], "uint8"), SHAPE), c=ONES)
    source = ee.Image("MEMORY/a")
    pixels = only(run, grid, source.remap([1, 3], [100, -5]), a)
    assert pixels.mask[0, :4].tolist() == [True, False, True, False]
    assert pixels.values[0, [0, 2]].tolist() == [100, -5]
    assert only(run, grid, source.remap([1], [7], 0, "c"), a).values[0, 0] == 7
    for arguments in ([[1], [1, 2]], [["a"], [1]], [[1], [1], ee.Image(1)]):
        with pytest.raises(ServiceError, match="takes two lists of as many numbers"):
            run(source.remap(*arguments), a)


@pytest.mark.parametrize(
    ("name", "expected"), [("add", 8), ("subtract", 4), ("multiply", 12), ("divide", 3)]
)
def test_numbers(ee, run, name, expected):
    assert run(getattr(ee.Number(6), name)(2)) == expected


def test_lists_dictionaries_and_strings(ee, run):
    assert run(ee.List([1, 2, 3]).get(-1)) == 3
    assert run(ee.List([1, 2]).size()) == 2
    assert run(ee.List([None, 1]).map(lambda i: i, True)) == [1]
    assert run(ee.Dictionary({"a": 1}).get("a")) == 1
    assert run(ee.Dictionary({"a": 1}).get("b", 7)) == 7
    assert run(ee.String(ee.List(["x"]).get(0)).cat("y")) == "xy"
    with pytest.raises(ServiceError, match="does not contain key: 'b'"):
        run(ee.Dictionary({"a": 1}).get("b"))
    with pytest.raises(ServiceError, match="List index must be between 0 and 1, is 1"):
        run(ee.List([1]).get(1))
