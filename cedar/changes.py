"""Changes to an item's entry in the record: each looks at the entry before it edits it in place.

A change may be made again, to a newer entry that another process has written; what no longer fits
there it leaves as it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from .states import ACTIVE, FINAL, PLANNED, RETRYABLE, TaskState

if TYPE_CHECKING:
    from .items import Output, TaskStatus

#: Edits one entry in place. It may run again on a newer entry, so it looks before it changes.
Change = Callable[[dict[str, Any]], None]

#: States of an item that a pull may take up. RUNNING, when nobody owns it: its process died.
PULLABLE: Final[frozenset[str]] = frozenset({TaskState.READY, TaskState.RUNNING})


def status(state: str, **fields: Any) -> Change:
    """Return a change to an entry's status: a state, and other fields of it."""

    def change(entry: dict[str, Any]) -> None:
        entry["status"] |= {"state": str(state), "update_timestamp_ms": now_ms(), **fields}

    return change


def now_ms() -> int:
    """Return the time, in milliseconds since 1970-01-01 UTC."""
    return int(time.time() * 1000)


def ready(entry: dict[str, Any]) -> None:
    """Change: an item that has all it needs can be pulled; its task id is its request id."""
    if entry["status"]["state"] == TaskState.UNSUBMITTED:
        started = {"id": entry["request_id"], "creation_timestamp_ms": now_ms()}
        words = entry["status"].get("error_message")
        status(TaskState.READY, progress=0.0, output_url=[], error_message=words, **started)(entry)
        entry["status"].pop("prepared", None)


def prepared(entry: dict[str, Any]) -> None:
    """Change: an item has its metadata document, so that its task can be started."""
    if entry["status"]["state"] == TaskState.UNSUBMITTED:
        entry["status"]["prepared"] = True


def is_prepared(entry: Mapping[str, Any]) -> bool:
    """Whether an item is known to have its metadata document."""
    return bool(entry["status"].get("prepared", False))


def is_due(entry: Mapping[str, Any]) -> bool:
    """Whether an item isn't to wait any longer, say for a quota."""
    return bool((entry["status"].get("not_before_ms") or 0) <= now_ms())


def is_put_off(entry: Mapping[str, Any]) -> bool:
    """Whether another attempt at an item is planned, and waits for its time."""
    return entry["status"]["state"] in PLANNED and not is_due(entry)


def hurried(entry: dict[str, Any]) -> None:
    """Change: the item waits for no time any longer."""
    if entry["status"]["state"] in PLANNED:
        entry["status"].pop("not_before_ms", None)
        entry["status"]["error_message"] = None


def held(entry: dict[str, Any]) -> None:
    """Change: the item isn't started until somebody says so, who has seen the order's pilot."""
    if entry["status"]["state"] == TaskState.UNSUBMITTED:
        entry["status"]["held"] = True


def released(entry: dict[str, Any]) -> None:
    """Change: the item may be started."""
    entry["status"].pop("held", None)


def is_held(entry: Mapping[str, Any]) -> bool:
    """Whether an item waits for somebody who has seen the order's pilot."""
    waits = entry["status"]["state"] == TaskState.UNSUBMITTED
    return bool(waits and entry["status"].get("held", False))


def waiting(reason: str) -> Change:
    """Return a change: why the item isn't started yet."""

    def change(entry: dict[str, Any]) -> None:
        if entry["status"]["state"] == TaskState.UNSUBMITTED:
            entry["status"]["error_message"] = reason

    return change


def running(entry: dict[str, Any]) -> None:
    """Change: somebody pulls the item now."""
    if entry["status"]["state"] in PULLABLE:
        status(TaskState.RUNNING, start_timestamp_ms=now_ms())(entry)


def partly(part: float) -> Change:
    """Return a change: so much of the item has been pulled."""

    def change(entry: dict[str, Any]) -> None:
        if entry["status"]["state"] == TaskState.RUNNING:
            status(TaskState.RUNNING, progress=round(part, 4))(entry)

    return change


