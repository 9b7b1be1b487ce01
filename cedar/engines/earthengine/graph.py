"""Nodes of an expression: what a stack is computed by, as the service's API has it.

The client's own objects promote, check and wrap what each function gives: a stack of some hundreds
of images takes them half a second, in which Earth Engine would take fifty more exports. These are
encoded by the client's serializer, which puts each value once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ee.encodable import Encodable


class Argument:
    """What a function of our own is called with, by the name that it has there."""

    def __init__(self, name: str):
        self.name = name


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
        self._names, self._body = names, body

    def encode_cloud_value(self, encoder: Callable[[Any], Any]) -> dict[str, Any]:
        """Put it as a ValueNode; `encoder` puts its body among the values."""
        return {
            "functionDefinitionValue": {
                "argumentNames": list(self._names),
                "body": encoder(self._body),
            }
        }


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

    def encode_cloud_value(self, encoder: Callable[[Any], Any]) -> dict[str, Any]:
        """Put it as a ValueNode; `encoder` puts a call among the values, and names it."""
        function = self._function
        named = (
            {"functionName": function}
            if isinstance(function, str)
            else {"functionReference": encoder(function)}
        )
        return {
            "functionInvocationValue": {
                **named,
                "arguments": {
                    name: _value(argument, encoder) for name, argument in self._arguments.items()
                },
            }
        }


def _value(argument: Any, encoder: Callable[[Any], Any]) -> dict[str, Any]:
    if isinstance(argument, Argument):
        return {"argumentReference": argument.name}
    if isinstance(argument, Call):
        return {"valueReference": encoder(argument)}
    if isinstance(argument, list) and argument and isinstance(argument[0], Call):
        return {"arrayValue": {"values": [{"valueReference": encoder(each)} for each in argument]}}
    return {"constantValue": argument}
