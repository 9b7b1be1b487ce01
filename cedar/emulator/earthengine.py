"""Earth Engine's REST methods, as the emulator answers them."""

from __future__ import annotations

import json
import math
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from .assets import describe
from .batch import METHODS, Batch
from .cache import ReplyCache
from .evaluate import encode, evaluate
from .limits import CONCURRENT, PAYLOAD
from .pixels import compute_pixels
from .transport import JSON, Call, Reply, as_json
from .values import Catalog, ServiceError

# (HTTP verb, path, name in the log)
_METHODS: Final = tuple(
    (verb, re.compile(path), name)
    for verb, path, name in (
        ("GET", r"/\$discovery/rest", "discovery"),
        ("GET", "/v1/projects/[^/]+/algorithms", "algorithms"),
        ("GET", "/v1/projects/[^/]+/assets/.+", "assets"),
        ("POST", "/v1/projects/[^/]+/value:compute", "value:compute"),
        ("POST", "/v1/projects/[^/]+/image:computePixels", "image:computePixels"),
        *METHODS,
    )
)
#: Methods that compute while the caller waits.
_INTERACTIVE: Final = frozenset({"value:compute", "image:computePixels"})


class EarthEngine:
    """The service.

    Parameters
    ----------
    catalog : Catalog
        Where images come from.
    batch : Batch
        Its exports.
    cache_bytes : int
        How much of computePixels' answers to keep.
    """

    def __init__(self, catalog: Catalog, batch: Batch, cache_bytes: int = 0):
        self._catalog, self._batch = catalog, batch
        self._cache = ReplyCache(cache_bytes)
        self._under_way: Counter[str] = Counter()
        self._lock = threading.Lock()

    def method(self, call: Call) -> str:
        """The log's name of what is asked for; ``unknown`` where there is no such method."""
        for asked, pattern, name in _METHODS:
            if call.verb == asked and pattern.fullmatch(call.plain_path):
                return name
        return "unknown"

    @contextmanager
    def slot(self, method: str, call: Call) -> Iterator[None]:
        """Count a request as under way in the block.

        Raises
        ------
        ServiceError
            As many as may be of the project's are.
        """
        if method not in _INTERACTIVE:
            yield
            return
        project = call.plain_path.split("/")[3]
        with self._lock:
            CONCURRENT.check(self._under_way[project] + 1)
            self._under_way[project] += 1
        try:
            yield
        finally:
            with self._lock:
                self._under_way[project] -= 1

    def answer(self, method: str, call: Call) -> Reply:
        """Carry a request out.

        Raises
        ------
        ServiceError
            What the service answers instead, or what the emulator doesn't have.
        """
        body = call.body
        PAYLOAD.check(len(body))
        match method:
            case "discovery":
                return Reply(200, JSON, files(__package__).joinpath("discovery.json").read_bytes())
            case "algorithms":
                return Reply(200, JSON, _algorithms())
            case "assets":
                return as_json(describe(call.plain_path.removeprefix("/v1/"), self._catalog))
            case "value:compute":
                expression = _parse(body).get("expression")
                return as_json({"result": encode(evaluate(expression, self._catalog))})
            case "image:computePixels":
                return self._cache.reply(body, lambda: compute_pixels(_parse(body), self._catalog))
            case "unknown":
                raise ServiceError("Method not found.", 404, "NOT_FOUND")
        return self._batch.answer(method, call, _parse(body))


def _parse(body: bytes) -> Mapping[str, Any]:
    try:
        parsed = json.loads(
            body or b"{}", parse_constant=_finite, parse_float=_finite, parse_int=_integer
        )
    except (ValueError, RecursionError) as error:
        raise ServiceError(f"Invalid JSON payload received. {error}") from None
    if not isinstance(parsed, dict):
        raise ServiceError("Invalid JSON payload received. The root must be an object.")
    return parsed


def _finite(text: str) -> float:
    """A number; NaN and infinities, which Python's JSON has, are none."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is no number.")
    return number


def _integer(text: str) -> int:
    _finite(text)
    return int(text)


@cache
def _algorithms() -> bytes:
    """The signatures of the real service, which the official client carries for its own tests."""
    spec = find_spec("ee")  # found, not imported: the emulator works on the wire's other end
    if spec is None or spec.origin is None:
        raise ServiceError("earthengine-api isn't installed.", 500, "INTERNAL")
    return Path(spec.origin).with_name("tests").joinpath("algorithms.json").read_bytes()