def stopped(entry: dict[str, Any]) -> None:
    """Change: nobody pulls the item any more. It is given back, or cancelled if that was asked."""
    match entry["status"]["state"]:
        case TaskState.RUNNING:
            status(TaskState.READY)(entry)
        case TaskState.CANCEL_REQUESTED:
            status(TaskState.CANCELLED)(entry)


def again(message: str) -> Change:
    """Return a change: the pull failed in a way that may pass. The item is given back."""

    def change(entry: dict[str, Any]) -> None:
        stopped(entry)
        if entry["status"]["state"] == TaskState.READY:
            status(TaskState.READY, error_message=message)(entry)

    return change


def cancelling(entry: dict[str, Any]) -> None:
    """Change: the item is to be made no further. What was begun has to be stopped first."""
    match entry["status"]["state"]:
        case TaskState.UNSUBMITTED:
            # It no longer waits for what it waited for.
            status(TaskState.CANCELLED, error_message=None)(entry)
        case TaskState.READY | TaskState.RUNNING:
            status(TaskState.CANCEL_REQUESTED)(entry)


def started(task_id: str, attempt: int) -> Change:
    """Return a change: an attempt at the item was started as a task of the service.

    An item that was cancelled while the request was on its way has a task to be cancelled now.
    """

    def change(entry: dict[str, Any]) -> None:
        state = entry["status"]["state"]
        if entry["attempt"] != attempt or entry["status"].get("id") is not None:
            return
        fields = {"id": task_id, "creation_timestamp_ms": now_ms(), "error_message": None}
        fields |= {"progress": 0.0, "output_url": []}
        if state == TaskState.UNSUBMITTED:
            status(TaskState.READY, **fields)(entry)
        elif state == TaskState.CANCELLED:
            status(TaskState.CANCEL_REQUESTED, **fields)(entry)
        entry["status"].pop("prepared", None)

    return change


def marked(entry: dict[str, Any]) -> None:
    """Change: from now on the item's request may have been sent."""
    if entry["status"]["state"] == TaskState.UNSUBMITTED:
        entry["status"].setdefault("sent_timestamp_ms", now_ms())


def unmarked(entry: dict[str, Any]) -> None:
    """Change: the item's request wasn't sent, or certainly not taken."""
    if entry["status"].get("id") is None:
        entry["status"].pop("sent_timestamp_ms", None)


def sent(entry: Mapping[str, Any]) -> int | None:
    """When the item's request may first have been sent, in milliseconds; None: it wasn't yet."""
    moment: int | None = entry["status"].get("sent_timestamp_ms")
    return moment


def description(entry: Mapping[str, Any]) -> str:
    """Return what the service calls the task of an item's attempt."""
    return f"{entry['name']}-a{entry['attempt']}"


def not_started(state: str, message: str, mark: bool) -> Change:
    """Return a change: the service didn't take the item; its state, and why.

    `mark` says whether it may have been taken all the same.
    """

    def change(entry: dict[str, Any]) -> None:
        if entry["status"]["state"] == TaskState.UNSUBMITTED:
            status(state, error_message=message)(entry)
            if not mark:
                unmarked(entry)

    return change


def reported(task: TaskStatus) -> Change:
    """Return a change: the service says how the item's task is."""

    def change(entry: dict[str, Any]) -> None:
        now = entry["status"]
        if now.get("id") != task.id or now["state"] in FINAL or _is_outdated(task, now):
            return
        waits = now["state"] == TaskState.CANCEL_REQUESTED and task.state in PULLABLE
        fields = {
            "state": now["state"] if waits else task.state,
            "creation_timestamp_ms": task.created or now.get("creation_timestamp_ms"),
            "start_timestamp_ms": task.started,
            "progress": 1.0 if task.state == TaskState.COMPLETED else task.progress,
            "output_url": list(task.urls),
            "error_message": task.error,
        }
        if task.eecu_seconds is not None:
            fields["eecu_seconds"] = task.eecu_seconds
        if task.state in FINAL and task.updated is not None:
            fields["end_timestamp_ms"] = task.updated
        if any(now.get(key) != value for key, value in fields.items()):
            now |= {**fields, "update_timestamp_ms": now_ms()}

    return change


