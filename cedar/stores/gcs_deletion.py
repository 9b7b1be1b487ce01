"""Deleting many objects of a bucket in few requests."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from google.cloud.storage.batch import Batch

from ..exceptions import StoreError
from .gcs_connection import TIMEOUT, Connection

#: The permission for it.
DELETE: Final = "storage.objects.delete"
#: Deletions in a request: cloud.google.com/storage/docs/batch.
_MOST: Final = 100


def delete_all(
    connection: Connection, objects: Mapping[str, int | None]
) -> dict[str, StoreError | None]:
    """Delete objects, each if it is at its generation (None: at any).

    Returns
    -------
    dict of str to StoreError or None
        Those that weren't, and why; None: the service said so of this one alone.
    """
    keys, kept = list(objects), dict[str, StoreError | None]()
    for first in range(0, len(keys), _MOST):
        some = {key: objects[key] for key in keys[first : first + _MOST]}
        try:
            kept |= dict.fromkeys(_delete(connection, some))
        except StoreError as error:
            kept |= dict.fromkeys(some, error)
    return kept


def _delete(connection: Connection, objects: Mapping[str, int | None]) -> list[str]:
    done = {HTTPStatus.OK, HTTPStatus.NO_CONTENT}
    tries = 0

    def send() -> list[int]:
        nonlocal tries
        tries += 1
        with _Batch(connection.client) as batch:
            for key, generation in objects.items():
                connection.bucket.delete_blob(
                    key, if_generation_match=generation, timeout=TIMEOUT, retry=None
                )
        statuses: list[int] = batch.statuses
        return statuses

    statuses = connection.ask(send, "delete objects of", needs=DELETE)
    if tries > 1:  # It may have been carried out before its answer was lost.
        done.add(HTTPStatus.NOT_FOUND)
    return [key for key, status in zip(objects, statuses, strict=True) if status not in done]


class _Batch(Batch):  # type: ignore[misc]  # the client is untyped
    """Requests sent as one.

    Attributes
    ----------
    statuses : list of int
        How each was answered, in their order, as the client takes it to be.
    """

    statuses: list[int]

    def finish(self, raise_exception: bool = True) -> Any:  # noqa: ARG002  (the base's signature)
        """Send them."""
        responses = super().finish(raise_exception=False)
        self.statuses = [response.status_code for response in responses]
        return responses
