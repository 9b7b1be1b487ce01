"""What tests of Cloud Storage share: a bucket, and emulators that serve it well or badly."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cedar.emulator import Emulator
from cedar.emulator.settings import Settings
from cedar.stores.gcs import GCSStore

BUCKET = "a-bucket"
FAST = Settings(object_writes=0)


@contextmanager
def serving(
    state: Path, *faults: dict[str, Any], settings: Settings = FAST, **kwds: Any
) -> Iterator[Emulator]:
    """Serve what is in a directory, where a bucket is; the request log begins empty."""
    faults = tuple({"service": "gcs", **fault} for fault in faults)
    is_new = not state.exists()
    with Emulator(state=state, faults=faults, settings=settings, **kwds) as emulator:
        if is_new:
            ask(f"{emulator.urls['gcs']}/storage/v1/b?project=p", "POST", {"name": BUCKET})
            emulator.requests.clear()
        yield emulator


def store_of(emulator: Emulator, bucket: str = BUCKET) -> GCSStore:
    """A store in an emulator."""
    return GCSStore(bucket, url=emulator.urls["gcs"])


def asked(emulator: Emulator) -> list[tuple[str, int | None]]:
    """What was asked since last, and how it was answered."""
    found = [(request.method, request.status) for request in emulator.requests]
    emulator.requests.clear()
    return found


def ask(url: str, verb: str, body: dict[str, Any] | None = None) -> bytes:
    """Ask a server by itself."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=verb)) as answer:
        return answer.read()
