"""What a stream from an object store is on a bad day: one request, and an error that says why."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fault_proxy import Answer, Fault, Proxy, proxied
from store_kinds import KINDS, S3_OPTIONS, Kind, request

from cedar.exceptions import Interrupted, StoreError
from cedar.stores.object import ObjectStore
from cedar.stores.streams import PIECE

DATA = os.urandom(3 * PIECE)


@pytest.fixture
def proxy(served: Callable[[Kind], str]) -> Iterator[Proxy]:
    with proxied(served(KINDS["object"])) as proxy:
        yield proxy


@pytest.fixture
def store(proxy: Proxy) -> ObjectStore:
    """A store behind the proxy, with DATA at P/a.tif."""
    bucket = uuid.uuid4().hex
    request(f"{proxy.url}/{bucket}", "PUT")
    store = ObjectStore(f"s3://{bucket}/orders", {**S3_OPTIONS, "endpoint": proxy.url})
    store.write("P/a.tif", DATA)
    proxy.asked.clear()
    return store


@pytest.mark.parametrize(
    ("fault", "slow_down"),
    [
        ({"instead": Answer(503, b"<Error><Code>SlowDown</Code></Error>")}, True),
        ({"instead": Answer(429)}, True),
        ({"instead": Answer(500)}, False),
        ({"lost": True}, False),
        ({"cut": 0}, False),
        ({"cut": 2 * PIECE + 5}, False),
    ],
)
def test_what_may_pass_interrupts_a_stream(
    store: ObjectStore, proxy: Proxy, fault: dict[str, Any], slow_down: bool
) -> None:
    proxy.faults.append(Fault("GET", **fault))
    stream, arrived = store.stream("P/a.tif", 10, len(DATA)), []
    with pytest.raises(Interrupted, match=r"can't read P/a\.tif: ") as caught:
        arrived.extend(stream)
    assert caught.value.slow_down == slow_down
    assert "http" not in str(caught.value)
    assert DATA[10:].startswith(b"".join(arrived))
    assert len(proxy.paths("GET")) == 1
    assert b"".join(store.stream("P/a.tif", 10, len(DATA))) == DATA[10:]


def test_a_refusal_is_no_interruption_of_a_stream(store: ObjectStore, proxy: Proxy) -> None:
    proxy.faults.append(Fault("GET", instead=Answer(403, b"<Code>AccessDenied</Code>")))
    with pytest.raises(StoreError, match="403 AccessDenied") as caught:
        next(store.stream("P/a.tif", 0, 4))
    assert not isinstance(caught.value, Interrupted)
    assert len(proxy.paths("GET")) == 1


def test_a_service_that_ignores_ranges_has_no_streams(store: ObjectStore, proxy: Proxy) -> None:
    proxy.faults.append(Fault("GET", drop=("range",)))
    with pytest.raises(StoreError, match=r"can't read P/a\.tif") as caught:
        list(store.stream("P/a.tif", 1, 3))
    assert not isinstance(caught.value, Interrupted)


def test_a_service_that_does_not_answer_interrupts_a_stream(
    store: ObjectStore, proxy: Proxy
) -> None:
    is_over = threading.Event()
    proxy.faults.append(Fault("GET", then=lambda: is_over.wait(20)))
    with pytest.raises(Interrupted):
        next(store.stream("P/a.tif", 0, 4, timeout=0.1))
    is_over.set()
    assert next(store.stream("P/a.tif", 0, 4, timeout=20)) == DATA[:4]
