from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from cedar.emulator.evaluate import evaluate
from cedar.emulator.shapes import LON_LAT, shape_in
from cedar.emulator.values import Feature, Geometry, Image, Projection, ServiceError


def ms(*date):
    return int(dt.datetime(*date, tzinfo=dt.UTC).timestamp() * 1000)


@pytest.fixture(scope="module")
def passes(ee, run):
    """Whether a feature of these properties passes a filter."""

    def passes(built, **properties):
        properties = {name.replace("__", ":"): value for name, value in properties.items()}
        return run(built).test(Feature(None, properties))

    return passes


@pytest.mark.parametrize(
    ("name", "arguments", "passing", "failing"),
    [
        ("eq", ["a", 5], [5, 5.0], [6, "5", [5]]),
        ("neq", ["a", 5], [6, "5"], [5]),
        ("equals", ["a", "x"], ["x"], ["y", 5]),
        ("notEquals", ["a", "x"], ["y", 5], ["x"]),
        ("lt", ["a", 5], [4, -1], [5, 6]),
        ("lte", ["a", 5], [5, -1], [6]),
        ("gt", ["a", 5], [6], [5, 4]),
        ("gte", ["a", 5], [5, 6], [4]),
        ("lessThanOrEquals", ["a", 5], [5, 4], [6]),
        ("greaterThanOrEquals", ["a", 5], [5, 6], [4]),
        ("gt", ["a", "m"], ["n"], ["m", "a"]),
        ("inList", ["a", [1, "x"]], [1, "x"], [2, "y"]),
        ("listContains", ["a", 1], [[1, 2]], [[2], []]),
        ("rangeContains", ["a", 1, 3], [1, 2, 3], [0, 3.5]),
        ("stringContains", ["a", "b"], ["abc"], ["xyz"]),
        ("stringStartsWith", ["a", "b"], ["bc"], ["abc"]),
        ("stringEndsWith", ["a", "b"], ["ab"], ["abc"]),
        ("maxDifference", [2, "a", 5], [3, 7], [2, 8]),
        ("hasType", ["a", "String"], ["x"], [5]),
        ("hasType", ["a", "Number"], [5, 5.5], ["x"]),
    ],
)
def test_a_comparison_passes_what_it_says(ee, passes, name, arguments, passing, failing):
    built = getattr(ee.Filter, name)(*arguments)
    assert all(passes(built, a=value) is True for value in passing)
    assert not any(passes(built, a=value) for value in failing)


@pytest.mark.parametrize("name", ["eq", "neq", "lt", "lte", "gt", "gte", "notEquals"])
def test_what_lacks_the_property_never_passes_a_comparison(ee, passes, name):
    built = getattr(ee.Filter, name)("a", 5)
    assert not passes(built, b=5)
    assert not passes(built, a=None)
    assert not passes(built.Not(), b=5)
    assert not passes(ee.Filter.And(built, ee.Filter.eq("b", 5)), b=5)
    assert passes(ee.Filter.Or(built, ee.Filter.eq("b", 5)), b=5)
    assert not passes(ee.Filter.Or(built, ee.Filter.eq("b", 6)).Not(), b=5)


def test_a_number_is_neither_more_nor_less_than_a_text(ee, passes):
    for built in (ee.Filter.lt("a", 5), ee.Filter.gte("a", 5), ee.Filter.gt("a", "x")):
        assert not passes(built, a=[])
        assert not passes(ee.Filter.lt("a", 5), a="3")


def test_landsats_cloud_cover_of_minus_1_passes_lte(ee, passes):
    assert passes(ee.Filter.lte("CLOUD_COVER", 80), CLOUD_COVER=-1)


def test_notnull_always_and_never(ee, passes):
    assert passes(ee.Filter.notNull(["a"]), a=0) is True
    assert passes(ee.Filter.notNull(["a", "b"]), a=0) is False
    assert passes(ee.Filter.notNull(["a"]).Not(), b=0) is True
    always = ee.ApiFunction.call_("Filter.always")
    assert passes(always) is True
    assert passes(ee.ApiFunction.call_("Filter.never")) is False


