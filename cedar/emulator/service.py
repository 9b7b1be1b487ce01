"""The emulated Earth Engine service: its REST methods, its log of requests, and how to start it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from .assets import describe
from .catalog import ItemCatalog
from .evaluate import encode, evaluate
from .faults import Faults
from .pixels import compute_pixels
from .synthetic import SyntheticCatalog
from .transport import Reply, Transport
from .values import Catalog, ServiceError

#: The service's limit on a request's body.
MAX_PAYLOAD: Final = 10_485_760
_JSON: Final = "application/json; charset=UTF-8"


class Request(NamedTuple):
    """A request that was made, as the log has it.

    Attributes
    ----------
    service : str
        ``earthengine``.
    method : str
        ``discovery``, ``algorithms``, ``assets``, ``value:compute`` or ``image:computePixels``;
        ``unknown`` for anything else.
    path : str
        Path of the address, unquoted.
    status : int or None
        HTTP status of the answer; None where the connection was lost.
    """

    service: str
    method: str
    path: str
    status: int | None


class Emulator:
    """A local Earth Engine in this process, to be used as a context manager.

    >>> with Emulator() as emulator:  # doctest: +SKIP
    ...     ee.Initialize(
    ...         None, project="any", url=emulator.url, http_transport=emulator.transport
    ...     )

    It never touches a network. What it doesn't have it refuses with an error that says so.

    Parameters
    ----------
    catalog : path, optional
        Directory of STAC Items: its images, and nothing else. Without one there are synthetic
        scenes of the Landsat collections, each with the property ``cedar:synthetic``.
    faults : sequence of mapping
        What goes wrong: {service, method (glob), nth or probability, action, value}, see
        :class:`cedar.emulator.faults.Fault`.
    seed : int
        Of the dice for ``probability``.

    Attributes
    ----------
    url : str
        Base address for the client: a name that never resolves (RFC 6761).
    transport : Transport
        ``http_transport`` for the client; thread-safe.
    requests : list of Request
        Every request answered so far, in the order of the answers.

    Raises
    ------
    ConfigError
        The catalog can't be used.
    InputError
        A fault can't be used.
    """

    url: Final = "http://emulator.invalid"

    def __init__(
        self,
        catalog: str | Path | None = None,
        faults: Sequence[Mapping[str, Any]] = (),
        seed: int = 0,
    ):
        self._faults = Faults(faults, seed)
        self._catalog = SyntheticCatalog() if catalog is None else ItemCatalog(catalog)
        self._open = False
        self.requests: list[Request] = []
        self.transport = Transport(self._handle)

    def __enter__(self) -> Self:
        self._open = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open = False

    def _handle(self, verb: str, path: str, body: bytes) -> Reply:
        """Answer one request, unless a fault is due, and write it down."""
        method = _method(verb, path)
        fault = self._faults.next("earthengine", method)
        action = fault.action if fault else None
        if action == "reset":
            self.requests.append(Request("earthengine", method, path, None))
            raise ConnectionResetError("Connection reset by peer")
        try:
            if not self._open:
                raise ServiceError(
                    "The emulator isn't running: use it inside its with block.",
                    status="FAILED_PRECONDITION",
                )
            if fault and action == "status":
                raise fault.error()
            reply = _answer(method, path, _parse(body), self._catalog)
        except ServiceError as error:
            reply = _refuse(error)
        if action == "truncate":
            reply = Reply(reply.status, reply.media_type, reply.content[: len(reply.content) // 2])
        self.requests.append(Request("earthengine", method, path, reply.status))
        return reply


# (HTTP verb, path, name in the log)
_METHODS: Final = tuple(
    (verb, re.compile(path), name)
    for verb, path, name in (
        ("GET", r"/\$discovery/rest", "discovery"),
        ("GET", "/v1/projects/[^/]+/algorithms", "algorithms"),
        ("GET", "/v1/projects/[^/]+/assets/.+", "assets"),
        ("POST", "/v1/projects/[^/]+/value:compute", "value:compute"),
        ("POST", "/v1/projects/[^/]+/image:computePixels", "image:computePixels"),
    )
)


def _method(verb: str, path: str) -> str:
    for asked, pattern, name in _METHODS:
        if verb == asked and pattern.fullmatch(path):
            return name
    return "unknown"


def _answer(method: str, path: str, body: Mapping[str, Any], catalog: Catalog) -> Reply:
    match method:
        case "discovery":
            return Reply(200, _JSON, files(__package__).joinpath("discovery.json").read_bytes())
        case "algorithms":
            return Reply(200, _JSON, _algorithms())
        case "assets":
            return _json(describe(path.removeprefix("/v1/"), catalog))
        case "value:compute":
            return _json({"result": encode(evaluate(body.get("expression"), catalog))})
        case "image:computePixels":
            return compute_pixels(body, catalog)
    raise ServiceError("Method not found.", 404, "NOT_FOUND")


def _parse(body: bytes) -> Mapping[str, Any]:
    if len(body) > MAX_PAYLOAD:
        raise ServiceError(f"Request payload size exceeds the limit: {MAX_PAYLOAD} bytes.")
    try:
        parsed = json.loads(body or b"{}")
    except ValueError as error:
        raise ServiceError(f"Invalid JSON payload received. {error}") from None
    if not isinstance(parsed, dict):
        raise ServiceError("Invalid JSON payload received. The root must be an object.")
    return parsed


def _json(value: Any, status: int = 200) -> Reply:
    return Reply(status, _JSON, json.dumps(value).encode())


def _refuse(error: ServiceError) -> Reply:
    problem = {"code": error.code, "message": error.message, "status": error.status}
    return _json({"error": problem}, error.code)


@cache
def _algorithms() -> bytes:
    """The signatures of the real service, which the official client carries for its own tests."""
    spec = find_spec("ee")  # found, not imported: the emulator works on the wire's other end
    if spec is None or spec.origin is None:
        raise ServiceError("earthengine-api isn't installed.", 500, "INTERNAL")
    return Path(spec.origin).with_name("tests").joinpath("algorithms.json").read_bytes()
