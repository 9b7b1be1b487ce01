"""Filter.expression: a filter written as text, ``CLOUD_COVER < 20 && WRS_ROW == 77``."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from ..values import ServiceError
from .base import function
from .filters import Filter, both, either, negation, prop, single

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>-?\d+\.?\d*(?:[eE][+-]?\d+)?)|(?P<text>'[^']*'|\"[^\"]*\")"
    r"|(?P<name>[A-Za-z_][\w:]*)|(?P<sign>&&|\|\||[<>=!]=|[<>!()]))"
)
_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
#: A name or a value: element → what it is.
Operand = Callable[[Any], Any]


class _Parser:
    """By descent: or, and, not, comparison."""

    def __init__(self, text: str):
        self._text = text
        self._tokens = list(self._split(text))

    def _split(self, text: str) -> Iterator[tuple[str, str]]:
        at = 0
        while text[at:].strip():
            token = _TOKEN.match(text, at)
            if token is None or token.lastgroup is None:
                raise self._error()
            yield token.lastgroup, token[token.lastgroup]
            at = token.end()

    def _error(self) -> ServiceError:
        return ServiceError(f"Filter.expression: can't be read: {self._text!r}.")

    def _next(self, *signs: str) -> str | None:
        """The next token if it is one of these signs."""
        if self._tokens and self._tokens[0][0] == "sign" and self._tokens[0][1] in signs:
            return self._tokens.pop(0)[1]
        return None

    def parse(self) -> Filter:
        result = self._either()
        if self._tokens:
            raise self._error()
        return result

    def _either(self) -> Filter:
        filters = [self._both()]
        while self._next("||"):
            filters.append(self._both())
        return either(filters) if len(filters) > 1 else filters[0]

    def _both(self) -> Filter:
        filters = [self._single()]
        while self._next("&&"):
            filters.append(self._single())
        return both(filters) if len(filters) > 1 else filters[0]

    def _single(self) -> Filter:
        if self._next("!"):
            return negation(self._single())
        if self._next("("):
            inner = self._either()
            if not self._next(")"):
                raise self._error()
            return inner
        left = self._operand()
        sign = self._next(*_COMPARE)
        if sign is None:
            raise self._error()
        return single(_test(left, _COMPARE[sign], self._operand()))

    def _operand(self) -> Operand:
        if not self._tokens or self._tokens[0][0] == "sign":
            raise self._error()
        what, token = self._tokens.pop(0)
        if what == "name":
            return lambda element: prop(element, token)
        value = token[1:-1] if what == "text" else float(token)
        return lambda _: value


def _test(
    left: Operand, compare: Callable[[Any, Any], bool], right: Operand
) -> Callable[[Any], bool | None]:
    def test(element: Any) -> bool | None:
        one, other = left(element), right(element)
        if one is None or other is None:
            return None
        try:
            return compare(one, other)
        except TypeError:  # a number against a text
            return None

    return test


@function("Filter.expression")
def read(text: str) -> Filter:
    """The filter that a text stands for."""
    try:
        return _Parser(text).parse()
    except RecursionError:
        raise ServiceError("Filter.expression: it is nested too deeply.") from None
