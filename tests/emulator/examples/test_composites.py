"""Public examples of what is made of collections, held against numpy: see test_filters.py."""

from __future__ import annotations

import ee
import numpy as np
import pytest
from example_scenes import (
    COVER,
    EVERYWHERE,
    L8,
    MODIS,
    S1,
    S2,
    assert_comes_out,
    band,
    best,
    difference,
    everywhere,
    filled,
    ids,
    lacking,
    most_frequent,
    on_top,
    stack,
    times,
)
from numpy import ma

FIRST = ids(S2)[0]
LANDSAT = ids(L8)


def collection(name):
    return ee.ImageCollection(name)


def composite(method):
    return getattr(collection(S2).select("B.*|SCL"), method)().select("B8", "SCL")


# (source, the client's expression, what numpy makes of it: bands by name, or the only band).
TABLE = [
    *((f"apidocs/ee-imagecollection-{method}", lambda method=method: composite(method),
       lambda compute=compute: {name: compute(stack(S2, name)) for name in ("B8", "SCL")})
      for method, compute in (
          ("mean", lambda layers: layers.mean(axis=0)),
          ("median", lambda layers: ma.median(layers, axis=0)),
          ("min", lambda layers: layers.min(axis=0)),
          ("max", lambda layers: layers.max(axis=0)),
          ("sum", lambda layers: layers.astype(float).sum(axis=0)),
          ("product", lambda layers: layers.astype(float).prod(axis=0)),
          ("mode", most_frequent))),
    ("apidocs/ee-imagecollection-qualitymosaic: the least cloudy pixel",
     lambda: collection(S2).map(lambda image: image.addBands(
         image.select("MSK_CLDPRB").multiply(-1).rename("quality")))
     .qualityMosaic("quality").select("B4"),
     lambda: best(-stack(S2, "MSK_CLDPRB").astype(int), stack(S2, "B4"))),
    ("guides/tutorial_1: the greenest pixel",
     lambda: collection(L8).map(lambda image: image.addBands(
         image.normalizedDifference(["SR_B5", "SR_B4"]).rename("NDVI")))
     .qualityMosaic("NDVI").select("SR_B4"),
     lambda: best(difference(stack(L8, "SR_B5"), stack(L8, "SR_B4")), stack(L8, "SR_B4"))),
    ("guides/image_collections05: a median by a reducer",
     lambda: collection(L8).select("SR_B[45]").reduce(ee.Reducer.median()),
     lambda: {f"{name}_median": ma.median(stack(L8, name), axis=0) for name in ("SR_B4", "SR_B5")}),
    ("apidocs/ee-reducer-minmax",
     lambda: collection(L8).select("SR_B4").reduce(ee.Reducer.minMax()),
     lambda: {"SR_B4_min": stack(L8, "SR_B4").min(axis=0),
              "SR_B4_max": stack(L8, "SR_B4").max(axis=0)}),
    ("guides/reducers011: the greatest of some bands",
     lambda: ee.Image(LANDSAT[0]).select(["SR_B4", "SR_B3", "SR_B2"]).reduce(ee.Reducer.max()),
     lambda: {"max": ma.stack([band(LANDSAT[0], f"SR_B{i}") for i in (4, 3, 2)]).max(axis=0)}),
    ("guides/gettingStarted09: the median of the least cloudy",
     lambda: collection(L8).sort("CLOUD_COVER").limit(3).reduce(ee.Reducer.median())
     .select("SR_B5_median"),
     lambda: ma.median(ma.stack([band(LANDSAT[i], "SR_B5") for i in (2, 1, 4)]), axis=0)),
    ("guides/image_collections07: the greatest value",
     lambda: collection(S1).filterBounds(ee.Geometry.Point(EVERYWHERE)).select("VH").max(),
     lambda: stack(S1, "VH").max(axis=0)),
    ("examples/CloudMasking/Landsat8TOAReflectanceQABand.js",
     lambda: collection(L8).map(lambda image: image.updateMask(
         image.select("QA_PIXEL").bitwiseAnd(1 << 3).eq(0))).median().select("SR_B4"),
     lambda: ma.median(lacking(stack(L8, "SR_B4"), (stack(L8, "QA_PIXEL") & 8) == 0), axis=0)),
    ("examples/Demos/NASANEXClimateModeling.js",
     lambda: collection(S1).filter(ee.Filter.calendarRange(5, None, "month")).map(
         lambda image: image.select().addBands(image.subtract(273.15), None, True)).first(),
     lambda: {name: band(f"{S1}/b", name) - 273.15 for name in ("VV", "VH")}),
    ("guides/image_collections04: a band of the time",
     lambda: collection(L8).map(lambda image: image.select("SR_B2").addBands(
         image.getNumber("system:time_start"))).first(),
     lambda: {"SR_B2": band(LANDSAT[0], "SR_B2"), "constant": everywhere(times(L8)[0])}),
    ("guides/image_collections04: a choice by the sun",
     lambda: collection(L8).select("SR_B2").map(lambda image: ee.Algorithms.If(
         ee.Number(image.get("SUN_ELEVATION")).gt(40), image, ee.Image(0).rename("SR_B2"))).sum(),
     lambda: stack(L8, "SR_B2")[[1, 2, 4]].astype(float).filled(0).sum(axis=0)),
    ("guides/image_collections10: a composite of each half of the year",
     lambda: ee.ImageCollection.fromImages(ee.List.sequence(1, 365, 183).map(
         lambda day: collection(L8).select("SR_B4").filter(ee.Filter.calendarRange(
             ee.Number(day), ee.Number(day).add(182), "day_of_year"))
         .reduce(ee.Reducer.median()))).toBands(),
     lambda: {f"{i}_SR_B4_median": ma.median(stack(L8, "SR_B4")[places], axis=0)
              for i, places in enumerate(([0, 4], [1, 2, 3]))}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("build", "expected"), [pytest.param(*each, id=source) for source, *each in TABLE]
)
def test_an_example_comes_out_as_in_numpy(build, expected):
    assert_comes_out(build(), expected())


def low_clouds():
    def mask(image):
        return image.updateMask(image.select("MSK_CLDPRB").lte(10))

    clear = stack(S2, "MSK_CLDPRB") <= 10
    return collection(S2).map(mask), {
        name: lacking(stack(S2, name), clear) for name in ("B8", "SCL")
    }


def test_a_count_as_in_apidocs_ee_imagecollection_count():
    images, layers = low_clouds()
    counts = ma.array(layers["B8"].count(axis=0))
    assert_comes_out(images.count().select("B8"), lacking(counts, counts))


def test_a_mosaic_as_in_apidocs_ee_imagecollection_mosaic():
    images, layers = low_clouds()
    wanted = {name: on_top(each) for name, each in layers.items()}
    assert_comes_out(images.mosaic().select("B8", "SCL"), wanted)


def test_an_index_of_each_image_as_in_examples_imagecollection_expressionmap():
    def savi(image):
        bands = {"nir": image.select("SR_B5"), "red": image.select("SR_B4"), "L": 0.2}
        return image.expression("(1 + L) * float(nir - red)/ (nir + red + L)", bands)

    nir, red = (stack(L8, name).astype(float) for name in ("SR_B5", "SR_B4"))
    wanted = (1.2 * (nir - red) / (nir + red + 0.2)).mean(axis=0)
    assert_comes_out(collection(L8).map(savi).mean(), wanted)


def test_scaled_and_cloudless_as_in_examples_cloudmasking_landsat8surfacereflectance():
    def mask(image):
        clear = image.select("QA_PIXEL").bitwiseAnd(0b11111).eq(0)
        unsaturated = image.select("QA_RADSAT").eq(0)
        optical = image.select("SR_B.").multiply(0.0000275).add(-0.2)
        thermal = image.select("ST_B.*").multiply(0.00341802).add(149.0)
        scaled = image.addBands(optical, None, True).addBands(thermal, None, True)
        return scaled.updateMask(clear).updateMask(unsaturated)

    def masked(name):
        clear = lacking(stack(L8, name), (stack(L8, "QA_PIXEL") & 0b11111) == 0)
        return lacking(clear, stack(L8, "QA_RADSAT") == 0)

    images = collection(L8).filterDate("2020-01-01", "2022-01-01").map(mask)
    wanted = {
        "SR_B4": ma.median(masked("SR_B4") * 0.0000275 - 0.2, axis=0),
        "ST_B10": ma.median(masked("ST_B10") * 0.00341802 + 149.0, axis=0),
    }
    assert_comes_out(images.median().select("SR_B4", "ST_B10"), wanted)


def test_cloudless_as_in_examples_cloudmasking_sentinel2():
    def mask(image):
        qa = image.select("QA60")
        clear = qa.bitwiseAnd(1 << 10).eq(0).And(qa.bitwiseAnd(1 << 11).eq(0))
        scaled = image.updateMask(clear).divide(10000).select("B.*")
        return scaled.copyProperties(image, ["system:time_start"])

    images = collection(S2).filter(ee.Filter.lt("CLOUDY_PIXEL_PERCENTAGE", 40)).map(mask)
    clear = (stack(S2, "QA60") & 0b11 << 10) == 0
    wanted = ma.median(lacking(stack(S2, "B4"), clear)[:3] / 10000, axis=0)
    assert_comes_out(images.median().select("B4"), wanted)
    assert_comes_out(images.aggregate_array("system:time_start"), times(S2)[:3])


def test_the_share_of_clear_views_as_in_examples_cloudmasking_modissurfacereflectanceqaband():
    band_name = "num_observations_1km"
    seen = collection(MODIS).map(lambda image: image.updateMask(image.select(band_name).gt(0)))
    clear = seen.map(
        lambda image: image.updateMask(image.select("state_1km").bitwiseAnd(1 << 10).eq(0))
    )
    total, clear = (each.select(band_name).count() for each in (seen, clear))
    built = clear.unmask(0).toFloat().divide(total)

    layers = lacking(stack(MODIS, band_name), stack(MODIS, band_name) > 0)
    count = ma.masked_equal(layers.count(axis=0), 0)
    cloudless = lacking(layers, (stack(MODIS, "state_1km") & 1 << 10) == 0).count(axis=0)
    assert_comes_out(built, cloudless / count)


def test_layers_by_their_indices_as_in_guides_image_collections08():
    ndvi = ee.Image(FIRST).normalizedDifference(["B8", "B4"])
    ndwi = ee.Image(FIRST).normalizedDifference(["B3", "B8"])
    layers = [ndwi.updateMask(ndwi.gte(0.1)), ndvi.updateMask(ndvi.gte(0.2))]
    ndvi = difference(band(FIRST, "B8"), band(FIRST, "B4"))
    ndwi = difference(band(FIRST, "B3"), band(FIRST, "B8"))
    wanted = filled(lacking(ndvi, ndvi >= 0.2), lacking(ndwi, ndwi >= 0.1))
    assert_comes_out(ee.ImageCollection(layers).mosaic(), wanted)


def test_water_over_zeros_over_the_rest_as_in_examples_userinterface_forestchange():
    image = ee.Image(COVER)
    layers = [image, image.eq(5).selfMask(), image.neq(1).selfMask()]
    cover = band(COVER, "Map")
    assert_comes_out(ee.ImageCollection(layers).mosaic(), ma.where(cover != 1, 1, cover))


def test_the_most_recent_value_as_in_guides_image_collections085():
    def with_time(image):
        millis = ee.Image(image.getNumber("system:time_start")).rename("millis").toFloat()
        return image.addBands(millis).updateMask(image.select("SR_B4").mask())

    built = collection(L8).map(with_time).qualityMosaic("millis").select("SR_B4")
    assert_comes_out(built, on_top(stack(L8, "SR_B4")))


def test_what_adds_up_as_in_guides_image_collections09():
    images = collection(S1).select("VV")
    mean = images.mean()

    def accumulate(image, sums):
        return ee.List(sums).add(image.add(ee.Image(ee.List(sums).get(-1))))

    first = ee.List([ee.Image(0).select([0], ["VV"])])
    anomalies = images.map(lambda image: image.subtract(mean))
    built = ee.ImageCollection(ee.List(anomalies.iterate(accumulate, first))).toBands()

    layers = stack(S1, "VV") - stack(S1, "VV").mean(axis=0)
    mask = np.logical_or.accumulate(ma.getmaskarray(layers))
    sums = ma.array(np.cumsum(layers.data, axis=0), mask=mask)
    wanted = {f"{i}_VV": each for i, each in enumerate(sums, 1)}
    assert_comes_out(built, {"0_VV": everywhere(0), **wanted})


def test_a_composite_of_each_year_as_in_guides_image_collections10():
    images = collection(L8).map(lambda image: image.set("year", image.date().get("year")))
    years = ee.List(images.aggregate_array("year")).distinct().sort()

    def composite(year):
        chosen = images.filterMetadata("year", "equals", year)
        return chosen.select("SR_B4").max().set("year", year)

    composites = ee.ImageCollection.fromImages(years.map(composite))
    layers = stack(L8, "SR_B4")
    wanted = {"0_SR_B4": layers[:4].max(axis=0), "1_SR_B4": layers[4]}
    assert_comes_out(composites.toBands(), wanted)
    assert_comes_out(composites.aggregate_array("year"), [2020, 2021])
