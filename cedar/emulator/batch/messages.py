"""Parts of a request that the client writes in more than one way, read strictly."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from typing import Any

from ..values import ServiceError

_WHOLE = re.compile("-?[0-9]{1,19}")


def message(given: Any, name: str, known: Collection[str]) -> Mapping[str, Any]:
    """Check a part of a request: an object with no fields but known ones; nothing is an empty one.

    Raises
    ------
    ServiceError
        It has others, or is no object.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ServiceError(f"{name} must be an object.")
    if unknown := sorted(given.keys() - set(known)):
        raise ServiceError(f"The emulator's {name} has no field {unknown[0]!r}.")
    return given


def whole(given: Any, name: str, default: int) -> int:
    """Read a whole number.

    The client wraps some (``{"value": 3}``), and writes those of 64 bits as text, as protocol
    buffers' JSON does.

    Raises
    ------
    ServiceError
        It is none.
    """
    if isinstance(given, Mapping):
        given = message(given, name, {"value"}).get("value")
    if given is None:
        return default
    if isinstance(given, str) and _WHOLE.fullmatch(given):
        return int(given)
    if isinstance(given, int | float) and not isinstance(given, bool) and given == int(given):
        return int(given)
    raise ServiceError(f"{name} must be a whole number.")


def number(given: Any, name: str) -> float | None:
    """Read a Number: ``{"floatValue": 1.5}``, ``{"integerValue": "2"}``; NaN comes as text.

    Raises
    ------
    ServiceError
        It is none.
    """
    match message(given, name, {"floatValue", "integerValue"}):
        case {"floatValue": bool()} | {"floatValue": _, "integerValue": _}:
            pass
        case {"floatValue": "NaN"}:
            return math.nan
        case {"floatValue": int() | float() as value}:
            return float(value)
        case {"integerValue": value}:
            return float(whole(value, name, 0))
        case {**others} if not others:
            return None
    raise ServiceError(f"{name} must hold a number.")


def flag(given: Any, name: str) -> bool:
    """Read true or false; nothing is false.

    Raises
    ------
    ServiceError
        It is neither.
    """
    if given is not None and not isinstance(given, bool):
        raise ServiceError(f"{name} must be true or false.")
    return bool(given)


def text(given: Any, name: str) -> str:
    """Read text; nothing is empty.

    Raises
    ------
    ServiceError
        It is none.
    """
    if given is not None and not isinstance(given, str):
        raise ServiceError(f"{name} must be text.")
    return given or ""
