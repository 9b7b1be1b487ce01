"""Public examples of filters, sorting and selections, held against what is in the scenes.

Each example here and beside is written anew from the page or file that it is named after:
`apidocs/…` and `guides/…` are developers.google.com/earth-engine (their sources are in
google/earthengine-community, samples/javascript), `examples/…` and `python/…` are in
google/earthengine-api (javascript/src, python).
"""

from __future__ import annotations

import ee
import pytest
from example_scenes import (
    EVERYWHERE,
    L8,
    S1,
    S2,
    WEST,
    assert_comes_out,
    band,
    difference,
    everywhere,
    ids,
    scene,
    times,
)

LANDSAT = ids(L8)
FIRST = ids(S2)[0]
S2_BANDS = ["B2", "B3", "B4", "B8", "B11", "B12", "QA60", "MSK_CLDPRB", "SCL"]


def collection(name):
    return ee.ImageCollection(name)


def indices(images):
    return images.aggregate_array("system:index")


def names(collection, *places):
    """system:index of a collection's scenes at some places, counted by time."""
    return [ids(collection)[place].rpartition("/")[2] for place in places]


# (source, the client's expression, what comes out: bands by name, or else JSON).
FILTERS = [
    ("apidocs/ee-imagecollection-filterdate: years",
     lambda: indices(collection(L8).filterDate("2020", "2021")),
     lambda: names(L8, 0, 1, 2, 3)),
    ("apidocs/ee-imagecollection-filterdate: months",
     lambda: indices(collection(L8).filterDate("2020-07", "2020-08")),
     lambda: names(L8, 1, 2)),
    ("apidocs/ee-imagecollection-filterdate: times",
     lambda: indices(collection(L8).filterDate("2020-07-05T06:34:46", "2020-07-05T19:34:46")),
     lambda: names(L8, 1)),
    ("apidocs/ee-imagecollection-filterdate: milliseconds",
     lambda: indices(collection(L8).filterDate(1593967014062, 1595349419611)),
     lambda: names(L8, 1)),
    ("apidocs/ee-imagecollection-filterdate: dates",
     lambda: indices(collection(L8).filterDate(ee.Date("2020"), ee.Date("2021"))),
     lambda: names(L8, 0, 1, 2, 3)),
    ("apidocs/ee-imagecollection-filterdate: a range",
     lambda: indices(collection(L8).filterDate(ee.DateRange("2020-07-01", "2020-07-10"))),
     lambda: names(L8, 1)),
    ("apidocs/ee-imagecollection-filterbounds: a point",
     lambda: indices(collection(S2).filterBounds(ee.Geometry.Point(WEST))),
     lambda: names(S2, 0)),
    ("apidocs/ee-imagecollection-filterbounds: features",
     lambda: indices(collection(S2).filterBounds(ee.FeatureCollection(
         [ee.Feature(ee.Geometry.Point(WEST), {"peak": 1}), ee.Feature(ee.Geometry.Point(0, 0))]))),
     lambda: names(S2, 0)),
    ("apidocs/ee-imagecollection-filtermetadata",
     lambda: indices(collection(S2).filterMetadata("CLOUDY_PIXEL_PERCENTAGE", "less_than", 0.2)),
     lambda: names(S2, 2)),
    ("apidocs/ee-imagecollection-filtermetadata: text",
     lambda: collection(S2).filter("CLOUDY_PIXEL_PERCENTAGE < 0.2").size(),
     lambda: 1),
    ("apidocs/ee-filter-eq",
     lambda: collection(L8).filter(ee.Filter.eq("IMAGE_QUALITY_OLI", 9)).size(),
     lambda: 4),
    ("apidocs/ee-filter-calendarrange: June to August",
     lambda: indices(collection(L8).filter(ee.Filter.calendarRange(6, 8, "month"))),
     lambda: names(L8, 1, 2)),
    ("apidocs/ee-filter-calendarrange: December to February",
     lambda: indices(collection(L8).filter(ee.Filter.calendarRange(12, 2, "month"))),
     lambda: names(L8, 0, 3)),
    ("apidocs/ee-filter-calendarrange: years",
     lambda: indices(collection(L8).filter(ee.Filter.calendarRange(2021, 2022, "year"))),
     lambda: names(L8, 4)),
    ("apidocs/ee-filter-calendarrange: days of the year",
     lambda: indices(collection(L8).filter(ee.Filter.calendarRange(
         ee.Date("2000-07-01").getRelative("day", "year"),
         ee.Date("2000-07-15").getRelative("day", "year"), "day_of_year"))),
     lambda: names(L8, 1)),
    ("guides/image_collections01: the least cloudy image",
     lambda: ee.Image(collection(L8).filter(ee.Filter.eq("WRS_PATH", 44))
                      .filter(ee.Filter.eq("WRS_ROW", 34)).sort("CLOUD_COVER").first()),
     lambda: scene(LANDSAT[1], *(f"SR_B{i}" for i in range(2, 8)), "ST_B10", "QA_PIXEL",
                   "QA_RADSAT")),
    ("guides/image_collections01: the range of dates",
     lambda: collection(L8).reduceColumns(ee.Reducer.minMax(), ["system:time_start"]),
     lambda: {"min": min(times(L8)), "max": max(times(L8))}),
    ("guides/image_collections01: the most recent images",
     lambda: indices(collection(L8).sort("system:time_start", False).limit(2)),
     lambda: names(L8, 4, 3)),
    ("guides/image_collections03: winters over a place, without clouds",
     lambda: indices(collection(L8).filterDate("2020-01-01", "2023-01-01")
                     .filter(ee.Filter.calendarRange(11, 2, "month"))
                     .filterBounds(ee.Geometry.Point(EVERYWHERE))
                     .filter(ee.Filter.gt("CLOUD_COVER", 50))),
     lambda: names(L8, 3)),
    ("guides/image_collections10: two rows of a path",
     lambda: indices(collection(L8).filter("WRS_PATH == 44 && (WRS_ROW == 35 || WRS_ROW == 36)")),
     lambda: names(L8, 2, 4)),
    ("examples/Demos/Sentinel1Composite.js",
     lambda: indices(collection(S1).filter(ee.Filter.eq("instrumentMode", "IW"))
                     .filter(ee.Filter.listContains("transmitterReceiverPolarisation", "VV"))
                     .filter(ee.Filter.eq("orbitProperties_pass", "DESCENDING"))
                     .select(["VV"])),
     lambda: ["a", "b"]),
    ("apidocs/ee-imagecollection-merge",
     lambda: indices(collection(L8).filterDate("2020-07-01", "2020-10-01")
                     .merge(collection(L8).filterDate("2021"  , "2022"))),
     lambda: [f"{i}_{name}" for i, name in zip((1, 1, 2), names(L8, 1, 2, 4), strict=True)]),
]  # fmt: skip

