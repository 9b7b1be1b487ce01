"""The official client's way to the emulator: no socket, no thread, no copy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

import httplib2


@dataclass(frozen=True)
class Reply:
    """A service's answer: HTTP status, media type, body."""

    status: int
    media_type: str
    content: bytes


class Transport:
    """``http_transport`` of :func:`ee.Initialize`: what :class:`httplib2.Http` is to a network.

    Parameters
    ----------
    handle : callable
        (HTTP method, path, body) → Reply. It may raise what a connection does.

    Attributes
    ----------
    emulated : bool
        Always true: what comes from here was never near Earth Engine.
    """

    emulated: ClassVar[bool] = True

    def __init__(self, handle: Callable[[str, str, bytes], Reply]):
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
        """
        del headers, redirections, connection_type
        sent = body.encode() if isinstance(body, str) else body or b""
        reply = self._handle(method, unquote(urlsplit(uri).path), sent)
        return (
            httplib2.Response({"status": reply.status, "content-type": reply.media_type}),
            reply.content,
        )
