"""Faults on demand: what a service does on a bad day, at a moment that a test chooses."""

from __future__ import annotations

import errno
import math
import threading
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from typing import Any, Final

import numpy as np

from ..exceptions import InputError
from .clock import Clock
from .limits import CONCURRENT
from .transport import Reply
from .values import ServiceError

#: What the value of ``status`` and ``fail-after`` may be → HTTP status, status word, message.
#: A number is the HTTP status; a name is one of Earth Engine's own refusals. The words of numbers
#: are google.rpc.Code's, mapped as googleapis/google/rpc/code.proto says.
ERRORS: Final[Mapping[int | str, tuple[int, str, str]]] = {
    400: (400, "INVALID_ARGUMENT", "Request contains an invalid argument."),
    401: (401, "UNAUTHENTICATED", "Request had invalid authentication credentials."),
    403: (403, "PERMISSION_DENIED", "The caller does not have permission"),
    404: (404, "NOT_FOUND", "Requested entity was not found."),
    409: (409, "ALREADY_EXISTS", "Requested entity already exists."),
    429: (429, CONCURRENT.status, CONCURRENT.words),
    500: (500, "INTERNAL", "Internal error encountered."),
    503: (503, "UNAVAILABLE", "The service is currently unavailable."),
    504: (504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
    "quota": (
        429,
        "RESOURCE_EXHAUSTED",
        "Quota exceeded for quota metric 'Number of read requests' and limit 'Number of read "
        "requests per minute per user' of service 'earthengine.googleapis.com' for consumer "
        "'project_number:0'.",
    ),
    "rate-limit": (403, "PERMISSION_DENIED", "User Rate Limit Exceeded"),
    "drive-quota": (
        403,
        "PERMISSION_DENIED",
        "The user has exceeded their Drive storage quota",
    ),
    "memory": (400, "INVALID_ARGUMENT", "User memory limit exceeded."),
    "timeout": (400, "INVALID_ARGUMENT", "Computation timed out."),
    "too-large": (
        400,
        "INVALID_ARGUMENT",
        "Output of image computation is too large (20 bands for 851968 pixels = 126.8 MiB > 80.0 "
        "MiB).\nIf this is a reduction, try specifying a larger 'tileScale' parameter.",
    ),
}
#: What Cloud Storage and Drive name the errors that they can have:
#: cloud.google.com/storage/docs/json_api/v1/status-codes,
#: developers.google.com/workspace/drive/api/guides/handle-errors.
REASONS: Final[Mapping[int | str, str]] = {
    400: "badRequest",
    401: "authError",
    403: "forbidden",
    404: "notFound",
    409: "conflict",
    429: "rateLimitExceeded",
    500: "internalError",
    503: "backendError",
    504: "backendError",
    "rate-limit": "userRateLimitExceeded",
    "drive-quota": "quotaExceeded",
}
SERVICES: Final = ("earthengine", "gcs", "gdrive")
#: The method of Earth Engine's that no client asks for: an attempt at an export. Only a fault that
#: names it happens to it, none whose glob matches it.
TASK: Final = "task"


def _is_seconds(value: Any) -> bool:
    return _is_number(value) and 0 <= value < math.inf


def _is_part(value: Any) -> bool:
    return value is None or (
        _is_number(value) and value >= 0 and (value < 1 or isinstance(value, int))
    )


def _is_offset(value: Any) -> bool:
    return value is None or (_is_number(value) and value >= 0 and isinstance(value, int))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_error(value: Any) -> bool:
    return isinstance(value, int | str) and value in ERRORS


_ERROR: Final = (_is_error, f"one of {', '.join(map(str, ERRORS))}")
#: Action → whether a value can be its, and what it takes in words.
ACTIONS: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "status": _ERROR,
    "reset": (lambda value: value is None, "no value"),
    "delay": (_is_seconds, "seconds"),
    "truncate": (_is_part, "bytes (a whole number), or a part of the body from 0.0 to below 1.0"),
    "corrupt": (_is_offset, "the place of a byte (a whole number from 0), or no value"),
    "fail-after": _ERROR,
    "half": (lambda value: value is None, "no value"),
    "late": (_is_seconds, "seconds"),
}
_OF_TASKS: Final = ("status", "delay", "half", "late")
_OF_TASKS_ONLY: Final = ("half", "late")


