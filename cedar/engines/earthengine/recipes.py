"""A recipe's expression: what is made of layers that have all bands that are read.

A layer comes as ``build.py`` makes it, with nodata where there is no value. What is computed here
is in doubles, and where a value isn't known it is masked; what comes out holds nodata there again.
The rules are docs/recipes.rst; docs/design/cubes.rst says what metadata has.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from typing import Any, Final

import numpy as np

from cedar.recipes import COUNT
from cedar.recipes.flags import span
from cedar.recipes.indices import folded
from cedar.sensors.bands import beside

from .graph import Argument, Call, Function

#: Puts nodata where an image is masked, and gives it the file's type.
Fill = Callable[[Call, float, str], Call]
Band = Mapping[str, Any]
Node = Call | Argument

#: What stands for a sign of a formula.
_FUNCTIONS: Final[Mapping[type[ast.operator], str]] = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Pow: "pow",
}


def reading(image: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what layers are made by: a section `image` of all that is read, in a type for it."""
    recipe = image.get("recipe")
    if recipe is None:
        return image
    return {**image, "bands": recipe["reads"], "dtype": recipe["dtype"]}


def made(layers: Sequence[Call], image: Mapping[str, Any], fill: Fill) -> list[Call]:
    """Return the layers of the file, made of those that were read.

    Parameters
    ----------
    layers
        All that the layers of the file are made of: with a composite, all groups'.
    image
        The metadata's section.
    """
    if "recipe" not in image:
        return [*layers]
    cook = _Cook(image, fill)
    if image["recipe"].get("composite") is None:
        return _each(cook.whole, layer=layers)
    return [cook.composite(layers)]


def masked(
    layers: Sequence[Call], groups: Sequence[Mapping[str, Any]], image: Mapping[str, Any]
) -> list[Call]:
    """Return layers of merged collections with nodata where their member's tests hold.

    Of a collection by itself what is made of the layers has its tests.
    """
    found = dict(enumerate(layers))
    recipe = image.get("recipe", {})
    for member, form in image.get("members", {}).items() if recipe else ():
        own = [number for number, group in enumerate(groups) if group["collection"] == member]
        if own and form["tests"]:
            cook = _Cook({**image, "recipe": {**recipe, "tests": form["tests"]}}, _unfilled)
            found |= zip(own, _each(cook.without, layer=[layers[n] for n in own]), strict=True)
    return [*found.values()]


def _unfilled(image: Call, *_: Any) -> Call:
    return image


def presence(layers: Sequence[Call], image: Mapping[str, Any]) -> Call:
    """Return an image of a band a layer, 1 where it has a value after its masks, else 0.

    They are called ``{layer}_max``.
    """
    cook = _Cook(image, _unfilled)
    present = _each(cook.present, layer=layers)
    return Call("ImageCollection.toBands", collection=_collection(present))