def test_both_fields_may_be_the_elements(ee, passes):
    built = ee.Filter.lessThan(leftField="a", rightField="b")
    assert passes(built, a=1, b=2) is True
    assert passes(built, a=2, b=1) is False
    with pytest.raises(ServiceError, match="Give either 'rightField' or 'rightValue'"):
        passes(ee.Filter.lessThan("a", 1, "b"), a=1, b=2)
    with pytest.raises(ServiceError, match="Give either 'leftField' or 'leftValue'"):
        passes(ee.Filter.lessThan(rightValue=1), a=1)


@given(time=st.integers(ms(2019, 12, 1), ms(2020, 3, 1)))
def test_a_date_filter_is_half_open(ee, passes, time):
    built = ee.Filter.date("2020-01-01", "2020-02-01")
    assert passes(built, system__time_start=time) == (ms(2020, 1, 1) <= time < ms(2020, 2, 1))


def test_a_date_filter_takes_dates_and_numbers(ee, passes):
    start = ms(2020, 1, 1)
    built = ee.Filter.date(ee.Date("2020-01-01"))
    assert passes(built, system__time_start=start) is True
    assert passes(built, system__time_start=start + 1) is False
    assert not passes(built)
    assert passes(ee.Filter.gt("t", ee.Date("2020-01-01")), t=start + 1) is True


@pytest.mark.parametrize(
    ("start", "end", "field", "passing", "failing"),
    [
        (5, 8, "month", (2020, 5, 1), (2020, 9, 1)),
        (11, 2, "month", (2020, 1, 31), (2020, 3, 1)),
        (2020, 2020, "year", (2020, 12, 31, 23), (2021, 1, 1)),
        (1, 1, "day_of_week", (2020, 5, 18), (2020, 5, 17)),
        (366, 366, "day_of_year", (2020, 12, 31), (2021, 12, 31)),
        (13, 13, "hour", (2020, 1, 1, 13, 59), (2020, 1, 1, 14)),
        (36, 36, "minute", (2020, 1, 1, 0, 36), (2020, 1, 1, 0, 37)),
        (18, None, "day_of_month", (2020, 5, 18), (2020, 5, 19)),
    ],
)
def test_calendar_ranges_include_their_ends_and_go_round(
    ee, passes, start, end, field, passing, failing
):
    built = ee.Filter.calendarRange(start, end, field)
    assert passes(built, system__time_start=ms(*passing)) is True
    assert passes(built, system__time_start=ms(*failing)) is False
    assert not passes(built)


def test_day_of_year_includes_its_ends(ee, passes):
    built = ee.Filter.dayOfYear(1, 32)
    assert passes(built, system__time_start=ms(2020, 2, 1, 23)) is True
    assert passes(built, system__time_start=ms(2020, 2, 2)) is False


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a > 1", True),
        ("a > 1 && b == 'x'", True),
        ('a < 1 || b != "x"', False),
        ("!(a < 1) && (c == 3 || b == 'x')", True),
        ("a >= 2 && a <= 2.0 && system:index == 'i'", True),
        ("missing != 5", None),
        ("a == -2", False),
        ("a < b", None),
    ],
)
def test_filters_written_as_text(ee, passes, text, expected):
    assert passes(ee.Filter.expression(text), a=2, b="x", system__index="i") is expected


@pytest.mark.parametrize("text", ["", "a", "a >", "(a > 1", "a > 1)", "a = 1", "a > 1 b", "&& a"])
def test_a_text_that_is_no_filter_is_refused(ee, passes, text):
    with pytest.raises(ServiceError, match=r"Filter.expression: can't be read"):
        passes(ee.Filter.expression(text), a=1)


def test_a_text_that_is_nested_too_deeply_is_refused(ee, passes):
    assert passes(ee.Filter.expression("(" * 20 + "a > 1" + ")" * 20), a=2) is True
    for text in ("(" * 5000 + "a > 1" + ")" * 5000, "!" * 5000 + "(a > 1)"):
        with pytest.raises(ServiceError, match="nested too deeply"):
            passes(ee.Filter.expression(text), a=2)


