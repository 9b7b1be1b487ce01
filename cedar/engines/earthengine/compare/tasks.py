"""Questions about tasks: request ids, names of files, the list of operations."""

from __future__ import annotations

import datetime as dt
import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any, Final

import ee

from cedar.exceptions import CedarError, EngineError
from cedar.states import FINAL, TaskState

from ..operations import cancel, poll
from ..session import operations, project
from .asking import ANYWHERE, Asking
from .questions import Question, Refused

if TYPE_CHECKING:
    from cedar.items import TaskStatus
    from cedar.stores import Store

_log = logging.getLogger(__name__)

#: Seconds between two looks at a task, and how long it is waited for.
INTERVAL: Final = 10.0
PATIENCE: Final = 1800.0
#: How long one that was cancelled is waited for.
CANCELLING: Final = 60.0
#: Side of a file, and of the tiles that it is computed in.
_SIDE: Final = 256
#: As many as the client itself asks for.
_PAGE: Final = 500
_SHARDED: Final = "sharded"
_WHOLE: Final = "whole"
_COLUMNS: Final = {_SHARDED: 2 * _SIDE, _WHOLE: _SIDE}
#: Tasks that are started, where there is a bucket.
TASKS: Final = len(_COLUMNS)


class Exports:
    """Tiny tasks that write into a store, under a prefix of their own.

    Parameters
    ----------
    store : Store
        A bucket.
    sleep : callable, optional
        Lets seconds pass.

    Attributes
    ----------
    bucket : str
        Its name.
    emulated : bool
        It isn't a real one.
    prefix : str
        What all that they write is under.
    """

    def __init__(self, store: Store, sleep: Callable[[float], None] = time.sleep):
        self._store, self._sleep = store, sleep
        self.prefix = f"cedar-compare-{uuid.uuid4().hex[:12]}"
        self.emulated = store.emulated
        self.bucket = store.destination(self.prefix).container
        #: Names of operations by what they export: one, or none where the answer was lost.
        self._started: dict[str, list[str]] = {}
        self._ended: set[str] = set()

    def send(self, asking: Asking, what: str) -> str:
        """Ask for an export, each time with the same request id; the operation's name."""
        image, grid = ee.Image.constant(1).toUint8(), replace(ANYWHERE, width=_COLUMNS[what])
        request = {
            "description": f"{self.prefix}-{what}",
            "grid": replace(grid, height=_SIDE).fields(),
            "fileExportOptions": {
                "fileFormat": "GEO_TIFF",
                "cloudStorageDestination": {
                    "bucket": self.bucket,
                    "filenamePrefix": f"{self.prefix}/{what}",
                },
                "geoTiffOptions": {
                    "tileDimensions": {"width": _SIDE, "height": _SIDE},
                    "tileSize": {"value": _SIDE},
                },
            },
            "maxPixels": {"value": "1000000"},
        }
        request_id = f"{self.prefix}-{what}"
        recorded = {"method": "image:export", "requestId": request_id, **request}
        recorded["expression"] = ee.serializer.encode(image)
        parameters = {**request, "expression": image}
        names = self._started.setdefault(what, [])
        operation = asking.send(recorded, ee.data.exportImage, request_id, parameters)
        name = str(operation["name"])
        if name not in names:
            names.append(name)
        return name

    def files(self, asking: Asking, what: str) -> list[str]:
        """Wait for an export, and return what its files' names end in.

        Raises
        ------
        EngineError
            It failed, or takes too long.
        """
        for name in self._started.get(what) or [self.send(asking, what)]:
            status = self._wait(name)
            if status.state != TaskState.COMPLETED:
                raise EngineError(f"the task is {status.state}: {status.error}")
        stem = f"{self.prefix}/{what}"
        return sorted(info.key.removeprefix(stem) for info in self._store.objects(stem))

    def _wait(self, name: str) -> TaskStatus:
        task, waited = name.rpartition("/")[2], 0.0
        while True:
            status = poll([task]).get(task)
            if status is None:
                raise EngineError("the service doesn't know the task that it started")
            if status.state in FINAL:
                self._ended.add(name)
                return status
            if waited >= PATIENCE:
                raise EngineError(
                    f"the task is still {status.state} after {waited / 60:.0f} minutes",
                    transient=True,
                )
            self._sleep(INTERVAL)
            waited += INTERVAL

    def clean(self) -> None:
        """Cancel what still runs, and delete what was written: all that is under the prefix."""
        if not self._started:
            return
        left: list[object] = []
        try:
            self._cancel()
            found = {info.key: info.version for info in self._store.objects(f"{self.prefix}/")}
            left += self._store.delete_many(found)
        except CedarError as error:
            left.append(error)
        left += [
            what for what, names in self._started.items() if not names or {*names} - self._ended
        ]
        if left:
            _log.warning(
                "what is under %s/ in the bucket may be left of this, to be deleted: %s",
                self.prefix,
                ", ".join(map(str, left)),
            )

    def _cancel(self) -> None:
        """Cancel what still runs, and wait for it to end: it may write until then."""
        waited, running = 0.0, {*chain(*self._started.values())} - self._ended
        for name in running:
            cancel(name.rpartition("/")[2])
        while running:
            known = poll([name.rpartition("/")[2] for name in running])
            on = {status.name for status in known.values() if status.state not in FINAL}
            self._ended |= running - on
            running &= on
            if waited >= CANCELLING:
                return
            if running:
                self._sleep(INTERVAL)
                waited += INTERVAL


