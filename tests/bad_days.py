"""What goes wrong with requests on bad days: every fault there is, in shares of all requests."""

from __future__ import annotations

from cedar.emulator.faults import ERRORS, REASONS

#: What a request may fail with, and pass when it is sent again.
PASSING = (429, 500, 503, 504, "quota", "rate-limit")
#: What a service says for good. Sent again by its user, the request is carried out all the same.
REFUSALS = tuple(error for error in ERRORS if error not in PASSING)


def errors(service, among):
    """Those errors that a service can have."""
    return [error for error in among if service == "earthengine" or error in REASONS]


def passing(service):
    """Every fault of a service's that passes by itself."""
    kinds = [
        *({"action": "status", "value": value} for value in errors(service, PASSING)),
        *({"action": "fail-after", "value": value} for value in errors(service, PASSING)),
        {"action": "reset"},
        {"action": "delay", "value": 0.002},
        *({"action": "truncate", "value": value} for value in (0, 10, 0.5, 0.99)),
        *({"action": "corrupt", "value": value} for value in (0, None, 2**40)),
    ]
    return [{"service": service, "method": "*", **kind} for kind in kinds]


def refusing(service, *methods, among=REFUSALS, actions=("status", "fail-after")):
    """Every refusal of a service's, of requests that are carried out and that aren't."""
    return [
        {"service": service, "method": method, "action": action, "value": value}
        for method in methods
        for action in actions
        for value in errors(service, among)
    ]


def share(faults, probability):
    """Let so many of the requests have one of some faults."""
    return [fault | {"probability": probability / len(faults)} for fault in faults]
