"""Spectral indices: formulas over bands, from the list Awesome Spectral Indices.

The list is the package spyndex's; it is needed where an index is asked for by its name alone, and
never again: what it said is recorded.
"""

from __future__ import annotations

import ast
import difflib
import math
import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cedar.exceptions import InputError

#: What the list calls a band → cedar's common names for it, the first that a collection has.
BANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "A": ("coastal",),
    "B": ("blue",),
    "G": ("green",),
    "R": ("red",),
    "RE1": ("rededge1",),
    "RE2": ("rededge2",),
    "RE3": ("rededge3",),
    "N": ("nir",),
    "N2": ("nir_narrow", "nir"),
    "WV": ("water_vapour",),
    "S1": ("swir1",),
    "S2": ("swir2",),
    "T": ("thermal",),
    "T1": ("thermal",),
    "T2": ("thermal2",),
}
#: Common names of bands that measure what is reflected, which observations are compared by.
REFLECTIVE: Final = frozenset(
    {name for names in BANDS.values() for name in names} - {"thermal", "thermal2"}
    | {"nir2", "nir_broad"}
)
#: Physical units of one number in a file of integers: of one byte, of more.
_SCALES: Final = {1: 0.01, 2: 0.0001, 4: 0.0001}
#: What the signs of a formula do.
_COMPUTE: Final[Mapping[type[ast.operator], Callable[[float, float], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}


@dataclass(frozen=True)
class Index:
    """A quantity that is worked out of other bands.

    Attributes
    ----------
    name : str
        Of its band.
    formula : str
        Over physical values; numbers, names, ``+ - * / **`` and parentheses.
    of : mapping
        Name in the formula → the band's common name.
    scale, offset : float
        Of its numbers in the file: the index = scale × number + offset.
    """

    name: str
    formula: str
    of: Mapping[str, str]
    scale: float = 1.0
    offset: float = 0.0


def define(given: str | Mapping[str, Any], bands: Collection[str], dtype: str) -> Index:
    """Make an index of what settings say of it.

    Parameters
    ----------
    given
        A name of the list; or with it constants, or a formula, scale and offset.
    bands
        Common names of the collection's bands.
    dtype
        Of the file, which says how an index is put where it isn't said.

    Raises
    ------
    InputError
        There is no such index, its formula can't be used, or the collection lacks one of its bands.
    """
    settings: Mapping[str, Any] = {"name": given} if isinstance(given, str) else given
    name = settings["name"]
    try:
        formula, given_of = settings.get("formula"), settings.get("of") or {}
        formula = _listed(name) if formula is None else formula
        tree = _substituted(_parsed(formula), settings.get("constants", {}), given_of)
        folded(tree)
        of = {each: _band(each, given_of, bands) for each in sorted(_names(tree))}
        if not of:
            raise InputError(f"its formula {formula!r} names no band")
        scale, offset = _encoding(settings, dtype)
    except InputError as error:
        raise InputError(f"index {name}: {error}") from error
    return Index(name, ast.unparse(tree), of, scale, offset)


def _encoding(settings: Mapping[str, Any], dtype: str) -> tuple[float, float]:
    """Say how an index is put into numbers: 0 in the middle of what their type holds."""
    kind = np.dtype(dtype)
    scale, offset = settings.get("scale"), settings.get("offset")
    if kind.kind == "f":
        if (scale or 1, offset or 0) != (1, 0):
            raise InputError(f"a file of {dtype} holds it as it is: leave out scale and offset")
        return 1.0, 0.0
    scale = _SCALES[kind.itemsize] if scale is None else float(scale)
    if not (math.isfinite(scale) and scale > 0):
        raise InputError(f"its scale of {scale:g} isn't above 0")
    if offset is None:
        offset = -scale * 2 ** (8 * kind.itemsize - 1) if kind.kind == "u" else 0.0
    return scale, float(offset)


def _parsed(formula: str) -> ast.expr:
    try:
        tree = ast.parse(formula.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError):
        raise InputError(f"its formula {formula!r} can't be read") from None
    for node in ast.walk(tree):
        match node:
            case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div() | ast.Pow()):
                pass
            case ast.UnaryOp(op=ast.USub() | ast.UAdd()) | ast.Name():
                pass
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                pass
            case ast.operator() | ast.unaryop() | ast.expr_context():
                pass
            case _:
                raise InputError(
                    f"its formula {formula!r} has {ast.unparse(node)!r}: it may have numbers, "
                    "names, + - * / ** and parentheses"
                )
    return tree


def folded(node: ast.expr) -> float | None:
    """Return the number that a part of a formula is; None where it hangs on a band.

    Raises
    ------
    InputError
        It is no number, as what is divided by 0.
    """
    match node:
        case ast.Constant(value=int() | float() as value):
            return float(value)
        case ast.UnaryOp(op=sign, operand=operand):
            number = folded(operand)
            return -number if number is not None and isinstance(sign, ast.USub) else number
        case ast.BinOp(left=left, op=sign, right=right):
            one, other = folded(left), folded(right)
            if isinstance(sign, ast.Div) and other == 0:
                raise InputError(f"{ast.unparse(node)!r} divides by 0")
            return None if one is None or other is None else _computed(node, one, other)
    return None


def _computed(node: ast.BinOp, one: float, other: float) -> float:
    try:
        number = _COMPUTE[type(node.op)](one, other)
    except OverflowError:
        number = math.inf
    if isinstance(number, complex) or not math.isfinite(number):
        raise InputError(f"{ast.unparse(node)!r} isn't a number")
    return float(number)


def _names(tree: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


class _Constants(ast.NodeTransformer):
    """Puts numbers in the place of names that are no bands."""

    def __init__(self, numbers: Mapping[str, float]):
        self._numbers = numbers

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Return the number that a name stands for, or the name."""
        if node.id in self._numbers:
            return ast.Constant(float(self._numbers[node.id]))
        return node


def _substituted(tree: ast.expr, given: Mapping[str, float], of: Mapping[str, str]) -> ast.expr:
    """Put the constants of a formula in: those given, else those of the list."""
    names = _names(tree)
    if unknown := sorted(given.keys() - names):
        raise InputError(f"its formula has no constant {unknown[0]!r}")
    numbers = dict(given)
    if others := names - given.keys() - of.keys() - BANDS.keys():
        known = {} if (listed := _list_of_indices(needed=False)) is None else listed.constants
        numbers |= {
            name: known[name].default
            for name in others
            if name in known and known[name].default is not None
        }
    substituted: ast.expr = _Constants(numbers).visit(tree)
    return substituted


def _band(name: str, of: Mapping[str, str], bands: Collection[str]) -> str:
    """Return the common name of the band that a formula means by a name."""
    wanted = (of[name],) if name in of else BANDS.get(name, (name,))
    for each in wanted:
        if each in bands:
            return each
    if name in BANDS or name in of:
        raise InputError(f"it needs the band {wanted[0]}, which the collection hasn't")
    raise InputError(f"it needs {name}, which is no band: give it in `constants` or `of`")


def _listed(name: str) -> str:
    """Return the formula that the list has for an index."""
    known = _list_of_indices(needed=True).indices
    if name in known:
        return str(known[name].formula)
    (nearest,) = difflib.get_close_matches(name, known, n=1, cutoff=0)
    raise InputError(f"the list of indices hasn't it; the nearest is {nearest}")


def _list_of_indices(*, needed: bool) -> Any:
    try:
        return _spyndex()
    except ImportError as error:
        if not needed:
            return None
        raise InputError(
            "its formula is in a package that isn't installed: pip install 'cedar-eo[indices]', "
            "or give `formula`"
        ) from error


def _spyndex() -> Any:
    import spyndex

    return spyndex
