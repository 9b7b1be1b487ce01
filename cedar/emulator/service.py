"""The emulator: its services, how they are reached, and its log of requests."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Protocol, Self

from ..exceptions import InputError
from .batch import Batch
from .catalog import ItemCatalog
from .clock import CLOCKS, Clock
from .cloudstorage import CloudStorage
from .drive import Drive
from .earthengine import EarthEngine
from .faults import Fault, Faults
from .limits import PAYLOAD, limited
from .questions import LIKELIEST, Answers, answering
from .server import Server
from .settings import DEFAULT, Settings
from .state import State
from .synthetic import SyntheticCatalog
from .transport import Call, Reply, Transport, refusal
from .values import ServiceError

logger = logging.getLogger(__name__)


class Request(NamedTuple):
    """A request that was made, as the log has it.

    Attributes
    ----------
    service : str
        ``earthengine``, ``gcs`` or ``gdrive``.
    method : str
        As the service names it: ``value:compute``, ``objects.insert``, ``files.list``; ``unknown``
        for what it doesn't have.
    path : str
        Path of the address, unquoted.
    status : int or None
        HTTP status of the answer; None where the connection was reset.
    """

    service: str
    method: str
    path: str
    status: int | None


class Service(Protocol):
    """What the emulator needs of a service to serve it."""

    def method(self, call: Call) -> str:
        """The log's name of what is asked for."""

    def slot(self, method: str, call: Call) -> AbstractContextManager[None]:
        """Count a request as under way in the block, or refuse it: ServiceError."""

    def answer(self, method: str, call: Call) -> Reply:
        """Carry a request out, or refuse it: ServiceError."""


