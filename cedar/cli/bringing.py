"""Bringing an order home: what is finished, or each item as it completes."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from cedar.changes import is_cleaned
from cedar.exceptions import CedarError, DownloadError
from cedar.metadata import TrackingMetadata
from cedar.states import TaskState

from .output import counts

if TYPE_CHECKING:
    from cedar.downloading import Download
    from cedar.tracker import Tracker
    from cedar.wanted import FileEvent

    from .files import Shown

Entry = Mapping[str, Any]
#: Seconds that the thread has to leave what it is at, and to note what has come.
_LEAVE: Final = 10.0


class _Stopped(Exception):
    """The download was told to stop."""


class Bringing:
    """Brings an order home.

    Parameters
    ----------
    tracker : Tracker
    directory : Path
        The order's.
    options : Download
    shown : Shown
        Told what happens.

    Attributes
    ----------
    files : dict of str to list of Path
        Files that are here, as `Tracker.download` returns them.
    failures : dict of Path to CedarError
        Why others are not.
    """

    def __init__(self, tracker: Tracker, directory: Path, options: Download, shown: Shown):
        self._tracker, self._directory = tracker, directory
        self._options, self._shown = options, shown
        self.files: dict[str, list[Path]] = {}
        self.failures: dict[Path, CedarError] = {}
        self._seen: set[str] = set()
        self._brought: set[Path] = set()
        self._news: SimpleQueue[TrackingMetadata | None] = SimpleQueue()
        self._stop = threading.Event()
        self._error: BaseException | None = None

    def bring(self, tracking: TrackingMetadata) -> None:
        """Download what is finished of an order."""
        self._bring(tracking, tracking.orders)

    def watch(self, name: str, interval: float) -> TrackingMetadata:
        """Bring an order forward, and home what is completed, until none of it is active.

        The main thread watches, so that Ctrl-C ends that at once; another downloads.
        """
        thread = threading.Thread(target=self._follow, daemon=True, name="cedar-bringing")
        thread.start()
        try:
            self._tracker.watch(name, interval, None, self._watched)
            self._news.put(None)
            thread.join()
        except BaseException:
            self._stop.set()
            self._news.put(None)
            thread.join(_LEAVE)
            raise
        self._check_thread()
        # The record had the last word on what an item's files are, not a look in between.
        tracking = self._tracker.read(name)
        rest = [entry for entry in tracking.orders if not self.is_home(entry)]
        self.failures = {}
        self._bring(tracking, rest)
        return tracking

    def is_home(self, entry: Entry) -> bool:
        """Whether all files of an item, as its entry has them, were brought home and verified."""
        folder = self._directory / self._options.folder(entry)
        return (
            entry["name"] in self._seen
            and folder / f"{entry['name']}.json" not in self.failures
            and all(folder / output["name"] in self._brought for output in entry["outputs"])
        )

    def _watched(self, tracking: TrackingMetadata) -> None:
        self._check_thread()
        self._news.put(tracking)
        self._shown.also(f"making: {counts(tracking.states)}")

    def _check_thread(self) -> None:
        if self._error is not None:
            raise self._error

    def _follow(self) -> None:
        """Download what has newly completed, again and again. Runs in a thread."""
        try:
            while (tracking := self._newest()) is not None:
                new = [
                    entry
                    for entry in tracking.orders
                    if entry["name"] not in self._seen
                    and tracking.state(entry) == TaskState.COMPLETED
                ]
                if new:
                    self._bring(tracking, new)
        except _Stopped:
            pass
        except BaseException as error:  # noqa: BLE001 (it is the watching thread's)
            self._error = error

    def _newest(self) -> TrackingMetadata | None:
        """Wait for the record; None: there will be no other."""
        tracking = self._news.get()
        while tracking is not None and not self._news.empty():
            tracking = self._news.get()
        return tracking

    def _bring(self, tracking: TrackingMetadata, entries: Iterable[Entry]) -> None:
        # Not checked again, nor copied: it is a part of what was.
        part = TrackingMetadata.view({**tracking, "orders": [*entries]}, tracking.name)
        self._shown.expect(part)
        try:
            files = self._tracker.download(
                part, self._directory, options=self._options, notify=self._notify
            )
        except DownloadError as error:
            files = error.files
            self.failures |= error.failures
        self.files |= files
        self._brought.update(path for paths in files.values() for path in paths)
        self._seen |= {
            entry["name"] for entry in part.orders if self._options.chooses(tracking, entry)
        }

    def _notify(self, event: FileEvent) -> None:
        if self._stop.is_set():
            raise _Stopped
        self._shown.take(event)


def clean(tracker: Tracker, name: str, bringing: Bringing) -> dict[str, list[str]]:
    """Delete from the store what is home and verified: all of an order, with its record, or a part.

    Returns
    -------
    dict of str to list of str
        As `Tracker.clean` returns it.
    """
    tracking = tracker.read(name)
    home = [entry for entry in tracking.orders if is_cleaned(entry) or bringing.is_home(entry)]
    if tracking.complete and len(home) == len(tracking.orders):
        return tracker.clean(tracking, name)
    part = [
        entry for entry in home if tracking.state(entry) == TaskState.COMPLETED and entry["outputs"]
    ]
    if not part:
        return {}
    return tracker.clean(TrackingMetadata.view({**tracking, "orders": part}, name))
