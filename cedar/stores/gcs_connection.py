"""The way to Cloud Storage: HTTP, the official client on it, and its errors in cedar's words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import quote

import requests
from google.api_core.exceptions import GoogleAPICallError, from_http_status
from google.auth.exceptions import GoogleAuthError, TransportError
from google.cloud import storage

from ..exceptions import ConfigError, Conflict, InputError, NotFoundError, StoreError
from ..items import ObjectInfo
from ..retry import persist
from .http_session import BUSY, CONNECT, RATE_LIMITED, Session
from .keys import check_key

T = TypeVar("T")

#: cloud.google.com/storage/docs/access-control/iam-roles
ROLE: Final = "Storage Object User (roles/storage.objectUser)"

#: Seconds to connect, and to wait for the next byte.
TIMEOUT: Final = CONNECT, 120.0
#: Characters of the service's words in an error.
_MOST_WORDS: Final = 300

# cloud.google.com/storage/docs/retry-strategy
_TRANSIENT_STATUS: Final = frozenset({408, 429, 500, 502, 503, 504})
#: What tells a bucket's 404 from an object's.
NO_BUCKET: Final = "bucket does not exist"
#: The service's words → how to mend it.
_MENDS: Final = {
    "scope": "run `earthengine authenticate --force`, or give the machine the scope cloud-platform",
    "requester pays": "say who pays as `project` in section `gcs`",
}


def is_transient(error: Exception) -> bool:
    """Whether the same request may succeed a moment later."""
    if isinstance(error, GoogleAPICallError):
        return error.code in _TRANSIENT_STATUS or not _reasons(error).isdisjoint(RATE_LIMITED)
    if isinstance(error, GoogleAuthError):
        return error.retryable or isinstance(error, TransportError)
    return isinstance(error, ConnectionError | TimeoutError)


def slows_down(error: Exception) -> bool:
    """Whether the service asks for fewer requests."""
    return isinstance(error, GoogleAPICallError) and (
        error.code in BUSY or not _reasons(error).isdisjoint(RATE_LIMITED)
    )


def _reasons(error: GoogleAPICallError) -> set[str]:
    """The service's reasons for a refusal; the client leaves them out where it uploads."""
    try:
        errors = error.errors or error.response.json()["error"]["errors"]
        return {str(each.get("reason")) for each in errors}
    except (AttributeError, KeyError, TypeError, ValueError):  # It isn't in the service's form.
        return set()


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
        self.session = Session(credentials, url, "Cloud Storage")
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

    def media(
        self,
        key: str,
        generation: int | None,
        headers: Mapping[str, str],
        timeout: tuple[float, float],
    ) -> requests.Response:
        """Ask once for an object's bytes, or those that `headers` name; none is read yet.

        Raises
        ------
        ConnectionError, TimeoutError
            It may succeed a moment later.
        """
        return self.session.request(
            "GET",
            f"{self.url}/download/storage/v1{objects_path(self.bucket)}/{quote(key, safe='')}",
            params={"alt": "media", **conditions(self.bucket, generation)},
            headers=headers,
            stream=True,
            timeout=timeout,
        )

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


def infos_of(blobs: Iterable[storage.Blob]) -> Iterator[ObjectInfo]:
    """What a listing says of objects, but of those that couldn't be read by their keys."""
    for blob in blobs:
        try:
            check_key(blob.name)
        except InputError:
            continue
        yield info_of(blob)


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