SELECTIONS = [
    *((f"apidocs/ee-image-select: {selectors}",
       lambda selectors=selectors: ee.Image(FIRST).select(*selectors).bandNames(),
       lambda chosen=chosen: chosen)
      for selectors, chosen in (
          (["B11"], ["B11"]), ([4], ["B11"]), ([["B11", "B8", "B3"]], ["B11", "B8", "B3"]),
          (["B11", "B8", "B3"], ["B11", "B8", "B3"]), ([4, "B8", 2], ["B11", "B8", "B4"]),
          ([["B11", "B8"], ["SWIR1", "NIR"]], ["SWIR1", "NIR"]), (["QA.."], ["QA60"]),
          (["B.*"], S2_BANDS[:6]), (["B..?"], S2_BANDS[:6]), (["B[6-8]"], ["B8"]),
          (["B[1-9][1-2]"], ["B11", "B12"]), (["B.*|QA.*"], S2_BANDS[:7]))),
    ("apidocs/ee-imagecollection-select",
     lambda: collection(S2).select("B.*|MSK_CLDPRB").first().bandNames(),
     lambda: [*S2_BANDS[:6], "MSK_CLDPRB"]),
    ("apidocs/ee-image-rename",
     lambda: ee.Image(FIRST).select(["B11", "B8"]).rename("swir1", "nir"),
     lambda: {"swir1": band(FIRST, "B11"), "nir": band(FIRST, "B8")}),
    ("apidocs/ee-imagecollection-tobands",
     lambda: collection(S1).select("V[V]").sort("system:time_start", False).toBands(),
     lambda: {f"{i}_VV": band(f"{S1}/{i}", "VV") for i in "dcba"}),
    ("apidocs/ee-image-addbands",
     lambda: ee.Image(FIRST).select(["B4", "B8"]).addBands(
         srcImg=ee.Image(FIRST).select("B4").divide(10000), overwrite=True).addBands(
         ee.Image(FIRST).normalizedDifference(["B8", "B4"]).rename("NDVI")),
     lambda: {"B4": band(FIRST, "B4") / 10000, "B8": band(FIRST, "B8"),
              "NDVI": difference(band(FIRST, "B8"), band(FIRST, "B4"))}),
    ("guides/images02: constants, one after the other",
     lambda: ee.Image.cat([ee.Image(1), ee.Image(2)]).addBands(ee.Image(42)),
     lambda: {"constant": everywhere(1), "constant_1": everywhere(2),
              "constant_2": everywhere(42)}),
    ("guides/images02: a list of constants, renamed",
     lambda: ee.Image([1, 2]).select(["constant", "constant_1"], ["band1", "band2"]),
     lambda: {"band1": everywhere(1), "band2": everywhere(2)}),
    ("apidocs/ee-dictionary-toimage",
     lambda: ee.Dictionary({"B2": 219, "B1": 182, "B3": 443}).toImage(["B1", "B2"]),
     lambda: {"B1": everywhere(182), "B2": everywhere(219)}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("build", "expected"),
    [pytest.param(*each, id=source) for source, *each in (*FILTERS, *SELECTIONS)],
)
def test_an_example_comes_out_as_expected(build, expected):
    assert_comes_out(build(), expected())
