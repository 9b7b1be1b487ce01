"""Signatures of Earth Engine's functions, as the official client's wheel lists them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .values import ServiceError


@dataclass(frozen=True)
class Argument:
    """One argument of a function.

    Attributes
    ----------
    name : str
    kind : str
        Earth Engine's name of its type, ``List<String>``.
    optional : bool
    default : object
        JSON value where it is left out.
    """

    name: str
    kind: str
    optional: bool
    default: Any


@dataclass(frozen=True)
class Signature:
    """What a function is called with.

    Attributes
    ----------
    name : str
        ``Image.select``.
    arguments : tuple of Argument
    """

    name: str
    arguments: tuple[Argument, ...]

    def argument(self, name: str) -> Argument:
        """The argument of that name.

        Raises
        ------
        KeyError
            There is none.
        """
        for argument in self.arguments:
            if argument.name == name:
                return argument
        raise KeyError(f"{self.name} has no argument {name!r}")


@cache
def signatures() -> Mapping[str, Signature]:
    """All functions of the service, by name.

    Source: ``ee/tests/algorithms.json`` of earthengine-api.
    """
    # Found, not imported: importing ee costs 0.2 s, and only the engine may.
    spec = find_spec("ee")
    if spec is None or spec.origin is None:
        raise ServiceError("earthengine-api isn't installed.", 500, "INTERNAL")
    path = Path(spec.origin).with_name("tests") / "algorithms.json"
    document = json.loads(path.read_text("utf-8"))
    parsed = map(_signature, document["algorithms"])
    return {signature.name: signature for signature in parsed}


def _signature(algorithm: Mapping[str, Any]) -> Signature:
    return Signature(
        algorithm["name"].removeprefix("algorithms/"),
        tuple(
            Argument(
                given["argumentName"],
                given["type"],
                given.get("optional", False),
                given.get("defaultValue"),
            )
            for given in algorithm.get("arguments", [])
        ),
    )