@dataclass(frozen=True)
class Fault:
    """What goes wrong, and when.

    Attributes
    ----------
    service : str
        ``earthengine``, ``gcs`` or ``gdrive``.
    method : str
        Glob over the names of methods, as the request log has them. Or ``task``, of Earth Engine:
        an attempt at an export, which takes ``status``, ``delay``, ``half`` and ``late``.
    action : str
        ``status``
            The request isn't carried out, the answer is the error that `value` names.
        ``reset``
            The request isn't carried out, the connection is reset.
        ``delay``
            The request is carried out `value` seconds late, by the emulator's clock. Until then it
            counts as under way.
        ``truncate``
            The request is carried out, but only `value` of the answer's body arrives before the
            connection is lost: bytes (a whole number) or a part (0.5 if left out).
        ``corrupt``
            The request is carried out, but one bit of the answer's body is another: of the byte at
            `value`, or the last where there are fewer (the middle one if left out). It happens to
            the bytes of objects and images; not to what a service says, as JSON.
        ``fail-after``
            The request is carried out, but the answer is the error that `value` names.
        ``half``
            The task writes but the first half of its files, at least one less than all, and says
            that it has succeeded.
        ``late``
            The task says that it has succeeded `value` seconds before its files are there, by the
            emulator's clock.
    nth : int or None
        The nth request that matches, from 1.
    count : int
        With `nth`: how many requests from it on.
    probability : float or None
        Instead of `nth`: any request that matches, with this chance.
    value : int, float, str or None
        See `action`. An error is an HTTP status (400, 401, 403, 404, 409, 429, 500, 503, 504), or
        one of Earth Engine's own: ``quota``, ``memory``, ``timeout``, ``too-large``, or of
        Drive's: ``rate-limit``, ``drive-quota``.
    """

    service: str
    method: str
    action: str
    nth: int | None = None
    count: int = 1
    probability: float | None = None
    value: Any = None

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> Fault:
        """A fault, `given` as a user writes it.

        Raises
        ------
        InputError
            An unknown key, service or action, or values that don't go together.
        """
        if not isinstance(given, Mapping):
            raise InputError(f"fault: {given!r} is no mapping")
        known = [field.name for field in fields(cls)]
        if unknown := [key for key in given if key not in known]:
            raise InputError(f"fault: unknown key {unknown[0]!r}; known are {', '.join(known)}")
        if missing := [key for key in ("service", "method", "action") if key not in given]:
            raise InputError(f"fault: {missing[0]!r} is missing in {dict(given)}")
        fault = cls(**given)
        fault._check(given)
        return fault

    def _check(self, given: Mapping[str, Any]) -> None:
        if self.service not in SERVICES:
            known = ", ".join(SERVICES)
            raise InputError(f"fault: unknown service {self.service!r}; known: {known}")
        if not isinstance(self.method, str):
            raise InputError(f"fault: method is a glob such as 'value:*', not {self.method!r}")
        if not isinstance(self.action, str) or self.action not in ACTIONS:
            known = ", ".join(ACTIONS)
            raise InputError(f"fault: unknown action {self.action!r}; known are {known}")
        if (self.nth is None) == (self.probability is None):
            raise InputError("fault: give either nth or probability")
        if self.nth is None and "count" in given:
            raise InputError("fault: count goes with nth only")
        for key, number in (("nth", self.nth), ("count", self.count)):
            if number is not None and (not isinstance(number, int) or number < 1):
                raise InputError(f"fault: {key} counts from 1, not {number!r}")
        if self.probability is not None and not (
            _is_number(self.probability) and 0 <= self.probability <= 1
        ):
            raise InputError(f"fault: probability is from 0 to 1, not {self.probability!r}")
        self._check_task()
        self._check_value()

    def _check_task(self) -> None:
        of_task = self.service == "earthengine" and self.method == TASK
        if of_task and self.action not in _OF_TASKS:
            known = ", ".join(_OF_TASKS)
            raise InputError(f"fault: a task takes {known}, not {self.action}")
        if not of_task and self.action in _OF_TASKS_ONLY:
            raise InputError(f"fault: {self.action} is for earthengine's method {TASK!r} only")

    def _check_value(self) -> None:
        valid, words = ACTIONS[self.action]
        if not valid(self.value):
            raise InputError(f"fault: {self.action} takes {words}, not {self.value!r}")
        if self.service != "earthengine" and valid is _is_error and self.value not in REASONS:
            raise InputError(f"fault: {self.service} has no error {self.value!r}")

    def before(self, clock: Clock) -> None:
        """Happen, by `clock`, to a request that isn't carried out yet.

        Raises
        ------
        ConnectionResetError
            ``reset``.
        ServiceError
            ``status``.
        """
        match self.action:
            case "reset":
                raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
            case "status":
                raise self._error()
            case "delay":
                clock.sleep(self.value)

    def after(self, reply: Reply) -> Reply:
        """Happen to `reply`, the answer of a request that was carried out.

        Raises
        ------
        ServiceError
            ``fail-after``.
        """
        match self.action:
            case "fail-after":
                raise self._error()
            case "truncate":
                return replace(reply, cut=0.5 if self.value is None else self.value)
            case "corrupt" if reply.content and not reply.is_message:
                return replace(reply, content=self._corrupted(reply.content))
        return reply

    def _error(self) -> ServiceError:
        reason = None if self.service == "earthengine" else REASONS[self.value]
        code, status, message = ERRORS[self.value]
        return ServiceError(message, code, status, reason)

    def _corrupted(self, content: bytes | memoryview) -> memoryview:
        changed = bytearray(content)
        middle = len(changed) // 2
        changed[middle if self.value is None else min(self.value, len(changed) - 1)] ^= 1
        return memoryview(changed)


