from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from emulated import Memory, expression, make_grid, make_image, official_client

from cedar.emulator.evaluate import evaluate
from cedar.emulator.values import Image


@pytest.fixture(scope="module")
def ee() -> Iterator[Any]:
    """The official client, which knows the functions but sends nothing."""
    with official_client() as ee:
        yield ee


@pytest.fixture(scope="module")
def run(ee: Any) -> Callable[..., Any]:
    """Evaluates what the client built, over images of MEMORY or a catalog."""

    def run(built: Any, *images: Image, catalog: Memory | None = None) -> Any:
        return evaluate(expression(built), catalog or Memory(images))

    return run


@pytest.fixture(scope="session")
def catalog() -> type[Memory]:
    return Memory


@pytest.fixture(scope="session")
def image() -> Callable[..., Image]:
    return make_image


@pytest.fixture(scope="session")
def grid() -> Callable[..., Any]:
    return make_grid
