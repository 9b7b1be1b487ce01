"""Requests for parts of contents of Drive, which arrive in pieces."""

from __future__ import annotations

import httplib2
import requests
from googleapiclient.errors import HttpError

from .gdrive_errors import is_transient, slows_down
from .http_session import CONNECT, OF_RANGES, Session
from .streams import interrupted


def ask_for_range(
    session: Session, uri: str, key: str, start: int, end: int, timeout: float
) -> requests.Response:
    """Ask once for bytes ``[start, end)`` of a content; none is read yet.

    Raises
    ------
    Interrupted
        They may be had a moment later.
    HttpError, GoogleAuthError, StoreError
        They may not.
    """
    try:
        return _send(session, uri, start, end, timeout)
    except Exception as error:
        if not is_transient(error):
            raise
        status = error.status_code if isinstance(error, HttpError) else None
        raise interrupted(key, error, status, slows_down(error)) from None


def _send(session: Session, uri: str, start: int, end: int, timeout: float) -> requests.Response:
    headers = {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
    patience = min(CONNECT, timeout), timeout
    response = session.request("GET", uri, headers=headers, stream=True, timeout=patience)
    if response.status_code in OF_RANGES:
        return response
    with response, session.plain_errors():
        status = httplib2.Response({"status": str(response.status_code)})
        raise HttpError(status, response.content)
