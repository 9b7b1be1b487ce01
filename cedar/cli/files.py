"""How files come home, as it is shown: counts, bytes, rate, and what is under way."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cedar.wanted import FINISHED, FileEvent, FileState

from .output import LINE_INTERVAL, note, number

if TYPE_CHECKING:
    from rich.console import RenderableType

    from cedar.exceptions import CedarError
    from cedar.metadata import TrackingMetadata

    from .base import Settings

#: Items under way that are shown on a terminal.
_ITEMS: Final = 8
#: Times a second that a terminal is written to, whatever happens.
_A_SECOND: Final = 5
#: Seconds that the rate shown is measured over.
_WINDOW: Final = 5.0
_BAR: Final = 20


@dataclass
class _Sum:
    """What there is of some files, in bytes."""

    arrived: int = 0
    size: int = 0


@dataclass
class Tally:
    """Counts files and their bytes. Each event costs the same, however many files there are.

    Attributes
    ----------
    states : Counter
        How many files are in each state.
    total : _Sum
        Bytes of all files.
    fetched : int
        Bytes that came, without those that were there before.
    """

    states: Counter[FileState] = field(default_factory=Counter)
    total: _Sum = field(default_factory=_Sum)
    fetched: int = 0
    _files: dict[Path, FileEvent] = field(default_factory=dict)
    _items: dict[str, _Sum] = field(default_factory=dict)
    _item_of: dict[str, str] = field(default_factory=dict)
    _under_way: dict[Path, str] = field(default_factory=dict)

    def expect(self, tracking: TrackingMetadata) -> None:
        """Note which files are which item's."""
        for entry in tracking.orders:
            self._item_of |= {output["name"]: entry["name"] for output in entry["outputs"]}
            self._item_of[f"{entry['name']}.json"] = entry["name"]

    def take(self, event: FileEvent) -> None:
        """Note what has become of a file."""
        before = self._files.get(event.path)
        self._files[event.path] = event
        item = self._item_of.get(event.path.name, event.path.name)
        arrived, size = event.arrived, event.size
        if before is not None:
            self.states[before.state] -= 1
            arrived, size = arrived - before.arrived, size - before.size
            # The first word of a file that is on its way says what of it was there before.
            if event.state == FileState.DONE or before.state == event.state:
                self.fetched += max(0, arrived)
        self.states[event.state] += 1
        for each in (self.total, self._items.setdefault(item, _Sum())):
            each.arrived += arrived
            each.size += size
        if event.state == FileState.DOWNLOADING:
            self._under_way[event.path] = item
        else:
            self._under_way.pop(event.path, None)

    @property
    def n_files(self) -> int:
        """Files that were asked for."""
        return len(self._files)

    @property
    def n_finished(self) -> int:
        """Those of them to which nothing happens any more."""
        return sum(self.states[state] for state in FINISHED)

    def under_way(self) -> list[tuple[str, int, int]]:
        """Items of which files are on their way, with the bytes that are there, and all."""
        items = dict.fromkeys(self._under_way.values())
        return [(item, self._items[item].arrived, self._items[item].size) for item in items]

    def summary(self, seconds: float) -> str:
        """All of it in a line."""
        from cedar.preview import size

        here, failed = self.states[FileState.HERE], self.states[FileState.FAILED]
        said = number(self.states[FileState.DONE], "file")
        said += f", {size(self.fetched)} in {seconds:.1f} s"
        if self.fetched:
            said += f" ({size(self.fetched / seconds)}/s)"
        others = [f"{here:,} already there"] * bool(here) + [f"{failed:,} failed"] * bool(failed)
        return "; ".join([said, *([", ".join(others)] if others else [])])


