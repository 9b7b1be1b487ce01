"""Requests to Google Drive, by pydrive2's session and a credential of google-auth's.

pydrive2 has what keeps a session: one HTTP object a thread, its settings, its timeout. The requests
are made from its service by ourselves, since its files hold all of a content in memory, check no
sum, send no If-Match, try nothing again, and end in a JSONDecodeError where a proxy answers.
"""

from __future__ import annotations

import io
import re
import ssl
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.client import HTTPException, IncompleteRead
from typing import Any, BinaryIO, Final, Protocol, TypeVar

import httplib2
from google.auth.exceptions import GoogleAuthError
from googleapiclient.errors import HttpError
from googleapiclient.http import HttpRequest, MediaIoBaseUpload

from ..exceptions import NotFoundError, StoreError
from ..retry import persist
from . import http_session
from .checksums import CHUNK, checksum_of, summing
from .gdrive_errors import UNREACHABLE, is_transient, refusal, short
from .gdrive_session import Http, Session
from .gdrive_stream import ask_for_range

T = TypeVar("T")

DEFAULT_URL: Final = "https://www.googleapis.com"
#: Bytes of a content that are sent or fetched with one request, and held in memory. The service
#: takes multiples of 256 KiB.
PART: Final = 8 << 20
#: How often an upload begins again that the service has forgotten.
_TRIES: Final = 4
#: Requests in a batch: developers.google.com/workspace/drive/api/guides/performance.
_BATCH: Final = 100
_CONTENT_RANGE: Final = re.compile(r"bytes ([0-9]+)-([0-9]+)/([0-9]+)")


class Sink(Protocol):
    """What a content is written to."""

    def write(self, data: bytes, /) -> object:
        """Take more bytes."""


@dataclass(frozen=True)
class Content:
    """Bytes on their way to Drive.

    Attributes
    ----------
    source : binary file
        Where they are read from; more than once, if need be.
    size : int
    checksum : str
        MD5, which is what the service has.
    """

    source: BinaryIO
    size: int
    checksum: str

    @classmethod
    def of(cls, data: bytes) -> Content:
        """Make the content that is in memory already."""
        return cls(io.BytesIO(data), len(data), checksum_of(data, "md5"))

    @classmethod
    def of_file(cls, source: BinaryIO) -> Content:
        """Make the content of an open file, which is read for its checksum."""
        total, size = summing("md5"), 0
        while chunk := source.read(CHUNK):
            total.update(chunk)
            size += len(chunk)
        return cls(source, size, total.text())


class _Media(MediaIoBaseUpload):  # type: ignore[misc]  # googleapiclient has no types
    def has_stream(self) -> bool:
        # As a stream it would be empty when httplib2 sends it again over a new connection.
        return False


