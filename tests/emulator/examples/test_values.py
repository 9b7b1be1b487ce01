"""Public examples of plain values, with the results that their pages print: see test_filters.py."""

from __future__ import annotations

import ee
import pytest
from emulated import expression
from example_scenes import Scenes, ms

from cedar.emulator.encode import encode
from cedar.emulator.evaluate import evaluate

#: Landsat's and Sentinel's values of apidocs/ee-dictionary-….
BANDS = {"B1": 182, "B2": 219, "B3": 443}
MORE = {"Region": "a forest", "B1": -9999}
MOMENT = "2021-4-30T07:15:31.24"


def date(text):
    return {"type": "Date", "value": ms(text)}


def dates(start, end):
    return {"type": "DateRange", "dates": [ms(start), ms(end)]}


def sites(method, **operands):
    """apidocs/ee-filter-equals: which of three sites a comparison leaves."""
    pairs = ((5, 5), (5, 20), (40, 10))
    made = [ee.Feature(None, {"left": one, "right": other}) for one, other in pairs]
    chosen = getattr(ee.Filter, method)(**{"leftField": "left", **operands})
    return ee.FeatureCollection(made).filter(chosen).aggregate_array("right")


def shapes(left, right):
    """apidocs/ee-filter-hastype: which of three features are of a type."""
    made = [
        ee.Feature(ee.Geometry.Rectangle([0, 0, 1, 1]), {"i": 0, "x": 0}),
        ee.Feature(ee.Geometry.Rectangle(0, 0, 3, 3), {"i": 1, "x": "foo"}),
        ee.Feature(ee.Geometry.Point(0, 0), {"i": 2}),
    ]
    chosen = ee.Filter.hasType(leftField=left, rightValue=right)
    return ee.FeatureCollection(made).filter(chosen).aggregate_array("i")


def observations(*range_):
    """apidocs/ee-filter-date: which of four observations are in a range."""
    days = ("2021-06-10", "2021-06-20", "2021-07-10", "2021-07-20")
    made = [
        ee.Feature(
            ee.Geometry.Point([-119.56, 37.67]), {"day": day, "system:time_start": ee.Date(day)}
        )
        for day in days
    ]
    return ee.FeatureCollection(made).filter(ee.Filter.date(*range_)).aggregate_array("day")


def plants(method, *arguments, **named):
    """apidocs/ee-featurecollection-…: a few power plants."""
    made = [
        ee.Feature(None, {"fuel1": fuel, "capacitymw": capacity})
        for fuel, capacity in (("Wind", 1.8), ("Gas", 385.0), ("Wind", 27.3), ("Nuclear", 2910.0))
    ]
    return getattr(ee.FeatureCollection(made), method)(*arguments, **named)


def halved(_, previous):
    return ee.List(previous).add(ee.Number(ee.List(previous).get(-1)).divide(2))


def listed(chosen):
    return ee.List([1, 2, 3, None, 6, 7]).filter(chosen)


