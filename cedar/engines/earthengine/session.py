"""The process's one session of the official client.

The client keeps its session in module globals (``ee/_state.py``), so there is one a process: who
comes last has it. Never ``ee.Reset()``: requests under way in threads would fail.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from functools import lru_cache
from http import HTTPStatus
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final, TypeVar

import ee
import ee.deprecation
import googleapiclient.errors
from ee import _state
from google.auth.exceptions import GoogleAuthError, TransportError

from cedar.credentials import is_loopback
from cedar.exceptions import CedarError, EngineError

from .access import SERVICE
from .limiter import LIMITER
from .transport import Transport

if TYPE_CHECKING:
    from . import EarthEngine

T = TypeVar("T")

_lock = threading.Lock()
#: The engine that made the session (None: it failed to), and the session as it made it.
_made: tuple[EarthEngine | None, tuple[Any, ...]] | None = None

#: The service's words for a request whose expression is too long.
PAYLOAD: Final = "Request payload size exceeds"
#: Its words for too many images in a collection.
TOO_MANY_ELEMENTS: Final = "accumulating over 5000 elements"
#: Its words for "ask for less at once".
_TOO_LARGE: Final = (
    PAYLOAD,
    TOO_MANY_ELEMENTS,
    "User memory limit exceeded",
    "Output of image computation is too large",
    "Computation timed out",
    "Total request size",
)
#: What the client fails with where an answer isn't what was asked for: a proxy's page, say.
_UNREADABLE: Final = (EOFError, HTTPException, ValueError, googleapiclient.errors.InvalidJsonError)
#: The service's words → how to mend it, where they don't say it themselves.
_MENDS: Final = {
    "insufficient authentication scopes": "run `earthengine authenticate --force`, or give the "
    "machine the scope cloud-platform",
}
#: Its words for a queue that takes no more tasks now: "… (3000). Please wait for some …".
_QUEUE_FULL: Final = "Too many tasks already in the queue"
_TRANSIENT_STATUS: Final = frozenset({429, 500, 502, 503, 504})
#: What tells a refusal that passes from any other with status 403.
_RATE_LIMIT: Final = "Rate Limit Exceeded"


def connect(engine: EarthEngine) -> None:
    """Make an engine's session the process's, if it isn't.

    Raises
    ------
    ConfigError
        No project, no credential, or no catalog.
    EngineError
        The service can't be reached, or refuses.
    """
    global _made  # noqa: PLW0603  (the client's own state is global, and this says whose it is)
    with _lock:
        if _made is not None and _made[0] is engine and not is_callers():
            return
        url, transport = engine.endpoint()
        found = None
        if not engine.emulated:
            found = SERVICE.credential(engine.credentials, emulated=False).credentials
        if transport is None:
            transport = Transport(LIMITER, proxies=not is_loopback(url))
        before = current()[-1]
        _forget()
        connected = False
        try:
            ask(
                ee.Initialize,
                credentials=found,
                project=engine.project or "cedar-emulator",
                url=url,
                http_transport=transport,
            )
            connected = True
        finally:
            _made = engine if connected else None, current()
            if isinstance(before, Transport):
                before.close()


def check(engine: EarthEngine) -> None:
    """Connect, and have the service compute something: what proves that it can be used.

    Raises
    ------
    ConfigError, EngineError
        As :func:`connect` does; in the service's words.
    """
    connect(engine)
    ask(ee.Number(1).getInfo)


def _forget() -> None:
    """Forget what another session would leave to the next, and what would be fetched unasked."""
    state = _state.get_state()
    # The client keeps what Initialize isn't given, and would send it to the new host.
    state.credentials = state.cloud_api_key = None
    # While this is empty, Initialize fetches it from Google's storage, without a timeout, whatever
    # the url (ee/deprecation.py).
    assets: dict[str, Any] = ee.deprecation.deprecated_assets
    ee.deprecation.deprecated_assets = assets or {"not fetched": None}


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
        raise _refusal(str(error), status_of(error)) from error
    except googleapiclient.errors.UnknownApiNameOrVersion as error:
        raise EngineError("the url's host answers, but has no Earth Engine") from error
    except googleapiclient.errors.Error as error:
        # While it connects, some come as they are.
        raise _refusal(getattr(error, "reason", None) or str(error), status_of(error)) from error
    except GoogleAuthError as error:
        raise EngineError(
            f"Earth Engine: no token for the credential: {error.args[0] if error.args else error}; "
            "`cedar auth ee` says which it is",
            transient=error.retryable or isinstance(error, TransportError),
        ) from error
    except OSError as error:
        # After its retries the client lets the network's own errors through.
        raise EngineError(f"Earth Engine can't be reached: {error}", transient=True) from error


def status_of(error: BaseException | None) -> int:
    """HTTP status that the service refused with; 0 where an error isn't a refusal."""
    match error:
        case googleapiclient.errors.HttpError():
            return int(error.resp.status)
        case EngineError():
            return status_of(error.__cause__)
        case ee.EEException():
            return status_of(error.__context__)
    return 0


def _refusal(words: str, status: int) -> EngineError:
    text = " ".join(words.split())
    full = _QUEUE_FULL in text
    if status == HTTPStatus.TOO_MANY_REQUESTS and not full:
        LIMITER.throttled()
    mends = (f"; {mend}" for refused, mend in _MENDS.items() if refused in text)
    return EngineError(
        f"Earth Engine: {text}{''.join(mends)}",
        transient=(status in _TRANSIENT_STATUS or _RATE_LIMIT in text) and not full,
        too_large=any(refused in text for refused in _TOO_LARGE),
        full=full,
    )


def ask(send: Callable[..., T], *args: Any, size: int = 0, **kwds: Any) -> T:
    """Call what sends a request of the client's, when the limiter lets it through.

    Parameters
    ----------
    send : callable
        Takes the other arguments.
    size : int
        Bytes of the answer, where they are many.

    Raises
    ------
    EngineError
        The service refuses, can't be reached, or its answer can't be read.
    """
    with LIMITER.request(size), translated():
        try:
            answer = send(*args, **kwds)
        except GoogleAuthError:
            # Some are ValueErrors, too.
            raise
        except _UNREADABLE as error:
            raise EngineError(
                f"Earth Engine: its answer can't be read: {error}", transient=True
            ) from error
    LIMITER.answered()
    return answer


def operations() -> Any:
    """The client's own resource of operations: its functions for them drop what they don't know."""
    return _resources(_state.get_state().cloud_api_resource)[0]


def images() -> Any:
    """The client's own resource of images: its functions make one anew for each request."""
    return _resources(_state.get_state().cloud_api_resource)[1]


@lru_cache(maxsize=1)
def _resources(service: Any) -> tuple[Any, Any]:
    projects = service.projects()
    return projects.operations(), projects.image()


def execute(request: Any) -> dict[str, Any]:
    """Send a request made with a resource of the client's, as often as the client would."""
    return ask(lambda: _object(request.execute(num_retries=_state.get_state().max_retries)))


def _object(answer: Any) -> dict[str, Any]:
    """Return a JSON object; what is no JSON at all the client hands out as text."""
    if not isinstance(answer, dict):
        raise ValueError(f"{str(answer)[:40]!r} is no JSON object")  # noqa: TRY004  (as `ask` expects)
    return answer
