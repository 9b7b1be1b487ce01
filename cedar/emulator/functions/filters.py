"""Filters: three-valued tests of an element, and what of them a catalog can answer by index.

A test is None where the element lacks the property, which no negation makes True: ``neq`` and
``lte``, sent as the negation of ``equals`` and ``greaterThan``, drop what lacks the property too.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import shapely
from shapely.geometry.base import BaseGeometry

from ..shapes import LON_LAT, area, distance, footprint, shape_in
from ..values import Date, DateRange, Feature, Geometry, Image, Query, ServiceError
from .base import WrongKindError, function, instance
from .dates import moment, parse

#: Selectors of an element's geometry.
_GEOMETRIES: Final = frozenset({".all", ".geo"})
_TIME: Final = "system:time_start"

Test = Callable[[Any], bool | None]


@dataclass(frozen=True)
class Filter:
    """A test of elements.

    Attributes
    ----------
    test : callable
        Element → True, False, or None where the element lacks what is asked about.
    query : Query
        What it narrows a search to: nothing that it leaves out passes the test.
    """

    test: Test
    query: Query = field(default_factory=Query)


instance("Filter", Filter)


def prop(element: Any, name: str) -> Any:
    """A property of an image or a feature; None where it has none."""
    return element.get(name) if isinstance(element, Image) else element.properties.get(name)


@dataclass(frozen=True)
class _Operands:
    """The two sides of a comparison, each a field of the element or a value."""

    left_field: str | None
    right_value: Any
    right_field: str | None
    left_value: Any

    def check(self, name: str) -> None:
        for side, selector, value in (
            ("left", self.left_field, self.left_value),
            ("right", self.right_field, self.right_value),
        ):
            if (selector is None) == (value is None):
                raise ServiceError(f"{name}: Give either '{side}Field' or '{side}Value'.")

    def of(self, element: Any) -> tuple[Any, Any]:
        return (
            self.left_value if self.left_field is None else prop(element, self.left_field),
            self.right_value if self.right_field is None else prop(element, self.right_field),
        )


Compare = Callable[[Any, Any], bool | None]


def _comparison(name: str, compare: Compare, *arguments: Any) -> Test:
    operands = _Operands(*arguments)
    operands.check(name)

    def test(element: Any) -> bool | None:
        left, right = operands.of(element)
        if left is None or right is None:
            return None
        return compare(_plain(left), _plain(right))

    return test


def _plain(value: Any) -> Any:
    """Dates as the numbers that time properties are."""
    return value.ms if isinstance(value, Date) else value


def _ordered(compare: Callable[[Any, Any], bool]) -> Compare:
    """Numbers compare with numbers and texts with texts; else the operand counts as missing."""

    def ordered(left: Any, right: Any) -> bool | None:
        for types in (int | float, str):
            if isinstance(left, types) and isinstance(right, types):
                return compare(left, right)
        return None

    return ordered


def _text(compare: Callable[[str, str], bool]) -> Compare:
    def text(left: Any, right: Any) -> bool | None:
        return compare(left, right) if isinstance(left, str) and isinstance(right, str) else None

    return text


def _list_contains(left: Any, right: Any) -> bool | None:
    return right in left if isinstance(left, list) else None


_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "Object": (object,),
    "String": (str,),
    "Number": (int, float),
    "List": (list,),
    "Dictionary": (dict,),
    "Date": (Date,),
    "Geometry": (Geometry,),
    "Image": (Image,),
    "Feature": (Feature,),
}


def _has_type(left: Any, right: Any) -> bool:
    types = _TYPES.get(right)
    if types is None:
        raise ServiceError(f"Filter.hasType: the emulator does not implement type {right!r}.")
    return isinstance(left, types)


_COMPARISONS: Final[dict[str, Compare]] = {
    "equals": operator.eq,
    "notEquals": operator.ne,
    "lessThan": _ordered(operator.lt),
    "lessThanOrEquals": _ordered(operator.le),
    "greaterThan": _ordered(operator.gt),
    "greaterThanOrEquals": _ordered(operator.ge),
    "listContains": _list_contains,
    "inList": _list_contains,
    "stringContains": _text(operator.contains),
    "stringStartsWith": _text(str.startswith),
    "stringEndsWith": _text(str.endswith),
}


def _register_comparison(name: str, compare: Compare) -> None:
    @function(name)
    def make(*operands: Any) -> Filter:
        return Filter(_comparison(name, compare, *operands))


for _name, _compare in _COMPARISONS.items():
    _register_comparison(f"Filter.{_name}", _compare)


@function("Filter.hasType")
def _of_type(*operands: Any) -> Filter:
    _Operands(*operands).check("Filter.hasType")
    if isinstance(operands[1], str):
        _has_type(None, operands[1])  # an unknown type is an error, whatever the elements are
    return Filter(_comparison("Filter.hasType", _has_type, *operands))


@function("Filter.maxDifference")
def _max_difference(difference: float, *operands: Any) -> Filter:
    close = _ordered(lambda left, right: abs(left - right) <= difference)
    return Filter(_comparison("Filter.maxDifference", close, *operands))


@function("Filter.rangeContains")
def _range_contains(field: str, low: Any, high: Any) -> Filter:
    low, high = _plain(low), _plain(high)
    compare = _ordered(operator.le)

    def test(element: Any) -> bool | None:
        value = _plain(prop(element, field))
        return _all([compare(low, value), compare(value, high)])

    return Filter(test)


@function("Filter.dateRangeContains")
def _date_range_contains(*arguments: Any) -> Filter:
    operands = _Operands(*arguments)

    def contains(dates: Any, value: Any) -> bool | None:
        try:
            return bool(dates.start <= parse(value) < dates.end)
        except (AttributeError, WrongKindError):
            return None

    query = Query()
    if isinstance(operands.left_value, DateRange) and operands.right_field == _TIME:
        query = Query(start=operands.left_value.start, end=operands.left_value.end)
    return Filter(_comparison("Filter.dateRangeContains", contains, *arguments), query)


_CALENDAR: Final[dict[str, Callable[[Any], int]]] = {
    "year": lambda when: when.year,
    "month": lambda when: when.month,
    "day_of_month": lambda when: when.day,
    "day_of_year": lambda when: when.timetuple().tm_yday,
    "day_of_week": lambda when: when.isoweekday(),
    "hour": lambda when: when.hour,
    "minute": lambda when: when.minute,
}


@function("Filter.calendarRange")
def _calendar_range(start: int, end: int | None, field: str) -> Filter:
    """Both ends included; a range that ends before it starts goes round the year."""
    read = _CALENDAR.get(field)
    if read is None:
        raise ServiceError(f"Filter.calendarRange: Unknown calendar field '{field}'.")
    last = start if end is None else end

    def test(element: Any) -> bool | None:
        time = prop(element, _TIME)
        if time is None:
            return None
        value = read(moment(parse(time)))
        return start <= value <= last if start <= last else value >= start or value <= last

    return Filter(test)


@function("Filter.dayOfYear")
def _day_of_year(start: int, end: int) -> Filter:
    return _calendar_range(start, end, "day_of_year")


@function("Filter.notNull")
def _not_null(names: list[str]) -> Filter:
    return Filter(lambda element: all(prop(element, name) is not None for name in names))


def _all(results: Sequence[bool | None]) -> bool | None:
    if any(result is False for result in results):
        return False
    return None if None in results else True


@function("Filter.and")
def both(filters: list[Filter]) -> Filter:
    """What passes all filters."""
    query = Query()
    for each in filters:
        query = query.narrowed(each.query)
    return Filter(lambda element: _all([each.test(element) for each in filters]), query)


@function("Filter.or")
def either(filters: list[Filter]) -> Filter:
    """What passes any of the filters."""

    def test(element: Any) -> bool | None:
        results = [each.test(element) for each in filters]
        return True if True in results else None if None in results else False

    return Filter(test)


@function("Filter.not")
def negation(given: Filter) -> Filter:
    """What fails a filter; what lacks the property passes neither."""

    def test(element: Any) -> bool | None:
        result = given.test(element)
        return None if result is None else not result

    return Filter(test)


@function("Filter.always")
def _always() -> Filter:
    return Filter(lambda _: True)


@function("Filter.never")
def _never() -> Filter:
    return Filter(lambda _: False)


Relate = Callable[[BaseGeometry, BaseGeometry], bool]

#: Closed, as Earth Engine's are: touching is intersecting, and a boundary is contained.
_RELATIONS: Final[dict[str, Relate]] = {
    "intersects": lambda left, right: bool(shapely.intersects(left, right)),
    "disjoint": lambda left, right: bool(shapely.disjoint(left, right)),
    "contains": lambda left, right: not right.is_empty and bool(shapely.covers(left, right)),
    "isContained": lambda left, right: not left.is_empty and bool(shapely.covers(right, left)),
}
#: What an image without bounds is to any geometry: everything. Sides as above.
_UNBOUNDED: Final = {"intersects": True, "disjoint": False, "contains": True, "isContained": False}


def _geometry(value: Any) -> Geometry | None:
    geometry = footprint(value) if isinstance(value, Feature | Image) else value
    if geometry is not None and not isinstance(geometry, Geometry):
        raise WrongKindError("Geometry")
    return geometry


def _fixed_geometry(name: str, operands: _Operands) -> Geometry:
    """The right side; the left is the element's geometry."""
    operands.check(name)
    if operands.left_field not in _GEOMETRIES or operands.right_field is not None:
        raise ServiceError(
            f"{name}: the emulator compares the elements' geometry ('.geo' or '.all', as "
            "leftField) with a geometry (as rightValue) only."
        )
    try:
        geometry = _geometry(operands.right_value)
    except WrongKindError:
        geometry = None
    if geometry is None:
        raise ServiceError(f"{name}, argument 'rightValue': Invalid type. Expected type: Geometry.")
    return geometry


