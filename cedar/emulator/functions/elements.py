"""Properties of elements, and the plain values: numbers, texts, lists, dictionaries."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from ..values import Date, Feature, Image, ServiceError
from .base import Closure, WrongKindError, function, kind
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


_ARITHMETIC: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": lambda left, right: left / right if right else 0,
}


def _register(name: str, compute: Callable[[Any, Any], Any]) -> None:
    @function(f"Number.{name}")
    def binary(left: float, right: float) -> Any:
        return compute(left, right)


for _name, _compute in _ARITHMETIC.items():
    _register(_name, _compute)


@function("String")
def _string(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise ServiceError("String: the emulator makes strings of strings only.")


@function("String.cat")
def _cat(one: str, other: str) -> str:
    return one + other


@function("Dictionary")
def _dictionary(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ServiceError("Dictionary: the emulator makes dictionaries of dictionaries only.")
    return value


@function("Dictionary.get")
def _dictionary_get(dictionary: dict[str, Any], key: str, default: Any) -> Any:
    if key not in dictionary and default is None:
        raise ServiceError(f"Dictionary.get: Dictionary does not contain key: '{key}'.")
    return dictionary.get(key, default)


@function("List.get")
def _list_get(items: list[Any], index: int) -> Any:
    if not -len(items) <= index < len(items):
        raise ServiceError(f"List.get: List index must be between 0 and {len(items)}, is {index}.")
    return items[index]


@function("List.size", "List.length")
def _list_size(items: list[Any]) -> int:
    return len(items)


@function("List.map")
def _list_map(items: list[Any], algorithm: Closure, drop_nulls: bool) -> list[Any]:
    results = [algorithm(item) for item in items]
    return [each for each in results if each is not None] if drop_nulls else results
