"""What Drive refuses, what may succeed a moment later, and how the rest can be mended."""

from __future__ import annotations

import errno
import json
import ssl
from http import HTTPStatus
from http.client import HTTPException
from typing import Final

import httplib2
from google.auth.exceptions import GoogleAuthError, TransportError
from googleapiclient.errors import HttpError

from ..exceptions import Conflict, NotFoundError, StoreError
from .http_session import BUSY, RATE_LIMITED

#: Characters of the service's words in an error.
_MOST_WORDS: Final = 300

# developers.google.com/workspace/drive/api/guides/handle-errors
_TRANSIENT_STATUS: Final = frozenset({408, 429, 500, 502, 503, 504})
#: Of a plain OSError.
UNREACHABLE: Final = frozenset({errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTUNREACH})
_FULL: Final = (
    "make room in the Drive, or use another account's credential (a service account has no room of "
    "its own: it can write in a shared drive only)"
)
#: What cedar needs of Drive.
SCOPE: Final = "https://www.googleapis.com/auth/drive"
#: How to mend a credential that isn't for Drive.
SCOPES_MISSING: Final = (
    "run `earthengine authenticate --force`, or `gcloud auth application-default login --scopes="
    f"{SCOPE},https://www.googleapis.com/auth/cloud-platform`"
)
#: The service's reason for a refusal → how to mend it.
_MENDS: Final = {
    "quotaExceeded": _FULL,
    "storageQuotaExceeded": _FULL,
    "insufficientPermissions": SCOPES_MISSING,
    "accessNotConfigured": "enable the Google Drive API in the credential's project",
    "insufficientFilePermissions": "its owner has to do it, or to let the account; `cedar auth "
    "gdrive` says which account that is",
}
_NOT_TAKEN: Final = "the credential isn't taken; `cedar auth gdrive` says which it is"


class NotPermitted(StoreError):
    """The account may not do this with a file."""


def is_transient(error: Exception) -> bool:
    """Whether the same request may succeed a moment later."""
    match error:
        case HttpError():
            reasons, _ = _told(error)
            return error.status_code in _TRANSIENT_STATUS or bool(reasons & RATE_LIMITED)
        case GoogleAuthError():
            return error.retryable or isinstance(error, TransportError)
        case ssl.SSLCertVerificationError():
            return False
        case OSError() if error.errno in UNREACHABLE:
            return True
    lost = ConnectionError, TimeoutError, ssl.SSLError, HTTPException, httplib2.HttpLib2Error
    return isinstance(error, lost)


def slows_down(error: Exception) -> bool:
    """Whether the service asks for fewer requests."""
    return isinstance(error, HttpError) and (
        error.status_code in BUSY or bool(_told(error)[0] & RATE_LIMITED)
    )


def _told(error: HttpError) -> tuple[set[str], str]:
    """The reasons and the words that the service gives, on one line and not too many."""
    try:
        problem = json.loads(error.content)["error"]
        reasons = {str(each.get("reason")) for each in problem.get("errors", [])}
        return reasons, short(str(problem["message"]))
    except (AttributeError, KeyError, TypeError, ValueError):
        # A page of something in between, or what the download of media says.
        return set(), f"HTTP {error.status_code}"


def short(text: str) -> str:
    """Text on one line, and not too much of it."""
    return " ".join(text.split())[:_MOST_WORDS]


def refusal(error: HttpError, failed: str, key: str | None) -> StoreError:
    """Say in one line what the service refused, without the address: it may be an upload's.

    Parameters
    ----------
    failed : str
        What couldn't be done.
    key : str or None
        The object that it was about.
    """
    reasons, words = _told(error)
    mends = [mend for reason, mend in _MENDS.items() if reason in reasons]
    if error.status_code == HTTPStatus.UNAUTHORIZED:
        mends.append(_NOT_TAKEN)
    message = "; ".join([f"{failed}: {words}", *dict.fromkeys(mends)])
    match error.status_code:
        case HTTPStatus.NOT_FOUND | HTTPStatus.GONE:
            return NotFoundError(message, key)
        case HTTPStatus.PRECONDITION_FAILED | HTTPStatus.CONFLICT:
            return Conflict(message, key)
        case HTTPStatus.FORBIDDEN if "insufficientFilePermissions" in reasons:
            return NotPermitted(message, key)
    return StoreError(message, key)
