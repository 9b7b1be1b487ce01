"""Filters of where an element is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import shapely
from shapely.geometry.base import BaseGeometry

from ..shapes import LON_LAT, area, distance, footprint, shape_in
from ..values import Feature, Geometry, Image, Query, ServiceError
from .base import WrongKindError, function
from .filters import GEOMETRIES, Filter, Operands, single

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


def _fixed_geometry(name: str, operands: Operands) -> Geometry:
    """The right side; the left is the element's geometry."""
    operands.check(name)
    if operands.left_field not in GEOMETRIES or operands.right_field is not None:
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
        right = shape_in(_fixed_geometry(name, Operands(*operands)), LON_LAT)
        shapely.prepare(right)

        def test(element: Any) -> bool | None:
            where = footprint(element)
            if where is None:
                return _UNBOUNDED[word] if isinstance(element, Image) else None
            return relate(shape_in(where, LON_LAT), right)

        return single(test, Query((right,)) if word == "intersects" else Query())


for _name, _relate in _RELATIONS.items():
    _register_relation(_name, _relate)


@function(
    "Filter.withinDistance",
    takes="distance leftField rightValue rightField leftValue",
    harmless="maxError",
)
def _within_distance(metres: float, *operands: Any) -> Filter:
    right = _fixed_geometry("Filter.withinDistance", Operands(*operands))

    def test(element: Any) -> bool | None:
        where = footprint(element)
        if where is None:
            return True if isinstance(element, Image) else None
        return distance(right, where) <= metres

    return single(test)


@function("Filter.area", takes="min max geometrySelector", harmless="maxError")
def _area(low: float, high: float, selector: str | None) -> Filter:
    if selector not in {None, *GEOMETRIES}:
        raise ServiceError(f"Filter.area: the emulator has no geometry {selector!r}.")

    def test(element: Any) -> bool | None:
        where = footprint(element)
        return None if where is None else low <= area(where) <= high

    return single(test)


@function("Filter.hasGeometry")
def _has_geometry() -> Filter:
    return single(lambda element: footprint(element) is not None)
