"""What the records say of a run's orders: which is whose, and what of it is still to do.

A run keeps no state of its own. The record of an order says of which run it is, and which of its
orders; of one that was cleaned away, record and all, the copy that was downloaded says so.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .changes import is_cleaned
from .comparing import unlike
from .copies import is_downloaded
from .cubes.convert import is_converted
from .documents import submission_section
from .exceptions import CedarError, DocumentError, NotFoundError
from .metadata import TrackingMetadata
from .record import check_identity
from .states import UNSUCCESSFUL, TaskState

if TYPE_CHECKING:
    from .ordering import Submission
    from .runfile import RunOrder
    from .tracker import Tracker

#: What makes one order another. Not `coverage`: without a period's end it grows by the day.
_COMPARED: Final = (
    "collections", "tile_grid", "tile_indices", "period_start", "period_end", "period_freq",
    "period_closed", "filters", "images", "group_by", "existing", "definitions",
)  # fmt: skip
_LONGEST: Final = 80


class Recorded(NamedTuple):
    """The record of a run's order.

    Attributes
    ----------
    tracking : TrackingMetadata
    stored : bool
        Whether the store has it; else it is the copy that was downloaded before it was cleaned.
    """

    tracking: TrackingMetadata
    stored: bool

    @property
    def cleaned(self) -> bool:
        """Whether what the order made was deleted from the store, as somebody asked."""
        return not self.stored or all(map(is_cleaned, self.tracking.orders))


def label(run: str, order: str) -> dict[str, str]:
    """Return what a record says of the run that its order is of."""
    return {"name": run, "order": order}


class Records:
    """The records of one run's orders. Safe to use from several threads.

    Parameters
    ----------
    tracker : Tracker
        Of the store that they are in.
    run : str
        The run's name.
    """

    def __init__(self, tracker: Tracker, run: str):
        self._tracker, self._run = tracker, run
        #: Name of each record that was read → the label in it.
        self._labels: dict[str, Mapping[str, str] | None] = {}
        self._lock = threading.Lock()

    def find(self, order: RunOrder) -> Recorded | None:
        """Find an order's record; None where it wasn't placed.

        Raises
        ------
        CedarError
            Two records are of it, or it was placed with another store or engine.
        DocumentError
            A record in the store is damaged: it may be this order's.
        """
        wanted = label(self._run, order.name)
        with self._lock:
            for name in self._tracker.list():
                if name not in self._labels:
                    self._labels[name] = self._read_label(name)
            ours = [name for name, found in self._labels.items() if found == wanted]
        # Again: they may have been removed since, and others have come under their names.
        found = [tracking for name in ours for tracking in self._read(name)
                 if tracking["submission"].get("run") == wanted]  # fmt: skip
        if len(found) > 1:
            raise CedarError(
                f"two records say that they are order {order.name} of run {self._run}: "
                f"{found[0].name} and {found[1].name}; clean one of them"
            )
        if found:
            self._check_identity(found[0])
            return Recorded(found[0], stored=True)
        return self._downloaded(order)

    def _check_identity(self, tracking: TrackingMetadata) -> None:
        check_identity(tracking, "store", self._tracker.store.identity())
        check_identity(tracking, "engine", self._tracker.engine.identity())

    def is_done(self, order: RunOrder) -> bool:
        """Whether all steps of an order are done."""
        found = self.find(order)
        return found is not None and not remaining(found, order) and not _failed(found)

    def _read(self, name: str) -> Iterator[TrackingMetadata]:
        with contextlib.suppress(NotFoundError):
            yield self._tracker.read(name)

    def _read_label(self, name: str) -> Mapping[str, str] | None:
        for tracking in self._read(name):
            found: Mapping[str, str] | None = tracking["submission"].get("run")
            return found
        return None

    def _downloaded(self, order: RunOrder) -> Recorded | None:
        """Find the copy of an order that was complete, brought home, and cleaned away."""
        if order.download is None:
            return None
        for path in sorted(order.download.dest.glob("*/*.json")):
            if path.stem != path.parent.name:
                continue
            copy = _read_copy(path)
            if copy is not None and copy["submission"].get("run") == label(self._run, order.name):
                # Of another store or engine, it is no copy of what is asked for here.
                with contextlib.suppress(CedarError):
                    self._check_identity(copy)
                    if not _left(found := Recorded(copy, stored=False), order):
                        return found
        return None


def _failed(found: Recorded) -> bool:
    return any(entry["status"]["state"] in UNSUCCESSFUL for entry in found.tracking.orders)


def _read_copy(path: Path) -> TrackingMetadata | None:
    with contextlib.suppress(DocumentError, OSError):
        return TrackingMetadata.loads(path.read_bytes(), path.stem)
    return None


def remaining(found: Recorded | None, order: RunOrder) -> list[str]:
    """Return the steps that an order has still to take."""
    if found is None:
        steps = {"watch": order.watch, "download": order.download, "convert": order.convert,
                 "clean": order.clean}  # fmt: skip
        return ["submit", *(name for name, step in steps.items() if step is not None)]
    return [] if found.cleaned else _left(found, order)


def _left(found: Recorded, order: RunOrder) -> list[str]:
    tracking, steps = found.tracking, []
    if order.watch is None and TaskState.UNSUBMITTED in tracking.states:
        steps.append("submit")
    if order.watch is not None and not tracking.complete:
        steps.append("watch")
    if order.download is not None and not is_home(tracking, order.download.dest):
        steps.append("download")
    if found.stored and order.download is not None and order.convert is not None:
        directory = order.download.dest / tracking.name
        if not is_converted(tracking, directory, order.convert):
            steps.append("convert")
    if order.clean is not None and found.stored:
        steps.append("clean")
    return steps


def is_home(tracking: TrackingMetadata, dest: Path) -> bool:
    """Whether all that an order has is in a directory, verified, with its record as it is now."""
    directory = dest / tracking.name
    copy = _read_copy(directory / f"{tracking.name}.json")
    return (
        copy is not None
        and tracking.complete
        and copy.complete
        and copy["tracking"]["submitted"] == tracking["tracking"]["submitted"]
        and all(is_downloaded(entry, directory) for entry in tracking.orders)
    )


def differences(submission: Submission, tracking: TrackingMetadata) -> list[str]:
    """Say in what an order that was placed differs from what would be placed now."""
    now = json.loads(json.dumps(submission_section(submission)))
    then = tracking["submission"]
    said = []
    for key in _COMPARED:
        before, after = _comparable(key, then.get(key), now.get(key))
        if before != after:
            said.append(f"{key} was {_brief(before)}, and is {_brief(after)}")
    return said


def _comparable(key: str, before: Any, after: Any) -> tuple[Any, Any]:
    """Return two values of a key, without what makes no other order of it."""
    match key:
        case "collections" | "tile_indices":
            return sorted(before), sorted(after)
        case "definitions":
            return _unlike(before, after), _unlike(after, before)
    return before, after


def _unlike(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the definitions of collections say otherwise than others do."""
    return {
        f"{collection} {name}": value
        for collection in ours.keys() & theirs.keys()
        for name, value in unlike(ours[collection], theirs[collection]).items()
    }


def _brief(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