def nested(depth, name, inner):
    """Filters within each other, as the wire has them."""
    values = {"0": {"functionInvocationValue": inner}}
    for i in range(1, depth + 1):
        within = {"valueReference": str(i - 1)}
        if name != "Filter.not":
            within = {"arrayValue": {"values": [within, {"valueReference": "0"}]}}
        key = "filter" if name == "Filter.not" else "filters"
        node = {"functionName": name, "arguments": {key: within}}
        values[str(i)] = {"functionInvocationValue": node}
    return {"result": str(depth), "values": values}


@pytest.mark.parametrize("name", ["Filter.not", "Filter.and", "Filter.or"])
@pytest.mark.parametrize("depth", [2000, 2001])
def test_filters_may_be_nested_as_deep_as_one_likes(catalog, name, depth):
    values = {"leftField": "a", "rightValue": 5}
    inner = {
        "functionName": "Filter.equals",
        "arguments": {key: {"constantValue": value} for key, value in values.items()},
    }
    built = evaluate(nested(depth, name, inner), catalog())
    passing = name != "Filter.not" or depth % 2 == 0
    assert built.test(Feature(None, {"a": 5})) is passing
    assert built.test(Feature(None, {"a": 6})) is not passing
    assert built.test(Feature(None, {"b": 5})) is None


def test_a_geometry_has_the_type_of_its_shape(ee, run):
    for kind, shape in {
        "Point": shapely.Point(0, 0),
        "Polygon": square(0, 0),
        "MultiPolygon": shapely.MultiPolygon([square(0, 0), square(5, 5)]),
    }.items():
        built = run(ee.Filter.hasType(".geo", kind))
        assert built.test(Feature(Geometry(shape))) is True
        assert built.test(Feature(Geometry(shapely.LineString([(0, 0), (1, 1)])))) is False
        assert not built.test(Feature(None))


def test_unknown_fields_and_types_are_refused(ee, passes):
    with pytest.raises(ServiceError, match="Unknown calendar field 'season'"):
        passes(ee.Filter.calendarRange(1, 2, "season"))
    with pytest.raises(ServiceError, match="does not implement type 'Blob'"):
        passes(ee.Filter.hasType("a", "Blob"))


def square(west, south, side=1.0):
    return shapely.box(west, south, west + side, south + side)


def at(shape, crs=LON_LAT):
    return Image((), {}, Geometry(shape, Projection(crs)))


def rectangle(ee, west, south, east, north):
    return ee.Geometry.Rectangle([west, south, east, north], None, False)


def test_intersects_is_closed(ee, run):
    built = ee.Filter.bounds(rectangle(ee, 0, 0, 1, 1))
    assert run(built).test(at(square(1, 0))) is True
    assert run(built).test(at(square(1.001, 0))) is False
    assert run(built).test(Image((), {}, None)) is True
    assert run(built).test(Feature(None)) is None


def test_relations_of_geometries(ee, run):
    box = rectangle(ee, 0, 0, 2, 2)
    inner, outer, apart = square(0, 0), square(-1, -1, 4), square(5, 5)
    for name, results in {
        "intersects": (True, True, False),
        "disjoint": (False, False, True),
        "contains": (False, True, False),
        "isContained": (True, False, False),
    }.items():
        built = run(getattr(ee.Filter, name)(".geo", box))
        assert tuple(built.test(at(shape)) for shape in (inner, outer, apart)) == results, name
    with pytest.raises(ServiceError, match="compares the elements' geometry"):
        run(ee.Filter.intersects("a", box))
    with pytest.raises(ServiceError, match="Expected type: Geometry"):
        run(ee.Filter.intersects(".geo", 5))


