"""The objects of buckets, as rows of the state: what each is, and what may be done to it."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self
from urllib.parse import quote

from ..clock import Clock
from ..settings import Settings
from ..state import State
from ..transport import JSON, Call, Reply, as_json
from .buckets import require_bucket, timestamp
from .conditions import PARAMETERS, Conditions
from .contents import Content
from .errors import no_object, too_often
from .intents import Intent, merged, sayable
from .parameters import base_of, check_parameters, resource, whole
from .routes import Target

SCHEMA: Final = (
    # Names are bytes, since they are listed in the order of their UTF-8.
    """CREATE TABLE IF NOT EXISTS gcs_objects (
        bucket TEXT, name BLOB, generation INTEGER, metageneration INTEGER, blob TEXT,
        size INTEGER, crc32c TEXT, md5 TEXT, created REAL, updated REAL, said TEXT,
        PRIMARY KEY (bucket, name)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS gcs_writes (
        bucket TEXT, name BLOB, at REAL, PRIMARY KEY (bucket, name)) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS gcs_writes_at ON gcs_writes (at)",
    "CREATE TABLE IF NOT EXISTS gcs_generation (one INTEGER PRIMARY KEY, last INTEGER)",
)


@dataclass(frozen=True)
class StoredObject:
    """An object that is there.

    Attributes
    ----------
    bucket, name : str
    generation : int
        Grows with each new content, of all objects: microseconds, at about the time.
    metageneration : int
        Counts, from 1, what has been said about one content.
    blob : str
        Name of the file with its bytes.
    size : int
        Bytes.
    crc32c, md5 : str
        Base64.
    created, updated : float
        Seconds since 1970.
    said : mapping
        What its writer said about it: contentType, metadata and so on.
    """

    bucket: str
    name: str
    generation: int
    metageneration: int
    blob: str
    size: int
    crc32c: str
    md5: str
    created: float
    updated: float
    said: Mapping[str, Any]

    @classmethod
    def of(cls, row: sqlite3.Row) -> Self:
        """The object in a row."""
        said = json.loads(row["said"])
        return cls(**{**dict(row), "name": row["name"].decode(), "said": said})

    @property
    def etag(self) -> str:
        """Changes with every change."""
        return base64.b64encode(f"{self.generation}/{self.metageneration}".encode()).decode()

    @property
    def content_type(self) -> str:
        """Its media type."""
        return str(self.said.get("contentType", "application/octet-stream"))

    def as_json(self, base: str) -> dict[str, Any]:
        """The resource, as the service describes it.

        Parameters
        ----------
        base : str
            Address of the service, for links.
        """
        path = f"b/{self.bucket}/o/{quote(self.name, safe='')}"
        return {
            "kind": "storage#object",
            "id": f"{self.bucket}/{self.name}/{self.generation}",
            "selfLink": f"{base}/storage/v1/{path}",
            "mediaLink": f"{base}/download/storage/v1/{path}"
            f"?generation={self.generation}&alt=media",
            "name": self.name,
            "bucket": self.bucket,
            "generation": str(self.generation),
            "metageneration": str(self.metageneration),
            "contentType": self.content_type,
            "storageClass": "STANDARD",
            "size": str(self.size),
            "md5Hash": self.md5,
            "crc32c": self.crc32c,
            "etag": self.etag,
            "timeCreated": timestamp(self.created),
            "updated": timestamp(self.updated),
            **self.said,
        }


@dataclass(frozen=True)
class Change:
    """A transaction that changes objects.

    Attributes
    ----------
    rows : Connection
    orphans : list of str
        Names of the files that no row names any more once it is done.
    """

    rows: sqlite3.Connection
    orphans: list[str] = field(default_factory=list)


