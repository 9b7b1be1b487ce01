"""HTTP for the official client: a pool as large as the concurrency, deadlines, and 429s noted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

import httplib2
import requests
import requests.adapters

from .limiter import AT_ONCE, Limiter

#: Seconds to connect; and to wait for the next byte: the service's own limit is five minutes.
CONNECT_TIMEOUT: Final = 10.0
READ_TIMEOUT: Final = 330.0


class Transport:
    """What the client takes as ``http_transport``; safe to use from several threads.

    It follows no redirection, so that a credential goes to no other host than it is for.

    Parameters
    ----------
    limiter : Limiter
        Told of every 429, also of those that the client tries again by itself.
    proxies : bool
        Whether the environment's proxies are used; not for a server on this machine.
    connect_timeout, read_timeout : float
        Seconds to connect, and to wait for the next byte.
    """

    def __init__(
        self,
        limiter: Limiter,
        proxies: bool = True,
        connect_timeout: float = CONNECT_TIMEOUT,
        read_timeout: float = READ_TIMEOUT,
    ):
        self._limiter = limiter
        self._timeout = connect_timeout, read_timeout
        self._session = requests.Session()
        self._session.trust_env = proxies
        # Else what ~/.netrc has for the host would take the credential's place.
        self._session.auth = _unchanged
        # The client's own pool holds 10: more threads than that would reconnect every time.
        adapter = requests.adapters.HTTPAdapter(pool_connections=4, pool_maxsize=AT_ONCE)
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, adapter)

    def request(
        self,
        uri: str,
        method: str = "GET",
        body: str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        redirections: int | None = None,  # noqa: ARG002  (httplib2's signature)
        connection_type: Any = None,  # noqa: ARG002
    ) -> tuple[httplib2.Response, bytes]:
        """Make one request, as ``httplib2.Http.request`` does.

        Raises
        ------
        ConnectionError, TimeoutError
            The kinds that the client tries again; an answer that arrived in part is one.
        """
        with _translated():
            answer = self._session.request(
                method,
                uri,
                data=body,
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,
            )
        if answer.status_code == requests.codes.too_many_requests:
            self._limiter.throttled()
        return httplib2.Response({**answer.headers, "status": answer.status_code}), answer.content

    def close(self) -> None:
        """Close the connections, each once the request that it serves is answered."""
        self._session.close()


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Turn the errors of requests into the built-in ones that the client knows as transient."""
    try:
        yield
    except requests.exceptions.Timeout as error:
        raise TimeoutError(str(error)) from error
    except (
        requests.exceptions.ConnectionError,
        # The body is shorter than its Content-Length, or its compression ends too early.
        requests.exceptions.ChunkedEncodingError,
        requests.exceptions.ContentDecodingError,
    ) as error:
        raise ConnectionError(str(error)) from error
