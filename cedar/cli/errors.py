"""How commands end: exit codes, and what is said about errors."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Final

import click

from cedar.changes import is_held
from cedar.exceptions import CedarError, InputError
from cedar.results import Result, result_of
from cedar.states import RETRYABLE, TaskState

from .output import note, troubles

if TYPE_CHECKING:
    from cedar.metadata import TrackingMetadata

    from .base import Settings

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
INCOMPLETE: Final = 3
#: How work on orders has ended, of every command that works on them.
CODES: Final = {
    Result.DONE: DONE,
    Result.FAILED: FAILED,
    Result.UNFINISHED: INCOMPLETE,
    Result.WAITING: INCOMPLETE,
}
#: What a shell makes of a process that a signal ended.
SIGNALLED: Final = 128

#: Items of one cause that are told one by one.
TOLD: Final = 10


_log = logging.getLogger(__name__)
#: How the error that ended a command is logged: for the log's file only.
_ENDED: Final = "%s"


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
        if record.msg is _ENDED:
            return  # It has been said already.
        ours = record.name.split(".")[0] == "cedar"
        lowest = logging.WARNING if ours else logging.CRITICAL + 1
        if self._settings.debug:
            lowest = logging.DEBUG
        elif self._settings.verbose:
            lowest = min(lowest, logging.INFO) if ours else lowest
        if record.levelno >= lowest:
            note(self._settings, f"{record.levelname.capitalize()}: {self.format(record)}")


class _File(logging.Handler):
    """Appends all that is logged to the file that the settings name, opened when it is needed."""

    def __init__(self, settings: Settings):
        super().__init__()
        self._settings = settings
        self._file: logging.FileHandler | None = None
        self._ended = False
        line = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s"
        formatter = logging.Formatter(line, "%Y-%m-%dT%H:%M:%S")
        formatter.converter = time.gmtime
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        # A thread may be late with its record, and the file would be opened once more.
        if self._ended:
            return
        if self._file is None and self._settings.log_file is not None:
            self._file = logging.FileHandler(self._settings.log_file, encoding="utf-8")
            self._file.setFormatter(self.formatter)
        if self._file is not None:
            self._file.emit(record)

    def close(self) -> None:
        self.acquire()
        try:
            self._ended = True
            if self._file is not None:
                self._file.close()
        finally:
            self.release()
        super().close()


@contextmanager
def logged(settings: Settings) -> Iterator[None]:
    """Show logs and Python's warnings as the settings want them, and keep them in their file."""
    handlers, ours = (_Log(settings), _File(settings)), logging.getLogger("cedar")
    level = ours.level
    ours.setLevel(logging.DEBUG)
    for handler in handlers:
        logging.getLogger().addHandler(handler)
    logging.captureWarnings(capture=True)
    try:
        yield
    finally:
        logging.captureWarnings(capture=False)
        for handler in handlers:
            logging.getLogger().removeHandler(handler)
            handler.close()
        ours.setLevel(level)


def outcome(settings: Settings, tracking: TrackingMetadata) -> int:
    """Say how an order stands, if it isn't complete, and return the exit code for it."""
    code = CODES[result_of(tracking)]
    if code == DONE:
        return code
    if tracking.active and all(map(is_held, tracking.active)):
        for line in troubles(tracking, TOLD, settings.command("show", tracking.name)):
            note(settings, line)
        return code
    if tracking.active:
        note(settings, f"not complete yet; next: {settings.command('watch', tracking.name)}")
        return code
    show = settings.command("show", tracking.name)
    for line in troubles(tracking, TOLD, show):
        note(settings, line)
    states = tracking.states.keys()
    if TaskState.INCOMPLETE in states:
        note(settings, f"not complete; more: {show}")
    if states & RETRYABLE - {TaskState.CANCELLED}:
        note(settings, f"next: {settings.command('retry', tracking.name)}")
    return code


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
    message = " ".join(message.split())
    click.echo(message, err=True)
    _log.error(_ENDED, message)
    return code


def _usage(error: click.UsageError) -> str:
    message = error.format_message().rstrip(".")
    path = error.ctx.command_path if error.ctx else "cedar"
    return f"{message}; `{path} --help` says what there is"