class Emulator:
    """A local Earth Engine in this process, to be used as a context manager.

    The official client reaches it without a network, or from any process of this machine by
    loopback, as in the examples.

    What it doesn't have it refuses with an error that says so.

    Parameters
    ----------
    catalog : path, optional
        Directory of STAC Items: its images, and nothing else. Without one there are synthetic
        scenes of the Landsat collections, each with the property ``cedar:synthetic``.
    faults : sequence of mapping
        What goes wrong: {service, method (glob), nth (with count) or probability, action, value},
        see :class:`cedar.emulator.faults.Fault`.
    clock : {"real", "stepped"}
        Whether time moves by itself, or by ``emulator.clock.advance(seconds)`` only: the time that
        no synthetic image is later than, and that a delayed answer waits for.
    seed : int
        Of the dice for ``probability``, from 0.
    strict : bool
        Refuse what the service does for its size (``cedar/emulator/limits.py``), and to read
        images' own pixels coarser than 1.5 × without a method. Without, such reads are nearest.
    cache_bytes : int
        How many bytes of computePixels' answers to keep for when the same is asked for again, as a
        benchmark of clients does; a kept answer doesn't see that time has moved. None by default.
    answers : Answers
        How it answers what isn't known of the service, :class:`cedar.emulator.questions.Answers`.
    state : path, optional
        Directory for what is to outlast the emulator: tasks, buckets, Drive. Several emulators may
        have the same. Without one it is all gone at the end of the with block.
    settings : Settings
        Limits and times of the services, :class:`cedar.emulator.settings.Settings`.

    Attributes
    ----------
    url : str
        Base address for the client with ``transport``: a name that never resolves (RFC 6761).
    transport : Transport
        ``http_transport`` for the client; thread-safe.
    clock : Clock
        The emulator's time.
    requests : list of Request
        Every request answered so far, in the order of the answers.

    Raises
    ------
    ConfigError
        The catalog can't be used.
    InputError
        A fault, or another argument, can't be used.

    Examples
    --------
    >>> import ee
    >>> with Emulator() as emulator:
    ...     transport = emulator.transport
    ...     ee.Initialize(None, project="any", url=emulator.url, http_transport=transport)
    ...     ee.Number(1).add(1).getInfo()
    2
    >>> with Emulator() as emulator:
    ...     ee.Initialize(None, project="any", url=emulator.urls["earthengine"])
    ...     place = ee.Geometry.Point([-54.71, -25.11])
    ...     images = ee.ImageCollection("LANDSAT/LC08/C02/T1_L2").filterBounds(place)
    ...     images.filterDate("2020-01-01", "2020-01-20").aggregate_array("SPACECRAFT_ID").getInfo()
    ['LANDSAT_8', 'LANDSAT_8']
    >>> ee.Reset()
    """

    url: Final = "http://emulator.invalid"

    def __init__(
        self,
        catalog: str | Path | None = None,
        *,
        faults: Sequence[Mapping[str, Any]] = (),
        clock: str = "real",
        seed: int = 0,
        strict: bool = True,
        cache_bytes: int = 0,
        answers: Answers = LIKELIEST,
        state: str | Path | None = None,
        settings: Settings = DEFAULT,
    ):
        if clock not in CLOCKS:
            raise InputError(f"clock is one of {', '.join(CLOCKS)}, not {clock!r}")
        self._faults = Faults(faults, seed)
        self.clock: Clock = CLOCKS[clock]()
        images = ItemCatalog(catalog) if catalog is not None else SyntheticCatalog(self._seconds)
        self._state, self._settings = State(state), settings
        self._batch = Batch(
            self._state,
            self.clock,
            self._settings,
            self._faults,
            self._ask,
            self._in_force,
            images,
        )
        self._services: Mapping[str, Service] = {
            "earthengine": EarthEngine(images, self._batch, cache_bytes),
            "gcs": CloudStorage(self._state, self.clock, self._settings),
            "gdrive": Drive(self._state, self.clock, self._settings),
        }
        self._strict, self._answers = strict, answers
        self._open = False
        self._servers: dict[str, Server] = {}
        self._lock = threading.Lock()
        self.requests: list[Request] = []
        self.transport = Transport(partial(self._handle, "earthengine"))

    def __enter__(self) -> Self:
        self._open = True
        self.clock.start()
        self._batch.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open = False
        self.clock.stop()
        with self._lock:
            while self._servers:
                self._servers.popitem()[1].close()
        self._batch.close()
        self._state.close()

    @property
    def urls(self) -> Mapping[str, str]:
        """Base address of each service on this machine, by the service's name.

        The servers start when it is first read inside the with block: who stays in the process has
        no need of them.

        Raises
        ------
        InputError
            Outside of the with block.
        """
        return self.listen()

    def listen(self, port: int = 0) -> Mapping[str, str]:
        """Start the servers, if they aren't, and return :attr:`urls`.

        Parameters
        ----------
        port : int
            Of the first service, each other has the next one; 0: any that are free.

        Raises
        ------
        InputError
            Outside of the with block, or the port can't be had.
        """
        with self._lock:
            if not self._open:
                raise InputError("the emulator isn't running: use it inside its with block")
            for i, service in enumerate(self._services):
                if service not in self._servers:
                    self._servers[service] = Server(
                        partial(self._handle, service),
                        port and port + i,
                        PAYLOAD.most if self._strict and service == "earthengine" else None,
                    )
            return {service: server.url for service, server in self._servers.items()}

    def settle(self, timeout: float = 60.0) -> None:
        """Return once every export task that this emulator runs waits for nothing but time.

        So a test needn't ask again and again how a task is. Tasks that others run, who have the
        same state, aren't waited for.

        Raises
        ------
        TimeoutError
            One still runs after `timeout` real seconds.
        """
        self._batch.settle(timeout)

    def make_bucket(self, name: str) -> None:
        """Make the bucket `name` in Cloud Storage, if there is none.

        Raises
        ------
        InputError
            No bucket can have that name.
        """
        body = json.dumps({"name": name}).encode()
        try:
            self._ask("gcs", Call("POST", "/storage/v1/b?project=emulated", {}, body))
        except ServiceError as error:
            if error.code != HTTPStatus.CONFLICT:
                raise InputError(f"bucket {name!r}: {error.message}") from error

    def _seconds(self) -> float:
        return self.clock.now().timestamp()

    @contextmanager
    def _in_force(self) -> Iterator[None]:
        """Make limits and answers hold in the block as this emulator was told."""
        with limited(self._strict), answering(self._answers):
            yield

    def _ask(self, name: str, call: Call) -> Reply:
        """Have a service answer what comes from within: no fault happens to it, no log has it."""
        service = self._services[name]
        return service.answer(service.method(call), call)

    def _handle(self, name: str, call: Call) -> Reply:
        """Answer one request, unless a fault is due, and write it down."""
        service = self._services[name]
        try:
            path = call.plain_path
        except ValueError as error:
            return refusal(ServiceError(f"The address can't be read: {error}."))
        method = service.method(call)
        fault = self._faults.next(name, method)
        try:
            reply = self._answer(service, method, call, fault)
        except ConnectionResetError:
            self._note(Request(name, method, path, None))
            raise
        self._note(Request(name, method, path, reply.status))
        return reply

    def _note(self, request: Request) -> None:
        self.requests.append(request)
        logger.debug("%s %s: %s", request.method, request.path, request.status or "reset")

    def _answer(self, service: Service, method: str, call: Call, fault: Fault | None) -> Reply:
        try:
            with self._in_force(), service.slot(method, call):
                if fault is not None:
                    fault.before(self.clock)
                if not self._open:
                    raise ServiceError(
                        "The emulator isn't running: use it inside its with block.",
                        status="FAILED_PRECONDITION",
                    )
                reply = service.answer(method, call)
                return reply if fault is None else fault.after(reply)
        except ServiceError as error:
            return refusal(error)
        except ConnectionResetError:
            raise
        except Exception as error:
            logger.exception("the emulator failed at %s", method)
            problem = f"A fault in the emulator, {type(error).__name__}: {error}"
            return refusal(ServiceError(problem, 500, "INTERNAL"))
