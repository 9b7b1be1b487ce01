"""The methods of Earth Engine that are about exports."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

from ..clock import Clock
from ..faults import Faults
from ..settings import Settings
from ..state import State
from ..transport import Call, Reply, as_json
from ..values import Catalog, ServiceError
from .destinations import Ask
from .export import Export
from .exporter import Exporter, Surroundings
from .locks import Owner, is_alive
from .operations import Operations
from .queue import Queue
from .workers import Workers

#: (HTTP verb, path, name in the log)
METHODS: Final = (
    ("GET", "/v1/projects/[^/]+/config", "config"),
    ("POST", "/v1/projects/[^/]+/image:export", "image:export"),
    ("GET", "/v1/projects/[^/]+/operations", "operations.list"),
    ("GET", "/v1/projects/[^/]+/operations/[^/:]+", "operations.get"),
    ("POST", "/v1/projects/[^/]+/operations/[^/:]+:cancel", "operations.cancel"),
)
_SIZE: Final = re.compile("-?[0-9]{1,9}")


class Batch:
    """Exports: a queue of tasks, and who runs them while it is open.

    Parameters
    ----------
    state : State
        Where tasks are kept. Others may have it too: a task is run by one of them.
    clock : Clock
    settings : Settings
    faults : Faults
        What goes wrong with tasks.
    ask : callable
        Carries requests to other services out.
    in_force : callable
        Makes limits and answers hold in a block.
    catalog : Catalog
        Where images come from.
    """

    def __init__(
        self,
        state: State,
        clock: Clock,
        settings: Settings,
        faults: Faults,
        ask: Ask,
        in_force: Callable[[], AbstractContextManager[None]],
        catalog: Catalog,
    ):
        self._state, self._concurrent = state, settings.concurrent_tasks
        self._operations = Operations(state, clock, settings)
        queue = Queue(
            state, clock, settings.concurrent_tasks, lambda name: is_alive(self._owners / name)
        )
        surroundings = Surroundings(
            catalog, clock, faults, ask, in_force, lambda: self._files, settings.task_seconds
        )
        run = Exporter(queue, surroundings).run
        self._workers = Workers(queue, clock, lambda: Owner(self._owners / uuid.uuid4().hex), run)

    @property
    def _owners(self) -> Path:
        return self._state.directory / "owners"

    @property
    def _files(self) -> Path:
        return self._state.directory / "tasks"

    def open(self) -> None:
        """Run tasks from now on; at once, where the state has some."""
        self._workers.open()
        if self._state.exists():
            self._workers.look()

    def close(self) -> None:
        """Give back what runs, and end every thread."""
        self._workers.close()

    def settle(self, timeout: float) -> None:
        """Return once all that runs here waits for nothing but time.

        Raises
        ------
        TimeoutError
            It still doesn't after `timeout` real seconds.
        """
        if self._state.exists():
            self._workers.settle(timeout)

    def answer(self, method: str, call: Call, body: Mapping[str, Any]) -> Reply:
        """Carry a request out.

        Parameters
        ----------
        method : str
            Of :data:`METHODS`.
        call : Call
        body : mapping
            The call's, read.

        Raises
        ------
        ServiceError
            What the service answers instead, or what the emulator doesn't have.
        """
        name = call.plain_path.removeprefix("/v1/")
        project = name.split("/")[1]
        answer: dict[str, Any] = {}
        if method == "config":
            return as_json({"name": name, "maxConcurrentExports": self._concurrent})
        if method == "image:export":
            answer = self._operations.add(project, Export.parse(body), call.body)
        elif method == "operations.cancel":
            self._operations.cancel(name.removesuffix(":cancel"))
            self._workers.changed()
        self._workers.look()
        if method == "operations.get":
            answer = self._operations.get(name)
        elif method == "operations.list":
            answer = self._operations.page(
                project, _size(call.query.get("pageSize")), call.query.get("pageToken", "")
            )
        return as_json(answer)


def _size(given: str | None) -> int:
    if given is None:
        return 0
    if not _SIZE.fullmatch(given):
        raise ServiceError(f"Invalid page size {given[:20]!r}.")
    return int(given)
