"""The way to Cloud Storage: HTTP, the official client on it, and its errors in cedar's words."""

from __future__ import annotations

import contextlib
import datetime as dt
import ssl
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlsplit

import requests
import urllib3.exceptions
from google.api_core.exceptions import GoogleAPICallError, from_http_status
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError, TransportError
from google.auth.transport.requests import AuthorizedSession
from google.cloud import storage

from ..credentials import is_loopback
from ..exceptions import ConfigError, Conflict, NotFoundError, StoreError
from ..items import ObjectInfo
from ..retry import persist

T = TypeVar("T")

#: cloud.google.com/storage/docs/access-control/iam-roles
ROLE: Final = "Storage Object User (roles/storage.objectUser)"

#: Seconds to connect, and to wait for the next byte.
TIMEOUT: Final = 10.0, 120.0
#: Seconds in which a token has to be had.
_TOKEN_TIMEOUT: Final = 60
#: Connections that are kept: more threads than that would connect every time.
_POOL: Final = 32
_OF_THE_NETWORK: Final = OSError, urllib3.exceptions.HTTPError
#: Characters of the service's words in an error.
_MOST_WORDS: Final = 300

# cloud.google.com/storage/docs/retry-strategy
_TRANSIENT_STATUS: Final = frozenset({408, 429, 500, 502, 503, 504})
#: Of a refusal, whatever its status is.
_TRANSIENT_REASONS: Final = frozenset({"rateLimitExceeded", "userRateLimitExceeded"})
#: What tells a bucket's 404 from an object's.
NO_BUCKET: Final = "bucket does not exist"
#: The service's words → how to mend it.
_MENDS: Final = {
    "scope": "run `earthengine authenticate --force`, or give the machine the scope cloud-platform",
    "requester pays": "say who pays as `project` in section `gcs`",
}


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
    """

    def __init__(self, credentials: Any, url: str):
        self._origin = _origin(url)
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
            raise StoreError("Cloud Storage named an address that isn't its own: it isn't followed")
        with plain_errors():
            return self._session.request(method, url, **kwds, allow_redirects=False)


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url.lower())
    return parts.scheme, parts.netloc


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


@contextlib.contextmanager
def plain_errors() -> Iterator[None]:
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
            raise StoreError(f"Cloud Storage can't prove who it is: {why}") from None
        raise ConnectionError(why) from None


def is_transient(error: Exception) -> bool:
    """Whether the same request may succeed a moment later."""
    if isinstance(error, GoogleAPICallError):
        reasons = {each.get("reason") for each in error.errors if isinstance(each, dict)}
        return error.code in _TRANSIENT_STATUS or not reasons.isdisjoint(_TRANSIENT_REASONS)
    if isinstance(error, GoogleAuthError):
        return error.retryable or isinstance(error, TransportError)
    return isinstance(error, ConnectionError | TimeoutError)


class Connection:
    """A client for one bucket. Nothing is sent before something is asked.

    Parameters
    ----------
    bucket : str
    credentials : google.auth.credentials.Credentials
    url : str
        The host, which goes before what the environment says.
    project : str or None
        Who pays, where the bucket's requesters do.

    Attributes
    ----------
    session : Session
    client : google.cloud.storage.Client
        It tries nothing again by itself if every call says ``retry=None``.
    bucket : google.cloud.storage.Bucket
    url : str
    """

    def __init__(self, bucket: str, credentials: Any, url: str, project: str | None):
        self.url = url
        self.session = Session(credentials, url)
        try:
            self.client = storage.Client(
                project=project,
                credentials=credentials,
                _http=self.session,
                client_options={"api_endpoint": url},
            )
        except ValueError as error:  # Of another cloud than Google's public one.
            raise ConfigError(f"the credential isn't for Cloud Storage: {error}") from error
        # With it, the first use of a bucket also asks for its location, in a thread of its own.
        self.client._bucket_metadata_cache = None  # noqa: SLF001  (there is no other switch)
        self.bucket = self.client.bucket(bucket, user_project=project)

    def ask(
        self,
        call: Callable[[], T],
        what: str,
        key: str | None = None,
        needs: str = "storage.objects.get",
        patience: float | None = None,
    ) -> T:
        """Make a request, again where it may then succeed.

        Parameters
        ----------
        call : callable
            Sends it.
        what : str
            Verb for what it does.
        key : str, optional
            The object that it is about; without one it is about the bucket.
        needs : str
            The permission for it.
        patience : float, optional
            Seconds, as :func:`cedar.retry.persist` takes them.

        Raises
        ------
        Conflict
            The object isn't as the request says it must be.
        NotFoundError
            The object isn't there.
        StoreError
            Anything else.
        """
        where = f"gs://{self.bucket.name}" + (f"/{key}" if key else "")
        failed = f"can't {what} {where}"
        try:
            return persist(call, is_transient, f"{what} {where}", patience=patience)
        except GoogleAPICallError as error:
            raise self._refusal(error, failed, key, needs) from error
        except GoogleAuthError as error:
            why = error.args[0] if error.args else type(error).__name__
            raise StoreError(
                f"{failed}: no token for the credential: {_short(str(why))}; `cedar auth gcs` says "
                "which it is",
                key,
            ) from error
        except (ConnectionError, TimeoutError) as error:
            raise StoreError(f"{failed}: {self.url} can't be reached: {error}", key) from error
        except ValueError:
            # Without the cause, which holds all of the answer.
            raise StoreError(
                f"{failed}: {self.url} answers, but not as Cloud Storage does", key
            ) from None

    def _refusal(
        self, error: GoogleAPICallError, failed: str, key: str | None, needs: str
    ) -> StoreError:
        words = words_of(error)
        mends = [mend for said, mend in _MENDS.items() if said in words.lower()]
        match error.code:
            case HTTPStatus.PRECONDITION_FAILED:
                return Conflict(f"{failed}: {words}", key)
            case HTTPStatus.NOT_FOUND if NO_BUCKET not in words and key is not None:
                return NotFoundError(f"{key} is not in gs://{self.bucket.name}", key)
            case HTTPStatus.NOT_FOUND:
                mends = ["make the bucket, or correct `bucket` in section `gcs`"]
            case HTTPStatus.UNAUTHORIZED:
                mends = ["the credential isn't taken; `cedar auth gcs` says which it is"]
            case HTTPStatus.FORBIDDEN if not mends:
                mends = [
                    f"if {needs} is missing, give the account the role {ROLE} on the bucket; "
                    "`cedar auth gcs --check` says which it is and what it may do"
                ]
        return StoreError("; ".join([f"{failed}: {words}", *mends]), key)


def words_of(error: GoogleAPICallError) -> str:
    """The service's own words in an error, on one line and not too many."""
    try:
        words = error.response.json()["error"]["message"]
    except (AttributeError, KeyError, TypeError, ValueError):
        # A page, or what the download of media says, which is plain text.
        text = getattr(error.response, "text", "")
        words = NO_BUCKET if NO_BUCKET in text else type(error).__name__
    return _short(str(words))


