"""Expression graphs of the Earth Engine client, evaluated.

A graph is read into nodes, shared ones once, then evaluated with a stack of its own, so that its
depth doesn't matter. What doesn't depend on a function's arguments is evaluated once, however
often the function is called.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from .bands import cast, read_bands
from .encode import encode
from .functions import Closure, call
from .sampling import check_scale
from .values import Catalog, Grid, Image, Pixels, ServiceError

__all__ = ["encode", "evaluate", "render"]


@dataclass(eq=False)
class _Node:
    """One value of the graph.

    Attributes
    ----------
    kind : str
        As the wire has it: ``constantValue``, ``functionInvocationValue`` …
    content : object
        A constant; names of arguments, keys or items' places; a function's name.
    inputs : list of _Node
        What it is made of.
    free : frozenset of str
        Arguments of functions around it that it depends on.
    """

    kind: str
    content: Any
    inputs: list[_Node] = field(default_factory=list)
    free: frozenset[str] = frozenset()


@dataclass(eq=False)
class _Scope:
    """Arguments of one call of a function, and what was evaluated within it."""

    arguments: Mapping[str, Any]
    outer: _Scope | None
    results: dict[_Node, Any] = field(default_factory=dict)

    def home(self, node: _Node) -> _Scope:
        """The outermost scope that has all that a node depends on."""
        scope = self
        while scope.outer is not None and scope.arguments.keys().isdisjoint(node.free):
            scope = scope.outer
        return scope

    def argument(self, name: str) -> Any:
        scope: _Scope | None = self
        while scope is not None:
            if name in scope.arguments:
                return scope.arguments[name]
            scope = scope.outer
        raise ServiceError(f"Expression: argument '{name}' is used outside of its function.")


def evaluate(expression: Any, catalog: Catalog) -> Any:
    """What an expression's result is, by the answers to open questions that hold here.

    Parameters
    ----------
    expression : mapping
        {"result": key, "values": {key: node}}, as the official client sends it.
    catalog : Catalog
        Where images come from.

    Raises
    ------
    ServiceError
        The expression is malformed, calls what the emulator doesn't have, or fails.
    """
    try:
        root = _run(_Reader(expression["values"]).named(expression["result"]))
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ServiceError(f"Expression: it can't be read ({error!r}).") from None
    return _run(_Evaluation(catalog).value(root, _Scope({}, None)))


_Steps = Generator[Any, Any, Any]


def _run(steps: _Steps) -> Any:
    """Run a generator that yields the generators whose results it needs, without recursion."""
    stack, result = [steps], None
    while stack:
        try:
            needed = stack[-1].send(result)
        except StopIteration as end:
            stack.pop()
            result = end.value
        else:
            stack.append(needed)
            result = None
    return result


class _Reader:
    """Makes nodes of the graph's JSON."""

    def __init__(self, values: Mapping[str, Any]):
        self._values = values
        self._nodes: dict[str, _Node | None] = {}  # None: being read

    def named(self, key: str) -> _Steps:
        """The node of a key of the graph, one for all that refer to it."""
        if key not in self._nodes:
            self._nodes[key] = None
            self._nodes[key] = yield self._node(self._values[key])
        if self._nodes[key] is None:
            raise ServiceError(f"Expression: value {key!r} contains itself.")
        return self._nodes[key]

    def _node(self, given: Mapping[str, Any]) -> _Steps:
        ((kind, content),) = given.items()
        if kind in _LEAVES:
            return _LEAVES[kind](content)
        if kind == "valueReference":
            return (yield self.named(content))
        if kind == "functionDefinitionValue":
            names, body = tuple(content["argumentNames"]), (yield self.named(content["body"]))
            return _Node(kind, names, [body], body.free.difference(names))
        return (yield self._compound(kind, content))

    def _compound(self, kind: str, content: Mapping[str, Any]) -> _Steps:
        label, inputs = None, []
        if kind == "arrayValue":
            parts = content["values"]
        elif kind == "dictionaryValue":
            label, parts = tuple(content["values"]), content["values"].values()
        elif kind == "functionInvocationValue":
            arguments = content.get("arguments", {})
            label, parts = (content.get("functionName"), tuple(arguments)), arguments.values()
            ((key, name),) = ((k, v) for k, v in content.items() if k != "arguments")
            if key == "functionReference":
                inputs.append((yield self.named(name)))
            elif key != "functionName" or not isinstance(name, str):
                raise ServiceError("Expression: a function is called without its name.")
        else:
            raise ServiceError(f"Expression: the emulator does not implement a {kind}.")
        for part in parts:
            inputs.append((yield self._node(part)))  # noqa: PERF401 - no comprehension can yield
        return _Node(kind, label, inputs, frozenset().union(*(each.free for each in inputs)))


