"""Parts of objects from Cloud Storage, each by one request."""

from __future__ import annotations

from collections.abc import Generator

import requests
from google.api_core.exceptions import GoogleAPICallError

from .gcs_connection import Connection, is_transient, refused, slows_down
from .http_session import CONNECT, OF_RANGES
from .streams import interrupted


def stream(
    connection: Connection, key: str, start: int, end: int, generation: int | None, timeout: float
) -> Generator[bytes, None, None]:
    """Bytes ``[start, end)`` of an object, of which there is one at least, unchecked.

    Parameters
    ----------
    generation : int or None
        The one to read.
    timeout : float
        Seconds in which a byte has to come.

    Raises
    ------
    Conflict
        The object isn't at `generation`, or is shorter.
    Interrupted
        They didn't all arrive.
    StoreError
        Anything else.
    """

    def send() -> requests.Response:
        try:
            return _open(connection, key, start, end, generation, timeout)
        except Exception as error:
            if not is_transient(error):
                raise
            status = error.code if isinstance(error, GoogleAPICallError) else None
            raise interrupted(key, error, status, slows_down(error)) from None

    response = connection.ask(send, "read", key)
    yield from connection.session.pieces(response, key, start, end)


def _open(
    connection: Connection, key: str, start: int, end: int, generation: int | None, timeout: float
) -> requests.Response:
    # Without the latter the service would unpack what is stored packed.
    headers = {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "gzip"}
    response = connection.media(key, generation, headers, (min(CONNECT, timeout), timeout))
    if response.status_code in OF_RANGES:
        return response
    with response, connection.session.plain_errors():
        raise refused(response)
