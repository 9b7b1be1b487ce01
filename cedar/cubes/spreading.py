"""Filling a cube by many machines: cells are handed to the workers of a dask.distributed cluster.

All have to see the files, and the cube, under the same paths. Of a format that one process alone
can write, workers read and send, and this process writes as blocks arrive.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from cedar.exceptions import InputError, StoreError

from .filling import Progress, Target, Work, fill_cell, read

if TYPE_CHECKING:
    from .images import Window
    from .parts import Layers, Pixels

#: Tasks under way for each worker.
_AHEAD: Final = 2
#: Seconds that a scheduler has to answer.
_ANSWER: Final = 30


def spread(work: Work, target: Target, scheduler: str, progress: Progress | None = None) -> None:
    """Fill a cube by the workers of a cluster.

    Parameters
    ----------
    scheduler : str
        The address of its scheduler.
    progress : callable, optional
        Called with the part that is done.

    Raises
    ------
    InputError
        dask.distributed isn't installed.
    StoreError
        The scheduler can't be reached or has no workers, or these died.
    """
    try:
        distributed = import_module("distributed")
    except ModuleNotFoundError as error:
        raise InputError(
            f"a scheduler needs {error.name}, which isn't installed: pip install 'cedar-eo[dask]'"
        ) from error
    try:
        client = distributed.Client(scheduler, timeout=_ANSWER, set_as_default=False)
    except (OSError, ValueError) as error:
        raise StoreError(f"the scheduler {scheduler} can't be reached: {error}") from error
    with client:
        if not (n_workers := len(client.scheduler_info(n_workers=-1)["workers"])):
            raise StoreError(f"the scheduler {scheduler} has no workers: start some")
        try:
            for done in _carry_out(work, target, client, _AHEAD * n_workers):
                if progress is not None:
                    progress(done)
        except distributed.KilledWorker as error:
            raise StoreError(f"workers of the scheduler {scheduler} died: {error}") from error


def _carry_out(work: Work, target: Target, client: Any, most: int) -> Iterator[float]:
    """Yield the part that is done, as often as a task is."""
    cells = work.cells()
    if target.is_shared:
        # Once for each worker: a record may be large.
        shared = client.scatter((work, target), broadcast=True, hash=False)
        for number, _ in enumerate(_tasks(client, most, _fill, shared, cells), 1):
            yield number / len(cells)
        return
    jobs = [(cell, time, layers) for cell in cells for time, layers in work.slices(cell)]
    for number, (cell, time, pixels) in enumerate(_tasks(client, most, _read, None, jobs), 1):
        target.write(time, cell, pixels)
        yield number / len(jobs)


def _tasks(
    client: Any, most: int, call: Callable[..., Any], shared: Any, jobs: Iterable[Any]
) -> Iterator[Any]:
    """Yield what a call gives for each of some jobs, as they end; so many at a time."""
    waiting = iter(jobs)

    def start(count: int) -> list[Any]:
        return [client.submit(call, shared, job, pure=False) for job in islice(waiting, count)]

    under_way = import_module("distributed").as_completed(start(most), loop=client.loop)
    for task in under_way:
        yield task.result()
        task.release()
        under_way.update(start(1))


def _fill(shared: tuple[Work, Target], cell: Window) -> None:
    """Fill a cell. It runs on a worker."""
    work, target = shared
    fill_cell(work, target, cell)


def _read(_shared: None, job: tuple[Window, int, Layers]) -> tuple[Window, int, Pixels]:
    """Read a slice of a cell. It runs on a worker."""
    cell, time, layers = job
    return cell, time, read(layers, cell)
