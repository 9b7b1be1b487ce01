"""Image.expression: arithmetic on images written as text, ``2.5 * (NIR - RED) / (NIR + RED + 1)``.

Each sign stands for the function of images that does the same, so bands pair and are named as
there. Source of the language: developers.google.com/earth-engine/guides/image_math; how strongly
signs bind is C's [not verified against Earth Engine].
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from ..values import Image, ServiceError
from .base import Closure, function, implemented
from .images import choose, constant
from .operators import BINARY, CASTS, UNARY

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)|(?P<text>'[^']*'|\"[^\"]*\")"
    r"|(?P<name>[A-Za-z_]\w*)|(?P<sign>&&|\|\||\*\*|[<>=!]=|[-+*/%<>!?:.,()\[\]]))"
)
#: From the weakest; each binds from the left.
_LEVELS: Final[tuple[dict[str, str], ...]] = (
    {"||": "or"},
    {"&&": "and"},
    {"==": "eq", "!=": "neq"},
    {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"},
    {"+": "add", "-": "subtract"},
    {"*": "multiply", "/": "divide", "%": "mod"},
)
_FUNCTIONS: Final = {
    **dict.fromkeys(BINARY, 2),
    **dict.fromkeys(("abs", *UNARY, *(name for names in CASTS.values() for name in names)), 1),
}
Images = Mapping[str, Image]
#: What a part of the text is, given the images.
Part = Callable[[Images], Image]


def _call(name: str, *parts: Part) -> Part:
    compute = implemented()[f"Image.{name}"].call
    return lambda images: compute(*(part(images) for part in parts))


class _Parser:
    """By descent, from the sign that binds weakest."""

    def __init__(self, text: str, default: str, names: list[str]):
        self._text, self._default, self._names = text, default, names
        self._tokens: list[tuple[str, str]] = []
        at = 0
        while text[at:].strip():
            token = _TOKEN.match(text, at)
            if token is None or token.lastgroup is None:
                raise self._error()
            self._tokens.append((token.lastgroup, token[token.lastgroup]))
            at = token.end()

    def _error(self) -> ServiceError:
        return ServiceError(f"Image.parseExpression: can't be read: {self._text!r}.")

    def _next(self, *signs: str) -> str | None:
        """The next token if it is one of these signs."""
        if self._tokens and self._tokens[0][0] == "sign" and self._tokens[0][1] in signs:
            return self._tokens.pop(0)[1]
        return None

    def _expect(self, sign: str) -> None:
        if not self._next(sign):
            raise self._error()

    def parse(self) -> Part:
        part = self._choice()
        if self._tokens:
            raise self._error()
        return part

    def _choice(self) -> Part:
        condition = self._binary(0)
        if not self._next("?"):
            return condition
        one = self._choice()
        self._expect(":")
        return _call("where", self._choice(), condition, one)

    def _binary(self, level: int) -> Part:
        if level == len(_LEVELS):
            return self._unary()
        part = self._binary(level + 1)
        while sign := self._next(*_LEVELS[level]):
            part = _call(_LEVELS[level][sign], part, self._binary(level + 1))
        return part

    def _unary(self) -> Part:
        if self._next("!"):
            return _call("not", self._unary())
        if self._next("-"):
            return _call("multiply", self._unary(), lambda _: _number(-1))
        base = self._bands()
        return _call("pow", base, self._unary()) if self._next("**") else base

    def _bands(self) -> Part:
        """A value, or some of an image's bands: ``image.band``, ``image[0, 'band']``."""
        part = self._value()
        while sign := self._next(".", "["):
            if sign == "[":
                part = _selected(part, self._selectors("]"))
            else:
                part = _selected(part, [self._take("name")])
        return part

    def _value(self) -> Part:
        if self._next("("):
            part = self._choice()
            self._expect(")")
            return part
        if self._tokens and self._tokens[0][0] == "number":
            value = float(self._take("number"))
            return lambda _: _number(value)
        name = self._take("name")
        if self._next("("):
            return self._called(name)
        if name not in self._names:
            raise ServiceError(f"Image.parseExpression: Unknown variable '{name}'.")
        return _variable(name)

    def _called(self, name: str) -> Part:
        if name == "b":
            selectors = self._selectors(")")
            default = _variable(self._default)
            return _selected(default, selectors) if selectors else default
        parts = [self._choice()]
        while self._next(","):
            parts.append(self._choice())
        self._expect(")")
        if _FUNCTIONS.get(name) != len(parts):
            raise ServiceError(
                f"Image.parseExpression: the emulator has no function '{name}' of {len(parts)}."
            )
        return _call(name, *parts)

    def _selectors(self, end: str) -> list[Any]:
        selectors: list[Any] = []
        while not self._next(end):
            if selectors:
                self._expect(",")
            if self._tokens and self._tokens[0][0] == "number":
                selectors.append(int(self._take("number")))
            else:
                selectors.append(self._take("text")[1:-1])
        return selectors

    def _take(self, group: str) -> str:
        if not self._tokens or self._tokens[0][0] != group:
            raise self._error()
        return self._tokens.pop(0)[1]


def _number(value: float) -> Image:
    return Image((constant("constant", value),))


def _variable(name: str) -> Part:
    return lambda images: images[name]


def _selected(part: Part, selectors: list[Any]) -> Part:
    def select(images: Images) -> Image:
        image = part(images)
        return image.with_bands(choose(image, selectors))

    return select


@function("Image.parseExpression", takes="expression argName vars")
def _parse_expression(text: str, default: str, names: list[str]) -> Closure:
    """A function of the images that the expression is about."""
    try:
        part = _Parser(text, default, names).parse()
    except RecursionError:
        raise ServiceError("Image.parseExpression: it is nested too deeply.") from None
    return Closure(tuple(names), lambda *images: part(dict(zip(names, images, strict=True))))