class _Cook:
    """What the recipe of a section `image` makes."""

    def __init__(self, image: Mapping[str, Any], fill: Fill):
        self._recipe, self._bands, self._fill = image["recipe"], image["bands"], fill
        #: Those that are made of layers one by one.
        self._made = [band for band in self._bands if band["name"] != COUNT]
        self._nodata, self._dtype = image["nodata"], image["dtype"]
        self._reads = {band["name"]: band for band in self._recipe["reads"]}
        self._quantities = [name for name, band in self._reads.items() if not band.get("qa")]
        # As it is in a layer: a float32 isn't every double.
        self._missing = _constant(np.dtype(self._recipe["dtype"]).type(self._nodata).item())

    def whole(self, layer: Node) -> Call:
        """Return the bands of the file that are made of one layer."""
        values = self._values(layer)
        parts = []
        for band in self._made:
            name = band["name"]
            source = values if name in self._quantities else layer
            if band.get("formula") is None:
                parts.append(_select(source, [name]))
            else:
                parts.append(self._encoded(self._index(values, band), band))
        return self._filled(parts)

    def composite(self, layers: Sequence[Call]) -> Call:
        """Return the only layer of the file, made of all."""
        kind, names = self._recipe["composite"], [band["name"] for band in self._bands]
        parts = []
        if names != [COUNT]:
            parts.append(self._median(layers) if kind == "median" else self._medoid(layers))
        if COUNT in names:
            parts.append(self._filled([self._count(layers)]))
        return _select(reduce(_add_bands, parts), names)

    def without(self, layer: Node) -> Call:
        """Return all that was read of a layer, with nodata where it isn't kept."""
        held = Call("Image.not", value=self._kept(layer))
        names = [*self._reads]
        numbers = Call(
            "Image.where",
            input=_select(layer, self._quantities),
            test=held,
            value=self._missing,
        )
        bits = [name for name in names if name not in self._quantities]
        return _select(_add_bands(numbers, _select(layer, bits)), names)

    def present(self, layer: Node) -> Call:
        """Return where a layer has a value: one band, ``max``."""
        values = _select(self._values(layer), self._recipe["values"])
        masks = Call("Image.mask", image=values)
        return Call("Image.reduce", image=masks, reducer=Call("Reducer.max"))

    def _values(self, layer: Node) -> Call:
        """Return the quantities that were read, masked where there is none, or by the recipe."""
        values = _select(layer, self._quantities)
        values = _pair("updateMask", values, _pair("neq", values, self._missing))
        if not self._recipe["tests"]:
            return values
        return _pair("updateMask", values, self._kept(layer))

    def _kept(self, layer: Node) -> Call:
        """Return where a layer is kept: where none of the tests holds."""
        bands = {test["band"] for test in self._recipe["tests"]}
        held = [held for name in sorted(bands) for held in self._held(layer, name)]
        if self._recipe.get("keep"):
            # What a pixel is isn't known where its flags aren't.
            held += [_pair("eq", _select(layer, [name]), self._missing) for name in sorted(bands)]
        return Call("Image.not", value=reduce(lambda one, other: _pair("or", one, other), held))

    def _held(self, layer: Node, name: str) -> Iterable[Call]:
        """Yield which tests of a band hold: those of single bits together."""
        # Operations on bits are of integers; QA bands may be floats beside others.
        band = Call("Image.toInt64", value=_select(layer, [name]))
        single = 0
        for test in self._recipe["tests"]:
            if test["band"] != name:
                continue
            first, last = (0, 0) if test["bits"] is None else span(test["bits"])
            if test["bits"] is not None and first == last and test["values"] == [1]:
                single |= 1 << first
                continue
            number = band
            if test["bits"] is not None:
                number = _pair("bitwiseAnd", band, _constant((1 << last + 1) - (1 << first)))
            for value in test["values"]:
                yield _pair("eq", number, _constant(value << first))
        if single:
            yield _pair("neq", _pair("bitwiseAnd", band, _constant(single)), _constant(0))

    def _median(self, layers: Sequence[Call]) -> Call:
        """Return the median of each band; of an even number the mean of the two in the middle."""
        medians = self._reduced(_each(self._observed, layer=layers), "median")
        parts = []
        for band in self._made:
            median = _select(medians, [f"{band['name']}_median"], [band["name"]])
            if band.get("formula") is not None:
                median = self._encoded(median, band)
            elif np.dtype(self._dtype).kind in "iu":
                # A half goes up, whatever the service rounds to.
                median = Call("Image.floor", value=_pair("add", median, _constant(0.5)))
            parts.append(median)
        return self._filled(parts)

    def _observed(self, layer: Node) -> Call:
        """Return the bands of the file but those of bits and counts, masked, indices in doubles."""
        values = self._values(layer)
        parts = [
            _select(values, [band["name"]])
            if band.get("formula") is None
            else self._index(values, band)
            for band in self._made
        ]
        return reduce(_add_bands, parts)

    def _medoid(self, layers: Sequence[Call]) -> Call:
        """Return, at each pixel, all bands of the layer that is nearest to the medians.

        Of several that are as near it is the first. Only where one is chosen is it on top of the
        others, with nodata where it has no value, so that none is seen through another.
        """
        names = self._recipe["compared"]
        observed = _each(
            lambda layer: Call("Image.toDouble", value=_select(self._values(layer), names)),
            layer=layers,
        )
        medians = _select(
            self._reduced(observed, "median"), [f"{name}_median" for name in names], names
        )
        distances = _each(lambda values: self._distance(values, medians), values=observed)
        least = self._reduced(distances, "min")

        def nearest(layer: Node, distance: Node) -> Call:
            return _pair("updateMask", self.whole(layer), _pair("eq", distance, least))

        chosen = _each(nearest, layer=layers, distance=distances)
        mosaic = Call("ImageCollection.mosaic", collection=_collection(chosen[::-1]))
        return self._fill(mosaic, self._nodata, self._dtype)

    def _distance(self, values: Node, medians: Call) -> Call:
        """Return the square of how far values are from their medians, where all have one."""
        names = self._recipe["compared"]
        scales = [self._reads[name].get("scale", 1) for name in names]
        parts = []
        for name, scale in zip(names, scales, strict=True):
            off = _pair("subtract", _select(values, [name]), _select(medians, [name]))
            if scale != scales[0]:
                off = _pair("multiply", off, _constant(scale / scales[0]))
            parts.append(_pair("multiply", off, off))
        return reduce(lambda one, other: _pair("add", one, other), parts)

    def _count(self, layers: Sequence[Call]) -> Call:
        """Return how many layers have a value, where any has."""
        total = self._reduced(_each(self.present, layer=layers), "sum")
        return _select(Call("Image.selfMask", image=total), ["max_sum"], [COUNT])

    def _reduced(self, images: list[Call], name: str) -> Call:
        # Of more values than `maxRaw` the service's median is one of a histogram.
        kept = {"maxRaw": len(images)} if name == "median" else {}
        reducer = Call(f"Reducer.{name}", **kept)
        return Call("ImageCollection.reduce", collection=_collection(images), reducer=reducer)

    def _index(self, values: Call, band: Band) -> Call:
        """Return an index, masked where an input is, or what is divided by is 0."""
        known = {name: self._physical(values, of) for name, of in band["of"].items()}
        worked = _worked(ast.parse(band["formula"], mode="eval").body, known)
        return Call("Image.rename", input=worked, names=[band["name"]])

    def _physical(self, values: Call, name: str) -> Call:
        band = self._reads[name]
        number = Call("Image.toDouble", value=_select(values, [name]))
        if (scale := band.get("scale", 1)) != 1:
            number = _pair("multiply", number, _constant(scale))
        if (offset := band.get("offset", 0)) != 0:
            number = _pair("add", number, _constant(offset))
        return number

    def _encoded(self, index: Call, band: Band) -> Call:
        """Return an index in the file's numbers, masked where they don't reach.

        One that would be nodata is the number beside it.
        """
        kind = np.dtype(self._dtype)
        if kind.kind == "f":
            info: Any = np.finfo(kind)
            return self._within(index, float(info.min), float(info.max))
        info = np.iinfo(kind)
        for function, value, neutral in (
            ("subtract", band.get("offset", 0), 0),
            ("divide", band.get("scale", 1), 1),
            ("add", 0.5, 0),
        ):
            if value != neutral:
                index = _pair(function, index, _constant(value))
        number = Call("Image.floor", value=index)
        number = self._within(number, int(info.min), int(info.max))
        is_nodata = _pair("eq", number, self._missing)
        instead = _constant(beside(self._nodata))
        return Call("Image.where", input=number, test=is_nodata, value=instead)

    def _within(self, image: Call, low: float, high: float) -> Call:
        above, below = (
            _pair(function, image, _constant(limit))
            for function, limit in (("gte", low), ("lte", high))
        )
        return _pair("updateMask", image, _pair("and", above, below))

    def _filled(self, parts: Sequence[Call]) -> Call:
        return self._fill(reduce(_add_bands, parts), self._nodata, self._dtype)


