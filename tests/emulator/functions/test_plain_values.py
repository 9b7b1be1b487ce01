"""Numbers, lists, dictionaries, texts, dates: what is no good is refused in words that say why."""

from __future__ import annotations

import math

import pytest

from cedar.emulator.values import ServiceError

REFUSED = {
    "At least one of 'end' or 'count'": lambda ee: ee.List.sequence(1),
    "The step must not be 0": lambda ee: ee.List.sequence(1, 5, 0),
    "'keys' must be as long as the list": lambda ee: ee.List([1, 2]).sort([1]),
    "List.sort: the values can't be ordered": lambda ee: ee.List([1, "a"]).sort(),
    "The lists must have the same length": lambda ee: ee.Dictionary.fromLists(["a"], [1, 2]),
    "the value of 'a' is not a number": lambda ee: ee.Dictionary({"a": "b"}).getNumber("a"),
    "Key 'z' is not in the dictionary": lambda ee: ee.Dictionary({"a": 1}).select(["z"]),
    r"Dictionary.select: '\(' can't select": lambda ee: ee.Dictionary({"a": 1}).select(["("]),
    "dictionaries of dictionaries only": lambda ee: ee.Dictionary(ee.List([1]).get(0)),
    "strings of strings only": lambda ee: ee.String(ee.List([1]).get(0)),
    "takes no List for a condition": lambda ee: ee.Algorithms.If(ee.List([1]), 1, 2),
    "does not implement '%x'": lambda ee: ee.Number(5).format("%x"),
    "Cannot parse 'five' as a number": lambda ee: ee.Number.parse("five"),
    "The range is empty": lambda ee: ee.Number(5).unitScale(1, 1),
    "Date.get: Unknown unit 'eon'": lambda ee: ee.Date(0).get("eon"),
    "on which day weeks begin": lambda ee: ee.Date(0).getRange("week"),
    "neither a Date nor a DateRange": lambda ee: ee.DateRange(0, 5).contains(ee.List([])),
    "Bad date/time '2021-02-30'": lambda ee: ee.Date.fromYMD(2021, 2, 30),
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_cannot_be_is_refused_by_name(ee, run, words):
    with pytest.raises(ServiceError, match=words):
        run(REFUSED[words](ee))


def test_lists_are_cut_turned_and_searched(ee, run):
    items = ee.List([3, 1, 2])
    assert run(items.sort()) == [1, 2, 3]
    assert run(items.sort(["c", "a", "b"])) == [1, 2, 3]
    assert run(items.slice(1)) == [1, 2]
    assert run(items.slice(-3, -1)) == [3, 1]
    assert run(items.slice(0, 3, 2)) == [3, 2]
    assert run(items.reverse()) == [2, 1, 3]
    assert run(items.contains(2)) is True
    assert run(items.contains(7)) is False
    assert run(ee.List([1, [2], 1.0, [2]]).distinct()) == [1, [2]]
    assert run(ee.List.sequence(0, 1, 0.25)) == [0, 0.25, 0.5, 0.75, 1]
    assert run(ee.List.sequence(5, 1)) == []


def test_dictionaries_are_read_in_the_order_of_their_keys(ee, run):
    given = ee.Dictionary({"b": 2, "a": 1})
    assert run(given.values()) == [1, 2]
    assert run(given.map(lambda key, value: ee.List([None, key]).get(0))) == {}
    assert run(given.combine({"c": None})) == {"a": 1, "b": 2}
    assert run(given.toImage().bandNames()) == ["a", "b"]


def test_numbers_that_have_no_result_are_what_floating_point_makes_of_them(ee, run):
    assert run(ee.Number(0).log()) == -math.inf
    assert math.isnan(run(ee.Number(-1).sqrt()))
    assert run(ee.Number(1e200).pow(2)) == math.inf
    assert run(ee.Number(7).mod(0)) == 0


def test_a_moment_is_within_a_range_that_it_begins(ee, run):
    dates = ee.DateRange(0, 5)
    assert run(dates.contains(ee.Date(0))) is True
    assert run(dates.contains(5)) is False
    assert run(ee.DateRange(dates)) == run(dates)
    assert run(ee.Date("2020-03-01").difference(ee.Date("2020-02-01"), "month")) == pytest.approx(
        29 * 86_400_000 / 2_629_746_000
    )
    assert run(ee.Date("2021-01-03").get("week")) == 53


def test_what_has_no_geometry_has_no_area(ee, run):
    assert run(ee.Feature(None).area()) == 0
    assert run(ee.Feature(None).geometry()) is None
    box = ee.Geometry.Rectangle([0, 0, 1, 1], None, False)
    assert run(ee.Feature(box).area(1)) == pytest.approx(1.2309e10, rel=1e-3)
    assert run(ee.Feature(box).geometry()).shape.bounds == (0, 0, 1, 1)
    assert run(ee.FeatureCollection([ee.Feature(box)]).geometry()).shape.bounds == (0, 0, 1, 1)
    with pytest.raises(ServiceError, match="does not implement argument 'proj'"):
        run(ee.Feature(box).area(1, "EPSG:3857"))
