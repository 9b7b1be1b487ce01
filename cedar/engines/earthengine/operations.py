"""Tasks of the service, which calls them operations: how they are, and cancelling them.

Here, and nowhere else, the service's words for states become :class:`cedar.states.TaskState`'s.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import ee

from cedar.exceptions import EngineError
from cedar.items import TaskStatus
from cedar.states import FINAL, TaskState

from .limiter import AT_ONCE
from .session import ask, execute, operations, project, status_of

#: Operations of a page: as many as the client itself asks for, and the service gives.
_PAGE: Final = 500
#: So many tasks are asked for one by one rather than looked for on another page. A page more would
#: be one request, too: so polling takes at most one request more than there are pages.
_FEW: Final = 2
_STATES: Final[Mapping[str, TaskState]] = {
    "PENDING": TaskState.READY,
    "RUNNING": TaskState.RUNNING,
    "CANCELLING": TaskState.CANCEL_REQUESTED,
    "SUCCEEDED": TaskState.COMPLETED,
    "CANCELLED": TaskState.CANCELLED,
    "FAILED": TaskState.FAILED,
}
_EPOCH: Final = dt.datetime.fromtimestamp(0, dt.UTC)


def poll(ids: Collection[str]) -> dict[str, TaskStatus]:
    """Ask how tasks are; see :meth:`Engine.poll`.

    The list of all operations can't be filtered, nor is its order documented: it is read page by
    page until all but a few have been seen. Those are asked for by name, as are all that it
    doesn't have: while it is read, it changes.
    """
    missing, found = {*ids}, dict[str, TaskStatus]()
    pages = _pages()
    while len(missing) > _FEW and (page := next(pages, None)) is not None:
        seen = {status.id: status for status in page if status.id in missing}
        found |= seen
        missing -= seen.keys()
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="cedar-poll") as pool:
        asked = pool.map(_get, missing)
        return found | {status.id: status for status in asked if status is not None}


def concurrency() -> int | None:
    """Count the project's tasks that may run at once; see :meth:`Engine.concurrency`."""

    def most() -> int | None:
        # What a missing field is, where the service leaves out what it has no value for.
        given = ee.data.getProjectConfig().get("maxConcurrentExports")
        return None if given is None else int(given)

    return ask(most)


def find(descriptions: Collection[str], since: dt.datetime) -> dict[str, list[TaskStatus]]:
    """Find tasks by description; see :meth:`Engine.find`. Each description asked for is a key."""
    found: dict[str, list[TaskStatus]] = {description: [] for description in descriptions}
    for status in listed(since):
        if status.description in found:
            found[status.description].append(status)
    for statuses in found.values():
        statuses.sort(key=lambda status: status.created or 0, reverse=True)
    return found


def listed(since: dt.datetime | None = None) -> Iterator[TaskStatus]:
    """List all tasks of the project; see :meth:`Engine.list_tasks`."""
    first = 0 if since is None else _milliseconds(since)
    return (status for page in _pages() for status in page if (status.created or 0) >= first)


def cancel(task_id: str) -> None:
    """Ask the service to cancel a task; see :meth:`Engine.cancel`."""
    try:
        execute(operations().cancel(name=_name(task_id), body={}))
    except EngineError as error:
        if error.transient:
            raise
        # Whether one that has ended is refused isn't documented; a forgotten one has ended.
        status = _get(task_id)
        if status is not None and status.state not in FINAL:
            raise


def _pages() -> Iterator[list[TaskStatus]]:
    """List all operations of the project, a page at a time."""
    asked = {"name": f"projects/{project()}", "pageSize": _PAGE}
    while True:
        answer = execute(operations().list(**asked))
        yield [_status(operation) for operation in answer.get("operations", ())]
        if not (token := answer.get("nextPageToken")):
            return
        asked["pageToken"] = token


def _get(task_id: str) -> TaskStatus | None:
    """Ask for one task; None where the service knows none of that id."""
    try:
        return _status(execute(operations().get(name=_name(task_id))))
    except EngineError as error:
        if status_of(error) == HTTPStatus.NOT_FOUND:
            return None
        raise


def _name(task_id: str) -> str:
    """Full name of an operation. An id that a document has may be anything, and names one only."""
    return f"projects/{project()}/operations/{quote(task_id, safe='')}"


def _status(operation: Mapping[str, Any]) -> TaskStatus:
    metadata = operation.get("metadata", {})
    state = str(metadata.get("state", "STATE_UNSPECIFIED"))
    eecu_seconds = metadata.get("batchEecuUsageSeconds")
    return TaskStatus(
        name=operation["name"],
        state=_STATES.get(state, state),
        description=metadata.get("description", ""),
        created=_time(metadata.get("createTime")),
        started=_time(metadata.get("startTime")),
        updated=_time(metadata.get("updateTime")),
        progress=float(metadata.get("progress", 0.0)),
        urls=tuple(metadata.get("destinationUris", ())),
        error=operation.get("error", {}).get("message"),
        eecu_seconds=None if eecu_seconds is None else float(eecu_seconds),
    )


def _time(text: str | None) -> int | None:
    """Milliseconds since 1970; None where there is no time: the service writes 1970 itself then."""
    return None if text is None else _milliseconds(dt.datetime.fromisoformat(text)) or None


def _milliseconds(moment: dt.datetime) -> int:
    return (moment - _EPOCH) // dt.timedelta(milliseconds=1)