def test_a_projected_footprint_is_compared_in_longitude_and_latitude(ee, run):
    utm = shapely.box(500_000, 4_650_000, 501_000, 4_651_000)
    there = shape_in(Geometry(utm, Projection("EPSG:32619")), LON_LAT)
    west, south, east, north = there.bounds
    built = run(ee.Filter.bounds(rectangle(ee, west, south, east, north)))
    assert built.test(at(utm, "EPSG:32619")) is True
    built = run(ee.Filter.bounds(rectangle(ee, east + 0.01, south, east + 1, north)))
    assert built.test(at(utm, "EPSG:32619")) is False


def test_area_and_distance_are_in_metres(ee, run):
    # A degree of the equator is 111.3 km, of a meridian there 110.6 km.
    one = at(square(0, 0))
    assert run(ee.Filter.area(1.230e10, 1.232e10)).test(one) is True
    assert run(ee.Filter.area(0, 1.229e10)).test(one) is False
    point = ee.Geometry.Point([2, 0])
    assert run(ee.Filter.withinDistance(111_400, ".geo", point)).test(one) is True
    assert run(ee.Filter.withinDistance(111_200, ".geo", point)).test(one) is False


def test_a_search_is_narrowed_before_it_is_made(ee, run, image, catalog):
    images = [image(str(i), ms(2020, 1, i + 1), footprint=None) for i in range(9)]
    memory = catalog(images)
    found = run(
        ee.ImageCollection("MEMORY")
        .filterBounds(rectangle(ee, 0, 0, 1, 1))
        .filterDate("2020-01-02", "2020-02-01")
        .filter(
            ee.Filter.And(
                ee.Filter.date("2020-01-01", "2020-01-05"),
                ee.Filter.Or(ee.Filter.date("2000-01-01"), ee.Filter.neq("system:index", "2")),
            )
        ),
        catalog=memory,
    )
    assert memory.queries == []
    assert [each.get("system:index") for each in found.elements] == ["1", "3"]
    (query,) = memory.queries
    assert (query.start, query.end) == (ms(2020, 1, 2), ms(2020, 1, 5))
    assert [shape.bounds for shape in query.bounds] == [(0, 0, 1, 1)]


def test_an_edge_is_a_great_circle_unless_said_otherwise(ee, run):
    ring = [[0, 50], [60, 50], [60, 40], [0, 40]]
    curved = run(ee.Geometry.Polygon([ring])).shape
    straight = run(ee.Geometry.Polygon([ring], None, False)).shape
    assert straight.bounds == (0, 40, 60, 50)
    # tan φ of the middle = tan 50° / cos 30°
    assert curved.bounds[3] == pytest.approx(
        np.degrees(np.arctan(np.tan(np.radians(50)) / 0.75**0.5))
    )
    assert curved.contains(shapely.Point(30, 51))
    with pytest.raises(ServiceError, match="geodesic edge across 180"):
        run(ee.Geometry.Polygon([[[-170, 0], [170, 0], [170, 10], [-170, 10]]]))


def test_geometries_may_be_given_flat_or_in_another_crs(ee, run):
    flat = run(ee.Geometry.Polygon([0, 0, 1, 0, 1, 1], None, False))
    assert flat.shape.equals(shapely.Polygon([(0, 0), (1, 0), (1, 1)]))
    crossed = run(ee.Geometry.Polygon([[[0, 0], [1, 1], [1, 0], [0, 1]]], None, False))
    assert crossed.shape.area == pytest.approx(0.5)
    two = run(ee.Geometry.MultiPolygon([[[0, 0, 1, 0, 1, 1]], [[5, 5, 6, 5, 6, 6]]], None, False))
    assert two.shape.area == pytest.approx(1)
    utm = run(ee.Geometry.Point([500_000, 0], "EPSG:32619"))
    assert shape_in(utm, LON_LAT).coords[0] == pytest.approx((-69, 0))
    with pytest.raises(ServiceError, match="could not be parsed: 'EPSG:0'"):
        run(ee.Geometry.Point([0, 0], "EPSG:0"))
    with pytest.raises(ServiceError, match="draws geodesic edges in EPSG:4326 only"):
        run(ee.Geometry.Polygon([[[0, 0], [1, 0], [1, 1]]], "EPSG:32619", True))
