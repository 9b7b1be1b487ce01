"""Lists."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ..values import Feature, Image, ServiceError
from .base import Closure, function
from .filters import Filter
from .reducers import Reducer


@function("List.sequence")
def _sequence(start: float, end: float | None, step: float, count: int | None) -> list[float]:
    """To the end, included; with a count the step is the one that fits, if there is an end."""
    if count is not None:
        last = start + step * (count - 1) if end is None else end
        return list(np.linspace(start, last, count).tolist())
    if end is None:
        raise ServiceError("List.sequence: At least one of 'end' or 'count' must be specified.")
    if step == 0:
        raise ServiceError("List.sequence: The step must not be 0.")
    return [start + step * i for i in range(max(0, int((end - start) / step) + 1))]


@function("List.get")
def _get(items: list[Any], index: int) -> Any:
    if not -len(items) <= index < len(items):
        raise ServiceError(f"List.get: List index must be between 0 and {len(items)}, is {index}.")
    return items[index]


@function("List.size", "List.length")
def _size(items: list[Any]) -> int:
    return len(items)


@function("List.add")
def _add(items: list[Any], item: Any) -> list[Any]:
    return [*items, item]


@function("List.cat")
def _cat(items: list[Any], others: list[Any]) -> list[Any]:
    return items + others


@function("List.slice")
def _slice(items: list[Any], start: int, end: int | None, step: int | None) -> list[Any]:
    return items[start:end:step]


@function("List.reverse")
def _reverse(items: list[Any]) -> list[Any]:
    return items[::-1]


@function("List.contains")
def _contains(items: list[Any], item: Any) -> bool:
    return item in items


@function("List.frequency")
def _frequency(items: list[Any], item: Any) -> int:
    return items.count(item)


@function("List.distinct")
def _distinct(items: list[Any]) -> list[Any]:
    return [item for i, item in enumerate(items) if item not in items[:i]]


@function("List.sort")
def _sort(items: list[Any], keys: list[Any] | None) -> list[Any]:
    ranks = items if keys is None else keys
    if len(ranks) != len(items):
        raise ServiceError("List.sort: 'keys' must be as long as the list.")
    try:
        return [items[i] for i in sorted(range(len(items)), key=lambda i: ranks[i])]
    except TypeError:
        raise ServiceError("List.sort: the values can't be ordered.") from None


@function("List.map")
def _map(items: list[Any], algorithm: Closure, drop_nulls: bool) -> list[Any]:
    results = [algorithm(item) for item in items]
    return [each for each in results if each is not None] if drop_nulls else results


@function("List.iterate")
def _iterate(items: list[Any], algorithm: Closure, first: Any) -> Any:
    return functools.reduce(lambda previous, item: algorithm(item, previous), items, first)


@function("List.filter")
def _filter(items: list[Any], given: Filter) -> list[Any]:
    """What is neither an image nor a feature is the property ``item``, as documented."""

    def element(item: Any) -> Any:
        return item if isinstance(item, Image | Feature) else Feature(None, {"item": item})

    return [item for item in items if given.test(element(item))]


@function("List.reduce")
def _reduce(items: list[Any], reducer: Reducer) -> Any:
    """The result, or a dictionary where there are several."""
    rows = [[item] for item in items] if reducer.width == 1 else items
    results = {each.name: each.of_rows(rows) for each in reducer.statistics}
    return results if len(results) > 1 else next(iter(results.values()))