def _each(function: Callable[..., Call], **columns: Sequence[Call]) -> list[Call]:
    """Apply a function to each of some images, or to each of several kinds together.

    The expression has what it does once: a stack may have many hundreds of layers.
    """
    body = function(**{name: Argument(name) for name in columns})
    called = Function([*columns], body)
    rows = zip(*columns.values(), strict=True)
    return [Call(called, **dict(zip(columns, row, strict=True))) for row in rows]


def _worked(node: ast.expr, known: Mapping[str, Call]) -> Call:
    """Return what a part of a formula is."""
    if (number := folded(node)) is not None:
        return _constant(number)
    match node:
        case ast.Name(id=name):
            return known[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _pair("multiply", _worked(operand, known), _constant(-1))
        case ast.UnaryOp(operand=operand):
            return _worked(operand, known)
        case ast.BinOp(left=left, op=ast.Pow(), right=right) if folded(right) in (0.5, 2):
            # The service's pow may be of single precision; these are exact.
            base = _worked(left, known)
            square = _pair("multiply", base, base)
            return square if folded(right) == 2 else Call("Image.sqrt", value=base)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            # The service says that what is divided by 0 is 0.
            divisor = Call("Image.selfMask", image=_worked(right, known))
            return _pair("divide", _worked(left, known), divisor)
        case ast.BinOp(left=left, op=sign, right=right):
            return _pair(_FUNCTIONS[type(sign)], _worked(left, known), _worked(right, known))
    raise AssertionError(ast.dump(node))  # What a formula may have is checked before.


def _pair(function: str, one: Node, other: Node) -> Call:
    if function == "updateMask":
        return Call("Image.updateMask", image=one, mask=other)
    return Call(f"Image.{function}", image1=one, image2=other)


def _constant(value: float) -> Call:
    return Call("Image.constant", value=value)


def _select(image: Node, names: Sequence[str], as_names: Sequence[str] | None = None) -> Call:
    new = {} if as_names is None else {"newNames": list(as_names)}
    return Call("Image.select", input=image, bandSelectors=list(names), **new)


def _add_bands(image: Call, other: Call) -> Call:
    return Call("Image.addBands", dstImg=image, srcImg=other)


def _collection(images: list[Call]) -> Call:
    return Call("ImageCollection.fromImages", images=images)
