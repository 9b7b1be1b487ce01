from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy import ma

from cedar.emulator.evaluate import encode, render
from cedar.emulator.values import Projection, ServiceError

SHAPE = (6, 8)
ONES = np.ones(SHAPE, "int16")
LAYERS = st.integers(1, 5).flatmap(
    lambda count: st.tuples(
        arrays("int16", (count, *SHAPE), elements=st.integers(-9, 9)), arrays(bool, (count, *SHAPE))
    )
)


def modes(layers):
    best = np.zeros(SHAPE)
    for at in np.ndindex(SHAPE):
        values, counts = np.unique(layers[(slice(None), *at)].compressed(), return_counts=True)
        best[at] = values[counts.argmax()] if values.size else 0
    return best


def first(layers):
    at = (~ma.getmaskarray(layers)).argmax(axis=0)[None]
    return np.take_along_axis(layers.data, at, 0)[0]


NUMPY = {
    "allNonZero": lambda layers: (layers != 0).filled(True).all(axis=0),
    "anyNonZero": lambda layers: (layers != 0).filled(False).any(axis=0),
    "count": lambda layers: layers.count(axis=0),
    "firstNonNull": first,
    "lastNonNull": lambda layers: first(layers[::-1]),
    "max": lambda layers: layers.max(axis=0),
    "mean": lambda layers: layers.mean(axis=0),
    "median": lambda layers: ma.median(layers, axis=0),
    "min": lambda layers: layers.min(axis=0),
    "mode": modes,
    "product": lambda layers: layers.astype(float).prod(axis=0),
    "stdDev": lambda layers: layers.std(axis=0),
    "sum": lambda layers: layers.sum(axis=0),
    "variance": lambda layers: layers.var(axis=0),
}
OUTPUTS = {
    "allNonZero": "all",
    "anyNonZero": "any",
    "firstNonNull": "first",
    "lastNonNull": "last",
}
METHODS = ["count", "max", "mean", "median", "min", "mode", "product", "sum"]


@pytest.mark.parametrize("name", NUMPY)
@settings(max_examples=15, deadline=None)
@given(given=LAYERS)
def test_a_reducer_makes_of_bands_what_numpy_does_of_layers(ee, run, image, grid, name, given):
    values, valid = given
    layers = ma.array(values, mask=~valid)
    bands = {f"b{i}": (values[i], valid[i]) for i in range(len(values))}
    reduced = run(ee.Image("MEMORY/a").reduce(getattr(ee.Reducer, name)()), image("a", **bands))
    ((label, pixels),) = render(reduced, grid())
    assert label == OUTPUTS.get(name, name)
    np.testing.assert_array_equal(pixels.mask, valid.any(axis=0))
    expected = ma.getdata(NUMPY[name](layers))[pixels.mask].astype(float)
    np.testing.assert_allclose(pixels.values[pixels.mask], expected, atol=1e-9)


@settings(max_examples=15, deadline=None)
@given(given=LAYERS)
def test_a_collections_methods_and_reducers_agree_with_those_of_bands(ee, run, image, grid, given):
    values, valid = given
    images = [image(str(i), b=(values[i], valid[i])) for i in range(len(values))]
    collection = ee.ImageCollection("MEMORY")
    pairs = [(getattr(collection, name)(), name) for name in METHODS]
    for name, reducer in (("And", "allNonZero"), ("Or", "anyNonZero")):
        pairs.append((getattr(collection, name)(), reducer))
    for built, name in pairs:
        ((label, pixels),) = render(run(built, *images), grid())
        assert label == "b"
        reduced = collection.toBands().reduce(getattr(ee.Reducer, name)())
        ((_, wanted),) = render(run(reduced, *images), grid())
        np.testing.assert_array_equal(pixels.mask, wanted.mask)
        np.testing.assert_array_equal(pixels.values, wanted.values)
        assert run(built, *images).bands[0].projection == Projection("EPSG:4326")


