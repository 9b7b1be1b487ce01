"""Nodes of an expression: what a stack is computed by, as the service's API has it.

The client's own objects promote, check and wrap what each function gives, and its serializer walks
and hashes all of it several times: a stack of some hundreds of images takes them a second, in which
Earth Engine would take a hundred exports.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ee.encodable import Encodable


class Call(Encodable):
    """An invocation of one of the service's functions.

    Parameters
    ----------
    function : str
        Its name, of ``/algorithms``.
    **arguments
        By the names that it gives them: calls, lists of calls, or what JSON has.
    """

    def __init__(self, function: str, **arguments: Any):
        self._function, self._arguments = function, arguments

    @property
    def function(self) -> str:
        """Its name."""
        return self._function

    @property
    def arguments(self) -> dict[str, Any]:
        """What it is given, by name."""
        return self._arguments

    def encode_cloud_value(self, encoder: Callable[[Any], Any]) -> dict[str, Any]:
        """Put it as a ValueNode; `encoder` puts a call among the values, and names it."""
        return {
            "functionInvocationValue": {
                "functionName": self._function,
                "arguments": {
                    name: _value(argument, encoder) for name, argument in self._arguments.items()
                },
            }
        }


def encode(root: Call) -> dict[str, Any]:
    """Put a call as an Expression (REST reference, Expression), as the client's serializer does.

    What is the same is put once: among the values if it is used more than once, else in its place.
    """
    graph = _Graph()
    number = graph.number(root)
    return graph.expression(number)


class _Graph:
    """The calls of an expression, each once."""

    def __init__(self) -> None:
        #: What a call is → its number; and those that were seen, by identity.
        self._numbers: dict[Any, int] = {}
        self._seen: dict[int, int] = {}
        self._calls: list[tuple[str, dict[str, Any]]] = []
        self._uses: Counter[int] = Counter()

    def number(self, call: Call) -> int:
        """Take a call on, and what it is of."""
        found = self._seen.get(id(call))
        if found is None:
            places = {name: self._place(value) for name, value in call.arguments.items()}
            what = call.function, tuple((name, repr(place)) for name, place in places.items())
            found = self._numbers.setdefault(what, len(self._calls))
            self._seen[id(call)] = found
            if found == len(self._calls):
                self._calls.append((call.function, places))
                for place in places.values():
                    if isinstance(place, _Calls):
                        self._uses.update(place.numbers)
        return found

    def _place(self, value: Any) -> Any:
        if isinstance(value, Call):
            return _Calls((self.number(value),), listed=False)
        if _holds_calls(value):
            return _Calls(tuple(map(self.number, value)), listed=True)
        return value

    def expression(self, root: int) -> dict[str, Any]:
        """Put them, the calls that others are of first."""
        values: dict[str, Any] = {}
        names: dict[int, str] = {}
        put: dict[int, dict[str, Any]] = {}
        for number, (function, places) in enumerate(self._calls):
            arguments = {name: _put(place, put) for name, place in places.items()}
            node: dict[str, Any] = {
                "functionInvocationValue": {"functionName": function, "arguments": arguments}
            }
            if self._uses[number] > 1 or number == root:
                names[number] = str(len(values))
                values[names[number]] = node
                node = {"valueReference": names[number]}
            put[number] = node
        return {"result": names[root], "values": values}


@dataclass(frozen=True)
class _Calls:
    """Calls in the place of an argument, by their numbers."""

    numbers: tuple[int, ...]
    listed: bool


def _put(place: Any, put: dict[int, dict[str, Any]]) -> dict[str, Any]:
    if not isinstance(place, _Calls):
        return {"constantValue": place}
    nodes = [put[number] for number in place.numbers]
    return {"arrayValue": {"values": nodes}} if place.listed else nodes[0]


def _holds_calls(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], Call)


def _value(argument: Any, encoder: Callable[[Any], Any]) -> dict[str, Any]:
    if isinstance(argument, Call):
        return {"valueReference": encoder(argument)}
    if _holds_calls(argument):
        return {"arrayValue": {"values": [{"valueReference": encoder(each)} for each in argument]}}
    return {"constantValue": argument}
