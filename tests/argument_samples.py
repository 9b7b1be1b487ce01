"""For each argument of the emulator's functions two values, by kind or by function."""

from __future__ import annotations

import numpy as np
import shapely
from emulated import Memory, make_image

from cedar.emulator.functions import implemented
from cedar.emulator.functions.base import Closure, call
from cedar.emulator.functions.collections import Collection
from cedar.emulator.values import Date, DateRange, Feature, Geometry, Projection

DAY = 86_400_000
RAMP = np.arange(48, dtype="int16").reshape(6, 8)
EVEN = RAMP % 2 == 0
WEST = Geometry(shapely.box(-71.43, 42.4, -71.4275, 42.46))
EAST = Geometry(shapely.box(-71.428, 42.4, -71.42, 42.46))


def picture(name, time, x, y, footprint=WEST, **properties):
    made = make_image(name, time, footprint, x=(x, EVEN), y=(y, RAMP > 5))
    made.properties.update(properties)
    return made


ONE = picture("one", 0, RAMP, RAMP + 3, CLOUD=3, NAME="one")
TWO = picture("two", 40 * DAY, 4 - RAMP, RAMP * 2, EAST, CLOUD=7, NAME="two", EXTRA=1)
IMAGES = Collection([ONE, TWO])
POINT = Feature(Geometry(shapely.box(0, 0, 1, 1)), {"CLOUD": 3, "NAME": "one", "x": [1]})
OTHER = Feature(Geometry(shapely.box(0, 0, 1, 2)), {"CLOUD": 7.5, "NAME": "two", "x": [2]})
FEATURES = Collection([POINT, OTHER], "FeatureCollection")
CATALOG = Memory((ONE, TWO))


def reducer(name):
    return call(f"Reducer.{name}", {}, CATALOG)


def made(name, *values, **more):
    """A function of the service, called with its arguments in order."""
    names = [argument.name for argument in implemented()[name].signature.arguments]
    return call(name, {**dict(zip(names, values, strict=False)), **more}, CATALOG)


CLEAR, INDEX = made("Filter.equals", "CLOUD", 3), made("Filter.equals", "NAME", "two")
UTM = Projection("EPSG:32619", (30.0, 0.0, 300_000.0, 0.0, -30.0, 4_700_000.0))
SQUARE, WIDE = [[[0, 40], [40, 40], [40, 50], [0, 50]]], [[[0, 40], [50, 40], [50, 50], [0, 50]]]
OMITTED = None