class Faults:
    """Decides, request by request, what goes wrong. Safe to use from many threads.

    Parameters
    ----------
    faults : sequence of mapping
        See :class:`Fault`. The first one that applies wins.
    seed : int
        Of the dice for ``probability``. Each fault has its own for each method, so that what
        happens to a method's requests doesn't depend on those of others between them.

    Raises
    ------
    InputError
        A fault can't be used, or the seed is below 0.
    """

    def __init__(self, faults: Sequence[Mapping[str, Any]] = (), seed: int = 0):
        if not isinstance(seed, int) or seed < 0:
            raise InputError(f"seed is a whole number from 0, not {seed!r}")
        self._faults = [Fault.parse(fault) for fault in faults]
        self._seen = [0] * len(self._faults)
        self._seed = seed
        self._dice: dict[tuple[int, str], np.random.Generator] = {}
        self._lock = threading.Lock()

    def next(self, service: str, method: str) -> Fault | None:
        """What happens to this request; every call counts as one."""
        with self._lock:
            due = [
                fault
                for i, fault in enumerate(self._faults)
                if fault.service == service
                and (fault.method == TASK if method == TASK else fnmatchcase(method, fault.method))
                and self._is_due(i, fault, method)
            ]
        return due[0] if due else None

    def _is_due(self, i: int, fault: Fault, method: str) -> bool:
        if fault.nth is not None:
            self._seen[i] += 1
            return fault.nth <= self._seen[i] < fault.nth + fault.count
        if (i, method) not in self._dice:
            seeds = self._seed, i, zlib.crc32(method.encode())
            self._dice[i, method] = np.random.default_rng(seeds)
        return bool(self._dice[i, method].random() < (fault.probability or 0))
