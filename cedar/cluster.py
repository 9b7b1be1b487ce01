"""Fetching by many machines: files are handed to the workers of a dask.distributed cluster.

Each worker opens the store itself, from its section of the configuration, with the credentials that
are on its machine: none are sent. All have to see the directory under the same path.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .exceptions import InputError, StoreError
from .fetching import Fetcher
from .stores import Origin, Store, open_store
from .wanted import FINISHED, Fetching, FileEvent, FileState, Wanted

if TYPE_CHECKING:
    from distributed import Client

#: What a worker is handed together at the most, unless it is one file: bytes, and files.
_BYTES: Final = 64 * 2**20
_FILES: Final = 100


@dataclass(frozen=True)
class _Ended:
    """How a file ended, as it can be sent: an error as its words."""

    index: int
    state: FileState
    arrived: int
    why: str | None = None


def fetch(
    scheduler: str, store: Store, options: Fetching, wanted: Sequence[Wanted]
) -> Iterator[FileEvent]:
    """Have some files, by the workers of a cluster; how each ended.

    Parameters
    ----------
    scheduler : str
        The address of its scheduler.
    options : Fetching
        Of each worker; but the rate is that of all together.

    Raises
    ------
    InputError
        dask.distributed isn't installed, or the store was made by hand.
    StoreError
        The scheduler can't be reached or has no workers, or a disk is full.
    """
    try:
        distributed = import_module("distributed")
    except ModuleNotFoundError as error:
        raise InputError(
            f"a scheduler needs {error.name}, which isn't installed: pip install 'cedar-eo[dask]'"
        ) from error
    if store.origin is None:
        raise InputError(
            f"{store!r} was made by hand, so no worker of a cluster can make it too: make it by "
            "open_store, or the tracker by Tracker.from_config"
        )
    try:
        client = distributed.Client(scheduler, timeout=options.timeout, set_as_default=False)
    except (OSError, ValueError) as error:
        raise StoreError(f"the scheduler {scheduler} can't be reached: {error}") from error
    with client:
        share = _shared(options, client, scheduler)
        tasks = [
            client.submit(_fetch, store.origin, share, batch, pure=False)
            for batch in _batches(wanted)
        ]
        try:
            for task in distributed.as_completed(tasks, loop=client.loop):
                for ended in task.result():
                    yield _told(wanted[ended.index], ended)
        except distributed.KilledWorker as error:
            raise StoreError(f"workers of the scheduler {scheduler} died: {error}") from error


def _shared(options: Fetching, client: Client, scheduler: str) -> Fetching:
    """Give each worker its share of the rate."""
    workers = len(client.scheduler_info(n_workers=-1)["workers"])
    if not workers:
        raise StoreError(f"the scheduler {scheduler} has no workers: start some")
    return options if options.rate is None else replace(options, rate=options.rate / workers)


def _batches(wanted: Sequence[Wanted]) -> Iterator[list[tuple[int, Wanted]]]:
    """Put small files together, so that each is worth a task; paths are whole in them."""
    batch: list[tuple[int, Wanted]] = []
    size = 0
    for index, each in enumerate(wanted):
        if batch and (size + each.info.size > _BYTES or len(batch) == _FILES):
            yield batch
            batch, size = [], 0
        batch.append((index, replace(each, path=each.path.absolute())))
        size += each.info.size
    if batch:
        yield batch


def _fetch(origin: Origin, options: Fetching, batch: Sequence[tuple[int, Wanted]]) -> list[_Ended]:
    """Have some files. It runs on a worker."""
    store = _opened(origin.kind, json.dumps(origin.section), origin.directory)
    indices = {each.path: index for index, each in batch}
    return [
        _Ended(indices[event.path], event.state, event.arrived, str(event.error or "") or None)
        for event in Fetcher(store, options).run(each for _, each in batch)
        if event.state in FINISHED
    ]


@lru_cache(maxsize=4)
def _opened(kind: str, section: str, directory: Path) -> Store:
    """Make a store, once for a process: it keeps its connections."""
    return open_store(kind, json.loads(section), directory)


def _told(wanted: Wanted, ended: _Ended) -> FileEvent:
    error = None if ended.why is None else StoreError(ended.why, wanted.info.key)
    return FileEvent(wanted.path, ended.state, ended.arrived, wanted.info.size, error)
