"""Where operations are kept, and how one reads on the wire."""

from __future__ import annotations

import datetime as dt
import sqlite3
from typing import Any, Final

#: Statements for :meth:`cedar.emulator.state.State.add`. Moments are microseconds since 1970.
SCHEMA: Final = (
    """CREATE TABLE IF NOT EXISTS operations (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        project TEXT NOT NULL,
        request_id TEXT,
        description TEXT NOT NULL,
        priority INTEGER NOT NULL,
        state TEXT NOT NULL,
        created INTEGER NOT NULL,
        started INTEGER,
        updated INTEGER NOT NULL,
        ended INTEGER,
        attempt INTEGER NOT NULL DEFAULT 0,
        computed INTEGER NOT NULL DEFAULT 0,
        to_compute INTEGER NOT NULL DEFAULT 0,
        written INTEGER NOT NULL DEFAULT 0,
        to_write INTEGER NOT NULL DEFAULT 0,
        uri TEXT,
        code INTEGER,
        message TEXT,
        folder TEXT,
        owner TEXT,
        due INTEGER
    )""",
    "CREATE UNIQUE INDEX IF NOT EXISTS requests ON operations (project, request_id)",
    "CREATE INDEX IF NOT EXISTS projects ON operations (project, number)",
    "CREATE INDEX IF NOT EXISTS queue ON operations (priority DESC, number, project) "
    "WHERE state = 'PENDING'",
    "CREATE INDEX IF NOT EXISTS queues ON operations (project) WHERE state = 'PENDING'",
    "CREATE INDEX IF NOT EXISTS owners ON operations (owner) WHERE owner IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS deliveries ON operations (due) WHERE due IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS ends ON operations (ended) WHERE ended IS NOT NULL",
    # Beside the operations, so that a list of them doesn't read requests of megabytes.
    "CREATE TABLE IF NOT EXISTS exports (number INTEGER PRIMARY KEY, request BLOB NOT NULL)",
)

SECOND: Final = 1_000_000
#: google.rpc.Code's CANCELLED, and what the service says of it.
CANCELLED: Final = (1, "Cancelled.")
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_NAIVE_EPOCH: Final = _EPOCH.replace(tzinfo=None)
_MICROSECOND: Final = dt.timedelta(microseconds=1)


def microseconds(moment: dt.datetime) -> int:
    """A moment as the tables have it."""
    return (moment - _EPOCH) // _MICROSECOND


def end(
    rows: sqlite3.Connection, number: int, now: int, state: str, error: tuple[int, str]
) -> None:
    """End an operation otherwise than well: with a code of google.rpc.Code, and words."""
    rows.execute(
        "UPDATE operations SET state = ?, code = ?, message = ?, owner = NULL, updated = ?, "
        "ended = ? WHERE number = ?",
        (state, *error, now, now, number),
    )
    rows.execute("DELETE FROM exports WHERE number = ?", (number,))


def _text(moment: int | None) -> str:
    if moment is None:  # not yet: the service sends the timestamp that is 0
        return "1970-01-01T00:00:00Z"
    return (_NAIVE_EPOCH + moment * _MICROSECOND).isoformat(timespec="microseconds") + "Z"


def resource(row: sqlite3.Row) -> dict[str, Any]:
    """An operation as the service tells it: fields that are 0, false or empty are left out.

    google.longrunning.Operation with google.earthengine.v1.OperationMetadata:
    developers.google.com/earth-engine/reference/rest/Shared.Types/OperationMetadata. There is no
    ``batchEecuUsageSeconds``: what a task would have cost isn't known.
    """
    metadata: dict[str, Any] = {
        "@type": "type.googleapis.com/google.earthengine.v1.OperationMetadata",
        "type": "EXPORT_IMAGE",
        "state": row["state"],
        "createTime": _text(row["created"]),
        "updateTime": _text(row["updated"]),
        "startTime": _text(row["started"]),
    }
    for field in ("description", "priority", "attempt"):
        if row[field]:
            metadata[field] = row[field]
    if row["to_compute"]:
        metadata["progress"] = (row["computed"] + row["written"]) / (
            row["to_compute"] + row["to_write"]
        )
        metadata["stages"] = [
            _stage("Create Local Files", "Computation of local files.", row, "compute", "computed"),
            _stage(
                "Write Files to Destination",
                "Writing of files to export destination.",
                row,
                "write",
                "written",
            ),
        ]
    if row["uri"] is not None:
        metadata["destinationUris"] = [row["uri"]]
    operation: dict[str, Any] = {"name": name(row), "metadata": metadata}
    if row["ended"] is not None:
        metadata["endTime"] = _text(row["ended"])
        operation["done"] = True
        if row["code"] is None:
            empty = "type.googleapis.com/google.protobuf.Empty"
            operation["response"] = {"@type": empty}
        else:
            operation["error"] = {"code": row["code"], "message": row["message"]}
    return operation


def name(row: sqlite3.Row) -> str:
    """An operation's name in full."""
    return f"projects/{row['project']}/operations/{row['id']}"


def _stage(title: str, words: str, row: sqlite3.Row, all_of: str, done: str) -> dict[str, Any]:
    stage = {
        "displayName": title,
        "description": words,
        "totalWorkUnits": str(row[f"to_{all_of}"]),  # an int64
    }
    return {**stage, "completeWorkUnits": row[done]} if row[done] else stage
