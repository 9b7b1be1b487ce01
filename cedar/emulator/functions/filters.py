"""Filters: three-valued tests of an element, and what of them a catalog can answer by index.

A test is None where the element lacks the property, and so is its negation: ``neq`` and ``lte``,
sent as the negation of ``equals`` and ``greaterThan``, drop what lacks the property too. Whether
they do is an open question (:attr:`Answers.missing_passes_not`).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ..questions import answers
from ..shapes import footprint
from ..values import Date, DateRange, Feature, Geometry, Image, Query, ServiceError
from .base import WrongKindError, function, instance
from .dates import moment, parse

#: Selectors of an element's geometry.
GEOMETRIES: Final = frozenset({".all", ".geo"})
_TIME: Final = "system:time_start"

Test = Callable[[Any], bool | None]
#: Results of filters → theirs together.
Rule = Callable[[Sequence[bool | None]], bool | None]


@dataclass(frozen=True)
class Filter:
    """A test of elements.

    Attributes
    ----------
    steps : tuple of (callable, int)
        The test in postfix order, so that its depth doesn't matter: a Test and 0, or a Rule and how
        many of the results before it it joins.
    query : Query
        What it narrows a search to: nothing that it leaves out passes the test.
    """

    steps: tuple[tuple[Callable[[Any], bool | None], int], ...]
    query: Query = field(default_factory=Query)

    def test(self, element: Any) -> bool | None:
        """Whether an element passes; None where it lacks what is asked about."""
        results: list[bool | None] = []
        for compute, joined in self.steps:
            if joined:
                results[-joined:] = [compute(results[-joined:])]
            else:
                results.append(compute(element))
        return results[0]


instance("Filter", Filter)


def single(test: Test, query: Query | None = None) -> Filter:
    """A filter of one test."""
    return Filter(((test, 0),), query or Query())


def _joined(rule: Rule, filters: Sequence[Filter], query: Query | None = None) -> Filter:
    if not filters:
        return single(lambda _: rule([]))
    steps = tuple(step for each in filters for step in each.steps)
    return Filter((*steps, (rule, len(filters))), query or Query())


def prop(element: Any, name: str) -> Any:
    """A property of an image or a feature, or its geometry; None where it has none."""
    if name in GEOMETRIES:
        return footprint(element)
    return element.get(name) if isinstance(element, Image) else element.properties.get(name)


@dataclass(frozen=True)
class Operands:
    """The two sides of a comparison, each a field of the element or a value."""

    left_field: str | None
    right_value: Any
    right_field: str | None
    left_value: Any

    def check(self, name: str) -> None:
        """Refuse a side that is given twice, or not at all."""
        for side, selector, value in (
            ("left", self.left_field, self.left_value),
            ("right", self.right_field, self.right_value),
        ):
            if (selector is None) == (value is None):
                raise ServiceError(f"{name}: Give either '{side}Field' or '{side}Value'.")

    def of(self, element: Any) -> tuple[Any, Any]:
        """Both sides."""
        return (
            self.left_value if self.left_field is None else prop(element, self.left_field),
            self.right_value if self.right_field is None else prop(element, self.right_field),
        )


Compare = Callable[[Any, Any], bool | None]


def _comparison(name: str, compare: Compare, *arguments: Any) -> Test:
    operands = Operands(*arguments)
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
_SHAPES: Final = frozenset(
    {"Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon"}
)


def _has_type(left: Any, right: Any) -> bool:
    if right in _SHAPES:
        return isinstance(left, Geometry) and left.shape.geom_type == right
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
        return single(_comparison(name, compare, *operands))


for _name, _compare in _COMPARISONS.items():
    _register_comparison(f"Filter.{_name}", _compare)


@function("Filter.hasType")
def _of_type(*operands: Any) -> Filter:
    Operands(*operands).check("Filter.hasType")
    if isinstance(operands[1], str):
        _has_type(None, operands[1])  # an unknown type is an error, whatever the elements are
    return single(_comparison("Filter.hasType", _has_type, *operands))


@function("Filter.maxDifference")
def _max_difference(difference: float, *operands: Any) -> Filter:
    close = _ordered(lambda left, right: abs(left - right) <= difference)
    return single(_comparison("Filter.maxDifference", close, *operands))


@function("Filter.rangeContains")
def _range_contains(field: str, low: Any, high: Any) -> Filter:
    low, high = _plain(low), _plain(high)
    compare = _ordered(operator.le)

    def test(element: Any) -> bool | None:
        value = _plain(prop(element, field))
        return _all([compare(low, value), compare(value, high)])

    return single(test)


@function("Filter.dateRangeContains")
def _date_range_contains(*arguments: Any) -> Filter:
    operands = Operands(*arguments)

    def contains(dates: Any, value: Any) -> bool | None:
        try:
            return bool(dates.start <= parse(value) < dates.end)
        except (AttributeError, WrongKindError):
            return None

    query = Query()
    if isinstance(operands.left_value, DateRange) and operands.right_field == _TIME:
        query = Query(start=operands.left_value.start, end=operands.left_value.end)
    return single(_comparison("Filter.dateRangeContains", contains, *arguments), query)


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

    return single(test)


@function("Filter.dayOfYear")
def _day_of_year(start: int, end: int) -> Filter:
    return _calendar_range(start, end, "day_of_year")


@function("Filter.notNull")
def _not_null(names: list[str]) -> Filter:
    return single(lambda element: all(prop(element, name) is not None for name in names))


def _all(results: Sequence[bool | None]) -> bool | None:
    if any(result is False for result in results):
        return False
    return None if None in results else True


def _any(results: Sequence[bool | None]) -> bool | None:
    return True if True in results else None if None in results else False


def _not(results: Sequence[bool | None]) -> bool | None:
    """Of None it is None too, or True: an open question."""
    (result,) = results
    if result is None:
        return True if answers().missing_passes_not else None
    return not result


@function("Filter.and")
def both(filters: list[Filter]) -> Filter:
    """What passes all filters."""
    query = Query()
    for each in filters:
        query = query.narrowed(each.query)
    return _joined(_all, filters, query)


@function("Filter.or")
def either(filters: list[Filter]) -> Filter:
    """What passes any of the filters."""
    return _joined(_any, filters)


@function("Filter.not")
def negation(given: Filter) -> Filter:
    """What fails a filter."""
    return _joined(_not, [given])


@function("Filter.always")
def _always() -> Filter:
    return single(lambda _: True)


@function("Filter.never")
def _never() -> Filter:
    return single(lambda _: False)
