"""Filters: dicts that name a static method of ``ee.Filter``, or ``ee.Filter`` objects."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Final

import ee

from cedar.exceptions import InputError

_COMBINING: Final = {"And": ee.Filter.And, "Or": ee.Filter.Or}
#: Static methods that make no filter, or none that JSON can hold.
_NOT_FILTERS: Final = frozenset({"name", "Not", "metadata_", "expression", *_COMBINING})
_METHODS: Final = {
    name: getattr(ee.Filter, name)
    for name, member in vars(ee.Filter).items()
    if isinstance(member, staticmethod) and name not in _NOT_FILTERS
}


def record(given: Any) -> dict[str, Any]:
    """Check a filter and put it as the record keeps it.

    A dict is kept as given; an ee.Filter becomes ``{"expression": its serialized form}``.

    Raises
    ------
    InputError
        Not a filter that Earth Engine has.
    """
    if isinstance(given, ee.Filter):
        return {"expression": ee.serializer.encode(given)}
    if not isinstance(given, Mapping):
        raise InputError(f"filter {given!r} is neither a dict nor an ee.Filter")
    if "expression" not in given:
        _check(given)
    return dict(given)


def _check(given: Mapping[str, Any]) -> None:
    function = given.get("function")
    rest = {key: value for key, value in given.items() if key != "function"}
    if function in _COMBINING:
        parts = rest.pop("filters", None)
        if rest or not isinstance(parts, Sequence) or isinstance(parts, str) or not parts:
            raise InputError(f"filter {function} takes a list `filters` and nothing else: {given}")
    elif function == "Not":
        parts = [rest.pop("filter", None)]
        if rest:
            raise InputError(f"filter Not takes `filter` and nothing else: {given}")
    elif function in _METHODS:
        parts = []
        try:
            inspect.signature(_METHODS[function]).bind(**rest)
        except TypeError as error:
            takes = ", ".join(inspect.signature(_METHODS[function]).parameters)
            raise InputError(f"filter {function}: {error}; it takes {takes}") from error
    else:
        names = [*_METHODS, *_COMBINING, "Not"]
        near = difflib.get_close_matches(str(function), names, 1)
        raise InputError(
            f"filter function {function!r} is not one of ee.Filter's"
            + (f"; did you mean {near[0]!r}?" if near else "")
        )
    for part in parts:
        record(part)


def build(recorded: Mapping[str, Any]) -> ee.Filter:
    """Make the ee.Filter of a recorded filter. Needs a session."""
    if "expression" in recorded:
        return ee.Filter(ee.deserializer.decode(recorded["expression"]))
    arguments = {key: value for key, value in recorded.items() if key != "function"}
    function = recorded["function"]
    if function in _COMBINING:
        return _COMBINING[function](*(build(part) for part in arguments["filters"]))
    if function == "Not":
        return build(arguments["filter"]).Not()
    return _METHODS[function](**arguments)
