from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cedar.emulator import Emulator

LANDSAT = Path(__file__).parents[1] / "data" / "landsat"


@pytest.fixture(scope="session")
def landsat() -> Path:
    """The directory of the two real clips and their Items."""
    return LANDSAT


@pytest.fixture
def connect() -> Iterator[Callable[[Emulator], Any]]:
    """Connects the official client to an emulator; its state is the process's."""
    import ee
    import ee.deprecation

    # Whatever ran before in this process: once it has the algorithms, it asks for them no more.
    ee.Reset()

    def connect(emulator: Emulator, *, by_loopback: bool = False) -> Any:
        # Empty, it would be fetched from the network.
        ee.deprecation.deprecated_assets = {"": None}
        if by_loopback:
            ee.Initialize(None, project="any", url=emulator.urls["earthengine"])
        else:
            ee.Initialize(None, project="any", url=emulator.url, http_transport=emulator.transport)
        return ee

    yield connect
    ee.Reset()


@pytest.fixture(params=["in-process", "loopback"])
def ask(request: pytest.FixtureRequest) -> Callable[..., tuple[int, bytes]]:
    """Asks an emulator (verb, path, body) for a status and a body, each of the two ways."""

    def in_process(emulator: Emulator, verb: str, path: str, body: bytes = b"") -> Any:
        response, content = emulator.transport.request(emulator.url + path, verb, body)
        return response.status, content

    def by_loopback(emulator: Emulator, verb: str, path: str, body: bytes = b"") -> Any:
        host = emulator.urls["earthengine"].removeprefix("http://")
        connection = http.client.HTTPConnection(host, timeout=60)
        try:
            connection.request(verb, path, body)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    return in_process if request.param == "in-process" else by_loopback


@pytest.fixture
def emulator(landsat: Path) -> Iterator[Emulator]:
    """An emulator of the two real clips."""
    with Emulator(landsat) as emulator:
        yield emulator


@pytest.fixture
def client(emulator: Emulator, connect: Callable[[Emulator], Any]) -> Any:
    """``ee``, connected to :func:`emulator`."""
    return connect(emulator)