def _register_relation(word: str, relate: Relate) -> None:
    name = f"Filter.{word}"

    @function(name, takes="leftField rightValue rightField leftValue", harmless="maxError")
    def make(*operands: Any) -> Filter:
        right = shape_in(_fixed_geometry(name, _Operands(*operands)), LON_LAT)
        shapely.prepare(right)

        def test(element: Any) -> bool | None:
            where = footprint(element)
            if where is None:
                return _UNBOUNDED[word] if isinstance(element, Image) else None
            return relate(shape_in(where, LON_LAT), right)

        return Filter(test, Query((right,)) if word == "intersects" else Query())


for _name, _relate in _RELATIONS.items():
    _register_relation(_name, _relate)


@function(
    "Filter.withinDistance",
    takes="distance leftField rightValue rightField leftValue",
    harmless="maxError",
)
def _within_distance(metres: float, *operands: Any) -> Filter:
    right = _fixed_geometry("Filter.withinDistance", _Operands(*operands))

    def test(element: Any) -> bool | None:
        where = footprint(element)
        if where is None:
            return True if isinstance(element, Image) else None
        return distance(right, where) <= metres

    return Filter(test)


@function("Filter.area", takes="min max geometrySelector", harmless="maxError")
def _area(low: float, high: float, selector: str | None) -> Filter:
    if selector not in {None, *_GEOMETRIES}:
        raise ServiceError(f"Filter.area: the emulator has no geometry {selector!r}.")

    def test(element: Any) -> bool | None:
        where = footprint(element)
        return None if where is None else low <= area(where) <= high

    return Filter(test)


@function("Filter.hasGeometry")
def _has_geometry() -> Filter:
    return Filter(lambda element: footprint(element) is not None)
