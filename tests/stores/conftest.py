"""A server a kind for all tests, and a store of each for each test of the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from store_kinds import KINDS, Connect, Kind

from cedar.stores import Store


@pytest.fixture(scope="session")
def served() -> Iterator[Callable[[Kind], str]]:
    """Give the url of a kind's server, which starts when it is first asked for."""
    urls: dict[int, str] = {}
    with ExitStack() as stack:

        def url(kind: Kind) -> str:
            if id(kind) not in urls:
                urls[id(kind)] = stack.enter_context(kind.serve())
            return urls[id(kind)]

        yield url


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    """A kind of store, of whose gaps a test must fail."""
    kind = KINDS[request.param]
    if reason := kind.gaps.get(request.node.originalname) or kind.gaps.get(request.node.name):
        request.applymarker(pytest.mark.xfail(strict=True, reason=reason))
    return kind


@pytest.fixture
def url(kind: Kind, served: Callable[[Kind], str]) -> Iterator[str]:
    """The url of the server of a new store."""
    if kind.is_shared:
        yield served(kind)
    else:
        with kind.serve() as url:
            yield url


@pytest.fixture
def connect(kind: Kind, url: str, tmp_path: Path) -> Connect:
    """What connects to a new store."""
    return kind.new(url, tmp_path)


@pytest.fixture
def store(connect: Connect) -> Store:
    """A new store."""
    return connect()


@pytest.fixture
def fill(kind: Kind, url: str) -> Callable[[Store, Sequence[str]], None]:
    """Write many empty objects into a store."""
    return partial(kind.fill, url)