class Connection:
    """Requests, each sent again where it may then succeed. Safe to use from several threads.

    Nothing is sent before something is asked.

    Parameters
    ----------
    credentials : google.auth.credentials.Credentials
    url : str
        The host.

    Attributes
    ----------
    files, about : googleapiclient.discovery.Resource
        Parts of Drive v2, to make requests from.
    """

    def __init__(self, credentials: Any, url: str):
        self._session, self._url = Session(credentials, url), url
        # httplib2 has no content in pieces.
        self._media = http_session.Session(credentials, url, "Drive")
        self._service = self._session.service
        # To make one takes milliseconds: all its methods are made anew.
        self.files, self.about = self._service.files(), self._service.about()

    def ask(
        self, request: HttpRequest, what: str, key: str | None = None, patience: float | None = None
    ) -> Any:
        """Send a request; what is answered.

        Parameters
        ----------
        request : googleapiclient.http.HttpRequest
        what : str
            What it does: ``list X``, ``write X``.
        key : str, optional
            The object that it is about.
        patience : float, optional
            Seconds, as :func:`cedar.retry.persist` takes them.

        Raises
        ------
        NotFoundError
            A file that it names isn't there.
        Conflict
            A file isn't as the request says it must be, or has the id that a new one is to have.
        NotPermitted
            The account may not.
        StoreError
            Anything else.
        """
        answer = self._persist(
            lambda: self._clean(lambda http: request.execute(http=http)), what, key, patience
        )
        return self._understood(answer, what, key)

    def ask_all(
        self, requests: Mapping[str, HttpRequest], what: str
    ) -> Iterator[tuple[str, Any, StoreError | None]]:
        """Send requests that aren't about contents, many at once.

        Yields
        ------
        name : str
            The request's in `requests`.
        answer : object
        error : StoreError or None
            Why there is no answer.
        """
        names = list(requests)
        for first in range(0, len(names), _BATCH):
            some = names[first : first + _BATCH]
            answers: dict[str, Any] = {}
            errors: dict[str, StoreError] = {}
            send = partial(self._send_batch, requests, some, answers, errors, what)
            try:
                self._persist(send, what, None, None)
            except StoreError as error:
                errors |= {name: error for name in some if name not in answers | errors}
            for name in some:
                yield name, answers.get(name), errors.get(name)

    def _send_batch(
        self,
        requests: Mapping[str, HttpRequest],
        names: list[str],
        answers: dict[str, Any],
        errors: dict[str, StoreError],
        what: str,
    ) -> None:
        """Send those of the requests that haven't been answered for good."""
        again: list[HttpError] = []

        def note(number: str, answer: Any, error: HttpError | None) -> None:
            name = names[int(number)]
            if error is None:
                answers[name] = answer
            elif is_transient(error):
                again.append(error)
            else:
                errors[name] = refusal(error, f"can't {what}", name)

        batch = self._service.new_batch_http_request(callback=note)
        for number, name in enumerate(names):
            if name not in answers and name not in errors:
                batch.add(requests[name], request_id=str(number))
        self._clean(lambda http: batch.execute(http=http))
        if again:
            raise again[0]

    def upload(
        self, make: Callable[[MediaIoBaseUpload], HttpRequest], content: Content, key: str
    ) -> Any:
        """Send a content, in parts if it is large; what the service says of the file.

        Parameters
        ----------
        make : callable
            Makes the request for a medium.

        Raises
        ------
        StoreError
            As :meth:`ask` does.
        """
        what, large = f"write {key} to Drive", content.size > PART
        media = _Media(content.source, _media_type(key), chunksize=PART, resumable=large)
        if not large:
            return self.ask(make(media), what, key)
        for left in reversed(range(_TRIES)):
            request = make(media)
            try:
                return self._understood(self._persist_parts(request, what, key), what, key)
            except NotFoundError:
                # Without its address it wasn't an upload yet: the file or its folder is gone.
                if request.resumable_uri is None or not left:
                    raise
        raise AssertionError("the last try returns or raises")

    def _persist_parts(self, request: HttpRequest, what: str, key: str) -> Any:
        answer = None
        while answer is None:
            _, answer = self._persist(
                lambda: self._clean(lambda http: request.next_chunk(http=http)), what, key, None
            )
        return answer

    def download(self, file_id: str, sink: Sink, key: str) -> None:
        """Write a file's content into `sink`, a part at a time; what arrives isn't checked.

        Raises
        ------
        StoreError
            As :meth:`ask` does.
        """
        request = self.files.get_media(fileId=file_id, supportsAllDrives=True)
        start, size = 0, 1
        while start < size:
            part = partial(self._part, request.uri, start)
            data, size = self._persist(part, f"read {key} from Drive", key, None)
            sink.write(data)
            start += len(data)

    def stream(
        self, file_id: str, key: str, start: int, end: int, timeout: float
    ) -> Generator[bytes, None, None]:
        """Bytes ``[start, end)`` of a file's content, of which there is one at least, unchecked.

        Parameters
        ----------
        timeout : float
            Seconds in which a byte has to come.

        Raises
        ------
        Conflict
            The content is shorter.
        Interrupted
            They didn't all arrive.
        StoreError
            As :meth:`ask` does.
        """
        request = self.files.get_media(fileId=file_id, supportsAllDrives=True)
        asked = partial(ask_for_range, self._media, request.uri, key, start, end, timeout)
        response = self._persist(asked, f"read {key} from Drive", key, None)
        yield from self._media.pieces(response, key, start, end)

    def _part(self, uri: str, start: int) -> tuple[bytes, int]:
        """Bytes from `start` on, and how many the file has."""
        headers = {"range": f"bytes={start}-{start + PART - 1}", "accept-encoding": "identity"}
        response, data = self._clean(lambda http: http.request(uri, "GET", headers=headers))
        match response.status:
            case HTTPStatus.PARTIAL_CONTENT:
                found = _CONTENT_RANGE.fullmatch(response.get("content-range", ""))
                if found is None or int(found[1]) != start or not data:
                    raise IncompleteRead(data)
                return data, int(found[3])
            case HTTPStatus.OK:
                return data[start:], len(data)
            case HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return b"", start
        raise HttpError(response, data, uri=uri)

    def _clean(self, send: Callable[[Http], T]) -> T:
        """Send over the thread's connection, which is closed where half an answer may be left."""
        http = self._session.of_thread()
        try:
            return send(http)
        except HttpError:
            raise
        except BaseException:
            http.close()
            raise

    def _persist(
        self, call: Callable[[], T], what: str, key: str | None, patience: float | None
    ) -> T:
        failed = f"can't {what}"
        try:
            return persist(call, is_transient, what, patience=patience)
        except HttpError as error:
            # Without the cause: its text has the address, which may be that of an upload.
            raise refusal(error, failed, key) from None
        except GoogleAuthError as error:
            why = short(str(error.args[0] if error.args else type(error).__name__))
            raise StoreError(
                f"{failed}: no token for the credential: {why}; `cedar auth gdrive` says which "
                "it is",
                key,
            ) from None
        except ssl.SSLCertVerificationError as error:
            raise StoreError(
                f"{failed}: {self._url} can't prove who it is: {short(str(error.strerror))}", key
            ) from error
        except (httplib2.HttpLib2Error, HTTPException) as error:
            raise self._unreached(failed, type(error).__name__, key) from None
        except (ConnectionError, TimeoutError, ssl.SSLError) as error:
            raise self._unreached(failed, error.strerror or str(error), key) from error
        except OSError as error:
            if error.errno not in UNREACHABLE:
                raise
            raise self._unreached(failed, str(error.strerror), key) from error

    def _understood(self, answer: Any, what: str, key: str | None) -> Any:
        if isinstance(answer, str) and answer:  # A page of something in between.
            raise StoreError(f"can't {what}: {self._url} answers, but not as Drive", key)
        return answer

    def _unreached(self, failed: str, why: str, key: str | None) -> StoreError:
        return StoreError(f"{failed}: {self._url} can't be reached: {why}", key)


def _media_type(key: str) -> str:
    # Drive would make a document of its own of nothing that is sent so.
    kinds = {"json": "application/json", "tif": "image/tiff"}
    return kinds.get(key.rpartition(".")[2], "application/octet-stream")
