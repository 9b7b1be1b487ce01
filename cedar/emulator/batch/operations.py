"""Operations as clients ask for them: started, looked up, listed, cancelled."""

from __future__ import annotations

import base64
import secrets
import sqlite3
import string
from typing import Any, Final

from ..clock import Clock
from ..limits import Limit
from ..questions import answers
from ..settings import Settings
from ..state import State
from ..values import ServiceError
from . import tables
from .export import Export

#: Operations on a page at most, and where the request doesn't say.
PAGE: Final = 500
_ID_LETTERS: Final = string.ascii_uppercase + string.digits
_ID_LENGTH: Final = 24
_NUMBER_BYTES: Final = 8
_LAST: Final = 2**63 - 1


class Operations:
    """Operations of all projects, in a state that several emulators may have.

    Parameters
    ----------
    state : State
    clock : Clock
    settings : Settings
    """

    def __init__(self, state: State, clock: Clock, settings: Settings):
        self._state, self._clock, self._settings = state, clock, settings
        state.add(tables.SCHEMA)

    def add(self, project: str, export: Export, request: bytes) -> dict[str, Any]:
        """Queue an export; of several with one request id only the first starts an operation.

        Raises
        ------
        ServiceError
            The queue is full, or there is one of that request id and the answer is an error.
        """
        with self._state.transaction() as rows:
            self._forget(rows)
            known = rows.execute(
                "SELECT * FROM operations WHERE project = ? AND request_id = ?",
                (project, export.request_id or None),
            ).fetchone()
            if known is not None and answers().duplicate_request == "operation":
                return tables.resource(known)
            if known is not None:
                raise ServiceError(
                    f"Request ID '{export.request_id}' already exists.", 409, "ALREADY_EXISTS"
                )
            self._check_queue(rows, project)
            now = tables.microseconds(self._clock.now())
            operation = "".join(secrets.choice(_ID_LETTERS) for _ in range(_ID_LENGTH))
            added = rows.execute(
                "INSERT INTO operations (id, project, request_id, description, priority, state, "
                "created, updated) VALUES (?, ?, ?, ?, ?, 'PENDING', ?, ?) RETURNING *",
                (
                    *(operation, project, export.request_id or None, export.description),
                    *(export.priority, now, now),
                ),
            ).fetchone()
            rows.execute("INSERT INTO exports VALUES (?, ?)", (added["number"], request))
            return tables.resource(added)

    def _check_queue(self, rows: sqlite3.Connection, project: str) -> None:
        (waiting,) = rows.execute(
            "SELECT count(*) FROM operations WHERE state = 'PENDING' AND project = ?", (project,)
        ).fetchone()
        Limit(
            self._settings.queued_tasks,
            "Too many tasks already in the queue ({most}). Please wait for some of them to "
            "complete.",
            429,
            "RESOURCE_EXHAUSTED",
        ).check(waiting + 1)

    def get(self, name: str) -> dict[str, Any]:
        """Look an operation up.

        Raises
        ------
        ServiceError
            It isn't known, or no longer.
        """
        with self._state.transaction() as rows:
            self._forget(rows)
            return tables.resource(_named(rows, name))

    def page(self, project: str, size: int, token: str) -> dict[str, Any]:
        """List a project's operations, a page at a time.

        Parameters
        ----------
        project : str
        size : int
            At most so many; 0: as many as there may be.
        token : str
            What the page before said is next; empty: the first.

        Raises
        ------
        ServiceError
            The size or the token is none.
        """
        if size < 0:
            raise ServiceError(f"The page size must not be negative, but is {size}.")
        most = PAGE if self._settings.page_size is None else max(1, self._settings.page_size)
        size = min(size or PAGE, most, PAGE)
        newest = answers().operations_order == "newest"
        after, order = ("<", "DESC") if newest else (">", "ASC")
        last = _number(token) if token else _LAST if newest else 0
        with self._state.transaction() as rows:
            self._forget(rows)
            found = rows.execute(
                f"SELECT * FROM operations WHERE project = ? AND number {after} ? "  # noqa: S608
                f"ORDER BY number {order} LIMIT ?",
                (project, last, size + 1),
            ).fetchall()
        answer: dict[str, Any] = {}
        if found:
            answer["operations"] = [tables.resource(row) for row in found[:size]]
        if len(found) > size:
            answer["nextPageToken"] = _token(found[size - 1]["number"])
        return answer

    def cancel(self, name: str) -> None:
        """Cancel a task: at once if it waits, as soon as may be if it runs. One that ended stays.

        Raises
        ------
        ServiceError
            It isn't known, or no longer.
        """
        now = tables.microseconds(self._clock.now())
        with self._state.transaction() as rows:
            self._forget(rows)
            row = _named(rows, name)
            if row["state"] == "PENDING":
                tables.end(rows, row["number"], now, "CANCELLED", tables.CANCELLED)
            elif row["state"] == "RUNNING":
                rows.execute(
                    "UPDATE operations SET state = 'CANCELLING', updated = ? WHERE number = ?",
                    (now, row["number"]),
                )

    def _forget(self, rows: sqlite3.Connection) -> None:
        """Drop what has ended so long ago that the service no longer knows it."""
        if self._settings.forget_after is not None:
            now = tables.microseconds(self._clock.now())
            rows.execute(
                "DELETE FROM operations WHERE ended <= ? AND due IS NULL",
                (now - int(self._settings.forget_after * tables.SECOND),),
            )


def _named(rows: sqlite3.Connection, name: str) -> sqlite3.Row:
    _, project, _, operation = name.split("/")
    row: sqlite3.Row | None = rows.execute(
        "SELECT * FROM operations WHERE id = ? AND project = ?", (operation, project)
    ).fetchone()
    if row is None:
        raise ServiceError(f'Operation "{name}" not found.', 404, "NOT_FOUND")
    return row


def _token(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(_NUMBER_BYTES)).decode().rstrip("=")


def _number(token: str) -> int:
    try:
        packed = base64.b64decode(f"{token}=", b"-_", validate=True)
    except ValueError:
        packed = b""
    number = int.from_bytes(packed)
    if len(packed) != _NUMBER_BYTES or number > _LAST:
        raise ServiceError("Invalid page token.")
    return number
