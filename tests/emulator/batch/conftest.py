from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from export_requests import make_bucket, request

from cedar.emulator import Emulator
from cedar.emulator.settings import Settings


@pytest.fixture(params=["in-process", "loopback"])
def each_way(request: pytest.FixtureRequest, connect: Callable[..., Any]) -> Callable[..., Any]:
    """Connects the official client in each of its two ways."""

    def connect_so(emulator: Emulator) -> Any:
        return connect(emulator, by_loopback=request.param == "loopback")

    return connect_so


@pytest.fixture
def stepped(landsat: Path) -> Iterator[Emulator]:
    """An emulator with a bucket, whose tasks run for a minute of a clock that stands still."""
    with Emulator(landsat, clock="stepped", settings=Settings(task_seconds=60)) as emulator:
        make_bucket(emulator)
        yield emulator


class Exports:
    """Starts exports by the official client, and asks how they are."""

    def __init__(self, ee: Any):
        self.ee = ee

    def start(self, request_id: str = "", **changes: Any) -> str:
        """Start one; the operation's name."""
        return str(self.ee.data.exportImage(request_id, request(**changes))["name"])

    def metadata(self, name: str) -> dict[str, Any]:
        return dict(self.ee.data.getOperation(name)["metadata"])

    def state(self, name: str) -> str:
        return str(self.metadata(name)["state"])

    def states(self, names: list[str]) -> list[str]:
        return [self.state(name) for name in names]

    def error(self, name: str) -> dict[str, Any]:
        return dict(self.ee.data.getOperation(name)["error"])


@pytest.fixture
def exports(connect: Callable[..., Any]) -> Callable[[Emulator], Exports]:
    """Exports by the official client, in the process."""
    return lambda emulator: Exports(connect(emulator))
