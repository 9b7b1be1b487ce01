"""Nodes of an expression: what a stack is computed by, as the service's API has it.

The client's own objects promote, check and wrap what each function gives, and its serializer walks
and hashes all of it several times: a stack of some hundreds of images takes them a second, in which
Earth Engine would take a hundred exports.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ee.encodable import Encodable


@dataclass(frozen=True)
class Argument:
    """What a function of our own is called with, by the name that it has there."""

    name: str


class Function(Encodable):
    """A function of our own, which an expression holds once however often it is called.

    Parameters
    ----------
    names : sequence of str
        Of its arguments.
    body : Call
        What it makes of them.
    """

    def __init__(self, names: Sequence[str], body: Call):
        self._names, self._body = tuple(names), body

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its arguments."""
        return self._names

    @property
    def body(self) -> Call:
        """What it makes of them."""
        return self._body

    def encode_cloud_value(self, encoder: Callable[[Any], Any]) -> dict[str, Any]:
        """Put it as a ValueNode; `encoder` puts its body among the values."""
        return _definition(self._names, encoder(self._body))


class Call(Encodable):
    """An invocation of one of the service's functions, or of one of our own.

    Parameters
    ----------
    function : str or Function
        Its name, of ``/algorithms``; or itself.
    **arguments
        By the names that it gives them: calls, lists of calls, or what JSON has.
    """

    def __init__(self, function: str | Function, **arguments: Any):
        self._function, self._arguments = function, arguments

    @property
    def function(self) -> str | Function:
        """Its name, or itself."""
        return self._function

    @property
    def arguments(self) -> dict[str, Any]:
        """What it is given, by name."""
        return self._arguments

    def encode_cloud_value(self, encoder: Callable[[Any], Any]) -> dict[str, Any]:
        """Put it as a ValueNode; `encoder` puts a call among the values, and names it."""
        function = self._function
        arguments = {name: _value(value, encoder) for name, value in self._arguments.items()}
        if isinstance(function, Function):
            return _invocation("functionReference", encoder(function), arguments)
        return _invocation("functionName", function, arguments)


def _invocation(key: str, function: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"functionInvocationValue": {key: function, "arguments": arguments}}


def _definition(names: Sequence[str], body: str) -> dict[str, Any]:
    return {"functionDefinitionValue": {"argumentNames": list(names), "body": body}}


def encode(root: Call) -> dict[str, Any]:
    """Put a call as an Expression (REST reference, Expression), as the client's serializer does.

    What is the same is put once: among the values if it is used more than once, else in its place.
    """
    graph = _Graph()
    number = graph.number(root)
    return graph.expression(number)


class _Graph:
    """The calls and functions of an expression, each once."""

    def __init__(self) -> None:
        #: What one is → its number; and those that were seen, by identity.
        self._numbers: dict[Any, int] = {}
        self._seen: dict[int, int] = {}
        #: A function's name, the number of one of our own, or the names of its arguments; and what
        #: is in the place of each argument, or the body.
        self._nodes: list[tuple[str | int | tuple[str, ...], dict[str, Any]]] = []
        self._uses: Counter[int] = Counter()
        #: Those that are referred to by name only.
        self._named: set[int] = set()

    def number(self, node: Call | Function) -> int:
        """Take a call or function on, and what it is of."""
        found = self._seen.get(id(node))
        if found is None:
            head, places = self._taken(node)
            what = head, tuple((name, repr(place)) for name, place in places.items())
            found = self._numbers.setdefault(what, len(self._nodes))
            self._seen[id(node)] = found
            if found == len(self._nodes):
                self._nodes.append((head, places))
                for place in places.values():
                    if isinstance(place, _Calls):
                        self._uses.update(place.numbers)
        return found

    def _taken(self, node: Call | Function) -> tuple[str | int | tuple[str, ...], dict[str, Any]]:
        if isinstance(node, Function):
            body = self.number(node.body)
            self._named.add(body)
            return node.names, {"": _Calls((body,), listed=False)}
        head: str | int
        if isinstance(node.function, Function):
            head = self.number(node.function)
            self._named.add(head)
        else:
            head = node.function
        return head, {name: self._place(value) for name, value in node.arguments.items()}

    def _place(self, value: Any) -> Any:
        if isinstance(value, Call):
            return _Calls((self.number(value),), listed=False)
        if _holds_calls(value):
            return _Calls(tuple(map(self.number, value)), listed=True)
        return value

    def expression(self, root: int) -> dict[str, Any]:
        """Put them, those that others are of first."""
        values: dict[str, Any] = {}
        names: dict[int, str] = {}
        put: dict[int, dict[str, Any]] = {}
        for number, (head, places) in enumerate(self._nodes):
            arguments = {name: _put(place, put) for name, place in places.items()}
            match head:
                case str():
                    node = _invocation("functionName", head, arguments)
                case int():
                    node = _invocation("functionReference", names[head], arguments)
                case _:
                    node = _definition(head, arguments[""]["valueReference"])
            if self._uses[number] > 1 or number == root or number in self._named:
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
    if isinstance(place, Argument):
        return {"argumentReference": place.name}
    if not isinstance(place, _Calls):
        return {"constantValue": place}
    nodes = [put[number] for number in place.numbers]
    return {"arrayValue": {"values": nodes}} if place.listed else nodes[0]


def _holds_calls(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], Call)


def _value(argument: Any, encoder: Callable[[Any], Any]) -> dict[str, Any]:
    if isinstance(argument, Argument):
        return {"argumentReference": argument.name}
    if isinstance(argument, Call):
        return {"valueReference": encoder(argument)}
    if _holds_calls(argument):
        return {"arrayValue": {"values": [{"valueReference": encoder(each)} for each in argument]}}
    return {"constantValue": argument}
