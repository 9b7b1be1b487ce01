from __future__ import annotations

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

    def connect(emulator: Emulator) -> Any:
        # Empty, it would be fetched from the network.
        ee.deprecation.deprecated_assets = {"": None}
        ee.Initialize(None, project="any", url=emulator.url, http_transport=emulator.transport)
        return ee

    yield connect
    ee.Reset()


@pytest.fixture
def emulator(landsat: Path) -> Iterator[Emulator]:
    """An emulator of the two real clips."""
    with Emulator(landsat) as emulator:
        yield emulator


@pytest.fixture
def client(emulator: Emulator, connect: Callable[[Emulator], Any]) -> Any:
    """``ee``, connected to :func:`emulator`."""
    return connect(emulator)
