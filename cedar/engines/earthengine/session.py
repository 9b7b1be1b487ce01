"""The process's one session of the official client.

The client keeps its session in module globals (``ee/_state.py``), so there is one a process: who
comes last has it. Never ``ee.Reset()``: requests under way in threads would fail.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, TypeVar

import ee
import ee.deprecation
import googleapiclient.errors
from ee import _state

from cedar.exceptions import CedarError, ConfigError, EngineError

if TYPE_CHECKING:
    from . import EarthEngine

T = TypeVar("T")

_lock = threading.Lock()
#: The engine that made the session, and the session as it made it.
_made: tuple[EarthEngine, tuple[Any, ...]] | None = None

#: The service's words for "ask for less at once" (facts of the public documentation and forums).
_TOO_LARGE = (
    "User memory limit exceeded",
    "Output of image computation is too large",
    "Computation timed out",
    "Total request size",
    "Request payload size exceeds",
)
#: What the client fails with where an answer arrived in part: it reads without a check.
_UNREADABLE = (
    AttributeError,
    EOFError,
    HTTPException,
    TypeError,
    ValueError,
    googleapiclient.errors.InvalidJsonError,
)
_TRANSIENT_STATUS = frozenset({429, 500, 502, 503, 504})


def connect(engine: EarthEngine) -> None:
    """Make an engine's session the process's, if it isn't.

    Raises
    ------
    ConfigError
        No project, no credentials, or no catalog.
    EngineError
        The service can't be reached.
    """
    global _made  # noqa: PLW0603  (the client's own state is global, and this says whose it is)
    with _lock:
        if _made is not None and _made[0] is engine and not is_callers():
            return
        url, transport = engine.endpoint()
        # While its list of deprecated assets is empty, the client fetches one from Google's storage
        # at every Initialize: without a timeout, and whatever the url (ee/deprecation.py).
        assets: dict[str, Any] = ee.deprecation.deprecated_assets
        ee.deprecation.deprecated_assets = assets or {"not fetched": None}
        with translated():
            answered(
                ee.Initialize,
                credentials=None if engine.identity()["emulated"] else _credentials(),
                project=engine.project or "cedar-emulator",
                url=url,
                http_transport=transport,
            )
        _made = engine, current()


def _credentials() -> Any:
    try:
        return ee.data.get_persistent_credentials()
    except ee.EEException as error:
        raise ConfigError(
            "no credentials for Earth Engine: run `earthengine authenticate` or "
            "`gcloud auth application-default login` (or try `url: emulator`, which needs none)"
        ) from error


def current() -> tuple[Any, ...]:
    """What tells the session there is from any other: its url, project and transport."""
    state = _state.get_state()
    return state.cloud_api_base_url, state.cloud_api_user_project, state.http_transport


def is_callers() -> bool:
    """Whether there is a session that cedar did not make."""
    return bool(ee.data.is_initialized()) and (_made is None or _made[1] != current())


def project() -> str:
    """Project of the session there is."""
    return str(_state.get_state().cloud_api_user_project)


def url() -> str:
    """Base url of the session there is."""
    return str(_state.get_state().cloud_api_base_url)


def emulated() -> bool:
    """Whether the session there is goes to the emulator in this process."""
    return getattr(_state.get_state().http_transport, "emulated", False)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn the client's errors into cedar's.

    The client drops the HTTP status from its exception; it is still on the cause.
    """
    try:
        yield
    except CedarError:
        raise
    except ee.EEException as error:
        cause = error.__context__
        status = (
            int(cause.resp.status) if isinstance(cause, googleapiclient.errors.HttpError) else 0
        )
        text = " ".join(str(error).split())
        raise EngineError(
            f"Earth Engine: {text}",
            transient=status in _TRANSIENT_STATUS,
            too_large=any(words in text for words in _TOO_LARGE),
        ) from error
    except OSError as error:
        # After its retries the client lets the network's own errors through.
        raise EngineError(f"Earth Engine can't be reached: {error}", transient=True) from error


def answered(ask: Callable[..., T], *args: Any, **kwds: Any) -> T:
    """Call what sends a request; an answer that arrived in part is an error that may pass."""
    try:
        return ask(*args, **kwds)
    except _UNREADABLE as error:
        raise EngineError(
            f"Earth Engine: its answer can't be read: {error}", transient=True
        ) from error
