"""How bytes arrive: at once, with what is said about them, or piece by piece."""

from __future__ import annotations

import json
import re
import sqlite3
import uuid
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from ..multipart import parts
from ..state import State
from ..transport import JSON, Call, Reply, as_json
from ..values import ServiceError
from .conditions import PARAMETERS
from .contents import Content, Expected
from .errors import invalid, no_upload, unsupported
from .intents import Intent
from .objects import Objects, StoredObject
from .parameters import base_of, check_parameters, resource
from .routes import Target

SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS gcs_uploads (
        id TEXT PRIMARY KEY, intent TEXT, blob TEXT, size INTEGER, done TEXT) WITHOUT ROWID""",
)
_RANGE: Final = re.compile(r"bytes (?:([0-9]{1,18})-([0-9]{1,18})|\*)/(?:([0-9]{1,18})|\*)")
#: What of an upload is kept before its end is a multiple of it.
_QUANTUM: Final = 2**18
#: The status that says an upload is cancelled, which isn't one of HTTP's own.
_CANCELLED: Final = 499
_PARAMETERS: Final = ("name", "uploadType", *PARAMETERS)


@dataclass(frozen=True)
class Piece:
    """A part of an upload that arrives.

    Attributes
    ----------
    start : int or None
        Its place in the whole; None: nothing arrives, it is asked how much is there.
    total : int or None
        Bytes of the whole, where that is said.
    """

    start: int | None
    total: int | None

    @classmethod
    def of(cls, call: Call) -> Self:
        """What a request brings.

        Raises
        ------
        ServiceError
            It says something else than it brings.
        """
        size, header = len(call.body), call.headers.get("content-range")
        if header is None:
            return cls(0, size)
        found = _RANGE.fullmatch(header)
        if found is None:
            raise invalid(f"Failed to parse Content-Range header: {header[:40]!r}")
        first, last, whole = found.groups()
        total = None if whole is None else int(whole)
        start = None if first is None else int(first)
        end = size if start is None else int(last) + 1 - start
        if end != size or (start is None and size):
            raise invalid(f"Content-Range is {header!r}, but {size} bytes came.")
        if start is not None and total is not None and start + size > total:
            raise invalid(f"Content-Range is {header!r}, which ends past its own total.")
        return cls(start, total)


class Uploads:
    """Uploads to the objects of a state.

    Parameters
    ----------
    state : State
    objects : Objects
    """

    def __init__(self, state: State, objects: Objects):
        self._state, self._objects = state, objects
        state.add(SCHEMA)

    def insert(self, call: Call, target: Target) -> Reply:
        """Make an object of what one request brings."""
        check_parameters(call, *_PARAMETERS)
        match call.query.get("uploadType"):
            case "media":
                given, content_type = {}, call.headers.get("content-type")
                body = memoryview(call.body)
            case "multipart":
                found = parts(call.headers.get("content-type", ""), call.body)
                if len(found) != 2:  # the resource, and the bytes
                    raise ServiceError("A multipart upload has two parts.", reason="badContent")
                given, body = resource(found[0].content), found[1].content
                content_type = found[1].headers.get("content-type")
            case other:
                raise unsupported(f"uploadType {other!r}")
        intent = Intent.of(call, target.bucket, given, content_type)
        return as_json(self._keep(call, intent, body).as_json(base_of(call)))

    def _keep(self, call: Call, intent: Intent, body: memoryview) -> StoredObject:
        with self._state.transaction() as rows:
            self._objects.check(rows, intent)
        path = self._state.new_blob()
        try:
            content = Content.write(path, body)
            intent.expected.check(content)
            Expected.of(call.headers.get("x-goog-hash", "")).check(content)
            with self._objects.changing() as change:
                return self._objects.put(change, intent, content)
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def upload(self, call: Call, target: Target) -> Reply:
        """Carry an upload in pieces on: begin it, take a piece, or forget it."""
        if call.verb == "POST" and "upload_id" not in call.query:
            return self._begin(call, target.bucket)
        check_parameters(call, "upload_id", *_PARAMETERS)
        return self._cancel(call) if call.verb == "DELETE" else self._proceed(call)

    def _begin(self, call: Call, bucket: str) -> Reply:
        check_parameters(call, *_PARAMETERS)
        content_type = call.headers.get("x-upload-content-type")
        intent = Intent.of(call, bucket, resource(call.body), content_type)
        upload_id = uuid.uuid4().hex
        with self._state.transaction() as rows:
            self._objects.check(rows, intent)
            path = self._state.new_blob()
            path.touch()
            rows.execute(
                "INSERT INTO gcs_uploads VALUES (?, ?, ?, 0, NULL)",
                (upload_id, json.dumps(asdict(intent)), path.name),
            )
        address = f"{base_of(call)}/upload/storage/v1/b/{bucket}/o"
        location = f"{address}?uploadType=resumable&upload_id={upload_id}"
        return Reply(
            200, JSON, b"", headers={"Location": location, "X-GUploader-UploadID": upload_id}
        )

    def _proceed(self, call: Call) -> Reply:
        """Take a piece of an upload, and make the object when all of it is there."""
        piece = Piece.of(call)
        with self._state.transaction() as rows:
            upload = _require(rows, call)
            if upload["done"] is not None:
                return as_json(json.loads(upload["done"]))
            size = self._append(upload, piece, call.body)
            rows.execute("UPDATE gcs_uploads SET size = ? WHERE id = ?", (size, upload["id"]))
        if piece.total is None or size < piece.total:
            there = {"Range": f"bytes=0-{size - 1}"} if size else {}
            return Reply(308, JSON, b"", headers=there)
        return as_json(self._finish(call, upload))

    def _append(self, upload: sqlite3.Row, piece: Piece, body: bytes) -> int:
        """Keep what is new of a piece; how many bytes are there then."""
        size: int = upload["size"]
        if piece.total is not None and piece.total < size:
            raise invalid(f"The upload has {size} bytes already, more than its total.")
        if piece.start is None:
            return size
        if piece.start > size:
            raise ServiceError(
                "Invalid request. According to the Content-Range header, the upload offset is "
                f"{piece.start} byte(s), which exceeds already uploaded size of {size} byte(s).",
                503,
                reason="backendError",
            )
        end = piece.start + len(body)
        kept = end if end == piece.total else end // _QUANTUM * _QUANTUM
        if kept <= size:
            return size
        with (self._state.blobs / upload["blob"]).open("r+b") as file:
            file.seek(size)
            file.write(memoryview(body)[size - piece.start : kept - piece.start])
            # More is there where a process ended before it could say so.
            file.truncate()
        return kept

    def _finish(self, call: Call, upload: sqlite3.Row) -> Any:
        intent = Intent.from_json(json.loads(upload["intent"]))
        try:
            content = Content.of(self._state.blobs / upload["blob"])
        except FileNotFoundError:
            raise no_upload() from None
        intent.expected.check(content)
        Expected.of(call.headers.get("x-goog-hash", "")).check(content)
        with self._objects.changing() as change:
            # Another request, sent again while this one lasted, may have finished it.
            done = _require(change.rows, call)["done"]
            if done is not None:
                return json.loads(done)
            made = self._objects.put(change, intent, content).as_json(base_of(call))
            change.rows.execute(
                "UPDATE gcs_uploads SET done = ? WHERE id = ?", (json.dumps(made), upload["id"])
            )
            return made

    def _cancel(self, call: Call) -> Reply:
        """Forget an upload that isn't finished."""
        with self._objects.changing() as change:
            upload = _require(change.rows, call)
            if upload["done"] is not None:
                raise no_upload()
            change.rows.execute("DELETE FROM gcs_uploads WHERE id = ?", (upload["id"],))
            change.orphans.append(upload["blob"])
        return Reply(_CANCELLED, JSON, b"")


def _require(rows: sqlite3.Connection, call: Call) -> sqlite3.Row:
    row: sqlite3.Row | None = rows.execute(
        "SELECT * FROM gcs_uploads WHERE id = ?", (call.query.get("upload_id"),)
    ).fetchone()
    if row is None:
        raise no_upload()
    return row