_LEAVES: Final[dict[str, Callable[[Any], _Node]]] = {
    "constantValue": lambda content: _Node("constantValue", content),
    "integerValue": lambda content: _Node("constantValue", int(content)),
    "argumentReference": lambda content: _Node(
        "argumentReference", content, free=frozenset({content})
    ),
}


#: What these make of their input has its properties and its footprint.
_KEEPING: Final = {
    "Image.select": "input",
    "Image.addBands": "dstImg",
    "Image.updateMask": "image",
    "Image.selfMask": "image",
}


def _keeps(function: _Node) -> bool:
    """Whether a function certainly keeps the properties and footprint of its only argument."""
    (body,) = function.inputs
    while body.kind == "functionInvocationValue":
        name, arguments = body.content
        if name not in _KEEPING or _KEEPING[name] not in arguments:
            return False
        body = body.inputs[arguments.index(_KEEPING[name])]
    return body.kind == "argumentReference" and (body.content,) == function.content


class _Evaluation:
    """Values of nodes."""

    def __init__(self, catalog: Catalog):
        self._catalog = catalog

    def value(self, node: _Node, scope: _Scope) -> _Steps:
        """The value of a node where a scope's arguments hold."""
        if node.kind == "constantValue":
            return node.content
        if node.kind == "argumentReference":
            return scope.argument(node.content)
        home = scope.home(node)
        if node not in home.results:
            if node.kind == "functionDefinitionValue":
                home.results[node] = self._closure(node, home)
            else:
                inputs = []
                for each in node.inputs:
                    inputs.append((yield self.value(each, home)))  # noqa: PERF401 - as above
                home.results[node] = self._made(node, inputs)
        return home.results[node]

    def _closure(self, node: _Node, scope: _Scope) -> Closure:
        def call_body(*values: Any) -> Any:
            arguments = dict(zip(node.content, values, strict=True))
            return _run(self.value(node.inputs[0], _Scope(arguments, scope)))

        return Closure(node.content, call_body, _keeps(node))

    def _made(self, node: _Node, inputs: list[Any]) -> Any:
        if node.kind == "arrayValue":
            return inputs
        if node.kind == "dictionaryValue":
            return dict(zip(node.content, inputs, strict=True))
        name, arguments = node.content
        if name is not None:
            return call(name, dict(zip(arguments, inputs, strict=True)), self._catalog)
        closure, *values = inputs
        given = dict(zip(arguments, values, strict=True))
        if not isinstance(closure, Closure) or given.keys() != set(closure.names):
            raise ServiceError("Expression: a function is called with other arguments than it has.")
        return closure(*(given[name] for name in closure.names))


def render(
    image: Image,
    grid: Grid,
    band_ids: Sequence[str] | None = None,
    *,
    strict_scale: bool = False,
) -> list[tuple[str, Pixels]]:
    """An image's pixels on a grid.

    Parameters
    ----------
    image : Image
        What to read.
    grid : Grid
        Where.
    band_ids : sequence of str, optional
        Which bands, in this order; None or empty: all.
    strict_scale : bool
        Refuse to read an image's own pixels on a grid that is more than 1.5 × coarser.

    Returns
    -------
    list of (str, Pixels)
        Name, and values of the band's type with their mask, both (height, width). Masked values
        are 0.

    Raises
    ------
    ServiceError
        There is no such band, or its pixels can't be had.
    """
    named = {band.name: band for band in image.bands}
    if unknown := [name for name in band_ids or () if name not in named]:
        raise ServiceError(
            f"Band '{unknown[0]}' is not in the image. Available bands: [{', '.join(named)}]"
        )
    bands = [named[name] for name in band_ids or named]
    pixels = read_bands(bands, grid, check_scale if strict_scale else None)
    return [(band.name, _typed(each, band.dtype)) for band, each in zip(bands, pixels, strict=True)]


def _typed(pixels: Pixels, dtype: str) -> Pixels:
    values = cast(pixels.values, dtype)
    return Pixels(np.where(pixels.mask, values, values.dtype.type(0)), pixels.mask)
