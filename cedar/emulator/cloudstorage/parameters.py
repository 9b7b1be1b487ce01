"""What requests say besides what they are for: parameters, pages, and what is in JSON."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from ..transport import Call
from ..values import ServiceError
from .errors import invalid, unsupported

#: Parameters of any method that change nothing here: who asks, who pays, how much is answered.
_COMMON: Final = frozenset(
    {"alt", "fields", "key", "prettyPrint", "projection", "quotaUser", "userIp", "userProject"}
)
#: Entries of a page: cloud.google.com/storage/docs/json_api/v1/objects/list
_PAGE: Final = 1000


def base_of(call: Call) -> str:
    """Address of the service, as the caller has it; nothing where it didn't come by HTTP."""
    host = call.headers.get("host")
    return f"http://{host}" if host else ""


def check_parameters(call: Call, *known: str) -> None:
    """Refuse a parameter that a method doesn't have: what it asks for wouldn't be done.

    Raises
    ------
    ServiceError
        There is one.
    """
    if unknown := call.query.keys() - _COMMON - set(known):
        raise unsupported(f"parameter {min(unknown)!r} here")


def whole(query: Mapping[str, str], name: str) -> int | None:
    """A parameter that is a whole number from 0; None where it isn't given.

    Raises
    ------
    ServiceError
        It is something else.
    """
    given = query.get(name)
    if given is None:
        return None
    if not re.fullmatch("[0-9]{1,18}", given):
        raise invalid(f"Invalid value {given[:20]!r} for parameter {name}.")
    return int(given)


def required(query: Mapping[str, str], name: str) -> str:
    """A parameter that must be given.

    Raises
    ------
    ServiceError
        It isn't.
    """
    if not query.get(name):
        raise invalid(f"Required parameter: {name}")
    return query[name]


def resource(body: bytes | memoryview) -> dict[str, Any]:
    """What a body of JSON says about a bucket or object; nothing where it is empty.

    Raises
    ------
    ServiceError
        It is no JSON, or no object.
    """
    try:
        parsed = json.loads(bytes(body) or b"{}")
    except (ValueError, RecursionError) as error:
        raise ServiceError(f"Parse Error: {error}", reason="parseError") from None
    if not isinstance(parsed, dict):
        raise ServiceError("Parse Error: the root isn't an object.", reason="parseError")
    return parsed


def page_size(call: Call, name: str, most: int | None) -> int:
    """How many entries a page has at most.

    Parameters
    ----------
    call : Call
    name : str
        Of the parameter that asks for fewer.
    most : int or None
        The emulator's own limit.
    """
    return max(1, min(whole(call.query, name) or _PAGE, _PAGE, most or _PAGE))


def token(start: bytes) -> str:
    """What a client gives back for the page that begins so."""
    return base64.urlsafe_b64encode(start).decode()


def start(text: str | None) -> bytes:
    """Where the page of a token begins.

    Raises
    ------
    ServiceError
        It is none of :func:`token`'s.
    """
    try:
        return base64.b64decode(text or "", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise invalid("Invalid value for parameter pageToken.") from None
