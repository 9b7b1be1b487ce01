"""The client, connected: it needs a session to build an expression."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from emulated import official_client


@pytest.fixture(scope="module", autouse=True)
def _client() -> Iterator[None]:
    with official_client():
        yield