def _exports(asking: Asking) -> Exports:
    if asking.exports is None:
        raise EngineError("no bucket was given", transient=True)
    return asking.exports


def _ask_duplicate(asking: Asking) -> Any:
    exports = _exports(asking)
    first = exports.send(asking, _SHARDED)
    return "the same" if exports.send(asking, _SHARDED) == first else "another"


def _operations(asking: Asking) -> tuple[list[Any], bool]:
    """List the operations of a page, and whether that are all there are."""
    fields = {"pageSize": _PAGE}
    listing = operations().list(name=f"projects/{project()}", **fields)
    answer = asking.send({"method": "operations.list", **fields}, listing.execute)
    # What is in it are the user's own tasks.
    asking.received = "a list of operations"
    return answer.get("operations", []), "nextPageToken" not in answer


def _times(listed: list[Any], key: str) -> list[dt.datetime]:
    """Return times of operations that have them, in the order of the list."""
    found = (operation["metadata"].get(key) for operation in listed)
    return [dt.datetime.fromisoformat(moment) for moment in found if moment is not None]


def _ask_order(asking: Asking) -> Any:
    listed, _ = _operations(asking)
    steps = [later - earlier for earlier, later in pairwise(_times(listed, "createTime"))]
    zero = dt.timedelta()
    ascend, descend = sum(step > zero for step in steps), sum(step < zero for step in steps)
    if not ascend and not descend:
        raise EngineError("there are no two tasks to be listed: give a bucket", transient=True)
    if ascend and descend:
        return f"{ascend} steps to later ones, {descend} to earlier ones"
    return "oldest" if ascend else "newest"


def _ask_kept(asking: Asking) -> Any:
    listed, complete = _operations(asking)
    now = dt.datetime.now(dt.UTC)
    days = [(now - ended).days for ended in _times([o for o in listed if o.get("done")], "endTime")]
    return {"listed": len(listed), "complete": complete, "oldest_in_days": max(days, default=None)}


def _shards(dash: str) -> list[str]:
    return [f"{dash}{0:010d}-{column:010d}.tif" for column in (0, _SIDE)]


QUESTIONS: Final = (
    Question(
        "duplicate_request",
        "What does a second export with a request id get?",
        _ask_duplicate,
        {"operation": "the same", "already-exists": Refused(status=HTTPStatus.CONFLICT)},
        requests=2,
        needs_bucket=True,
    ),
    Question(
        "shard_dash",
        "What do the names of an export's several files end in?",
        lambda asking: _exports(asking).files(asking, _SHARDED),
        {True: _shards("-"), False: _shards("")},
        requests=0,
        needs_bucket=True,
    ),
    Question(
        "single_file",
        "And of a single one?",
        lambda asking: _exports(asking).files(asking, _WHOLE),
        {"no number": [".tif"]},
        needs_bucket=True,
    ),
    Question(
        "operations_order",
        "Which operations does a list of them begin with?",
        _ask_order,
        {"newest": "newest", "oldest": "oldest"},
    ),
    Question(
        "operations_kept",
        "How long ago did the oldest operation end that is listed?",
        _ask_kept,
        {},
    ),
)
