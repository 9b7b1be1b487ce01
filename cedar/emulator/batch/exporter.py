"""What it is to run a task: to make its files, and to write them where they go."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Final

from ..clock import Clock
from ..faults import TASK, Fault, Faults
from ..values import Catalog, ServiceError
from . import tables
from .destinations import Ask, CloudStorageWriter, DriveWriter, Writer
from .export import Export
from .locks import alone
from .queue import Queue, Task
from .rendering import LOCAL, render_shards
from .workers import Interrupted, Job

logger = logging.getLogger(__name__)

#: HTTP status → google.rpc.Code, as googleapis/google/rpc/code.proto maps them.
_CODES: Final[Mapping[int, int]] = {
    HTTPStatus.BAD_REQUEST: 3,
    HTTPStatus.UNAUTHORIZED: 16,
    HTTPStatus.FORBIDDEN: 7,
    HTTPStatus.NOT_FOUND: 5,
    HTTPStatus.CONFLICT: 6,
    HTTPStatus.TOO_MANY_REQUESTS: 8,
    HTTPStatus.SERVICE_UNAVAILABLE: 14,
    HTTPStatus.GATEWAY_TIMEOUT: 4,
}
_INTERNAL: Final = 13


@dataclass(frozen=True)
class Surroundings:
    """What tasks are run with.

    Attributes
    ----------
    catalog : Catalog
        Where images come from.
    clock : Clock
    faults : Faults
        What goes wrong with tasks.
    ask : callable
        Carries requests to other services out.
    in_force : callable
        Makes limits and answers hold in a block.
    directory : callable
        Says where tasks' files may be put.
    task_seconds : float
        How long a task runs at least.
    """

    catalog: Catalog
    clock: Clock
    faults: Faults
    ask: Ask
    in_force: Callable[[], AbstractContextManager[None]]
    directory: Callable[[], Path]
    task_seconds: float


class Exporter:
    """Runs tasks.

    Parameters
    ----------
    queue : Queue
        Told how they end.
    surroundings : Surroundings
    """

    def __init__(self, queue: Queue, surroundings: Surroundings):
        self._queue, self._with = queue, surroundings

    def run(self, job: Job) -> None:
        """Run one task to its end, whatever that is."""
        task = job.task
        directory = self._with.directory() / task.name.rpartition("/")[2]
        carry_out = self._deliver if task.is_delivery else self._carry_out
        try:
            with self._with.in_force():
                carry_out(job, directory)
        except Interrupted:
            self._queue.stop(task)
        except ServiceError as error:
            self._fail(task, _CODES.get(error.code, _INTERNAL), error.message)
        except Exception as error:
            logger.exception("the emulator failed at %s", task.name)
            problem = f"A fault in the emulator, {type(error).__name__}: {error}"
            self._fail(task, _INTERNAL, problem)

    def _fail(self, task: Task, code: int, message: str) -> None:
        if task.is_delivery:
            logger.warning("the files of %s won't come: %s", task.name, message)
            self._queue.delivered(task)
        elif not self._queue.fail(task, (code, message)):
            self._queue.stop(task)

    def _carry_out(self, job: Job, directory: Path) -> None:
        fault = self._with.faults.next("earthengine", TASK)
        shutil.rmtree(directory, ignore_errors=True)  # what an attempt left that was killed
        directory.mkdir(parents=True)
        is_late = False
        try:
            export = Export.parse(json.loads(job.task.request))
            files = self._made(job, export, directory, fault)
            is_late = self._written(job, export, files, fault)
        finally:
            if not is_late:
                shutil.rmtree(directory)

    def _made(
        self, job: Job, export: Export, directory: Path, fault: Fault | None
    ) -> Sequence[Path]:
        """Make the files, and be done no sooner than the task may be."""
        delay = fault.value if fault is not None and fault.action == "delay" else 0
        seconds = self._with.task_seconds + delay
        done = partial(job.wait, job.task.started + int(seconds * tables.SECOND))
        try:
            if fault is not None and fault.action == "status":
                fault.before(self._with.clock)
            files = render_shards(export, self._with.catalog, directory, job.advance)
        except ServiceError:
            done()
            raise
        done()
        return files

    def _written(
        self, job: Job, export: Export, files: Sequence[Path], fault: Fault | None
    ) -> bool:
        """Write the files, and say so; tell whether they are to be written later instead."""
        writer, due = self._writer(job, export), None
        match fault:
            case Fault(action="late"):
                due, files = self._now() + int(fault.value * tables.SECOND), ()
            case Fault(action="half"):
                files = files[: len(files) // 2]
        self._write(job, writer, files)
        if not self._queue.succeed(job.task, writer.uri, due):
            raise Interrupted
        return due is not None

    def _deliver(self, job: Job, directory: Path) -> None:
        """Write files that are late."""
        export = Export.parse(json.loads(job.task.request))
        self._write(job, self._writer(job, export), sorted(directory.iterdir()))
        self._queue.delivered(job.task)
        shutil.rmtree(directory)

    def _write(self, job: Job, writer: Writer, files: Sequence[Path]) -> None:
        for written, path in enumerate(files):
            job.advance(**({} if job.task.is_delivery else {"written": written}))
            writer.write(f"{writer.destination.prefix}{path.name.removeprefix(LOCAL)}", path)

    def _writer(self, job: Job, export: Export) -> Writer:
        def wait() -> None:
            job.wait(self._now() + tables.SECOND)

        task = job.task
        if export.destination.service == "gcs":
            return CloudStorageWriter(self._with.ask, wait, export.destination)
        # Two tasks that find no folder of a title would make one each.
        with alone(self._with.directory() / "folders.lock"):
            mark = f"Written by cedar.emulator: {task.name}"
            writer = DriveWriter(self._with.ask, wait, export.destination, task.folder, mark)
            if writer.folder != task.folder:
                job.advance(folder=writer.folder)
        return writer

    def _now(self) -> int:
        return tables.microseconds(self._with.clock.now())
