"""How commands end: exit codes, and what is said about errors."""

from __future__ import annotations

import logging
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Final

import click

from cedar.exceptions import CedarError, InputError
from cedar.states import UNSUCCESSFUL

from .output import note

if TYPE_CHECKING:
    from cedar.metadata import TrackingMetadata

    from .base import Settings

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
INCOMPLETE: Final = 3
#: What a shell makes of a process that a signal ended.
SIGNALLED: Final = 128

#: Failed items that are told one by one.
TOLD: Final = 10


class Terminated(BaseException):
    """The process was asked to end (SIGTERM)."""


@contextmanager
def terminable() -> Iterator[None]:
    """Make SIGTERM an exception, as Ctrl-C is one, so that what is under way is put in order."""

    def terminate(_number: int, _frame: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Log(logging.Handler):
    """Shows cedar's log, as far as the settings want it; what others log, for debugging only."""

    def __init__(self, settings: Settings):
        super().__init__()
        self._settings = settings

    def emit(self, record: logging.LogRecord) -> None:
        ours = record.name.split(".")[0] == "cedar"
        lowest = logging.WARNING if ours else logging.CRITICAL + 1
        if self._settings.debug:
            lowest = logging.DEBUG
        elif self._settings.verbose:
            lowest = min(lowest, logging.INFO) if ours else lowest
        if record.levelno >= lowest:
            note(self._settings, f"{record.levelname.capitalize()}: {self.format(record)}")


@contextmanager
def logged(settings: Settings) -> Iterator[None]:
    """Show logs and Python's warnings as the settings want them."""
    handler, ours = _Log(settings), logging.getLogger("cedar")
    level = ours.level
    ours.setLevel(logging.DEBUG)
    logging.getLogger().addHandler(handler)
    logging.captureWarnings(capture=True)
    try:
        yield
    finally:
        logging.captureWarnings(capture=False)
        logging.getLogger().removeHandler(handler)
        ours.setLevel(level)


def outcome(settings: Settings, tracking: TrackingMetadata) -> int:
    """Say how an order stands, if it isn't complete, and return the exit code for it."""
    if tracking.active:
        note(settings, f"not complete yet; next: {settings.command('watch', tracking.name)}")
        return INCOMPLETE
    failed = [entry for entry in tracking.orders if entry["status"]["state"] in UNSUCCESSFUL]
    for entry in failed[:TOLD]:
        message = entry["status"].get("error_message")
        told = f"{entry['status']['state']} {entry['name']}"
        note(settings, f"{told}: {message}" if message else told)
    if failed:
        if len(failed) > TOLD:
            more = settings.command("show", tracking.name)
            note(settings, f"… and {len(failed) - TOLD} more: {more}")
        return FAILED
    if not tracking.complete:
        note(settings, f"not complete; more: {settings.command('show', tracking.name)}")
        return INCOMPLETE
    return DONE


def failed(error: BaseException, settings: Settings) -> int:
    """Say in one line what went wrong, and return the exit code for it.

    The one place where errors become exit codes.
    """
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if settings.debug:
        traceback.print_exception(error)
    match error:
        case BrokenPipeError():
            # Whoever read has gone. Python flushes at its end: into nothing, then.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return SIGNALLED + signal.SIGPIPE
        case KeyboardInterrupt():
            code, message = SIGNALLED + signal.SIGINT, f"Interrupted: {settings.interrupted}"
        case Terminated():
            code, message = SIGNALLED + signal.SIGTERM, f"Terminated: {settings.interrupted}"
        case click.UsageError():
            code, message = USAGE, f"Error: {_usage(error)}"
        case InputError():
            code, message = USAGE, f"Error: {error}"
        case CedarError():
            code, message = FAILED, f"Error: {error}"
        case OSError():
            where = f"{error.filename}: " if error.filename else ""
            code, message = FAILED, f"Error: {where}{error.strerror or error}"
        case _:
            code = FAILED
            message = (
                f"Error: a fault in cedar, {type(error).__name__}: {error}; please report it, with "
                "what the same command says with --debug"
            )
    click.echo(" ".join(message.split()), err=True)
    return code


def _usage(error: click.UsageError) -> str:
    message = error.format_message().rstrip(".")
    path = error.ctx.command_path if error.ctx else "cedar"
    return f"{message}; `{path} --help` says what there is"
