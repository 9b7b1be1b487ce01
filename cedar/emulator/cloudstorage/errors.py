"""Cloud Storage's refusals, in its words."""

from __future__ import annotations

from ..values import ServiceError


def invalid(message: str) -> ServiceError:
    """A request that can't be understood."""
    return ServiceError(message, 400, reason="invalid")


def unsupported(what: str) -> ServiceError:
    """What the service may well have, but the emulator doesn't."""
    return invalid(f"The emulator's Cloud Storage has no {what}.")


def no_bucket() -> ServiceError:
    """A bucket that isn't there."""
    return ServiceError("The specified bucket does not exist.", 404, reason="notFound")


def no_object(bucket: str, name: str) -> ServiceError:
    """An object, or a generation of it, that isn't there."""
    return ServiceError(f"No such object: {bucket}/{name}", 404, reason="notFound")


def no_upload() -> ServiceError:
    """A resumable upload that isn't there, or not any more."""
    return ServiceError("Upload session not found.", 404, reason="notFound")


def conflict(message: str) -> ServiceError:
    """A bucket that can't be made, or removed."""
    return ServiceError(message, 409, reason="conflict")


def condition_not_met() -> ServiceError:
    """A precondition that doesn't hold."""
    return ServiceError(
        "At least one of the pre-conditions you specified did not hold.",
        412,
        reason="conditionNotMet",
    )


def too_often(bucket: str, name: str) -> ServiceError:
    """A write of an object that comes too soon after the last."""
    return ServiceError(
        f"The object {bucket}/{name} exceeded the rate limit for object mutation operations "
        "(create, update, and delete). Please reduce your request rate. See "
        "https://cloud.google.com/storage/docs/gcs429.",
        429,
        reason="rateLimitExceeded",
    )