def _is_outdated(task: TaskStatus, now: Mapping[str, Any]) -> bool:
    """Whether a task waited when the service was asked, and another process knows that it runs.

    A task that waits again, since the service gave it up, was updated after it had started.
    """
    began = now.get("start_timestamp_ms")
    if began is None or task.updated is None or task.started is not None:
        return False
    return bool(task.updated <= began)


def settled(state: str, message: str | None) -> Change:
    """Return a change: of a task that the service has forgotten, the store tells the state."""

    def change(entry: dict[str, Any]) -> None:
        if entry["status"]["state"] in {*ACTIVE, TaskState.UNKNOWN}:
            status(state, error_message=message, settled_by="store")(entry)

    return change


def with_outputs(outputs: Sequence[Output]) -> Change:
    """Return a change: these files are what the item's task made."""
    listed = [asdict(output) for output in outputs]

    def change(entry: dict[str, Any]) -> None:
        entry["outputs"] = listed

    return change


def is_lacking(entry: Mapping[str, Any]) -> bool:
    """Whether an item that counts as COMPLETED has fewer outputs than it should."""
    return (
        entry["status"]["state"] == TaskState.COMPLETED
        and len(entry["outputs"]) < (entry.get("shards") or 1)
        and not is_cleaned(entry)
    )


def cleaned(entry: dict[str, Any]) -> None:
    """Change: what was made of the item was deleted, as somebody asked."""
    entry["status"].setdefault("cleaned_timestamp_ms", now_ms())


def is_cleaned(entry: Mapping[str, Any]) -> bool:
    """Whether what was made of an item was deleted, as somebody asked."""
    return entry["status"].get("cleaned_timestamp_ms") is not None


def state_of(entry: Mapping[str, Any]) -> str:
    """Return an item's state as summaries count it: COMPLETED only where its files are there."""
    if is_lacking(entry):
        return TaskState.INCOMPLETE
    if entry["status"]["state"] == TaskState.COMPLETED and is_cleaned(entry):
        return TaskState.CLEANED
    return str(entry["status"]["state"])


def can_retry(entry: Mapping[str, Any]) -> bool:
    """Whether an item has ended without what was asked for."""
    return state_of(entry) in RETRYABLE


def retried(attempt: int, request_id: str, **fields: Any) -> Change:
    """Return a change: the next attempt at an item is planned, and the last one is kept.

    The files that the last one made may be replaced.

    Parameters
    ----------
    attempt : int
        The last one. Where there has been another since, the item is left as it is.
    request_id : str
        The next one's.
    fields
        Of the new status.
    """

    def change(entry: dict[str, Any]) -> None:
        if entry["attempt"] != attempt or not can_retry(entry):
            return
        kept = {key: entry[key] for key in ("attempt", "request_id", "status", "outputs")}
        made = {output["name"]: output["version"] for output in entry["outputs"]}
        planned = {"state": str(TaskState.UNSUBMITTED), "update_timestamp_ms": now_ms()}
        entry |= {
            "attempts": [*entry["attempts"], kept],
            "attempt": attempt + 1,
            "request_id": request_id,
            "status": planned | fields,
            "outputs": [],
            # Of other files: a copy of them says nothing about those to come.
            "downloads": [],
        }
        if replaces := entry.get("replaces", {}) | made:
            entry["replaces"] = replaces

    return change


def former(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return an item's earlier attempts, each as an entry of its own, oldest first.

    Those of an item that was cut in parts are kept by its first part.
    """
    return [{**entry, "outputs": [], **attempt} for attempt in entry["attempts"]]
