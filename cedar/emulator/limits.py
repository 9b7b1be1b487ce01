"""What the service refuses for its size, each limit with the service's words.

``Emulator(strict=False)`` lifts them all. They hold wherever a request is answered, so whether they
do is kept beside the request's thread of execution, not handed through every function.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

from .values import ServiceError

_in_force: ContextVar[bool] = ContextVar("limits_in_force", default=True)


@dataclass(frozen=True)
class Limit:
    """The most of something that the service takes.

    Attributes
    ----------
    most : int
        The last value that is taken.
    words : str
        The refusal; may hold ``{given}``, ``{most}`` and what else the check is told.
    code : int
        HTTP status of the refusal.
    status : str
        Its status word.
    """

    most: int
    words: str
    code: int = 400
    status: str = "INVALID_ARGUMENT"

    def check(self, given: int, **details: Any) -> None:
        """Refuse what is past the limit.

        Raises
        ------
        ServiceError
            It is, and limits are in force.
        """
        if given > self.most and _in_force.get():
            words = self.words.format(given=given, most=self.most, **details)
            raise ServiceError(words, self.code, self.status)


#: Bytes of a request's body.
PAYLOAD: Final = Limit(10_485_760, "Request payload size exceeds the limit: {most} bytes.")
#: Interactive requests of a project under way at once:
#: developers.google.com/earth-engine/guides/usage.
CONCURRENT: Final = Limit(
    40,
    "Too Many Requests: Request was rejected because the request rate or concurrency limit was "
    "exceeded.",
    429,
    "RESOURCE_EXHAUSTED",
)
#: Elements of a collection that are looked at.
ELEMENTS: Final = Limit(5_000, "Collection query aborted after accumulating over {most} elements.")
#: Bands that images are stacked to.
STACK: Final = Limit(5_000, "ImageCollection.toBands: Too many bands: {given}, at most {most}.")
# Of one computePixels, in the service's words: google/Xee issues 85, 209, 210; geedim issue 10.
#: Bytes, a byte of mask a band and pixel among them.
PIXEL_BYTES: Final = Limit(
    50_331_648, "Total request size ({given} bytes) must be less than or equal to {most} bytes."
)
BANDS: Final = Limit(1_024, "Number of bands ({given}) must be less than or equal to {most}.")
SIDE: Final = Limit(
    32_768, "Pixel grid dimensions ({width}x{height}) must be less than or equal to {most}."
)


@contextmanager
def limited(in_force: bool) -> Iterator[None]:
    """Say whether limits hold for what is done in the block."""
    token = _in_force.set(in_force)
    try:
        yield
    finally:
        _in_force.reset(token)


def are_in_force() -> bool:
    """Whether limits hold here."""
    return _in_force.get()
