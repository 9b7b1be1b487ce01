"""Requests and answers; the official client's way to them with no socket, no thread, no copy."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import httplib2

from .values import ServiceError

JSON: Final = "application/json; charset=UTF-8"
#: How the types of what services say begin.
_MESSAGES: Final = ("application/json", "application/xml", "multipart/mixed")


@dataclass(frozen=True)
class Call:
    """A request, as a service sees it.

    Attributes
    ----------
    verb : str
        HTTP method.
    address : str
        Path and query, quoted as they came; a scheme and host before them are ignored.
    headers : mapping
        By names in lower case.
    body : bytes
    """

    verb: str
    address: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @cached_property
    def path(self) -> str:
        """Path of the address, still quoted: a slash in an object's name is ``%2F``."""
        return urlsplit(self.address).path

    @cached_property
    def plain_path(self) -> str:
        """Path of the address, unquoted."""
        return unquote(self.path)

    @cached_property
    def query(self) -> dict[str, str]:
        """The address's parameters, unquoted; the last of a name counts."""
        return dict(parse_qsl(urlsplit(self.address).query, keep_blank_values=True))


@dataclass(frozen=True)
class Reply:
    """A service's answer.

    Attributes
    ----------
    status : int
        HTTP status.
    media_type : str
    content : bytes or memoryview
        The body; of an object that is stored a view, which takes no memory where its file is
        mapped.
    cut : int, float or None
        How much of the body arrives before the connection is lost: bytes, or a fraction of it;
        None: all, and it isn't lost.
    headers : mapping
        Besides its type and length.
    """

    status: int
    media_type: str
    content: bytes | memoryview
    cut: int | float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_message(self) -> bool:
        """Whether the body is the service's own words, not the bytes of an object or an image."""
        return isinstance(self.content, bytes) and self.media_type.startswith(_MESSAGES)

    def arriving(self, size: int) -> int:
        """Of a body of so many bytes, how many arrive."""
        if self.cut is None:
            return size
        return min(self.cut if isinstance(self.cut, int) else int(self.cut * size), size)


def as_json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """A value as the answer."""
    return Reply(status, JSON, json.dumps(value).encode(), headers=headers or {})


def refusal(error: ServiceError) -> Reply:
    """An error as the answer, in the form of Google's services."""
    problem: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.reason is None:
        problem["status"] = error.status
    else:
        problem["errors"] = [{"domain": "global", "reason": error.reason, "message": error.message}]
    return as_json({"error": problem}, error.code)


#: It may raise ConnectionResetError: the answer is that the connection is lost.
Handler = Callable[[Call], Reply]


class Transport:
    """``http_transport`` of :func:`ee.Initialize`: what :class:`httplib2.Http` is to a network.

    Parameters
    ----------
    handle : Handler
        What answers.

    Attributes
    ----------
    emulated : bool
        Always true: what comes from here was never near Earth Engine.
    """

    emulated: ClassVar[bool] = True

    def __init__(self, handle: Handler):
        self._handle = handle

    def request(
        self,
        uri: str,
        method: str = "GET",
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        redirections: Any = None,
        connection_type: Any = None,
    ) -> tuple[httplib2.Response, bytes]:
        """One request, answered before it returns. Safe to call from many threads.

        The signature is :meth:`httplib2.Http.request`'s; the last two mean nothing here.

        Raises
        ------
        ConnectionError
            A fault of the connection, as the client's own transport raises it.
        """
        del redirections, connection_type
        lower = {name.lower(): value for name, value in (headers or {}).items()}
        content = body.encode() if isinstance(body, str) else body or b""
        reply = self._handle(Call(method, uri, lower, content))
        arrived, size = reply.arriving(len(reply.content)), len(reply.content)
        if arrived < size:
            raise ConnectionError(
                f"Connection broken: {arrived} bytes read, {size - arrived} more expected"
            )
        info = {"status": reply.status, "content-type": reply.media_type, **reply.headers}
        return httplib2.Response(info), bytes(reply.content)
