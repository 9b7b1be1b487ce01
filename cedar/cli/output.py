"""What commands write: the result to standard output, all else to standard error."""

from __future__ import annotations

import datetime as dt
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import click

from cedar.changes import is_put_off
from cedar.states import RETRYABLE, TaskState

if TYPE_CHECKING:
    from cedar.metadata import TrackingMetadata

    from .base import Settings

#: Seconds between two lines of progress where there is no terminal.
LINE_INTERVAL: Final = 10.0

#: Called with the part done, 0 to 1 (None: it isn't known), and what is done.
Report = Callable[[float | None, str], None]


def write(settings: Settings, data: Any, lines: Iterable[str | bytes]) -> None:
    """Write a command's result: `data` with ``--json``, else `lines`."""
    if settings.json:
        import json

        lines = [json.dumps(data, indent=1)]
    for line in lines:
        click.echo(line)
    sys.stdout.flush()


def note(settings: Settings, text: str) -> None:
    """Say something that isn't the result."""
    if not settings.quiet:
        click.echo(text, err=True)


def on_terminal() -> bool:
    """Whether a person is there to read and to answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def confirmed(question: str) -> bool:
    """Ask a question; only a yes is one."""
    click.echo(f"{question} [y/N] ", nl=False, err=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def counts(states: Mapping[str, int]) -> str:
    """States in words: ``2 COMPLETED, 1 EMPTY``."""
    return ", ".join(f"{number} {state}" for state, number in states.items())


def number(count: int, noun: str) -> str:
    """A number of things: ``1 item``, ``2 items``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def in_a_line(words: str) -> str:
    """A service's words, which may have line breaks in them."""
    return " ".join(words.split())


def summary(tracking: TrackingMetadata) -> str:
    """An order in a line."""
    return f"{tracking.name}: {counts(tracking.states)}"


def troubles(tracking: TrackingMetadata, most: int, more: str) -> list[str]:
    """What went wrong with an order's items, in lines: those of one cause together.

    Parameters
    ----------
    most : int
        Items of a cause that are named.
    more : str
        The command that names them all.
    """
    from cedar.causes import cause_of

    together: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for entry in tracking.orders:
        message = entry["status"].get("error_message")
        if message or tracking.state(entry) in RETRYABLE:
            key = _standing(tracking, entry), cause_of(message).words if message else ""
            together.setdefault(key, []).append(entry)
    return [line for (standing, _), entries in together.items()
            for line in _trouble(standing, entries, most, more)]  # fmt: skip


def _standing(tracking: TrackingMetadata, entry: Mapping[str, Any]) -> str:
    """An item's state, and until when it waits."""
    if is_put_off(entry):
        moment = dt.datetime.fromtimestamp(entry["status"]["not_before_ms"] / 1000, dt.UTC)
        return f"{tracking.state(entry)} until {moment:%Y-%m-%d %H:%M} UTC"
    return tracking.state(entry)


def _trouble(
    standing: str, entries: Sequence[Mapping[str, Any]], most: int, more: str
) -> Iterator[str]:
    """What is wrong with items for one cause: the service's own words, and what helps."""
    from cedar.causes import ADVICE, cause_of

    message = entries[0]["status"].get("error_message")
    why = f": {in_a_line(message)}" if message else ""
    if len(entries) == 1:
        yield f"{standing} {entries[0]['name']}{why}"
    else:
        yield f"{standing} {number(len(entries), 'item')}{', same cause' if why else ''}{why}"
        yield from (f"  {entry['name']}" for entry in entries[:most])
        if len(entries) > most:
            yield f"  … and {len(entries) - most:,} more: {more}"
    if is_put_off(entries[0]):
        yield "  `cedar retry` begins it at once"
    match standing:
        case TaskState.FAILED:
            yield f"  {ADVICE[cause_of(message).help]}"
        case TaskState.UNKNOWN:
            yield "  `cedar retry` looks for it once more, then makes it again"
        case TaskState.INCOMPLETE:
            yield "  files of it are missing: `cedar retry` makes it again"


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    """Lines of a table. Nothing in it is cut; numbers stand to the right."""
    rows = [header, *rows]
    columns = [[str(cell) for cell in column] for column in zip(*rows, strict=True)]
    widths = [max(map(len, column)) for column in columns]
    right = [all(isinstance(row[i], int) for row in rows[1:]) for i in range(len(header))]
    return [
        "  ".join(
            cell.rjust(width) if numbers else cell.ljust(width)
            for cell, width, numbers in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in zip(*columns, strict=True)
    ]


def adding(report: Report, total: int) -> Callable[[str, float], None]:
    """Make a callback as Tracker takes them, of what is done and of how many steps."""
    done = 0.0

    def callback(text: str, step: float) -> None:
        nonlocal done
        done += step
        report(done / total if total else None, text)

    return callback


@contextmanager
def progress(settings: Settings, title: str) -> Iterator[Report]:
    """Show how far something has come: a bar on a terminal, else a line now and then."""
    if settings.quiet:
        yield lambda _part, _text: None
    elif sys.stderr.isatty():
        with _bar(title) as report:
            yield report
    else:
        with _lines(settings, title) as report:
            yield report


@contextmanager
def _bar(title: str) -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[text]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None, text="")

        def report(part: float | None, text: str) -> None:
            bar.update(task, total=None if part is None else 1.0, completed=part or 0.0, text=text)

        yield report


@contextmanager
def _lines(settings: Settings, title: str) -> Iterator[Report]:
    due, kept = time.monotonic() + LINE_INTERVAL, ""

    def report(part: float | None, text: str) -> None:
        nonlocal due, kept
        kept = f"{title}: {text}" if part is None else f"{title}: {part:.0%}, {text}"
        if settings.verbose or time.monotonic() >= due:
            note(settings, kept)
            due, kept = time.monotonic() + LINE_INTERVAL, ""

    yield report
    if kept:
        note(settings, kept)