#: Of each kind, two values that differ.
SAMPLES = {
    "Boolean": (True, False),
    "Date": (Date(1_600_000_000_123), Date(86_400_000)),
    "DateRange": (DateRange(0, DAY), DateRange(5, 2 * DAY)),
    "Dictionary<Object>": ({"a": 1, "b": 2}, {"a": 5}),
    "Element": (ONE, TWO),
    "ErrorMargin": (5, 7),
    "FeatureCollection": (IMAGES, Collection([TWO])),
    "Filter": (CLEAR, INDEX),
    "Float": (2.5, 4.0),
    "Geometry": (WEST, EAST),
    "Image<unknown bands>": (ONE, TWO),
    "ImageCollection": (IMAGES, Collection([TWO])),
    "Integer": (2, 3),
    "List<Element>": ([POINT], [POINT, OTHER]),
    "List<Filter>": ([CLEAR, INDEX], [CLEAR, CLEAR]),
    "List<Float>": ([30, 0, 300_000, 0, -30, 4_700_000], [60, 0, 300_000, 0, -60, 4_700_000]),
    "List<Image<unknown bands>>": ([ONE], [ONE, TWO]),
    "List<Number>": ([1, 2], [3, 2]),
    "List<Object>": ([3, 1, 2], [2, 3, 7]),
    "List<String>": (["CLOUD"], ["NAME"]),
    "Long": (1, 2),
    "Number": (6, 3),
    "Object": ("CLOUD", "NAME"),
    "Projection": (UTM, Projection("EPSG:4326")),
    "Reducer": (reducer("min"), reducer("max")),
    "String": ("CLOUD", "NAME"),
}
COMPARED = {  # base and other value of each side; without fields the values alone are compared
    "leftField": ("CLOUD", "NAME"),
    "rightValue": (3, 7),
    "rightField": (OMITTED, "CLOUD"),
    "leftValue": (OMITTED, 3),
}
TEXTS = {**COMPARED, "leftField": ("NAME", "CLOUD"), "rightValue": ("one", "two")}
PLACES = {**COMPARED, "leftField": (".geo", "CLOUD"), "rightValue": (WEST, POINT)}
#: Where those of the kind make no sense: by function and argument.
SPECIAL = {
    "AggregateFeatureCollection.max": {
        "collection": (IMAGES, Collection([ONE])), "property": ("CLOUD", "EXTRA"),
    },
    "Collection": {"features": ([POINT], [POINT, OTHER])},
    "Collection.distinct": {"properties": ("system:band_names", "NAME")},
    "Collection.filter": {"filter": (CLEAR, "CLOUD > 3")},
    "Collection.iterate": {
        "function": (
            Closure(("e", "before"), lambda e, before: [before, e.get("NAME")]),
            Closure(("e", "before"), lambda e, before: e.get("NAME")),
        ),
        "first": ("nothing", OMITTED),
    },
    "Collection.limit": {
        "limit": (1, OMITTED), "key": ("CLOUD", "EXTRA"), "ascending": (True, False),
    },
    "Collection.map": {
        "baseAlgorithm": (
            Closure(("e",), lambda e: e if e is ONE else None), Closure(("e",), lambda e: TWO)
        ),
        "dropNulls": (True, False),
    },
    "Collection.reduceColumns": {"selectors": (["CLOUD"], ["EXTRA"])},
    "Collection.toList": {"count": (1, 2), "offset": (0, 1)},
    "Date": {"value": (0, "2020-01-01"), "timeZone": (OMITTED, "America/New_York")},
    "Date.advance": {"unit": ("day", "week")},
    "Date.difference": {"start": (Date(0), Date(5)), "unit": ("day", "week")},
    "Date.format": {"format": (OMITTED, "yy")},
    "Date.get": {"unit": ("day", "month")},
    "Date.getRange": {"unit": ("day", "month")},
    "Date.getRelative": {"unit": ("day", "hour"), "inUnit": ("year", "month")},
    "Date.unitRatio": {"numerator": ("day", "week"), "denominator": ("hour", "minute")},
    "DateRange": {"start": (0, 1), "end": (5, 6)},
    "DateRange.contains": {"other": (Date(3), Date(-3))},
    "Dictionary": {"input": ({"a": 1}, OMITTED)},
    "Dictionary.combine": {"first": ({"a": 9, "c": 0}, {"b": 1}), "overwrite": (True, False)},
    "Dictionary.contains": {"key": ("b", "c")},
    "Dictionary.fromLists": {"keys": (["a", "b", "c"], ["a", "b", "x"])},
    "Dictionary.get": {
        "dictionary": ({"a": 1}, {"b": 3}), "key": ("b", "a"), "defaultValue": (7, 9),
    },
    "Dictionary.getNumber": {"key": ("a", "b")},
    "Dictionary.map": {
        "baseAlgorithm": (
            Closure(("key", "value"), lambda key, value: value),
            Closure(("key", "value"), lambda key, value: key),
        )
    },
    "Dictionary.select": {"selectors": (["a", "c"], ["b"]), "ignoreMissing": (True, False)},
    "Dictionary.toImage": {"names": (OMITTED, ["a"])},
    "Dictionary.values": {"keys": (OMITTED, ["a"])},
    "Element.copyProperties": {
        "destination": (ONE, TWO), "source": (TWO, ONE),
        "properties": (OMITTED, ["EXTRA"]), "exclude": (OMITTED, ["CLOUD"]),
    },
    "Element.getNumber": {"property": ("CLOUD", "EXTRA")},
    "Element.getString": {"property": ("NAME", "EXTRA")},
    "Element.set": {"value": (1, 2)},
    "Element.setMulti": {"properties": ({"a": 1}, {"a": 2})},
    "Feature": {"metadata": ({"a": 1}, {"b": 1})},
    "Feature.area": {"feature": (POINT, OTHER)},
    "Feature.geometry": {"feature": (POINT, OTHER)},
    "Feature.id": {"element": (ONE, TWO)},
    "Filter.and": {"filters": ([CLEAR, INDEX], [CLEAR, CLEAR])},
    "Filter.area": {
        "min": (0, 1.5e10), "max": (2e10, 1e9), "geometrySelector": (OMITTED, "CLOUD")
    },
    "Filter.calendarRange": {
        "start": (2, 1), "end": (OMITTED, 1), "field": ("month", "day_of_year")
    },
    "Filter.contains": PLACES,
    "Filter.dateRangeContains": {
        "leftValue": (DateRange(0, DAY), DateRange(DAY, 50 * DAY)),
        "rightField": ("system:time_start", "NAME"),
        "leftField": (OMITTED, "CLOUD"),
        "rightValue": (OMITTED, 5),
    },
    "Filter.dayOfYear": {"start": (1, 41), "end": (1, 41)},
    "Filter.disjoint": PLACES,
    "Filter.expression": {"expression": ("CLOUD > 3", "CLOUD < 5")},
    "Filter.hasType": {**COMPARED, "rightValue": ("Number", "String")},
    "Filter.inList": {**COMPARED, "leftField": ("x", "CLOUD"), "rightValue": (1, 2)},
    "Filter.intersects": PLACES,
    "Filter.isContained": PLACES,
    "Filter.listContains": {**COMPARED, "leftField": ("x", "CLOUD"), "rightValue": (1, 2)},
    "Filter.maxDifference": {**COMPARED, "difference": (1, 5)},
    "Filter.notNull": {"properties": (["CLOUD"], ["EXTRA"])},
    "Filter.rangeContains": {
        "field": ("CLOUD", "NAME"), "minValue": (1, 5), "maxValue": (5, 9),
    },
    "Filter.stringContains": TEXTS,
    "Filter.stringEndsWith": TEXTS,
    "Filter.stringStartsWith": TEXTS,
    "Filter.withinDistance": {**PLACES, "distance": (1, 1e8)},
    "GeometryConstructors.BBox": {
        "west": (1, 2), "south": (1, 2), "east": (5, 6), "north": (5, 6),
    },
    "GeometryConstructors.MultiPolygon": {
        "coordinates": ([SQUARE], [WIDE]), "crs": (OMITTED, UTM), "geodesic": (True, False),
    },
    "GeometryConstructors.Point": {"crs": (OMITTED, UTM)},
    "GeometryConstructors.Polygon": {
        "coordinates": (SQUARE, WIDE), "crs": (OMITTED, UTM), "geodesic": (True, False),
    },
    "GeometryConstructors.Rectangle": {
        "coordinates": ([[0, 0], [9, 9]], [[0, 0], [8, 9]]),
        "crs": (OMITTED, UTM),
        "geodesic": (True, False),
    },
    "If": {"condition": (True, 0), "trueCase": (1, 2), "falseCase": (3, 4)},
    "Image.addBands": {
        "dstImg": (ONE, TWO), "names": (OMITTED, ["x"]), "overwrite": (False, True)
    },
    "Image.bandNames": {"image": (ONE, made("Image.constant", 1))},
    "Image.clamp": {"low": (1, 3), "high": (20, 30)},
    "Image.clip": {"geometry": (WEST, EAST)},
    "Image.clipToBoundsAndScale": {"geometry": (WEST, EAST)},
    "Image.constant": {"value": (1, 2)},
    "Image.copyProperties": {
        "destination": (ONE, TWO), "source": (TWO, ONE),
        "properties": (OMITTED, ["EXTRA"]), "exclude": (OMITTED, ["CLOUD"]),
    },
    "Image.load": {"id": ("MEMORY/one", "MEMORY/two"), "version": (OMITTED, 2)},
    "Image.mask": {"mask": (OMITTED, ONE)},
    "Image.normalizedDifference": {"bandNames": (OMITTED, ["y", "x"])},
    "Image.projection": {"image": (ONE, made("Image.constant", 1))},
    "Image.reduceRegion": {
        "geometry": (WEST, EAST), "maxPixels": (OMITTED, 1),
        "crs": (Projection("EPSG:32619"), Projection("EPSG:4326")),
        "crsTransform": (
            [30, 0, 300_000, 0, -30, 4_700_000], [60, 0, 300_000, 0, -60, 4_700_000]
        ),
    },
    "Image.reduceResolution": {"reducer": (reducer("mean"), reducer("max")), "maxPixels": (9, 0)},
    "Image.remap": {"defaultValue": (OMITTED, 9), "bandName": (OMITTED, "y")},
    "Image.rename": {"names": (["p", "q"], ["r", "s"])},
    "Image.reproject": {
        "crsTransform": (OMITTED, [60, 0, 300_000, 0, -60, 4_700_000]), "scale": (OMITTED, 40),
    },
    "Image.resample": {"mode": ("bilinear", "bicubic")},
    "Image.select": {"bandSelectors": (["x", "y"], ["y", "x"]), "newNames": (OMITTED, ["p", "q"])},
    "Image.unmask": {"value": (OMITTED, ONE), "sameFootprint": (True, False)},
    "Image.where": {"value": (TWO, ONE)},
    "ImageCollection.load": {"id": ("MEMORY", "OTHER"), "version": (OMITTED, 2)},
    "ImageCollection.qualityMosaic": {"qualityBand": ("x", "y")},
    "List.add": {"element": (1, 2)},
    "List.contains": {"element": (1, 5)},
    "List.distinct": {"list": ([1, 1], [1, 2])},
    "List.filter": {
        "list": ([1, 2], [2]),
        "filter": (made("Filter.equals", "item", 1), made("Filter.equals", "item", 2)),
    },
    "List.frequency": {"element": (1, 5)},
    "List.iterate": {
        "function": (
            Closure(("item", "before"), lambda item, before: [before, item]),
            Closure(("item", "before"), lambda item, before: item),
        ),
        "first": (1, 2),
    },
    "List.length": {"list": ([1], [1, 2])},
    "List.map": {
        "list": ([None, 1], [1, 2]),
        "baseAlgorithm": (Closure(("i",), lambda item: item), Closure(("i",), lambda item: 5)),
        "dropNulls": (True, False),
    },
    "List.sequence": {
        "start": (0, 2), "end": (9, 20), "step": (1, 3), "count": (OMITTED, 2),
    },
    "List.size": {"list": ([1], [1, 2])},
    "List.slice": {"start": (0, 1), "end": (OMITTED, 2), "step": (OMITTED, 2)},
    "List.sort": {"keys": (OMITTED, [1, 2, 3])},
    "Number.and": {"left": (6, 0), "right": (6, 0)},
    "Number.clamp": {"number": (6, 5), "min": (1, 7), "max": (9, 2)},
    "Number.format": {"pattern": ("%d", "%.2f")},
    "Number.gt": {"left": (9, 6), "right": (6, 9)},
    "Number.gte": {"left": (6, 3), "right": (6, 9)},
    "Number.lt": {"left": (3, 6), "right": (6, 3)},
    "Number.lte": {"left": (6, 9), "right": (6, 3)},
    "Number.max": {"left": (6, 9), "right": (6, 9)},
    "Number.mod": {"left": (6, 5), "right": (6, 9)},
    "Number.not": {"input": (6, 0)},
    "Number.or": {"left": (0, 6), "right": (0, 6)},
    "Number.parse": {"input": ("10", "11"), "radix": (10, 2)},
    "Number.rightShift": {"left": (600, 6), "right": (1, 2)},
    "Number.signum": {"input": (6, -6)},
    "Number.unitScale": {"min": (0, 1), "max": (10, 20)},
    "Projection": {"crs": ("EPSG:4326", "EPSG:32619"), "transform": (OMITTED, [2, 0, 0, 0, 2, 0])},
    "Reducer.toList": {"tupleSize": (2, 3), "numOptional": (0, 1)},
    "String.equals": {"target": ("CLOUD", "NAME")},
    "String.index": {"pattern": ("O", "U")},
    "String.length": {"string": ("a", "bc")},
    "String.slice": {"start": (0, 1), "end": (OMITTED, 2)},
}  # fmt: skip
#: What else is different where an argument is changed.
BESIDES = {("If", "falseCase"): {"condition": 0}}
