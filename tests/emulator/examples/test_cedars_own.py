"""The expressions that cedar itself builds: filters that users write, stacks of images."""

from __future__ import annotations

import ee
import numpy as np
import pytest
from example_scenes import L8, S1, S2, assert_comes_out, band, ids, on_top, stack, times
from numpy import ma

from cedar.engines.earthengine import build, filters

ROW = {"function": "eq", "name": "WRS_ROW", "value": 34}


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ({"function": "lte", "name": "CLOUD_COVER", "value": 12}, [1, 2, 4]),
        ({"function": "neq", "name": "WRS_ROW", "value": 34}, [2, 4]),
        ({"function": "inList", "leftField": "WRS_ROW", "rightValue": [35, 36]}, [2, 4]),
        ({"function": "calendarRange", "start": 4, "end": 10, "field": "month"}, [1, 2, 4]),
        (
            {"function": "rangeContains", "field": "CLOUD_COVER", "minValue": 3, "maxValue": 41},
            [0, 1, 4],
        ),
        ({"function": "Not", "filter": ROW}, [2, 4]),
        (
            {
                "function": "And",
                "filters": [ROW, {"function": "gt", "name": "CLOUD_COVER", "value": 50}],
            },
            [3],
        ),
        (
            {
                "function": "Or",
                "filters": [
                    {"function": "Not", "filter": ROW},
                    {"function": "date", "start": "2020-12-01", "end": "2021-01-01"},
                ],
            },
            [2, 3, 4],
        ),
    ],
)
def test_a_users_filter_leaves_what_it_says(given, left):
    images = ee.ImageCollection(L8).filter(filters.build(filters.record(given)))
    wanted = [times(L8)[i] for i in left]
    assert_comes_out(images.aggregate_array("system:time_start"), wanted)
    again = filters.build(filters.record(filters.build(given)))
    images = ee.ImageCollection(L8).filter(again)
    assert_comes_out(images.aggregate_array("system:time_start"), wanted)


def listed(collection, *places, **more):
    return {"images": [{"system:id": ids(collection)[i], **more} for i in places]}


def metadata(dtype, nodata, bands, **more):
    given = [{"name": name, "native": native} for name, native in bands.items()]
    return {"image": {"dtype": dtype, "nodata": nodata, "bands": given, **more}}


def layered(collection, places, names, nodata, validity=None):
    """Of each pixel the last image that is present: where any band is valid, or the named one."""
    layers = [stack(collection, name)[list(places)] for name in names]
    masks = np.array([ma.getmaskarray(each) for each in layers])
    absent = masks.all(axis=0)
    if validity is not None:
        absent = ma.getmaskarray(stack(collection, validity)[list(places)])
    return [on_top(ma.array(each.filled(nodata), mask=absent)).filled(nodata) for each in layers]


@pytest.mark.parametrize("validity", [None, "QA_PIXEL"])
def test_a_stack_holds_group_after_group_of_one_image_a_pixel(validity):
    bands = {"red": "SR_B4", "nir": "SR_B5"}
    about = metadata("uint16", 0, bands, validity=validity)
    groups = [(0, 1, 2), (3, 4)]
    built = build.stack(about, [listed(L8, *places) for places in groups])
    wanted = {}
    for i, places in enumerate(groups):
        values = layered(L8, places, list(bands.values()), 0, validity)
        wanted |= {f"{i}_{name}": each for name, each in zip(bands, values, strict=True)}
    assert_comes_out(built, wanted)


def test_a_stack_clamps_and_fills_in_its_own_type():
    about = metadata("uint8", 255, {"a": "B4", "b": "B8"})
    built = build.stack(about, [listed(S2, 0, 1)])
    values = [np.minimum(each, 255) for each in layered(S2, (0, 1), ["B4", "B8"], 255)]
    assert_comes_out(built, dict(zip(("0_a", "0_b"), values, strict=True)))


def test_a_band_that_an_image_lacks_is_nodata_where_the_image_is():
    about = metadata("float64", -9999, {"vv": "VV", "vh": "VH"})
    built = build.stack(about, [listed(S1, 0, missing=["vh"])])
    vv = band(ids(S1)[0], "VV").filled(-9999)
    assert_comes_out(built, {"0_vv": vv, "0_vh": np.full(vv.shape, -9999.0)})
