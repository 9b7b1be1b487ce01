"""Who asks, and at which address."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from ..transport import Call

#: Who asks without saying who they are.
ME: Final = "me@emulator.invalid"
_ADDRESS: Final = re.compile(r"[^@\s]+@[^@\s]+")


def is_address(text: object) -> bool:
    """Whether it is an address of electronic mail, which is what accounts are named by."""
    return isinstance(text, str) and _ADDRESS.fullmatch(text) is not None


def account(call: Call) -> str:
    """The account of a request.

    A bearer token that is an address of electronic mail names it. Any other token is of one and
    the same account, since real ones change from hour to hour.
    """
    token = call.headers.get("authorization", "").removeprefix("Bearer ")
    return token if is_address(token) else ME


def base(call: Call) -> str:
    """The address of the service, as the request has it; empty where it has none."""
    if host := call.headers.get("host"):
        return f"http://{host}"
    split = urlsplit(call.address)
    return f"{split.scheme}://{split.netloc}" if split.netloc else ""
