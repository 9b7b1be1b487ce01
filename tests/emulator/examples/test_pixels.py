"""Public examples of what is computed pixel by pixel, held against numpy: see test_filters.py."""

from __future__ import annotations

import ee
import numpy as np
import pytest
from example_scenes import (
    COVER,
    DEM,
    L8,
    LIGHTS,
    MODIS,
    S2,
    assert_comes_out,
    band,
    difference,
    everywhere,
    filled,
    ids,
    lacking,
    replaced,
)
from numpy import ma

FIRST, SECOND = ids(S2)[:2]
LANDSAT = ids(L8)
MOD09 = f"{MODIS}/2012_03_09"
B11, B12 = band(FIRST, "B11"), band(FIRST, "B12")
LAND = B11 > 100
ELEVATION = band(DEM, "elevation")


def swir(method):
    image = ee.Image(FIRST)
    return getattr(image.select("B11"), method)(image.select("B12"))


def land_only():
    image = ee.Image(FIRST)
    return image.updateMask(image.select("B11").gt(100))


# (source, the client's expression, what numpy makes of it: bands by name, or the only band).
TABLE = [
    *((f"apidocs/ee-image-{method}", lambda method=method: swir(method),
       lambda compute=compute: compute(B11.astype(float), B12.astype(float)))
      for method, compute in (
          ("add", np.add), ("subtract", np.subtract), ("multiply", np.multiply),
          ("divide", np.divide), ("mod", ma.fmod))),
    ("apidocs/ee-image-pow", lambda: ee.Image(FIRST).select("B11").pow(3),
     lambda: B11.astype(float) ** 3),
    ("apidocs/ee-image-gt", lambda: ee.Image(DEM).select("elevation").gt(0.0),
     lambda: ELEVATION > 0),
    ("apidocs/ee-image-not", lambda: ee.Image(3).Not().Not(), lambda: everywhere(1)),
    ("apidocs/ee-image-mask", lambda: ee.Image(FIRST).select(["B11", "B12"]).mask(),
     lambda: {"B11": ma.array(~B11.mask), "B12": ma.array(~B12.mask)}),
    ("apidocs/ee-image-updatemask", lambda: land_only().select(["B2", "B11"]),
     lambda: {"B2": lacking(band(FIRST, "B2"), LAND), "B11": lacking(B11, LAND)}),
    ("apidocs/ee-image-updatemask: a mask for each band",
     lambda: ee.Image(FIRST).select(["B4", "B3"]).updateMask(
         ee.Image(FIRST).select(["B4", "B3"]).gt(200)),
     lambda: {name: lacking(band(FIRST, name), band(FIRST, name) > 200) for name in ("B4", "B3")}),
    ("apidocs/ee-image-selfmask", lambda: ee.Image(FIRST).select("B11").gt(100).selfMask(),
     lambda: lacking(LAND, LAND)),
    ("apidocs/ee-image-unmask: a number", lambda: land_only().select("B2").unmask(32767),
     lambda: filled(lacking(band(FIRST, "B2"), LAND), everywhere(32767))),
    ("apidocs/ee-image-unmask: 0, in the footprint", lambda: land_only().select("B2").unmask(),
     lambda: filled(lacking(band(FIRST, "B2"), LAND), everywhere(0))),
    ("apidocs/ee-image-unmask: 0, everywhere",
     lambda: land_only().select("B2").unmask(sameFootprint=False),
     lambda: filled(lacking(band(FIRST, "B2"), LAND), everywhere(0))),
    ("apidocs/ee-image-unmask: another image",
     lambda: land_only().unmask(ee.Image(SECOND)).select("B2"),
     lambda: filled(lacking(band(FIRST, "B2"), LAND), band(SECOND, "B2"))),
    ("apidocs/ee-image-normalizeddifference",
     lambda: ee.Image(LANDSAT[0]).normalizedDifference(["SR_B5", "SR_B4"]),
     lambda: {"nd": difference(band(LANDSAT[0], "SR_B5"), band(LANDSAT[0], "SR_B4"))}),
    ("examples/Image/NormalizedDifference.js: negative values are masked",
     lambda: ee.Image(MOD09).normalizedDifference(["sur_refl_b02", "sur_refl_b01"]),
     lambda: {"nd": difference(band(MOD09, "sur_refl_b02"), band(MOD09, "sur_refl_b01"))}),
    ("apidocs/ee-image-clip",
     lambda: ee.Image(DEM).clip(ee.Geometry.Rectangle(
         [300000, 4699820, 300090, 4700000], "EPSG:32619", False)),
     lambda: {"elevation": lacking(ELEVATION, ma.array(np.arange(8) < 3))}),
    ("examples/Image/Clamp.js", lambda: ee.Image(DEM).clamp(1000, 2000),
     lambda: ELEVATION.clip(1000, 2000)),
    ("guides/images08: zones of lights by an expression",
     lambda: ee.Image(LIGHTS).expression(
         "(b('stable_lights') > 62) ? 3: (b('stable_lights') > 55) ? 2"
         ": (b('stable_lights') > 30) ? 1: 0"),
     lambda: ma.array(np.digitize(band(LIGHTS, "stable_lights").filled(0), [31, 56, 63]))),
    ("guides/images09: clouds replaced",
     lambda: ee.Image(FIRST).where(ee.Image(FIRST).select("MSK_CLDPRB").gt(5), ee.Image(SECOND))
     .select("B4"),
     lambda: replaced(band(FIRST, "B4"), band(FIRST, "MSK_CLDPRB") > 5, band(SECOND, "B4"))),
    ("guides/resample: the share of forest in larger pixels",
     lambda: ee.Image(DEM).gt(2000).reduceResolution(ee.Reducer.mean(), maxPixels=1024)
     .reproject("EPSG:32619", [60, 0, 300000, 0, -60, 4700000]),
     lambda: (ELEVATION > 2000).astype(float).reshape(3, 2, 4, 2).mean(axis=(1, 3))
     .repeat(2, axis=0).repeat(2, axis=1)),
    # Out of range, the nearest value: as apidocs/ee-number-toint8 and its like say of numbers.
    *((f"apidocs/ee-image-{name.lower()}",
       lambda name=name: getattr(ee.Image(DEM).subtract(2000).multiply(30.7), name)(),
       lambda low=low, high=high: np.trunc((ELEVATION - 2000.0) * 30.7).clip(low, high))
      for name, low, high in (
          ("toByte", 0, 255), ("toInt8", -128, 127), ("toUint16", 0, 65535),
          ("toShort", -32768, 32767), ("toInt", -(2**31), 2**31 - 1))),
    *((f"apidocs/ee-image-{name.lower()}",
       lambda name=name: getattr(ee.Image(DEM).multiply(30.7), name)(), lambda: ELEVATION * 30.7)
      for name in ("toFloat", "toDouble")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("build", "expected"), [pytest.param(*each, id=source) for source, *each in TABLE]
)
def test_an_example_comes_out_as_in_numpy(build, expected):
    assert_comes_out(build(), expected())


def test_remap_as_in_apidocs_ee_image_remap():
    built = ee.Image(COVER).remap([1, 2, 3, 5], [10, 20, 20, 7], 0, "Map")
    cover = band(COVER, "Map")
    classes = np.array([0, 10, 20, 20, 0, 7, 0, 0, 0, 0, 0])[cover.data]
    assert_comes_out(built, {"remapped": ma.array(classes, mask=cover.mask)})


def test_evi_as_in_examples_image_expression():
    names = {"red": "sur_refl_b01", "nir": "sur_refl_b02", "blue": "sur_refl_b03"}
    image = ee.Image(MOD09).multiply(0.0001)
    bands = {name: image.select(native) for name, native in names.items()}
    built = image.expression("2.5 * (nir - red) / (nir + 6 * red - 7.5 * blue + 1)", bands)
    red, nir, blue = (band(MOD09, native) * 0.0001 for native in names.values())
    assert_comes_out(built, 2.5 * (nir - red) / (nir + 6 * red - 7.5 * blue + 1))


def test_bits_as_in_examples_image_modisqabands():
    qa = ee.Image(MOD09).select("state_1km")

    def bits(start, end, name):
        pattern = sum(1 << bit for bit in range(start, end + 1))
        return qa.select([0], [name]).bitwiseAnd(pattern).rightShift(start)

    cloudy = bits(0, 1, "cloud_state").expression("b(0) == 1 || b(0) == 2")
    built = bits(3, 5, "land_water_flag").neq(7).And(cloudy.Not())
    state = band(MOD09, "state_1km")
    assert_comes_out(built, ((state >> 3 & 7) != 7) & ((state & 3) != 1) & ((state & 3) != 2))


def test_a_cloud_score_as_in_examples_imagecollection_simplecloudscore():
    image = ee.Image(LANDSAT[1]).select(
        ["SR_B2", "SR_B3", "SR_B4", "SR_B6"], ["blue", "green", "red", "swir1"]
    )

    def rescale(image, text, low, high):
        return image.expression(text, {"img": image}).subtract(low).divide(high - low)

    score = ee.Image(1.0).min(rescale(image, "img.blue", 1e4, 3e4))
    score = score.min(rescale(image, "img.red + img.green + img.blue", 2e4, 8e4))
    snow = image.normalizedDifference(["green", "swir1"])
    built = score.min(rescale(snow, "img", 0.8, 0.6))

    blue, green, red, swir1 = (band(LANDSAT[1], f"SR_B{i}").astype(float) for i in (2, 3, 4, 6))
    wanted = ma.minimum(1.0, (blue - 1e4) / 2e4)
    wanted = ma.minimum(wanted, (red + green + blue - 2e4) / 6e4)
    assert_comes_out(built, ma.minimum(wanted, (difference(green, swir1) - 0.8) / -0.2))


def test_bare_ground_as_in_guides_images07():
    image = ee.Image(FIRST)
    ndvi = image.normalizedDifference(["B8", "B4"])
    ndwi = image.normalizedDifference(["B3", "B8"])
    red, green, nir = (band(FIRST, name) for name in ("B4", "B3", "B8"))
    wanted = (difference(nir, red) < 0.2) & (difference(green, nir) < 0)
    assert_comes_out(ndvi.lt(0.2).And(ndwi.lt(0)), wanted)


def test_zones_of_lights_as_in_guides_images08():
    lights = ee.Image(LIGHTS).select("stable_lights")
    built = lights.gt(30).add(lights.gt(55)).add(lights.gt(62))
    values = band(LIGHTS, "stable_lights")
    assert_comes_out(built, sum((values > each).astype(int) for each in (30, 55, 62)))


def test_the_difference_of_two_years_as_in_guides_gettingstarted05():
    index = [ee.Image(each).normalizedDifference(["B4", "B3"]) for each in (FIRST, SECOND)]
    built = index[1].subtract(index[0]).updateMask(ee.Image(DEM).mask())
    one, two = (difference(band(each, "B4"), band(each, "B3")) for each in (FIRST, SECOND))
    assert_comes_out(built, lacking(two - one, ma.array(~ELEVATION.mask)))


def test_a_choice_among_conditions_as_in_python_examples_image_where():
    cover = ee.Image(COVER)
    chosen = cover.lte(4).And(cover.gte(1)).And(ee.Image(DEM).gt(1000))
    output = ee.Image(0).where(chosen, 1)
    wanted = ma.array(((band(COVER, "Map") <= 4) & (ELEVATION > 1000)).filled(False))
    assert_comes_out(output.mask(output), lacking(wanted, wanted))


def test_an_index_by_hand_as_in_guides_tutorial_1():
    image = ee.Image(FIRST)
    nir, red = image.select("B8"), image.select("B4")
    built = nir.subtract(red).divide(nir.add(red)).rename("NDVI")
    nir, red = band(FIRST, "B8").astype(float), band(FIRST, "B4").astype(float)
    assert_comes_out(built, {"NDVI": (nir - red) / (nir + red)})