def _short(text: str) -> str:
    return " ".join(text.split())[:_MOST_WORDS]


def refused(response: requests.Response) -> GoogleAPICallError:
    """The error that an answer is, without the address that it came from."""
    try:
        errors = response.json()["error"]["errors"]
    except (KeyError, TypeError, ValueError):
        errors = ()
    error: GoogleAPICallError = from_http_status(
        response.status_code, "", errors=errors, response=response
    )
    return error


def objects_path(bucket: storage.Bucket) -> str:
    """Path of a bucket's objects in the JSON API."""
    return f"/b/{quote(bucket.name, safe='')}/o"


def conditions(bucket: storage.Bucket, generation: int | None) -> dict[str, Any]:
    """Parameters of a request for an object; those that are None aren't sent."""
    return {"ifGenerationMatch": generation, "userProject": bucket.user_project}


def look_at(connection: Connection, key: str) -> ObjectInfo:
    """What the service says of an object.

    Raises
    ------
    NotFoundError
        It isn't there.
    """
    blob = connection.bucket.blob(key)
    connection.ask(lambda: blob.reload(timeout=TIMEOUT, retry=None), "look at", key)
    return info_of(blob)


def info_of(blob: storage.Blob) -> ObjectInfo:
    """What the client knows of an object."""
    return object_info(
        blob.bucket.name, blob.name, blob.size, blob.generation, blob.crc32c, blob.updated
    )


def object_info(
    bucket: str,
    key: str,
    size: str | int,
    generation: str | int,
    crc32c: str | None,
    updated: dt.datetime,
) -> ObjectInfo:
    """An object as cedar has it; its version is its generation."""
    checksum = None if crc32c is None else f"crc32c:{crc32c}"
    return ObjectInfo(key, int(size), str(generation), checksum, updated, f"gs://{bucket}/{key}")
