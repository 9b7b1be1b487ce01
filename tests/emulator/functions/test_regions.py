"""Image.reduceRegion, held against numpy."""

from __future__ import annotations

import numpy as np
import pytest

from cedar.emulator.functions import regions
from cedar.emulator.values import ServiceError

RAMP = np.arange(48, dtype="int16").reshape(6, 8)
ODD = RAMP % 2 == 1
CRS, TRANSFORM = "EPSG:32619", [30, 0, 300_000, 0, -30, 4_700_000]


def rectangle(ee, left, top, width, height):
    """So many of the raster's own pixels, from a column and row on."""
    x, y = 300_000 + 30 * left, 4_700_000 - 30 * top
    corners = [x, y - 30 * height, x + 30 * width, y]
    return ee.Geometry.Rectangle(corners, proj=CRS, geodesic=False)


def reduced(ee, run, image, reducer, region, **more):
    built = ee.Image("MEMORY/a").reduceRegion(
        **{"reducer": reducer, "geometry": region, "crs": CRS, "crsTransform": TRANSFORM, **more}
    )
    return run(built, image)


@pytest.mark.parametrize("at_once", [10, 2**20])
def test_the_valid_pixels_inside_are_reduced_of_each_band(ee, run, image, monkeypatch, at_once):
    monkeypatch.setattr(regions, "_AT_ONCE", at_once)
    made = image("a", x=(RAMP, ODD), y=RAMP * 2, none=(RAMP, RAMP < 0))
    region, inside = rectangle(ee, 2, 1, 4, 3), RAMP[1:4, 2:6]
    low, high = (
        reduced(ee, run, made, each, region) for each in (ee.Reducer.min(), ee.Reducer.max())
    )
    assert low == {"x": inside[ODD[1:4, 2:6]].min(), "y": 2 * inside.min(), "none": None}
    assert high == {"x": inside[ODD[1:4, 2:6]].max(), "y": 2 * inside.max(), "none": None}
    both = reduced(ee, run, made, ee.Reducer.minMax(), region, tileScale=4)
    assert (both["y_min"], both["y_max"]) == (2 * inside.min(), 2 * inside.max())


def test_a_pixel_is_inside_where_its_centre_is(ee, run, image):
    made = image("a", x=RAMP)
    assert reduced(ee, run, made, ee.Reducer.max(), rectangle(ee, 0, 0, 1.4, 1)) == {"x": 0}
    assert reduced(ee, run, made, ee.Reducer.max(), rectangle(ee, 0, 0, 1.6, 1)) == {"x": 1}
    assert reduced(ee, run, made, ee.Reducer.max(), rectangle(ee, 20, 0, 1, 1)) == {"x": None}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"maxPixels": 11},
            "Too many pixels in the region. Found 12, but maxPixels allows only 11",
        ),
        ({"crsTransform": None}, "needs a geometry, a crs and a crsTransform"),
        ({"crsTransform": [60, 0, 300_000, 0, -60, 4_700_000]}, "the emulator has no pyramids"),
        ({"bestEffort": True}, "does not implement argument 'bestEffort'"),
    ],
)
def test_what_the_emulator_cannot_do_it_refuses(ee, run, image, change, words):
    with pytest.raises(ServiceError, match=words):
        reduced(ee, run, image("a", x=RAMP), ee.Reducer.max(), rectangle(ee, 2, 1, 4, 3), **change)


@pytest.mark.parametrize("name", ["sum", "mean", "count", "median", "toList"])
def test_what_weighs_pixels_is_refused(ee, run, image, name):
    reducer = getattr(ee.Reducer, name)()
    with pytest.raises(ServiceError, match="the emulator has allNonZero, anyNonZero"):
        reduced(ee, run, image("a", x=RAMP), reducer, rectangle(ee, 2, 1, 4, 3))
