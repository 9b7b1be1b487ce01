"""Properties of elements, and where they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from ..shapes import area, footprint
from ..values import Date, Feature, Geometry, Image, ServiceError
from .base import WrongKindError, function, kind
from .collections import Collection
from .dates import parse
from .filters import prop

#: Not properties: they tell which asset it is.
_FIXED: Final = frozenset({"system:id", "system:version", "system:band_names"})


@kind("Element")
def _element(value: Any) -> Any:
    if not isinstance(value, Image | Feature | Collection):
        raise WrongKindError("Element")
    return value


def _with(element: Any, properties: dict[str, Any]) -> Any:
    if fixed := sorted(_FIXED & properties.keys()):
        raise ServiceError(f"Element.set: the emulator can't set {fixed[0]!r}.")
    return replace(element, properties={**element.properties, **properties})


@function("Element.set")
def _set(element: Any, key: str, value: Any) -> Any:
    return _with(element, {key: value})


@function("Element.setMulti")
def _set_multi(element: Any, properties: dict[str, Any]) -> Any:
    return _with(element, properties)


@function("Element.get")
def _get(element: Any, name: str) -> Any:
    return prop(element, name)


@function("Element.getNumber")
def _get_number(element: Any, name: str) -> Any:
    value = prop(element, name)
    if value is not None and not isinstance(value, int | float):
        raise ServiceError(f"Element.getNumber: property '{name}' is not a number.")
    return value


@function("Element.getString")
def _get_string(element: Any, name: str) -> Any:
    value = prop(element, name)
    if value is not None and not isinstance(value, str):
        raise ServiceError(f"Element.getString: property '{name}' is not a string.")
    return value


def _ordinary(element: Any) -> dict[str, Any]:
    return {k: v for k, v in element.properties.items() if not k.startswith("system:")}


@function("Element.toDictionary")
def _to_dictionary(element: Any, names: list[str] | None) -> dict[str, Any]:
    """All but system properties, or those of the given names, null where it lacks one."""
    return _ordinary(element) if names is None else {name: prop(element, name) for name in names}


@function("Element.copyProperties", "Image.copyProperties")
def _copy_properties(
    destination: Any, source: Any, names: list[str] | None, exclude: list[str] | None
) -> Any:
    if destination is None or source is None:
        raise ServiceError("Element.copyProperties: destination and source are required.")
    if names is not None and exclude is not None:
        raise ServiceError("Element.copyProperties: give either 'properties' or 'exclude'.")
    if names is None:
        copied = {k: v for k, v in _ordinary(source).items() if k not in (exclude or [])}
    else:
        copied = {name: prop(source, name) for name in names if prop(source, name) is not None}
    return _with(destination, copied)


@function("Image.id", "Feature.id")
def _id(element: Any) -> Any:
    return prop(element, "system:index")


@function("Image.date")
def _date(image: Image) -> Date:
    time = image.get("system:time_start")
    if time is None:
        raise ServiceError("Image.date: the image has no 'system:time_start'.")
    return Date(parse(time))


@function("Image.geometry", "Feature.geometry", takes="feature", harmless="maxError geodesics")
def _geometry(element: Any) -> Geometry | None:
    """Without a projection of its own to be put in, the edges stay what they are."""
    return footprint(element)


@function("Feature.area", takes="feature", harmless="maxError")
def _area(feature: Any) -> float:
    where = footprint(feature)
    return 0.0 if where is None else area(where)
