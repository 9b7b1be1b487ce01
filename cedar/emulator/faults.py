"""Faults on demand: what a service does on a bad day, at a moment that a test chooses."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

import numpy as np

from ..exceptions import InputError
from .values import ServiceError

#: HTTP status → the service's status word and message. The words are google.rpc.Code's, mapped as
#: googleapis/google/rpc/code.proto says.
STATUSES: Final[Mapping[int, tuple[str, str]]] = {
    400: ("INVALID_ARGUMENT", "Request contains an invalid argument."),
    401: ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
    403: ("PERMISSION_DENIED", "The caller does not have permission"),
    404: ("NOT_FOUND", "Requested entity was not found."),
    409: ("ALREADY_EXISTS", "Requested entity already exists."),
    429: ("RESOURCE_EXHAUSTED", "Too Many Requests: the request rate limit was exceeded."),
    500: ("INTERNAL", "Internal error encountered."),
    503: ("UNAVAILABLE", "The service is currently unavailable."),
    504: ("DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
}
SERVICES: Final = ("earthengine",)
ACTIONS: Final = ("status", "reset", "truncate")
_KEYS: Final = ("service", "method", "nth", "probability", "action", "value")


@dataclass(frozen=True)
class Fault:
    """What goes wrong, and when.

    Attributes
    ----------
    service : str
        ``earthengine``.
    method : str
        Glob over the names of methods, as the request log has them.
    action : str
        ``status``: the request isn't carried out, the answer is an error; ``reset``: it isn't
        carried out, the connection is lost; ``truncate``: it is carried out, half of the answer
        arrives.
    nth : int or None
        Only the nth request that matches, from 1.
    probability : float or None
        Any request that matches, with this chance.
    value : int or None
        The HTTP status, for ``status``.
    """

    service: str
    method: str
    action: str
    nth: int | None = None
    probability: float | None = None
    value: int | None = None

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> Fault:
        """A fault as a user writes it.

        Raises
        ------
        InputError
            An unknown key, service or action, or values that don't go together.
        """
        if unknown := [key for key in given if key not in _KEYS]:
            raise InputError(f"fault: unknown key {unknown[0]!r}; known are {', '.join(_KEYS)}")
        if missing := [key for key in ("service", "method", "action") if key not in given]:
            raise InputError(f"fault: {missing[0]!r} is missing in {dict(given)}")
        fault = cls(**given)
        fault._check()
        return fault

    def _check(self) -> None:
        if self.service not in SERVICES:
            raise InputError(f"fault: unknown service {self.service!r}; known: earthengine")
        if not isinstance(self.method, str):
            raise InputError(f"fault: method is a glob such as 'value:*', not {self.method!r}")
        if self.action not in ACTIONS:
            known = ", ".join(ACTIONS)
            raise InputError(f"fault: unknown action {self.action!r}; known are {known}")
        if (self.nth is None) == (self.probability is None):
            raise InputError("fault: give either nth or probability")
        if self.nth is not None and (not isinstance(self.nth, int) or self.nth < 1):
            raise InputError(f"fault: nth counts from 1, not {self.nth!r}")
        if self.probability is not None and not (
            isinstance(self.probability, int | float) and 0 <= self.probability <= 1
        ):
            raise InputError(f"fault: probability is from 0 to 1, not {self.probability!r}")
        if self.action == "status" and self.value not in STATUSES:
            known = ", ".join(map(str, STATUSES))
            raise InputError(f"fault: status {self.value!r} is none of {known}")
        if self.action != "status" and self.value is not None:
            raise InputError(f"fault: {self.action} takes no value")

    def error(self) -> ServiceError:
        """The service's answer, for ``status``."""
        code = self.value or 0
        word, message = STATUSES[code]
        return ServiceError(message, code, word)


class Faults:
    """Decides, request by request, what goes wrong. Safe to use from many threads.

    Parameters
    ----------
    faults : sequence of mapping
        See :class:`Fault`. The first one that applies wins.
    seed : int
        Of the dice for ``probability``; each fault has its own.

    Raises
    ------
    InputError
        A fault can't be used.
    """

    def __init__(self, faults: Sequence[Mapping[str, Any]] = (), seed: int = 0):
        self._faults = [Fault.parse(fault) for fault in faults]
        self._seen = [0] * len(self._faults)
        self._dice = [np.random.default_rng((seed, i)) for i in range(len(self._faults))]
        self._lock = threading.Lock()

    def next(self, service: str, method: str) -> Fault | None:
        """What happens to this request; every call counts as one."""
        with self._lock:
            due = [
                fault
                for i, fault in enumerate(self._faults)
                if fault.service == service
                and fnmatchcase(method, fault.method)
                and self._is_due(i, fault)
            ]
        return due[0] if due else None

    def _is_due(self, i: int, fault: Fault) -> bool:
        self._seen[i] += 1
        if fault.probability is not None:
            return bool(self._dice[i].random() < fault.probability)
        return self._seen[i] == fault.nth