def test_a_reducer_of_a_collection_names_bands_after_its_outputs(ee, run, image):
    images = [image(name, x=ONES, y=ONES * 2) for name in "ab"]
    reduced = ee.ImageCollection("MEMORY").reduce(ee.Reducer.minMax(), parallelScale=4)
    assert run(reduced.bandNames(), *images) == ["x_min", "x_max", "y_min", "y_max"]
    one = ee.Image("MEMORY/a").reduce(ee.Reducer.minMax())
    assert run(one.bandNames(), *images) == ["min", "max"]
    assert encode(run(ee.ImageCollection([]).mean())) == {
        "type": "Image",
        "bands": [],
        "properties": {},
    }


def test_a_quality_mosaic_takes_all_bands_of_the_best_image_their_masks_too(ee, run, image, grid):
    hole = np.ones(SHAPE, bool)
    hole[0] = False
    dim, lost = image("a", q=ONES, v=ONES), image("c", q=(ONES * 9, ~hole & hole), v=ONES * 3)
    bright = image("b", q=ONES * 2, v=(ONES * 2, hole))
    built = ee.ImageCollection("MEMORY").qualityMosaic("q")
    (_, quality), (_, values) = render(run(built, dim, bright, lost), grid())
    assert (quality.values == 2).all()
    np.testing.assert_array_equal(values.mask, hole)
    assert (values.values[hole] == 2).all()
    with pytest.raises(ServiceError, match=r"No band named 'z'. Available: \[q, v\]"):
        run(ee.ImageCollection("MEMORY").qualityMosaic("z"), dim)


def test_images_of_other_bands_are_not_reduced_together(ee, run, image):
    images = image("a", x=ONES), image("b", y=ONES)
    for built in (
        ee.ImageCollection("MEMORY").median(),
        ee.ImageCollection("MEMORY").reduce(ee.Reducer.mean()),
        ee.ImageCollection("MEMORY").qualityMosaic("x"),
    ):
        with pytest.raises(ServiceError, match="incompatible bands was encountered"):
            run(built, *images)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("median", 2.5), ("mode", 1), ("product", 24), ("stdDev", 1.25**0.5), ("variance", 1.25),
        ("firstNonNull", 1), ("lastNonNull", 4), ("allNonZero", 1), ("anyNonZero", 1), ("sum", 10),
    ],
)  # fmt: skip
def test_a_list_is_reduced_without_its_nulls(ee, run, name, expected):
    reducer = getattr(ee.Reducer, name)()
    assert run(ee.List([None, 1, 2, 3, 4]).reduce(reducer)) == pytest.approx(expected)
    nothing = {"product": 1, "sum": 0}.get(name)
    assert run(ee.List([None]).reduce(reducer)) == nothing


def test_what_is_no_number_is_only_counted_and_chosen(ee, run):
    texts = ee.List(["b", "a", "b"])
    assert run(texts.reduce(ee.Reducer.count())) == 3
    assert run(texts.reduce(ee.Reducer.lastNonNull())) == "b"
    with pytest.raises(ServiceError, match=r"Reducer.mode: A value isn't a number"):
        run(texts.reduce(ee.Reducer.mode()))
    with pytest.raises(ServiceError, match="has no 'list' of pixels"):
        run(ee.ImageCollection([ee.Image(1)]).reduce(ee.Reducer.toList()))
    with pytest.raises(ServiceError, match="does not implement argument 'maxRaw'"):
        run(ee.Reducer.mode(maxRaw=5))


def test_a_median_of_more_values_than_are_kept_would_be_of_a_histogram(ee, run, image, grid):
    three = ee.List([3, None, 1, 8])
    assert run(three.reduce(ee.Reducer.median(maxRaw=3))) == 3
    with pytest.raises(ServiceError, match="no histograms: maxRaw is 2, and there are 3 values"):
        run(three.reduce(ee.Reducer.median(maxRaw=2)))
    images = image("a", x=ONES), image("b", x=(ONES, ONES == 0)), image("c", x=3 * ONES)
    reduced = ee.ImageCollection("MEMORY").reduce(ee.Reducer.median(maxRaw=2))
    ((_, pixels),) = render(run(reduced, *images), grid())
    assert (pixels.values == 2).all()
    reduced = ee.ImageCollection("MEMORY").reduce(ee.Reducer.median(maxRaw=1))
    with pytest.raises(ServiceError, match="there are 2 values"):
        render(run(reduced, *images), grid())