class Objects:
    """All objects of a state.

    Parameters
    ----------
    state : State
    clock : Clock
        The time, which writes of one object are counted by.
    settings : Settings
    """

    def __init__(self, state: State, clock: Clock, settings: Settings):
        self._state, self._clock, self._settings = state, clock, settings
        state.add(SCHEMA)

    @contextmanager
    def changing(self) -> Iterator[Change]:
        """Give a change for a block: made wholly, or not at all if the block raises."""
        with self._state.transaction() as rows:
            change = Change(rows)
            yield change
        # Not before: what a transaction that fails leaves in place has its bytes.
        for name in change.orphans:
            with suppress(OSError):  # it would only lie there
                (self._state.blobs / name).unlink()

    def get(self, bucket: str, name: str, generation: int | None = None) -> StoredObject:
        """An object.

        Raises
        ------
        ServiceError
            Its bucket isn't there, or it isn't, or not in this generation.
        """
        with self._state.transaction() as rows:
            return _require(rows, bucket, name, generation)

    def open(
        self, bucket: str, name: str, generation: int | None = None
    ) -> tuple[StoredObject, memoryview]:
        """An object with its bytes, which stay readable whatever becomes of it.

        Raises
        ------
        ServiceError
            As :meth:`get`.
        """
        with self._state.transaction() as rows:
            found = _require(rows, bucket, name, generation)
            return found, self._state.blob(found.blob)

    def check(self, rows: sqlite3.Connection, intent: Intent) -> StoredObject | None:
        """What an object would replace.

        Raises
        ------
        ServiceError
            Its bucket isn't there, or a condition doesn't hold.
        """
        require_bucket(rows, intent.bucket)
        found = _find(rows, intent.bucket, intent.name)
        intent.conditions.check(found)
        return found

    def put(self, change: Change, intent: Intent, content: Content) -> StoredObject:
        """Make an object; the file with its content is its from now on.

        Raises
        ------
        ServiceError
            As :meth:`check`, or it was written just now.
        """
        replaced = self.check(change.rows, intent)
        now = self._now()
        self._count_write(change.rows, intent.bucket, intent.name, now)
        made = StoredObject(
            intent.bucket,
            intent.name,
            generation=_next_generation(change.rows, now),
            metageneration=1,
            blob=content.path.name,
            size=content.size,
            crc32c=content.crc32c,
            md5=content.md5,
            created=now,
            updated=now,
            said=intent.said,
        )
        _save(change.rows, made)
        if replaced is not None:
            change.orphans.append(replaced.blob)
        return made

    def patch(self, call: Call, target: Target) -> Reply:
        """Say something else about an object; null takes back what was said."""
        said = sayable(resource(call.body))
        with self._state.transaction() as rows:
            found = _for_change(rows, call, target)
            now = self._now()
            self._count_write(rows, target.bucket, target.name, now)
            changed = replace(
                found,
                metageneration=found.metageneration + 1,
                updated=now,
                said=merged(found.said, said),
            )
            _save(rows, changed)
        return as_json(changed.as_json(base_of(call)))

    def delete(self, call: Call, target: Target) -> Reply:
        """Remove an object; that counts as no write."""
        with self.changing() as change:
            found = _for_change(change.rows, call, target)
            change.rows.execute(
                "DELETE FROM gcs_objects WHERE bucket = ? AND name = ?",
                (target.bucket, target.name.encode()),
            )
            change.orphans.append(found.blob)
        return Reply(204, JSON, b"")

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def _count_write(self, rows: sqlite3.Connection, bucket: str, name: str, now: float) -> None:
        """Refuse a write too soon after the last of the same name, else remember it."""
        if not self._settings.object_writes:
            return
        rows.execute(
            "DELETE FROM gcs_writes WHERE at <= ?", (now - 1 / self._settings.object_writes,)
        )
        try:
            rows.execute("INSERT INTO gcs_writes VALUES (?, ?, ?)", (bucket, name.encode(), now))
        except sqlite3.IntegrityError:
            raise too_often(bucket, name) from None


def _find(rows: sqlite3.Connection, bucket: str, name: str) -> StoredObject | None:
    row = rows.execute(
        "SELECT * FROM gcs_objects WHERE bucket = ? AND name = ?", (bucket, name.encode())
    ).fetchone()
    return row and StoredObject.of(row)


def _require(
    rows: sqlite3.Connection, bucket: str, name: str, generation: int | None
) -> StoredObject:
    require_bucket(rows, bucket)
    found = _find(rows, bucket, name)
    if found is None or generation not in (None, found.generation):
        raise no_object(bucket, name)
    return found


def _for_change(rows: sqlite3.Connection, call: Call, target: Target) -> StoredObject:
    """The object that a request is to change, or remove."""
    check_parameters(call, "generation", *PARAMETERS)
    found = _require(rows, target.bucket, target.name, whole(call.query, "generation"))
    Conditions.of(call.query).check(found)
    return found


def _save(rows: sqlite3.Connection, made: StoredObject) -> None:
    values = {**vars(made), "name": made.name.encode(), "said": json.dumps(dict(made.said))}
    rows.execute(
        "INSERT OR REPLACE INTO gcs_objects VALUES (:bucket, :name, :generation, :metageneration,"
        " :blob, :size, :crc32c, :md5, :created, :updated, :said)",
        values,
    )


def _next_generation(rows: sqlite3.Connection, now: float) -> int:
    """Microseconds, or one more than the last where time stands still or goes back."""
    row = rows.execute(
        "INSERT INTO gcs_generation VALUES (0, ?) "
        "ON CONFLICT DO UPDATE SET last = max(last + 1, excluded.last) RETURNING last",
        (int(now * 1e6),),
    ).fetchone()
    return int(row["last"])
