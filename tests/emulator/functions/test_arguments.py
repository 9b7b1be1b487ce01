"""Every argument of every function that the emulator has is honoured, or refused.

Generated from the signatures: an argument that isn't taken refuses all but its default, and one
that is taken changes the result (or is refused) when it alone is changed.
"""

from __future__ import annotations

import pytest
from argument_samples import (
    BESIDES,
    CATALOG,
    COMPARED,
    OMITTED,
    ONE,
    OTHER,
    POINT,
    SAMPLES,
    SPECIAL,
    TWO,
)
from emulated import make_grid

from cedar.emulator.evaluate import render
from cedar.emulator.functions import implemented
from cedar.emulator.functions.base import ErrorMargin, call
from cedar.emulator.functions.collections import Collection
from cedar.emulator.functions.filters import Filter
from cedar.emulator.functions.reducers import Reducer
from cedar.emulator.values import Feature, Geometry, Image, ServiceError


def values_of(name, argument):
    """The argument's value, and another."""
    special = SPECIAL.get(name, {})
    if name.startswith("AggregateFeatureCollection."):
        special = special or {"property": ("CLOUD", "EXTRA")}
    elif name.startswith("Filter."):
        special = special or COMPARED
    if argument.name in special:
        return special[argument.name]
    one, other = SAMPLES[argument.kind]
    return (OMITTED, one) if argument.optional else (one, other)


def arguments_of(name, changed=None):
    function = implemented()[name]
    taken = map(function.signature.argument, function.takes)
    chosen = {each.name: values_of(name, each)[0] for each in taken}
    chosen |= BESIDES.get((name, changed), {})
    return {each: value for each, value in chosen.items() if value is not OMITTED}


def look(value):
    """All that there is to see of a value."""
    if isinstance(value, Image):
        pixels = render(value, make_grid(12, 10, -2, -2)) if value.bands else []
        return (
            [(b, str(p.values.dtype), p.values.tolist(), p.mask.tolist()) for b, p in pixels],
            [band.projection for band in value.bands],
            *(value.properties, look(value.footprint), value.id, value.version, value.grid),
        )
    if isinstance(value, Collection):
        return value.kind, value.id, value.properties, look(list(value.elements))
    if isinstance(value, Feature):
        return look(value.geometry), value.properties
    if isinstance(value, Geometry):
        return value.shape.wkt, value.projection
    if isinstance(value, Filter):
        return [value.test(element) for element in (ONE, TWO, POINT, OTHER)]
    if isinstance(value, Reducer):
        rows = [[1, 2, 3], [2, None, 6], [3, 5, None], [0, 1, 1]]
        return value.width, [each.of_rows(rows) for each in value.statistics]
    if isinstance(value, list):
        return list(map(look, value))
    return value


TAKEN = [
    (name, argument) for name, function in implemented().items() for argument in function.takes
]
REFUSED = [
    (name, argument.name)
    for name, function in implemented().items()
    for argument in function.refuses
]
HARMLESS = [
    (name, argument)
    for name, function in implemented().items()
    for argument in sorted(function.harmless)
]


@pytest.mark.parametrize(("name", "changed"), TAKEN)
def test_an_argument_that_is_taken_changes_the_result(name, changed):
    arguments = arguments_of(name, changed)
    before = look(call(name, arguments, CATALOG))
    _, other = values_of(name, implemented()[name].signature.argument(changed))
    try:
        after = look(call(name, {**arguments, changed: other}, CATALOG))
    except ServiceError:
        return  # refused
    assert after != before


def another(argument):
    """A value that isn't the default."""
    if argument.default is not None and argument.kind == "Boolean":
        return not argument.default
    return next(value for value in SAMPLES[argument.kind] if value != argument.default)


@pytest.mark.parametrize(("name", "refused"), REFUSED)
def test_an_argument_that_is_not_taken_is_refused(name, refused):
    argument = implemented()[name].signature.argument(refused)
    arguments = arguments_of(name)
    call(name, arguments, CATALOG)
    with pytest.raises(ServiceError) as error:
        call(name, {**arguments, refused: another(argument)}, CATALOG)
    assert error.value.message == f"{name}: the emulator does not implement argument '{refused}'."


#: Why the result depends on no value of them.
REASONS = {
    "maxError": "how far off the service may be: the emulator's geometries are exact",
    "geometryKey": "names the geometry's property in the service's own form of a feature",
    "geodesics": "documented to be ignored without 'proj', which is refused",
    "parallelScale": "how the service spreads the work",
    "tileScale": "how the service spreads the work",
}


@pytest.mark.parametrize(("name", "harmless"), HARMLESS)
def test_an_argument_that_is_harmless_has_a_reason_and_changes_nothing(name, harmless):
    assert REASONS[harmless]
    arguments = arguments_of(name)
    argument = implemented()[name].signature.argument(harmless)
    other = ErrorMargin(5) if argument.kind == "ErrorMargin" else another(argument)
    assert look(call(name, {**arguments, harmless: other}, CATALOG)) == look(
        call(name, arguments, CATALOG)
    )


def test_all_that_is_implemented_is_listed_by_name():
    names = list(implemented())
    assert names == sorted(names)
    assert {"Image.select", "ImageCollection.mosaic", "Filter.not"} <= set(names)
    assert not {*SPECIAL} - {*names}
