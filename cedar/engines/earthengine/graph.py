"""Nodes of an expression: what a stack is computed by, as the service's API has it.

The client's own objects promote, check and wrap what each function gives: a stack of some hundreds
of images takes them half a second, in which Earth Engine would take fifty more exports. These are
encoded by the client's serializer, which puts each value once.
"""

from __future__ import annotations

from collections.abc import Callable
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


def _value(argument: Any, encoder: Callable[[Any], Any]) -> dict[str, Any]:
    if isinstance(argument, Call):
        return {"valueReference": encoder(argument)}
    if isinstance(argument, list) and argument and isinstance(argument[0], Call):
        return {"arrayValue": {"values": [{"valueReference": encoder(each)} for each in argument]}}
    return {"constantValue": argument}
