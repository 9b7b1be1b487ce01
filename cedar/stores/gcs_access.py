"""With what Cloud Storage is reached, what may be missing, and what the service says of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from google.api_core.exceptions import GoogleAPICallError

from .. import access
from ..credentials import Credential
from .gcs_connection import NO_BUCKET, ROLE, TIMEOUT, words_of

__all__ = ["PERMISSIONS", "ROLE", "SERVICE", "Access", "Reached", "check", "describe"]

if TYPE_CHECKING:
    from .gcs import GCSStore

_SCOPE: Final = "https://www.googleapis.com/auth/devstorage.read_write"
SERVICE: Final = access.Service(
    "Cloud Storage",
    "gcs",
    [_SCOPE],
    (
        _SCOPE,
        "https://www.googleapis.com/auth/devstorage.full_control",
        "https://www.googleapis.com/auth/cloud-platform",
    ),
)
#: What a store does with objects.
PERMISSIONS: Final = tuple(
    f"storage.objects.{verb}" for verb in ("list", "get", "create", "delete")
)
#: Where the client would go instead (google/cloud/storage/_helpers.py).
_EMULATOR_VARIABLE: Final = "STORAGE_EMULATOR_HOST"


@dataclass(frozen=True)
class Access(access.Access):
    """With what a store would be reached.

    Attributes
    ----------
    bucket : str
        Its name.
    project : str or None
        Who pays, where the bucket's requesters do.
    """

    bucket: str
    project: str | None


@dataclass(frozen=True)
class Reached:
    """What the service says of a bucket and of whoever asks.

    Attributes
    ----------
    location, storage_class : str or None
        None: whoever asks may not know.
    lacking : tuple of str or None
        Permissions that are needed and not there; None: the service doesn't say.
    """

    location: str | None
    storage_class: str | None
    lacking: tuple[str, ...] | None


def describe(store: GCSStore) -> Access:
    """Say what a store would be reached with. The service isn't asked."""
    found, missing = SERVICE.look(store.credentials, store.emulated)
    return Access(
        store.url,
        store.emulated,
        found,
        tuple(missing),
        tuple(_doubts(store, found)),
        tuple(_notes(store, found)),
        store.bucket,
        store.project,
    )


def _doubts(store: GCSStore, found: Credential | None) -> Iterator[str]:
    if found is not None:
        yield (
            f"{found.account or 'the account'} needs the role {ROLE} on gs://{store.bucket}, and "
            "so does whoever exports to it by Earth Engine"
        )


def _notes(store: GCSStore, found: Credential | None) -> Iterator[str]:
    if os.environ.get(_EMULATOR_VARIABLE):
        yield f"${_EMULATOR_VARIABLE} is not used: give the address as `url` in section `gcs`"
    yield from SERVICE.notes(store.credentials, store.emulated, found)


def check(store: GCSStore) -> Reached:
    """Ask the service for the bucket, and for what may be done in it.

    Raises
    ------
    ConfigError
        There is no credential.
    StoreError
        The bucket isn't there, or can't be reached.
    """
    connection = store.connection
    bucket = connection.bucket

    def permissions() -> tuple[str, ...] | None:
        try:
            have = bucket.test_iam_permissions(PERMISSIONS, timeout=TIMEOUT, retry=None)
        except GoogleAPICallError as error:
            if error.code == HTTPStatus.NOT_FOUND and NO_BUCKET not in words_of(error):
                return None  # Not every emulator has it.
            raise
        return tuple(each for each in PERMISSIONS if each not in have)

    def properties() -> tuple[str | None, str | None]:
        try:
            bucket.reload(timeout=TIMEOUT, retry=None)
        except GoogleAPICallError as error:
            if error.code == HTTPStatus.FORBIDDEN:
                return None, None  # To use a bucket's objects isn't to see the bucket.
            raise
        return bucket.location, bucket.storage_class

    needs = "storage.buckets.get"
    lacking = connection.ask(permissions, "check", needs=needs, patience=access.PATIENCE)
    location, kind = connection.ask(properties, "check", needs=needs, patience=access.PATIENCE)
    return Reached(location, kind, lacking)
