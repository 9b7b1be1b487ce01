"""Contents as they arrive: at once, with the metadata, or in chunks that can be resumed."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import astuple, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from ..multipart import parts
from ..transport import JSON, Call, Reply, as_json
from ..values import ServiceError
from .accounts import base
from .files import FOLDER, Content, File, Files, Role
from .metadata import changed, check_change, made, parsed
from .resources import resource

SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS drive_uploads (
        id TEXT PRIMARY KEY, account TEXT NOT NULL, file TEXT, verb TEXT NOT NULL,
        address TEXT NOT NULL, if_match TEXT, metadata BLOB NOT NULL, media_type TEXT NOT NULL,
        blob TEXT NOT NULL, received INTEGER NOT NULL, done TEXT)""",
)
#: Chunks but the last hold a multiple of so many bytes:
#: developers.google.com/workspace/drive/api/guides/manage-uploads.
CHUNK: Final = 2**18
_CONTENT_RANGE: Final = re.compile(r"bytes (?:([0-9]{1,15})-([0-9]{1,15})|\*)/([0-9]{1,15}|\*)")
_md5 = partial(hashlib.md5, usedforsecurity=False)


@dataclass(frozen=True)
class _Session:
    """A resumable upload, as its row has it: the request that began it, and what has arrived.

    `done` is the id of the file that it became.
    """

    id: str
    account: str
    file: str | None
    verb: str
    address: str
    if_match: str | None
    metadata: bytes
    media_type: str
    blob: str
    received: int
    done: str | None

    @property
    def began(self) -> Call:
        """The request that began it."""
        headers = {} if self.if_match is None else {"if-match": self.if_match}
        return Call(self.verb, self.address, headers, self.metadata)


class Uploads:
    """Requests under ``/upload``.

    Parameters
    ----------
    blobs : callable
        Says where contents are.
    opened : callable
        Gives the files of who makes a request, for a block.
    """

    def __init__(
        self,
        blobs: Callable[[], Path],
        opened: Callable[[Call], AbstractContextManager[Files]],
    ):
        self._blobs, self._opened = blobs, opened

    def answer(self, call: Call, file_id: str | None) -> Reply:
        """Take a content, or a part of one.

        Parameters
        ----------
        call : Call
        file_id : str or None
            The file that it is for; None: a new one.

        Raises
        ------
        ServiceError
            It can't be taken.
        """
        if "upload_id" in call.query:
            return self._resume(call)
        match call.query.get("uploadType"):
            case "resumable":
                return self._begin(call, file_id)
            case "multipart":
                pieces = parts(call.headers.get("content-type", ""), call.body)
                if len(pieces) != 2:
                    raise ServiceError("A multipart upload has two parts.", reason="badContent")
                metadata, media = parsed(pieces[0].content), pieces[1].content
                media_type = pieces[1].headers.get("content-type", "")
            case "media" | None:
                metadata, media = {}, memoryview(call.body)
                media_type = call.headers.get("content-type", "")
            case other:
                raise ServiceError(f"Invalid value {other!r} for uploadType.", reason="invalid")
        digest = _md5(media).hexdigest()  # outside of the transaction: it takes its time
        with self._opened(call) as files:
            content = Content(files.keep(media), len(media), digest)
            file = _stored(files, call, file_id, metadata, media_type, content)
            return as_json(resource(file, files, base(call)))

    def _begin(self, call: Call, file_id: str | None) -> Reply:
        metadata, size = parsed(call.body), call.headers.get("x-upload-content-length", "0")
        if not (size.isascii() and size.isdecimal()):
            raise ServiceError("Invalid X-Upload-Content-Length.", reason="invalid")
        media_type = call.headers.get("x-upload-content-type", "")
        with self._opened(call) as files:
            file = _described(files, call, file_id, metadata, media_type)
            files.check_quota(int(size[:18]) - (file.size or 0), file.owner)
            session = _Session(
                uuid.uuid4().hex, files.account, file_id, call.verb, call.address,
                call.headers.get("if-match"), call.body, media_type, files.keep(b""), 0, None,
            )  # fmt: skip
            files.rows.execute(
                f"INSERT INTO drive_uploads VALUES ({', '.join('?' * 11)})",  # noqa: S608
                astuple(session),
            )
        query = urlencode({"uploadType": "resumable", "upload_id": session.id})
        return Reply(200, JSON, b"", headers={"Location": f"{base(call)}{call.path}?{query}"})

    def _resume(self, call: Call) -> Reply:
        with self._opened(call) as files:
            session = _session(files, call)
            if session.done is not None:
                return as_json(resource(files.get(session.done), files, base(call)))
            received, total = self._taken(session, call)
            files.rows.execute(
                "UPDATE drive_uploads SET received = ? WHERE id = ?", (received, session.id)
            )
        if received != total:
            so_far = {"Range": f"bytes=0-{received - 1}"} if received else {}
            return Reply(308, JSON, b"", headers=so_far)
        with (self._blobs() / session.blob).open("rb") as file:
            content = Content(session.blob, received, hashlib.file_digest(file, _md5).hexdigest())
        return self._finished(call, content)

    def _taken(self, session: _Session, call: Call) -> tuple[int, int | None]:
        """Take what a request brings; the bytes there are then, and of how many, if it says so."""
        start, total = _span(session, call)
        if start != session.received and "content-range" in call.headers:
            return session.received, None  # it is told where to go on
        end = start + len(call.body)
        if total is not None and end > total:
            raise ServiceError("More bytes than were said.", reason="badRequest")
        if end != total and len(call.body) % CHUNK:
            raise ServiceError(f"A chunk is no multiple of {CHUNK} bytes.", reason="badRequest")
        with (self._blobs() / session.blob).open("r+b") as file:
            file.seek(start)
            file.write(call.body)
            file.truncate()
        return end, total

    def _finished(self, call: Call, content: Content) -> Reply:
        with self._opened(call) as files:
            session = _session(files, call)
            if session.done is None:
                metadata = parsed(session.metadata)
                file = _stored(
                    files, session.began, session.file, metadata, session.media_type, content
                )
                files.rows.execute(
                    "UPDATE drive_uploads SET done = ? WHERE id = ?", (file.id, session.id)
                )
            else:  # another request has been quicker
                file = files.get(session.done)
            return as_json(resource(file, files, base(call)))


