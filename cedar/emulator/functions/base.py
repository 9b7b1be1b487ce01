"""The register of what the emulator implements, and how a function is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, TypeVar

from ..signatures import Argument, Signature, signatures
from ..values import Catalog, ServiceError

Implementation = Callable[..., Any]
AnyFunction = TypeVar("AnyFunction", bound=Implementation)


class WrongKindError(Exception):
    """A value isn't of the kind that is needed."""


@dataclass(frozen=True)
class Closure:
    """A function of the expression's own.

    Attributes
    ----------
    names : tuple of str
        Its arguments.
    call : callable
        Takes their values.
    keeps : bool
        What it makes of an image certainly has the image's properties and footprint.
    """

    names: tuple[str, ...]
    call: Implementation
    keeps: bool = False

    def __call__(self, *values: Any) -> Any:
        """Its result.

        Raises
        ------
        ServiceError
            It takes another number of arguments.
        """
        if len(values) != len(self.names):
            raise ServiceError(
                f"A function of {len(self.names)} arguments is called with {len(values)}."
            )
        return self.call(*values)


@dataclass(frozen=True)
class ErrorMargin:
    """How far off a geometry may be. The emulator is never that far off, so nothing reads it."""

    value: float
    unit: str = "meters"


@dataclass(frozen=True)
class Function:
    """A function of the service that the emulator has.

    Attributes
    ----------
    signature : Signature
    call : callable
        The implementation.
    takes : tuple of str
        The arguments that it is called with.
    harmless : frozenset of str
        Those that may have any value, since the result doesn't depend on them here.
    needs_catalog : bool
        Whether it is called with the catalog before them.
    """

    signature: Signature
    call: Implementation
    takes: tuple[str, ...]
    harmless: frozenset[str]
    needs_catalog: bool

    @cached_property
    def refuses(self) -> Sequence[Argument]:
        """The arguments that must have their default value."""
        known = {*self.takes, *self.harmless}
        return [each for each in self.signature.arguments if each.name not in known]


_FUNCTIONS: Final[dict[str, Function]] = {}
_KINDS: Final[dict[str, Callable[[Any], Any]]] = {}


def implemented() -> Mapping[str, Function]:
    """The functions that the emulator has, by name, sorted."""
    return dict(sorted(_FUNCTIONS.items()))


def function(
    *names: str, takes: str | None = None, harmless: str = "", needs_catalog: bool = False
) -> Callable[[AnyFunction], AnyFunction]:
    """Register an implementation.

    Parameters
    ----------
    *names
        Functions of the service that it implements.
    takes
        The arguments that it is called with, in this order; None: all, as the signature has them.
    harmless
        Arguments that may have any value since the result doesn't depend on them here. All others
        must have their default value, or the call is refused.
    needs_catalog
        Called with the catalog before the arguments.
    """

    def register(call: AnyFunction) -> AnyFunction:
        for name in names:
            signature = signatures()[name]
            taken = tuple(a.name for a in signature.arguments) if takes is None else takes.split()
            for argument in (*taken, *harmless.split()):
                signature.argument(argument)
            _FUNCTIONS[name] = Function(
                signature, call, tuple(taken), frozenset(harmless.split()), needs_catalog
            )
        return call

    return register


def kind(*names: str) -> Callable[[AnyFunction], AnyFunction]:
    """Register what makes a value one of a kind: it returns it, or raises WrongKindError."""

    def register(convert: AnyFunction) -> AnyFunction:
        _KINDS.update(dict.fromkeys(names, convert))
        return convert

    return register


def call(name: str, arguments: Mapping[str, Any], catalog: Catalog) -> Any:
    """Call a function of the service.

    Raises
    ------
    ServiceError
        There is no such function; the emulator doesn't have it; its arguments are wrong.
    """
    found = _FUNCTIONS.get(name)
    if found is None:
        if name not in signatures():
            raise ServiceError(f"Unknown function '{name}'.")
        raise ServiceError(f"'{name}' is a function that the emulator does not implement.")
    signature = found.signature
    known = {argument.name for argument in signature.arguments}
    if unknown := sorted(arguments.keys() - known):
        raise ServiceError(f"{name}: Unrecognized argument '{unknown[0]}'.")
    values = {a.name: _value(signature, a, arguments.get(a.name)) for a in signature.arguments}
    for argument in found.refuses:
        if values[argument.name] != _value(signature, argument, None):
            raise ServiceError(
                f"{name}: the emulator does not implement argument '{argument.name}'."
            )
    given = [values[argument] for argument in found.takes]
    return found.call(catalog, *given) if found.needs_catalog else found.call(*given)


def _value(signature: Signature, argument: Argument, value: Any) -> Any:
    """An argument's value, of the right kind, or its default."""
    if value is None:
        if not argument.optional:
            raise ServiceError(
                f"{signature.name}: Parameter '{argument.name}' is required and may not be null."
            )
        value = argument.default
    if value is None:
        return None
    try:
        return convert(argument.kind, value)
    except WrongKindError:
        raise ServiceError(
            f"{signature.name}, argument '{argument.name}': Invalid type. "
            f"Expected type: {argument.kind}. Actual type: {kind_of(value)}."
        ) from None


def convert(name: str, value: Any) -> Any:
    """A value as one of a kind: a number as a Date, the items of a list each by its kind.

    Raises
    ------
    WrongKindError
        It is none.
    """
    outer, _, inner = name.partition("<")
    inner = inner.removesuffix(">")
    if outer == "List":
        if not isinstance(value, list):
            raise WrongKindError(name)
        return [convert(inner, item) for item in value]
    if outer == "Dictionary":
        if not isinstance(value, dict):
            raise WrongKindError(name)
        return {key: convert(inner, item) for key, item in value.items()}
    return _KINDS[outer](value)


def kind_of(value: Any) -> str:
    """Earth Engine's name of a value's kind, for messages."""
    if isinstance(value, bool):
        return "Boolean"
    names = {int: "Integer", float: "Float", str: "String", list: "List", dict: "Dictionary"}
    if value is None:
        return "Null"
    return names.get(type(value), type(value).__name__)


def instance(name: str, *types: type) -> None:
    """Register a kind that is just these Python types."""

    @kind(name)
    def check(value: Any) -> Any:
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise WrongKindError(name)
        return value


@kind("Object")
def _anything(value: Any) -> Any:
    return value


@kind("Integer", "Long")
def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        raise WrongKindError("Integer")
    return int(value)


@kind("Boolean")
def _boolean(value: Any) -> bool:
    if not isinstance(value, bool | int | float):
        raise WrongKindError("Boolean")
    return bool(value)


@kind("ErrorMargin")
def _error_margin(value: Any) -> ErrorMargin:
    if isinstance(value, Mapping) and value.get("type") == "ErrorMargin":  # as defaults are
        return ErrorMargin(value["value"], value["unit"])
    if isinstance(value, int | float) and not isinstance(value, bool):
        return ErrorMargin(value)
    if not isinstance(value, ErrorMargin):
        raise WrongKindError("ErrorMargin")
    return value


instance("String", str)
instance("Float", int, float)
instance("Number", int, float)
instance("Algorithm", Closure)
