"""Answers, and the official client's way to them with no socket, no thread, no copy."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import httplib2

from .values import ServiceError

JSON: Final = "application/json; charset=UTF-8"


@dataclass(frozen=True)
class Reply:
    """A service's answer.

    Attributes
    ----------
    status : int
        HTTP status.
    media_type : str
    content : bytes
        The body.
    cut : int, float or None
        How much of the body arrives before the connection is lost: bytes, or a fraction of it;
        None: all, and it isn't lost.
    """

    status: int
    media_type: str
    content: bytes
    cut: int | float | None = None

    def arriving(self, size: int) -> int:
        """Of a body of so many bytes, how many arrive."""
        if self.cut is None:
            return size
        return min(self.cut if isinstance(self.cut, int) else int(self.cut * size), size)


def as_json(value: Any, status: int = 200) -> Reply:
    """A value as the answer."""
    return Reply(status, JSON, json.dumps(value).encode())


def refusal(error: ServiceError) -> Reply:
    """An error as the answer, in the form of Google's services."""
    problem = {"code": error.code, "message": error.message, "status": error.status}
    return as_json({"error": problem}, error.code)


#: (HTTP method, address or the part of it after the host, body) → Reply. It may raise
#: ConnectionResetError: the answer is that the connection is lost.
Handler = Callable[[str, str, bytes], Reply]


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
        headers: Any = None,
        redirections: Any = None,
        connection_type: Any = None,
    ) -> tuple[httplib2.Response, bytes]:
        """One request, answered before it returns. Safe to call from many threads.

        The signature is :meth:`httplib2.Http.request`'s; the last three mean nothing here.

        Raises
        ------
        ConnectionError
            A fault of the connection, as the client's own transport raises it.
        """
        del headers, redirections, connection_type
        reply = self._handle(method, uri, body.encode() if isinstance(body, str) else body or b"")
        arrived, size = reply.arriving(len(reply.content)), len(reply.content)
        if arrived < size:
            raise ConnectionError(
                f"Connection broken: {arrived} bytes read, {size - arrived} more expected"
            )
        return (
            httplib2.Response({"status": reply.status, "content-type": reply.media_type}),
            reply.content,
        )
