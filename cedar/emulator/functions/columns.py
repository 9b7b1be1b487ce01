"""Statistics of the properties of a collection's elements."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

from ..questions import answers
from ..values import ServiceError
from .base import function
from .collections import Collection, hashable
from .filters import prop
from .reducers import Reducer


def _elements(collection: Collection) -> Sequence[Any]:
    """Whether the service takes more than 5,000 is an open question."""
    return collection.listed if answers().reduce_columns_capped else collection.elements


@function("Collection.reduceColumns", takes="collection reducer selectors")
def _reduce_columns(
    collection: Collection, reducer: Reducer, selectors: list[str]
) -> dict[str, Any]:
    if len(selectors) != reducer.width:
        raise ServiceError(
            f"Collection.reduceColumns: Need {reducer.width} inputs for the reducer, "
            f"got {len(selectors)}."
        )
    rows = [[prop(element, name) for name in selectors] for element in _elements(collection)]
    return {each.name: each.of_rows(rows) for each in reducer.statistics}


Values = Sequence[Any]


def _sample(compute: Callable[[Values], float]) -> Callable[[Values], float]:
    """0 of a single value [not verified against Earth Engine]."""
    return lambda values: compute(values) if len(values) > 1 else 0.0


def _text(value: Any) -> str:
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value) if whole else value)


def _histogram(values: Values) -> dict[str, int]:
    return {_text(value): count for value, count in sorted(Counter(values).items())}


_OF_NUMBERS: Final[dict[str, Callable[[Values], Any]]] = {
    "sum": sum,
    "mean": statistics.fmean,
    "sample_sd": _sample(statistics.stdev),
    "sample_var": _sample(statistics.variance),
    "total_sd": statistics.pstdev,
    "total_var": statistics.pvariance,
}
#: Of the values that aren't null, whatever they are.
_COMPUTE: Final[dict[str, Callable[[Values], Any]]] = {
    **_OF_NUMBERS,
    "array": list,
    "count": len,
    "count_distinct": lambda values: len(set(map(hashable, values))),
    "first": lambda values: values[0],
    "histogram": _histogram,
    "max": max,
    "min": min,
    "product": math.prod,
}
#: Others have no result of no values.
_OF_NONE: Final = frozenset({"array", "count", "count_distinct", "histogram"})


def _column(collection: Collection, selector: str) -> list[Any]:
    values = [prop(element, selector) for element in _elements(collection)]
    return [value for value in values if value is not None]


def _register(name: str, compute: Callable[[Values], Any]) -> None:
    @function(f"AggregateFeatureCollection.{name}")
    def aggregate(collection: Collection, selector: str) -> Any:
        values = _column(collection, selector)
        if not values and name not in _OF_NONE:
            return None
        try:
            return compute(values)
        except TypeError:
            raise ServiceError(
                f"AggregateFeatureCollection.{name}: values of '{selector}' are of other kinds."
            ) from None


for _name, _compute in _COMPUTE.items():
    _register(_name, _compute)


@function("AggregateFeatureCollection.stats")
def _stats(collection: Collection, selector: str) -> dict[str, Any]:
    """With the keys that apidocs/ee-featurecollection-aggregate_stats has; all weights are 1."""
    values = _column(collection, selector)
    if not all(isinstance(value, int | float) for value in values):
        raise ServiceError(f"AggregateFeatureCollection.stats: '{selector}' holds no numbers.")
    moments = {name: compute(values) if values else None for name, compute in _OF_NUMBERS.items()}
    return {
        **moments,
        "max": max(values, default=None),
        "min": min(values, default=None),
        "sum_sq": sum(value * value for value in values),
        "total_count": len(collection.elements),
        "valid_count": len(values),
        "weight_sum": len(values),
        "weighted_sum": sum(values),
    }
