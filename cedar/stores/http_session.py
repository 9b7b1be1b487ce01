"""HTTP to one of Google's services, as its stores need it, and bytes that come by it."""

from __future__ import annotations

import contextlib
import re
import ssl
from collections.abc import Generator, Iterator
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import requests
import urllib3.exceptions
from google.auth.credentials import AnonymousCredentials
from google.auth.transport.requests import AuthorizedSession

from ..credentials import is_loopback
from ..exceptions import StoreError
from .streams import check_size, in_pieces, interrupted

#: Seconds in which there has to be a connection.
CONNECT: Final = 10.0
#: Seconds in which a token has to be had.
_TOKEN_TIMEOUT: Final = 60
#: Connections that are kept: more threads than that would connect every time.
_POOL: Final = 64
_OF_THE_NETWORK: Final = OSError, urllib3.exceptions.HTTPError
_CONTENT_RANGE: Final = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18})")
#: Of answers that say something of the range that was asked for.
OF_RANGES: Final = frozenset(
    {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE}
)
#: Of answers that ask for fewer requests.
BUSY: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
#: Of a refusal that asks for the same, whatever its status is:
#: cloud.google.com/storage/docs/json_api/v1/status-codes,
#: developers.google.com/workspace/drive/api/guides/handle-errors.
RATE_LIMITED: Final = frozenset({"rateLimitExceeded", "userRateLimitExceeded"})


class Session:
    """HTTP with a credential that goes to one host and no other; safe to use from several threads.

    It is what the official client needs of a :class:`requests.Session`. It follows no redirection.
    Its errors are the built-in ConnectionError and TimeoutError, which show no address: that of a
    resumable upload is as good as a password.

    Parameters
    ----------
    credentials : google.auth.credentials.Credentials
        Whose token is sent.
    url : str
        The host.
    service : str
        Whose that is, in errors.
    """

    def __init__(self, credentials: Any, url: str, service: str):
        self._origin, self._service = _origin(url), service
        self._session: requests.Session = (
            requests.Session()
            if isinstance(credentials, AnonymousCredentials)
            else AuthorizedSession(credentials, refresh_timeout=_TOKEN_TIMEOUT)
        )
        self._session.trust_env = not is_loopback(url)
        # Else what ~/.netrc has for the host would take the credential's place.
        self._session.auth = _unchanged
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, requests.adapters.HTTPAdapter(pool_maxsize=_POOL))

    def request(self, method: str, url: str, **kwds: Any) -> requests.Response:
        """Make one request, as :meth:`requests.Session.request` does.

        Raises
        ------
        ConnectionError, TimeoutError
            It may succeed a moment later.
        StoreError
            The address is another host's, or the host can't prove who it is.
        """
        # The address of an upload is what the service says.
        if _origin(url) != self._origin:
            raise StoreError(
                f"{self._service} named an address that isn't its own: it isn't followed"
            )
        with self.plain_errors():
            return self._session.request(method, url, **kwds, allow_redirects=False)

    @contextlib.contextmanager
    def plain_errors(self) -> Iterator[None]:
        """Turn the network's errors in a block into built-in ones, without the address.

        Raises
        ------
        ConnectionError, TimeoutError
            It may succeed a moment later.
        StoreError
            The host can't prove who it is.
        """
        try:
            yield
        except (requests.Timeout, urllib3.exceptions.TimeoutError):
            raise TimeoutError("it doesn't answer") from None
        except (
            requests.ConnectionError,
            requests.exceptions.ChunkedEncodingError,
            requests.exceptions.ContentDecodingError,
            urllib3.exceptions.HTTPError,
        ) as error:
            root: BaseException = error
            # What was being handled when the request was made is none of its causes.
            while isinstance(inner := root.__cause__ or root.__context__, _OF_THE_NETWORK):
                root = inner
            why = getattr(root, "strerror", None) or type(root).__name__
            if isinstance(root, ssl.SSLCertVerificationError):
                raise StoreError(f"{self._service} can't prove who it is: {why}") from None
            raise ConnectionError(why) from None

    def pieces(
        self, response: requests.Response, key: str, start: int, end: int
    ) -> Generator[bytes, None, None]:
        """Bytes ``[start, end)`` of an object, from the answer to a request for them.

        The connection is given back at the end, or closed where the body isn't read to its end.

        Parameters
        ----------
        response : requests.Response
            Its status is one of :data:`OF_RANGES`, and nothing of its body is read.

        Raises
        ------
        Conflict
            The object is shorter.
        Interrupted
            They didn't all arrive.
        StoreError
            The service sends something else.
        """
        with response:
            _check_range(response, key, start, end)

            def read(size: int) -> bytes:
                # What is stored packed stays so: its checksum is of that.
                piece: bytes = response.raw.read(size, decode_content=False)
                return piece

            try:
                with self.plain_errors():
                    yield from in_pieces(key, read, end - start)
            except (ConnectionError, TimeoutError) as error:
                raise interrupted(key, error) from None


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url.lower())
    return parts.scheme, parts.netloc


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _check_range(response: requests.Response, key: str, start: int, end: int) -> None:
    """Refuse an answer that isn't of bytes ``[start, end)``."""
    match response.status_code:
        case HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            check_size(key, start, end)
        case HTTPStatus.OK:
            # Where nothing else was asked for than all, this is it.
            size = response.headers.get("Content-Length", "")
            if start == 0 and size == str(end):
                return
            raise StoreError(f"can't read {key}: asked for a part, the service sends all", key)
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if found is None or int(found[1]) != start:
        raise StoreError(f"can't read {key}: asked for a part, the service sends another", key)
    check_size(key, int(found[2]), end)
