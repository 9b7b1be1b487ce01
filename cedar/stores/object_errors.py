"""What the errors of obstore mean."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from obstore.exceptions import BaseError, InvalidPathError, NotSupportedError

from ..exceptions import NotFoundError, StoreError

#: What obstore tells of an answer is in the text of its errors alone.
_STATUS: Final = re.compile(r"status code: ([0-9]{3})\b")
_CODE: Final = re.compile(r"<Code>([A-Za-z]{1,60})</Code>")
_BAD_PATH: Final = re.compile(r'Path "([^"]{1,200})"')
_ADDRESS: Final = re.compile(r"\S+://\S+")
_TRANSIENT: Final = frozenset({408, 429, 500, 502, 503, 504})
_TRANSIENT_CODES: Final = frozenset(
    {
        *("ConditionalRequestConflict", "InternalError", "OperationAborted", "RequestTimeout"),
        *("ServiceUnavailable", "SlowDown"),
    }
)
_BUSY: Final = frozenset({429, 503})
_BUSY_CODES: Final = frozenset({"ServiceUnavailable", "SlowDown"})
_CREDENTIAL_CODES: Final = frozenset(
    {
        *("AuthenticationFailed", "ExpiredToken", "InvalidAccessKeyId", "InvalidToken"),
        "SignatureDoesNotMatch",
    }
)
_REGION_CODES: Final = frozenset({"AuthorizationHeaderMalformed", "PermanentRedirect"})
_NO_CONTAINER: Final = frozenset({"ContainerNotFound", "NoSuchBucket"})
#: What obstore asks for when the environment has no credential: one of the machine's own.
_MACHINES_CREDENTIAL: Final = re.compile(
    r"https?://[^/\s]+/(latest/(api/token|meta-data)|metadata/identity)\b"
)


@dataclass(frozen=True)
class Outcome:
    """How a request ended: the answer's status and the service's code, where there were any."""

    status: int | None
    code: str | None


def outcome(error: Exception) -> Outcome:
    """Read an error's text."""
    text = str(error)
    status, code = _STATUS.search(text), _CODE.search(text)
    return Outcome(int(status[1]) if status else None, code[1] if code else None)


def is_transient(error: Exception) -> bool:
    """Whether the same request may succeed a moment later."""
    if not isinstance(error, BaseError) or _MACHINES_CREDENTIAL.search(str(error)):
        return False
    found = outcome(error)
    if found.status is None and found.code is None:
        text = first_line(error)
        return "HTTP error: " in text and not text.endswith("builder error")
    return found.status in _TRANSIENT or found.code in _TRANSIENT_CODES


def slows_down(error: Exception) -> bool:
    """Whether the service asks for fewer requests."""
    found = outcome(error)
    return found.status in _BUSY or found.code in _BUSY_CODES


@contextlib.contextmanager
def told(what: str, where: str, key: str | None = None) -> Iterator[None]:
    """Turn obstore's errors in a block into one line: what, where and what to do.

    Raises
    ------
    NotFoundError
        The object isn't there.
    StoreError
        Any other.
    """
    try:
        yield
    except (BaseError, FileNotFoundError, NotImplementedError) as error:
        # Without the cause: its text has the request's address, of which a secret may be part.
        if isinstance(error, FileNotFoundError) and not _lacks_container(error) and key:
            raise NotFoundError(f"{key} is not in the store {where}", key) from None
        subject = where if key is None else f"{key} in {where}"
        raise StoreError(f"{what} {subject}: {_reason(error)}", key) from None


def _reason(error: Exception) -> str:
    text, found = str(error), outcome(error)
    if _MACHINES_CREDENTIAL.search(text):
        return (
            "there are no credentials: set them in the environment ($AWS_ACCESS_KEY_ID and "
            "$AWS_SECRET_ACCESS_KEY, or $AZURE_STORAGE_ACCOUNT_KEY)"
        )
    answer = " ".join(str(part) for part in (found.status, found.code) if part)
    if found.status == 401 or found.code in _CREDENTIAL_CODES:
        return f"the service doesn't take the credentials ({answer}): get new ones"
    if found.status == 403:
        return f"the credentials may not do this ({answer}): ask for permission"
    if found.code in _REGION_CODES or "incorrectly configured region" in text:
        return "it is in another region: say which in object.options.region"
    if isinstance(error, NotSupportedError | NotImplementedError) or found.status == 501:
        return "the service has no conditional writes, which cedar needs: use another"
    if isinstance(error, InvalidPathError):
        path = _BAD_PATH.search(text)
        return f"there is an object {path[1] if path else ''!r}, no name for one: remove it"
    if _lacks_container(error):
        return "there is no such bucket or container: make it, or correct object.url"
    if answer:
        return f"the service answered {answer}"
    if "HTTP error: " in text:
        return "the service can't be reached, or doesn't answer"
    return _ADDRESS.sub("…", first_line(error))[:200]


def _lacks_container(error: Exception) -> bool:
    return outcome(error).code in _NO_CONTAINER


def first_line(error: Exception) -> str:
    """Return what an error says, without what it says of the program."""
    return str(error).partition("\n")[0]
