"""The queue as those see it who run its tasks."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from ..clock import Clock
from ..state import State
from . import tables


@dataclass(frozen=True)
class Task:
    """One attempt at an export, or the late delivery of its files.

    Attributes
    ----------
    number : int
        Of its row.
    name : str
        The operation's, in full.
    owner : str
        Who runs it.
    request : bytes
        The body that it was asked for with.
    attempt : int
        From 1.
    started : int
        Microseconds since 1970.
    folder : str or None
        Id of the folder that it, or an earlier attempt, writes to.
    is_delivery : bool
        It was said to have succeeded, but its files aren't there yet.
    """

    number: int
    name: str
    owner: str
    request: bytes
    attempt: int
    started: int
    folder: str | None
    is_delivery: bool


class Queue:
    """Tasks of all projects, in a state that several emulators may have.

    Each change is made wholly or not at all, and only by a task's owner while the task is the
    owner's to run: who has lost it, or is told to cancel it, can't end it otherwise.

    Parameters
    ----------
    state : State
    clock : Clock
    concurrent : int
        Tasks of a project that run at once.
    is_alive : callable
        Whether the owner of that name is alive.
    """

    def __init__(
        self, state: State, clock: Clock, concurrent: int, is_alive: Callable[[str], bool]
    ):
        self._state, self._clock, self._concurrent = state, clock, concurrent
        self._is_alive = is_alive

    def _now(self) -> int:
        return tables.microseconds(self._clock.now())

    def claim(self, owner: str) -> Task | None:
        """Take what is to be done next, if there is something: by priority, then by age."""
        with self._state.transaction() as rows:
            self._reclaim(rows)
            row = self._delivery(rows, owner) or self._task(rows, owner)
            if row is None:
                return None
            (request,) = rows.execute(
                "SELECT request FROM exports WHERE number = ?", (row["number"],)
            ).fetchone()
        return Task(
            row["number"],
            tables.name(row),
            owner,
            request,
            row["attempt"],
            row["started"],
            row["folder"],
            row["due"] is not None,
        )

    def _delivery(self, rows: sqlite3.Connection, owner: str) -> sqlite3.Row | None:
        row: sqlite3.Row | None = rows.execute(
            "UPDATE operations SET owner = ? WHERE number = (SELECT number FROM operations "
            "WHERE due IS NOT NULL AND due <= ? AND owner IS NULL ORDER BY due LIMIT 1) "
            "RETURNING *",
            (owner, self._now()),
        ).fetchone()
        return row

    def _task(self, rows: sqlite3.Connection, owner: str) -> sqlite3.Row | None:
        if not self._concurrent:
            return None
        now = self._now()
        row: sqlite3.Row | None = rows.execute(
            "UPDATE operations SET state = 'RUNNING', owner = ?, attempt = attempt + 1, "
            "started = ?, updated = ? WHERE number = (SELECT number FROM operations "
            "WHERE state = 'PENDING' AND project NOT IN (SELECT project FROM operations "
            # With a + SQLite goes by owners, of whom there are few, not through all projects.
            "WHERE owner IS NOT NULL AND ended IS NULL GROUP BY +project HAVING count(*) >= ?) "
            "ORDER BY priority DESC, number LIMIT 1) RETURNING *",
            (owner, now, now, self._concurrent),
        ).fetchone()
        return row

    def _reclaim(self, rows: sqlite3.Connection) -> None:
        """Free what the dead have left."""
        owners = rows.execute("SELECT DISTINCT owner FROM operations WHERE owner IS NOT NULL")
        for (owner,) in owners.fetchall():
            if not self._is_alive(owner):
                self._free(rows, owner)

    def release(self, owner: str) -> None:
        """Give back all that an owner has: it is to be started again."""
        with self._state.transaction() as rows:
            self._free(rows, owner)

    def _free(self, rows: sqlite3.Connection, owner: str) -> None:
        now = self._now()
        cancelled = rows.execute(
            "SELECT number FROM operations WHERE owner = ? AND state = 'CANCELLING'", (owner,)
        )
        for (number,) in cancelled.fetchall():
            tables.end(rows, number, now, "CANCELLED", tables.CANCELLED)
        rows.execute(
            "UPDATE operations SET state = 'PENDING', owner = NULL, started = NULL, updated = ?, "
            "computed = 0, to_compute = 0, written = 0, to_write = 0 "
            "WHERE owner = ? AND state = 'RUNNING'",
            (now, owner),
        )
        rows.execute("UPDATE operations SET owner = NULL WHERE owner = ?", (owner,))

    def is_waiting(self, owner: str) -> bool:
        """Whether something may fall to an owner later: others' tasks, or files that are due."""
        with self._state.transaction() as rows:
            row = rows.execute(
                "SELECT 1 FROM operations WHERE owner IS NOT NULL AND owner != ? UNION ALL "
                "SELECT 1 FROM operations WHERE due IS NOT NULL AND owner IS NULL LIMIT 1",
                (owner,),
            ).fetchone()
        return row is not None

    def advance(self, task: Task, **columns: int | str | None) -> bool:
        """Note how far a task has come; tell whether it is still its owner's to run."""
        columns = {"updated": self._now(), **columns} if columns else {"owner": task.owner}
        changes = ", ".join(f"{column} = ?" for column in columns)
        with self._state.transaction() as rows:
            changed = rows.execute(
                f"UPDATE operations SET {changes} "  # noqa: S608
                "WHERE number = ? AND owner = ? AND state = ?",
                (
                    *columns.values(),
                    *(task.number, task.owner),
                    "SUCCEEDED" if task.is_delivery else "RUNNING",
                ),
            ).rowcount
        return bool(changed)

    def succeed(self, task: Task, uri: str, due: int | None = None) -> bool:
        """End a task well; tell whether it was still its owner's to run.

        Parameters
        ----------
        task : Task
        uri : str
            Where the files are.
        due : int, optional
            When they will be, if they aren't.
        """
        now = self._now()
        with self._state.transaction() as rows:
            ended = rows.execute(
                "UPDATE operations SET state = 'SUCCEEDED', uri = ?, due = ?, owner = NULL, "
                "computed = to_compute, written = to_write, updated = ?, ended = ? "
                "WHERE number = ? AND owner = ? AND state = 'RUNNING'",
                (uri, due, now, now, task.number, task.owner),
            ).rowcount
            if ended and due is None:
                rows.execute("DELETE FROM exports WHERE number = ?", (task.number,))
        return bool(ended)

    def fail(self, task: Task, error: tuple[int, str]) -> bool:
        """End a task with an error, unless it isn't its owner's to run; tell whether it was."""
        return self._end(task, "RUNNING", "FAILED", error)

    def stop(self, task: Task) -> bool:
        """End a task that was cancelled while it ran; tell whether it was."""
        return self._end(task, "CANCELLING", "CANCELLED", tables.CANCELLED)

    def _end(self, task: Task, before: str, state: str, error: tuple[int, str]) -> bool:
        with self._state.transaction() as rows:
            row = rows.execute(
                "SELECT 1 FROM operations WHERE number = ? AND owner = ? AND state = ?",
                (task.number, task.owner, before),
            ).fetchone()
            if row is not None:
                tables.end(rows, task.number, self._now(), state, error)
        return row is not None

    def delivered(self, task: Task) -> None:
        """Note that late files are there, or never will be."""
        with self._state.transaction() as rows:
            rows.execute(
                "UPDATE operations SET due = NULL, owner = NULL WHERE number = ?", (task.number,)
            )
            rows.execute("DELETE FROM exports WHERE number = ?", (task.number,))