# (the page of apidocs/ee-…, the client's expression, the result).
TABLE = [
    *(("filter-" + method.lower(), lambda method=method: sites(method, rightField="right"), left)
      for method, left in (
          ("equals", [5]), ("notEquals", [20, 10]), ("lessThan", [20]),
          ("lessThanOrEquals", [5, 20]), ("greaterThan", [10]), ("greaterThanOrEquals", [5, 10]))),
    ("filter-maxdifference",
     lambda: sites("maxDifference", difference=15, rightField="right"), [5, 20]),
    ("filter-greaterthan", lambda: sites("greaterThan", rightValue=20), [10]),
    ("filter-greaterthan",
     lambda: sites("greaterThan", leftValue=20, leftField=None, rightField="left"), [5, 20]),
    ("filter-hastype", lambda: shapes(".geo", "Point"), [2]),
    ("filter-hastype", lambda: shapes(".geo", "Polygon"), [0, 1]),
    ("filter-hastype", lambda: shapes("x", "Number"), [0]),
    ("filter-hastype", lambda: shapes("x", "String"), [1]),
    ("filter-date", lambda: observations("2021-07-01", "2021-08-01"), ["2021-07-10", "2021-07-20"]),
    ("filter-date", lambda: observations(ee.DateRange("2021-07-01", "2021-08-01")),
     ["2021-07-10", "2021-07-20"]),
    ("filter-date", lambda: observations(1625875200000, 1626739200001),
     ["2021-07-10", "2021-07-20"]),
    ("list-filter", lambda: listed(ee.Filter.eq("item", 3)), [3]),
    ("list-filter", lambda: listed(ee.Filter.gt("item", 4)), [6, 7]),
    ("list-filter", lambda: listed(ee.Filter.notNull(["item"])), [1, 2, 3, 6, 7]),
    ("list-filter", lambda: listed(ee.Filter.inList("item", [1, 98, 99])), [1]),
    ("list-filter",
     lambda: listed(ee.Filter.And(ee.Filter.gte("item", 3), ee.Filter.lte("item", 6))), [3, 6]),
    ("algorithms-if", lambda: ee.Algorithms.If(False, "*true*", "*false*"), "*false*"),
    ("algorithms-if", lambda: ee.Algorithms.If(True, "*true*", "*false*"), "*true*"),
    ("algorithms-if", lambda: ee.Algorithms.If(ee.String("Tree").compareTo("Tree"), 0, 1), 1),
    ("algorithms-if", lambda: ee.Algorithms.If(ee.String("NotTree").compareTo("Tree"), 0, 1), 0),
    ("date", lambda: ee.Date(60 * 1000), date("1970-01-01T00:01:00")),
    ("date", lambda: ee.Date("2020"), date("2020-01-01")),
    ("date", lambda: ee.Date("2017-6-24"), date("2017-06-24")),
    ("date", lambda: ee.Date("2017-6-24T00:14:46"), date("2017-06-24T00:14:46")),
    ("date-advance", lambda: ee.Date("2020-7-1T13:00", "UTC").advance(1, "week"),
     date("2020-07-08T13:00")),
    ("date-advance", lambda: ee.Date("2020-7-1T13:00", "UTC").advance(2, "years"),
     date("2022-07-01T13:00")),
    ("date-advance", lambda: ee.Date("2020-7-1T13:00", "UTC").advance(-1, "second"),
     date("2020-07-01T12:59:59")),
    ("date-difference", lambda: ee.Date("2020-01-15").difference(ee.Date("2020-01-01"), "days"),
     14),
    ("date-difference", lambda: ee.Date("2020-01-01").difference(ee.Date("2020-01-15"), "weeks"),
     -2),
    ("date-format", lambda: ee.Date("2020-08-18").format(None, "GMT"), "2020-08-18T00:00:00"),
    ("date-format", lambda: ee.Date("1975-07-23T21:13:59").format("yy DDD"), "75 204"),
    ("date-format", lambda: ee.Date("1975-07-23T21:13:59").format("MM dd"), "07 23"),
    ("date-format", lambda: ee.Date("1975-07-23T21:13:59").format("YY 'yada' MM"), "75 yada 07"),
    ("date-fromymd", lambda: ee.Date.fromYMD(2021, 4, 30), date("2021-04-30")),
    *(("date-get", lambda unit=unit: ee.Date("2021-4-30T07:15:31").get(unit), value)
      for unit, value in (("year", 2021), ("month", 4), ("week", 17), ("day", 30), ("hour", 7),
                          ("minute", 15), ("second", 31))),
    *(("date-getrange", lambda unit=unit: ee.Date(MOMENT).getRange(unit), dates(start, end))
      for unit, start, end in (
          ("year", "2021-01-01", "2022-01-01"), ("month", "2021-04-01", "2021-05-01"),
          ("day", "2021-04-30", "2021-05-01"), ("hour", "2021-04-30T07", "2021-04-30T08"))),
    *(("date-getrelative", lambda units=units: ee.Date(MOMENT).getRelative(*units), value)
      for units, value in (
          (("month", "year"), 3), (("day", "year"), 119), (("day", "month"), 29),
          (("minute", "day"), 7 * 60 + 15), (("second", "minute"), 31), (("year", "month"), 0))),
    ("date-unitratio", lambda: ee.Date.unitRatio("day", "minute"), 1440),
    ("date-unitratio", lambda: ee.Date.unitRatio("week", "hour"), 168),
    ("daterange", lambda: ee.DateRange("2017-06-24"),
     dates("2017-06-24", "2017-06-24T00:00:00.001")),
    ("daterange", lambda: ee.DateRange(1498262400000, 1500854400000),
     dates("2017-06-24", "2017-07-24")),
    ("daterange-start", lambda: ee.DateRange("2017-06-24", "2017-07-24").start(),
     date("2017-06-24")),
    ("daterange-end", lambda: ee.DateRange("2017-06-24", "2017-07-24").end(), date("2017-07-24")),
    ("daterange-contains", lambda: ee.DateRange("2017-06-24", "2017-07-24").contains(
        ee.DateRange("2017-06-30", "2017-07-10")), True),
    ("daterange-contains", lambda: ee.DateRange("2017-06-24", "2017-07-24").contains(
        ee.DateRange("2010-06-24", "2020-07-24")), False),
    ("dictionary-combine", lambda: ee.Dictionary(BANDS).combine(MORE, False),
     {**BANDS, "Region": "a forest"}),
    ("dictionary-combine", lambda: ee.Dictionary(BANDS).combine(MORE, True), {**BANDS, **MORE}),
    ("dictionary-get", lambda: ee.Dictionary(BANDS).get("Band_1", -9999), -9999),
    ("dictionary-keys", lambda: ee.Dictionary(BANDS).keys(), ["B1", "B2", "B3"]),
    ("dictionary-values", lambda: ee.Dictionary(BANDS).values(["B1", "B2"]), [182, 219]),
    ("dictionary-set", lambda: ee.Dictionary(BANDS).set("B3", -9999), {**BANDS, "B3": -9999}),
    ("dictionary-size", lambda: ee.Dictionary(BANDS).size(), 3),
    ("dictionary-contains", lambda: ee.Dictionary(BANDS).contains("Band_1"), False),
    ("dictionary-select", lambda: ee.Dictionary(BANDS).select(["B[1-2]"]), {"B1": 182, "B2": 219}),
    ("dictionary-select", lambda: ee.Dictionary(BANDS).select(["B1", "Region"], True), {"B1": 182}),
    ("dictionary-map",
     lambda: ee.Dictionary(BANDS).map(lambda key, value: ee.Number(value).divide(1e4)),
     {"B1": 0.0182, "B2": 0.0219, "B3": 0.0443}),
    ("dictionary-fromlists", lambda: ee.Dictionary.fromLists(["B1", "B2", "B3"], [182, 219, 443]),
     BANDS),
    ("featurecollection-aggregate_array", lambda: plants("aggregate_array", "fuel1"),
     ["Wind", "Gas", "Wind", "Nuclear"]),
    ("featurecollection-aggregate_count_distinct",
     lambda: plants("aggregate_count_distinct", "fuel1"), 3),
    ("featurecollection-aggregate_first", lambda: plants("aggregate_first", "fuel1"), "Wind"),
    ("featurecollection-aggregate_max", lambda: plants("aggregate_max", "capacitymw"), 2910),
    ("featurecollection-distinct", lambda: plants("distinct", "fuel1").size(), 3),
    ("featurecollection-limit", lambda: plants("limit", 2, "capacitymw").aggregate_array(
        "capacitymw"), [1.8, 27.3]),
    ("featurecollection-map", lambda: plants("map", lambda each: each.set(
        "capacitygw", each.getNumber("capacitymw").divide(1000))).aggregate_array("capacitygw"),
     [0.0018, 0.385, 0.0273, 2.91]),
    ("featurecollection-reducecolumns",
     lambda: plants("reduceColumns", ee.Reducer.mean(), ["capacitymw"]).getNumber("mean").multiply(
         4).round(), 3324),
    ("featurecollection-sort",
     lambda: plants("sort", "capacitymw", False).first().get("fuel1"), "Nuclear"),
    ("featurecollection-tolist", lambda: plants("toList", 2, 2).size(), 2),
    ("list-add", lambda: ee.List(["a"]).add(ee.List(["b"])), ["a", ["b"]]),
    ("list-cat", lambda: ee.List(["moose"]).cat(["&", "squirrel"]), ["moose", "&", "squirrel"]),
    ("list-frequency", lambda: ee.List([0, 1, 2, 2, 3, 4]).frequency(2), 2),
    ("list-get", lambda: ee.List([5, 10, 15, 20, 25, 30]).get(-2), 25),
    ("list-iterate", lambda: ee.List.sequence(1, 3).iterate(halved, [1000]),
     [1000, 500, 250, 125]),
    ("list-sequence", lambda: ee.List.sequence(0, 5), [0, 1, 2, 3, 4, 5]),
    ("list-sequence", lambda: ee.List.sequence(0, 10, 2), [0, 2, 4, 6, 8, 10]),
    ("list-sequence", lambda: ee.List.sequence(0, None, -2, 6), [0, -2, -4, -6, -8, -10]),
    ("list-sequence", lambda: ee.List.sequence(0, 10, 2, 3), [0, 5, 10]),
    ("list-sequence", lambda: ee.List.sequence(start=10, count=3), [10, 11, 12]),
    ("list-sequence", lambda: ee.List.sequence(start=3, step=2, end=6), [3, 5]),
    ("reducer-count", lambda: ee.List([]).reduce(ee.Reducer.count()), 0),
    ("reducer-count", lambda: ee.List([1, None, 3]).reduce(ee.Reducer.count()), 2),
    ("reducer-count", lambda: ee.List([1, "", 3]).reduce(ee.Reducer.count()), 3),
    ("reducer-minmax", lambda: ee.List([1, 2, 3, 4]).reduce(ee.Reducer.minMax()),
     {"max": 4, "min": 1}),
    *((f"number-{method.lower()}",
       lambda left=left, method=method, right=right: getattr(ee.Number(left), method)(*right),
       value)
      for left, method, right, value in (
          (5, "add", [10.2], 15.2), (5, "subtract", [10], -5), (10, "divide", [0], 0),
          (12, "mod", [5], 2), (1, "mod", [-2], 1), (5.5, "mod", [2], 1.5), (-12, "mod", [5], -2),
          (5, "pow", [-2], 0.04), (-5, "pow", [2], 25), (2.3, "abs", [], 2.3), (-1, "abs", [], 1),
          (2.1, "ceil", [], 3), (-2.9, "ceil", [], -2), (-2.1, "floor", [], -3),
          (10.4, "round", [], 10), (10.5, "round", [], 11), (-5, "signum", [], -1),
          (100, "sqrt", [], 10), (0, "exp", [], 1), (5, "max", [10], 10), (5, "And", [0], 0),
          (0, "Or", [5], 1), (5, "Not", [], 0), (1.001, "eq", [1], 0), (25, "bitwiseAnd", [21], 17),
          (25, "bitwiseNot", [], -26), (20, "leftShift", [2], 80), (20, "rightShift", [2], 5),
          (259, "clamp", [0, 255], 255), (-10, "unitScale", [0, 100], -0.1),
          (1, "format", ["%03d"], "001"), (1.23476, "format", ["%.3f"], "1.235"),
          (123476, "format", ["%.3e"], "1.235e+05"), (1.7, "byte", [], 1),
          (255 + 12345, "byte", [], 255), (-12345, "toUint8", [], 0),
          (127 + 12345, "int8", [], 127),
          (-32768 - 12345, "toInt16", [], -32768), (2147483647 + 12345, "int", [], 2147483647))),
    ("number-parse", lambda: ee.Number.parse("0001"), 1),
    ("number-parse", lambda: ee.Number.parse("3E8", 16), 1000),
    ("string-cat", lambda: ee.String("cat").cat(" bird"), "cat bird"),
    ("string-compareto", lambda: ee.String("b").compareTo("a"), 1),
    ("string-equals", lambda: ee.String("Abies grandis").equals("abies grandis"), False),
    ("string-index", lambda: ee.String("abc123").index("c1"), 2),
    ("string-index", lambda: ee.String("abc123").index("BC"), -1),
    ("string-length", lambda: ee.String("abc123").length(), 6),
    ("string-slice", lambda: ee.String("abcdefghijklmnopqrstuvwxyz").slice(-4, 25), "wxy"),
    ("string-slice", lambda: ee.String("abcdefghijklmnopqrstuvwxyz").slice(24), "yz"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("build", "expected"),
    [pytest.param(*each, id=f"apidocs/ee-{page} {i}") for i, (page, *each) in enumerate(TABLE)],
)
def test_an_example_comes_out_as_its_page_says(build, expected):
    assert encode(evaluate(expression(build()), Scenes())) == expected
