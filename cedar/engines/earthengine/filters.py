"""Filters: dicts that name a static method of ``ee.Filter``, or ``ee.Filter`` objects."""

from __future__ import annotations

import difflib
import inspect
import json
from collections.abc import Mapping
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

    A dict is kept as given. An ee.Filter, or a dict with one inside, becomes ``{"expression": its
    serialized form}``.

    Raises
    ------
    InputError
        Not a filter that Earth Engine has, or not one that JSON can hold.

    Examples
    --------
    >>> record({"function": "lte", "name": "CLOUD_COVER", "value": 80})
    {'function': 'lte', 'name': 'CLOUD_COVER', 'value': 80}
    >>> record({"function": "lte", "names": "CLOUD_COVER", "value": 80})
    Traceback (most recent call last):
        ...
    cedar.exceptions.InputError: ...
    """
    if isinstance(given, ee.Filter):
        return {"expression": ee.serializer.encode(given)}
    if not isinstance(given, Mapping):
        raise InputError(f"filter {given!r} is neither a dict nor an ee.Filter")
    if "expression" in given:
        return dict(given)
    arguments = {key: value for key, value in given.items() if key != "function"}
    match given.get("function"):
        case "And" | "Or" as function:
            parts = arguments.pop("filters", None)
            if arguments or not isinstance(parts, list | tuple) or not parts:
                raise InputError(f"filter {function} takes a list `filters`, nothing else: {given}")
            recorded = [record(part) for part in parts]
            combined: dict[str, Any] = {"function": function, "filters": recorded}
        case "Not":
            part = arguments.pop("filter", None)
            if arguments or part is None:
                raise InputError(f"filter Not takes `filter` and nothing else: {given}")
            recorded = [record(part)]
            combined = {"function": "Not", "filter": recorded[0]}
        case function:
            _check(function, arguments)
            return dict(given)
    if any("expression" in part for part in recorded):
        return record(build(combined))
    return combined


def _check(function: Any, arguments: Mapping[str, Any]) -> None:
    if str(function) not in _METHODS:
        near = difflib.get_close_matches(str(function), [*_METHODS, *_COMBINING, "Not"], 1)
        raise InputError(
            f"filter function {function!r} is not one of ee.Filter's"
            + (f"; did you mean {near[0]!r}?" if near else "")
        )
    signature = inspect.signature(_METHODS[function])
    takes = ", ".join(signature.parameters)
    for name in arguments.keys() - signature.parameters.keys():
        raise InputError(f"filter {function}: unknown argument {name!r}; it takes {takes}")
    try:
        signature.bind(**arguments)
        json.dumps(arguments, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"filter {function}: {error}; it takes {takes}") from error


def build(recorded: Mapping[str, Any]) -> ee.Filter:
    """Make the ee.Filter of a recorded filter. Needs a session."""
    if "expression" in recorded:
        expression = recorded["expression"]
        text = isinstance(expression, str)
        decode = ee.deserializer.fromJSON if text else ee.deserializer.decode
        return ee.Filter(decode(expression))
    arguments = {key: value for key, value in recorded.items() if key != "function"}
    function = recorded["function"]
    if function in _COMBINING:
        return _COMBINING[function](*(build(part) for part in arguments["filters"]))
    if function == "Not":
        return build(arguments["filter"]).Not()
    return _METHODS[function](**arguments)