class Shown:
    """Shows how files come home; fit for the callbacks of several threads.

    Parameters
    ----------
    settings : Settings
    """

    def __init__(self, settings: Settings):
        self.tally = Tally()
        self._settings, self._lock = settings, threading.Lock()
        self._began = time.monotonic()
        self._samples: deque[tuple[float, int]] = deque([(self._began, 0)])
        self._also = ""

    def expect(self, tracking: TrackingMetadata) -> None:
        """Note which files are which item's."""
        with self._lock:
            self.tally.expect(tracking)

    def take(self, event: FileEvent) -> None:
        """Note what has become of a file."""
        with self._lock:
            self.tally.take(event)
        if self._settings.verbose and event.state in FINISHED:
            note(self._settings, f"{event.state}: {event.path}")

    def also(self, text: str) -> None:
        """Say something else beside the files, from now on."""
        self._also = text

    def line(self) -> str:
        """How far it is, in a line."""
        from cedar.preview import size

        with self._lock:
            tally, rate = self.tally, self._rate()
            rest = tally.total.size - tally.total.arrived
            said = [
                f"{tally.n_finished:,} of {number(tally.n_files, 'file')}",
                f"{size(tally.total.arrived)} of {size(tally.total.size)}",
            ]
        if rate and rest > 0:
            said += [f"{size(rate)}/s", f"{_duration(rest / rate)} left"]
        return ", ".join([*said, *([self._also] if self._also else [])])

    def renderable(self) -> RenderableType:
        """How far it is, for a terminal."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        from cedar.preview import size

        text = self.line()
        with self._lock:
            items, total = self.tally.under_way(), self.tally.total
            bar = ProgressBar(total=max(1, total.size), completed=total.arrived, width=_BAR)
        lines = [
            f"  {item}  {FileState.DOWNLOADING}, {size(arrived)} of {size(whole)}"
            for item, arrived, whole in items[:_ITEMS]
        ]
        if len(items) > _ITEMS:
            lines.append(f"  … and {len(items) - _ITEMS:,} more")
        head = Table.grid(padding=(0, 1))
        head.add_row(bar, Text(text))
        return Group(head, *map(Text, lines))

    def summary(self) -> str:
        """All of it in a line, at its end."""
        with self._lock:
            return self.tally.summary(time.monotonic() - self._began)

    def _rate(self) -> float:
        """Bytes a second, lately."""
        now = time.monotonic()
        self._samples.append((now, self.tally.fetched))
        while len(self._samples) > 2 and self._samples[1][0] < now - _WINDOW:
            self._samples.popleft()
        then, fetched = self._samples[0]
        return (self.tally.fetched - fetched) / (now - then) if now > then else 0.0


def _duration(seconds: float) -> str:
    """A time in words: ``4 s``, ``3 min``, ``2.5 h``."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 60 else f"{minutes / 60:.1f} h"


@contextmanager
def showing(settings: Settings) -> Iterator[Shown]:
    """Show how files come home: live on a terminal, else a line now and then; at the end, all."""
    shown = Shown(settings)
    if settings.quiet:
        yield shown
        return
    with _live(shown) if sys.stderr.isatty() else _lines(settings, shown):
        yield shown
    note(settings, shown.summary())


@contextmanager
def _live(shown: Shown) -> Iterator[None]:
    from rich.console import Console
    from rich.live import Live

    with Live(
        get_renderable=shown.renderable,
        console=Console(stderr=True),
        refresh_per_second=_A_SECOND,
        transient=True,
    ):
        yield


@contextmanager
def _lines(settings: Settings, shown: Shown) -> Iterator[None]:
    """Say how far it is every few seconds, from a thread: files may be long in coming."""
    ended = threading.Event()

    def tell() -> None:
        while not ended.wait(LINE_INTERVAL):
            note(settings, f"downloading: {shown.line()}")

    thread = threading.Thread(target=tell, daemon=True, name="cedar-shown")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def failures_told(failures: Mapping[Path, CedarError], most: int) -> Iterator[str]:
    """Why files could not be had, in lines: those of one cause together.

    Parameters
    ----------
    most : int
        Causes, and files of each, that are named.
    """
    together: dict[str, list[Path]] = {}
    for path, error in failures.items():
        together.setdefault(_cause(path, error), []).append(path)
    for paths in [*together.values()][:most]:
        yield from _told(paths, str(failures[paths[0]]), most)
    if rest := [*together.values()][most:]:
        yield f"… and {number(sum(map(len, rest)), 'file')} more, of other causes"


def _cause(path: Path, error: CedarError) -> str:
    """Return an error's words without those that are its file's alone."""
    return str(error).replace(str(path), "…").replace(_key(error), "…").replace(path.name, "…")


def _key(error: Any) -> str:
    return getattr(error, "key", None) or "…"


def _told(paths: Sequence[Path], why: str, most: int) -> Iterator[str]:
    if len(paths) == 1:
        yield f"{paths[0]}: {why}"
        return
    yield f"{number(len(paths), 'file')}, same cause: {why}"
    yield from (f"  {path}" for path in paths[:most])
    if len(paths) > most:
        yield f"  … and {len(paths) - most:,} more"
