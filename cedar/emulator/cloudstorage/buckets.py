"""Buckets: each a name for objects, in a project."""

from __future__ import annotations

import datetime as dt
import re
import sqlite3
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from ..clock import Clock
from ..settings import Settings
from ..state import State
from ..transport import JSON, Call, Reply, as_json
from .errors import conflict, invalid, no_bucket, unsupported
from .parameters import check_parameters, page_size, required, resource, start, token
from .routes import Target

SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS gcs_buckets (
        name TEXT PRIMARY KEY, project TEXT, location TEXT, class TEXT, created REAL)
        WITHOUT ROWID""",
)
#: cloud.google.com/storage/docs/buckets#naming
_NAME: Final = re.compile("[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")


def timestamp(seconds: float) -> str:
    """Seconds since 1970 as the service writes times."""
    moment = dt.datetime.fromtimestamp(seconds, dt.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def require_bucket(rows: sqlite3.Connection, name: str) -> sqlite3.Row:
    """The row of a bucket.

    Raises
    ------
    ServiceError
        It isn't there.
    """
    row: sqlite3.Row | None = rows.execute(
        "SELECT * FROM gcs_buckets WHERE name = ?", (name,)
    ).fetchone()
    if row is None:
        raise no_bucket()
    return row


class Buckets:
    """All buckets of a state, and what is answered about them.

    Parameters
    ----------
    state : State
    clock : Clock
    settings : Settings
    """

    def __init__(self, state: State, clock: Clock, settings: Settings):
        self._state, self._clock, self._settings = state, clock, settings
        state.add(SCHEMA)

    def insert(self, call: Call, _: Target) -> Reply:
        """Make a bucket."""
        check_parameters(call, "project")
        said = resource(call.body)
        if unknown := said.keys() - {"name", "location", "storageClass"}:
            raise unsupported(f"field {min(unknown)!r} of a bucket")
        name = said.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise invalid(f"Invalid bucket name: {name!r}")
        row = (
            name,
            required(call.query, "project"),
            said.get("location", "US"),
            said.get("storageClass", "STANDARD"),
            self._clock.now().timestamp(),
        )
        with self._state.transaction() as rows:
            try:
                rows.execute("INSERT INTO gcs_buckets VALUES (?, ?, ?, ?, ?)", row)
            except sqlite3.IntegrityError:
                raise conflict(
                    "Your previous request to create the named bucket succeeded and you already "
                    "own it."
                ) from None
            return as_json(_describe(require_bucket(rows, name)))

    def get(self, call: Call, target: Target) -> Reply:
        """Say what a bucket is."""
        check_parameters(call)
        with self._state.transaction() as rows:
            return as_json(_describe(require_bucket(rows, target.bucket)))

    def list(self, call: Call, _: Target) -> Reply:
        """Say which buckets a project has, by name."""
        check_parameters(call, "project", "prefix", "maxResults", "pageToken")
        project, prefix = required(call.query, "project"), call.query.get("prefix", "")
        most = page_size(call, "maxResults", self._settings.page_size)
        first = start(call.query.get("pageToken")).decode(errors="replace")
        with self._state.transaction() as rows:
            found = rows.execute(
                "SELECT * FROM gcs_buckets WHERE project = ? AND substr(name, 1, ?) = ?"
                " AND name >= ? ORDER BY name LIMIT ?",
                (project, len(prefix), prefix, first, most + 1),
            ).fetchall()
        answer: dict[str, Any] = {
            "kind": "storage#buckets",
            "items": [_describe(row) for row in found[:most]],
        }
        if len(found) > most:
            answer["nextPageToken"] = token(found[most]["name"].encode())
        return as_json(answer)

    def delete(self, call: Call, target: Target) -> Reply:
        """Remove a bucket that has no objects."""
        check_parameters(call)
        with self._state.transaction() as rows:
            require_bucket(rows, target.bucket)
            if rows.execute(
                "SELECT 1 FROM gcs_objects WHERE bucket = ?", (target.bucket,)
            ).fetchone():
                raise conflict("The bucket you tried to delete is not empty.")
            rows.execute("DELETE FROM gcs_buckets WHERE name = ?", (target.bucket,))
        return Reply(204, JSON, b"")

    def permissions(self, call: Call, target: Target) -> Reply:
        """Say which of some permissions the caller has: here, all."""
        check_parameters(call, "permissions")
        with self._state.transaction() as rows:
            require_bucket(rows, target.bucket)
        asked = [
            value for key, value in parse_qsl(urlsplit(call.address).query) if key == "permissions"
        ]
        return as_json({"kind": "storage#testIamPermissionsResponse", "permissions": asked})


def _describe(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "kind": "storage#bucket",
        "id": row["name"],
        "name": row["name"],
        "projectNumber": "0",
        "metageneration": "1",
        "location": row["location"],
        "storageClass": row["class"],
        "timeCreated": timestamp(row["created"]),
        "updated": timestamp(row["created"]),
        "etag": "CAE=",
    }