def _span(session: _Session, call: Call) -> tuple[int, int | None]:
    """Where a request's bytes begin, and how many there are to be in all, if it says so."""
    header = call.headers.get("content-range")
    if header is None:
        return 0, len(call.body)
    match = _CONTENT_RANGE.fullmatch(header)
    if match is None:
        raise ServiceError(f"Invalid Content-Range {header[:60]!r}.", reason="badRequest")
    first, last, size = match.groups()
    total = None if size == "*" else int(size)
    if first is None:
        return session.received, total
    if int(first) + len(call.body) != int(last) + 1:
        raise ServiceError(f"{header!r} with {len(call.body)} bytes.", reason="badRequest")
    return int(first), total


def _session(files: Files, call: Call) -> _Session:
    row = files.rows.execute(
        "SELECT * FROM drive_uploads WHERE id = ? AND account = ?",
        (call.query["upload_id"], files.account),
    ).fetchone()
    if row is None:
        raise ServiceError("Upload session not found.", 404, reason="notFound")
    return _Session(*row)


def _described(
    files: Files, call: Call, file_id: str | None, metadata: Mapping[str, Any], media_type: str
) -> File:
    """The file that a content is for, with what is said about it."""
    if file_id is None:
        file = made(files, metadata, call, media_type)
    else:
        file = files.get(file_id, Role.WRITER)
        check_change(files, call, file)
        file = replace(file, mime=media_type) if media_type and file.mime != FOLDER else file
        file = changed(files, file, metadata, call)
    if file.mime == FOLDER:
        raise ServiceError("A folder has no content.", reason="invalid")
    return file


def _stored(
    files: Files,
    call: Call,
    file_id: str | None,
    metadata: Mapping[str, Any],
    media_type: str,
    content: Content,
) -> File:
    return files.save(_described(files, call, file_id, metadata, media_type).holding(content))
