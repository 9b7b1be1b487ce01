"""Cloud Storage's methods, as the emulator answers them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from ..clock import Clock
from ..multipart import batched
from ..settings import Settings
from ..state import State
from ..transport import Call, Reply
from .buckets import Buckets
from .errors import unsupported
from .objects import Objects
from .reading import Reading
from .routes import Target, method_of
from .uploads import Uploads

_NOT_IN_A_BATCH: Final = frozenset(
    {"batch", "objects.download", "objects.insert", "objects.upload"}
)


class CloudStorage:
    """The service, by the methods that the log names.

    ``buckets.insert``, ``.list``, ``.get``, ``.delete``, ``.testIamPermissions``; ``objects.list``,
    ``.get``, ``.download`` (bytes), ``.insert`` (at once), ``.upload`` (each request of an upload
    in pieces), ``.patch``, ``.delete``; ``batch``, which is one request whatever is in it.

    Parameters
    ----------
    state : State
        Where buckets and objects are.
    clock : Clock
        The time.
    settings : Settings
        How often an object may be written, and how long a page may be.
    """

    def __init__(self, state: State, clock: Clock, settings: Settings):
        buckets = Buckets(state, clock, settings)
        objects = Objects(state, clock, settings)
        reading, uploads = Reading(state, objects, settings), Uploads(state, objects)
        self._answers: Mapping[str, Callable[[Call, Target], Reply]] = {
            "buckets.insert": buckets.insert,
            "buckets.list": buckets.list,
            "buckets.get": buckets.get,
            "buckets.delete": buckets.delete,
            "buckets.testIamPermissions": buckets.permissions,
            "objects.list": reading.list,
            "objects.get": reading.get,
            "objects.download": reading.download,
            "objects.insert": uploads.insert,
            "objects.upload": uploads.upload,
            "objects.patch": objects.patch,
            "objects.delete": objects.delete,
            "batch": self._batch,
        }

    def method(self, call: Call) -> str:
        """The log's name of what is asked for; ``unknown`` where there is no such method."""
        return method_of(call)

    def slot(self, method: str, call: Call) -> AbstractContextManager[None]:  # noqa: ARG002
        """Nothing: any number of requests may be under way."""
        return nullcontext()

    def answer(self, method: str, call: Call) -> Reply:
        """Carry a request out.

        Raises
        ------
        ServiceError
            What the service answers instead, or what the emulator doesn't have.
        """
        answers = self._answers.get(method)
        if answers is None:
            # Not 404, which would be taken for an object that isn't there.
            raise unsupported(f"method for {call.verb} {call.plain_path[:100]}")
        return answers(call, Target.of(call))

    def _batch(self, call: Call, _: Target) -> Reply:
        return batched(call, self._inner)

    def _inner(self, call: Call) -> Reply:
        """Answer a request of a batch, which brings and fetches no bytes of objects."""
        method = self.method(call)
        if method in _NOT_IN_A_BATCH:
            raise unsupported(f"{method} in a batch")
        return self.answer(method, call)
