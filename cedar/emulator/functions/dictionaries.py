"""Dictionaries, texts, and the choice between two values."""

from __future__ import annotations

import re
from typing import Any

from ..values import Image, ServiceError
from .base import Closure, function, kind_of
from .images import constant


@function("Dictionary")
def _dictionary(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ServiceError("Dictionary: the emulator makes dictionaries of dictionaries only.")
    return value


@function("Dictionary.fromLists")
def _from_lists(keys: list[str], values: list[Any]) -> dict[str, Any]:
    if len(keys) != len(values):
        raise ServiceError("Dictionary.fromLists: The lists must have the same length.")
    return dict(zip(keys, values, strict=True))


@function("Dictionary.get")
def _get(dictionary: dict[str, Any], key: str, default: Any) -> Any:
    if key not in dictionary and default is None:
        raise ServiceError(f"Dictionary.get: Dictionary does not contain key: '{key}'.")
    return dictionary.get(key, default)


@function("Dictionary.getNumber")
def _get_number(dictionary: dict[str, Any], key: str) -> Any:
    value = _get(dictionary, key, None)
    if not isinstance(value, int | float):
        raise ServiceError(f"Dictionary.getNumber: the value of '{key}' is not a number.")
    return value


@function("Dictionary.set")
def _set(dictionary: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    return {**dictionary, key: value}


@function("Dictionary.contains")
def _contains(dictionary: dict[str, Any], key: str) -> bool:
    return key in dictionary


@function("Dictionary.size")
def _size(dictionary: dict[str, Any]) -> int:
    return len(dictionary)


@function("Dictionary.keys")
def _keys(dictionary: dict[str, Any]) -> list[str]:
    return sorted(dictionary)


@function("Dictionary.values")
def _values(dictionary: dict[str, Any], keys: list[str] | None) -> list[Any]:
    """Of all keys in their order, or of the given ones in theirs."""
    return [_get(dictionary, key, None) for key in (sorted(dictionary) if keys is None else keys)]


@function("Dictionary.combine")
def _combine(first: dict[str, Any], second: dict[str, Any], overwrite: bool) -> dict[str, Any]:
    """Nulls are left out, as documented."""
    combined = {**first, **second} if overwrite else {**second, **first}
    return {key: value for key, value in combined.items() if value is not None}


@function("Dictionary.select")
def _select(
    dictionary: dict[str, Any], selectors: list[str], ignore_missing: bool
) -> dict[str, Any]:
    """By name, or by a regular expression that matches a whole name."""
    chosen: dict[str, Any] = {}
    for selector in selectors:
        try:
            keys = [key for key in dictionary if key == selector or re.fullmatch(selector, key)]
        except re.error:
            raise ServiceError(f"Dictionary.select: {selector!r} can't select keys.") from None
        if not keys and not ignore_missing:
            raise ServiceError(f"Dictionary.select: Key '{selector}' is not in the dictionary.")
        chosen.update((key, dictionary[key]) for key in keys)
    return chosen


@function("Dictionary.map")
def _map(dictionary: dict[str, Any], algorithm: Closure) -> dict[str, Any]:
    results = {key: algorithm(key, value) for key, value in sorted(dictionary.items())}
    return {key: value for key, value in results.items() if value is not None}


@function("Dictionary.toImage")
def _to_image(dictionary: dict[str, Any], names: list[str] | None) -> Image:
    chosen = sorted(dictionary) if names is None else names
    return Image(tuple(constant(name, _get_number(dictionary, name)) for name in chosen))


@function("String")
def _string(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise ServiceError("String: the emulator makes strings of strings only.")


@function("String.cat")
def _cat(one: str, other: str) -> str:
    return one + other


@function("String.compareTo")
def _compare(one: str, other: str) -> int:
    return (one > other) - (one < other)


@function("String.equals")
def _equals(one: str, other: Any) -> bool:
    return bool(one == other)


@function("String.index")
def _index(text: str, pattern: str) -> int:
    return text.find(pattern)


@function("String.length")
def _length(text: str) -> int:
    return len(text)


@function("String.slice")
def _slice(text: str, start: int, end: int | None) -> str:
    return text[start:end]


@function("If")
def _if(condition: Any, one: Any, other: Any) -> Any:
    """Of both cases, which are evaluated in any event."""
    if condition is not None and not isinstance(condition, bool | int | float | str):
        raise ServiceError(f"If: the emulator takes no {kind_of(condition)} for a condition.")
    return one if condition else other
