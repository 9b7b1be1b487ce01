"""With what Cloud Storage is reached, what may be missing, and what the service says of it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final

from google.api_core.exceptions import GoogleAPICallError
from google.auth.credentials import AnonymousCredentials

from .. import credentials
from ..credentials import VARIABLE, Credential, for_google, is_open_to_others, lacks_scopes
from ..exceptions import ConfigError
from .gcs_connection import NO_BUCKET, ROLE, TIMEOUT, words_of

__all__ = [
    "PERMISSIONS",
    "ROLE",
    "SCOPES",
    "Access",
    "Reached",
    "check",
    "credential_of",
    "describe",
]

if TYPE_CHECKING:
    from .gcs import GCSStore

SCOPES: Final = ("https://www.googleapis.com/auth/devstorage.read_write",)
#: Any of these is enough.
_ENOUGH: Final = (
    *SCOPES,
    "https://www.googleapis.com/auth/devstorage.full_control",
    "https://www.googleapis.com/auth/cloud-platform",
)
#: What a store does with objects.
PERMISSIONS: Final = tuple(
    f"storage.objects.{verb}" for verb in ("list", "get", "create", "delete")
)
#: Where the client would go instead (google/cloud/storage/_helpers.py).
_EMULATOR_VARIABLE: Final = "STORAGE_EMULATOR_HOST"
#: Seconds during which a check is tried again.
_PATIENCE: Final = 10.0


@dataclass(frozen=True)
class Access(credentials.Access):
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


def credential_of(store: GCSStore) -> Credential:
    """Find the credential of a store.

    Raises
    ------
    ConfigError
        There is none, or it can't be used.
    """
    given = store.credentials
    if store.emulated:
        return Credential(AnonymousCredentials(), "none", "the host is on this machine")
    if given is None or isinstance(given, str | os.PathLike):
        return for_google(None if given is None else Path(given), SCOPES)
    account = getattr(given, "service_account_email", None)
    return Credential(given, type(given).__name__, "the caller", account=account)


def describe(store: GCSStore) -> Access:
    """Say what a store would be reached with. The service isn't asked."""
    found, missing = None, []
    if not store.emulated:
        try:
            found = credential_of(store)
        except ConfigError as error:
            missing.append(str(error))
        if found is not None and lacks_scopes(found, _ENOUGH):
            missing.append(
                f"{found.source} is not for Cloud Storage: run `earthengine authenticate --force`"
            )
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
    if store.emulated and store.credentials is not None:
        yield (
            "the credential is sent nowhere, since the host is on this machine: leave "
            "`credentials` out of section `gcs`"
        )
    if os.environ.get(_EMULATOR_VARIABLE):
        yield f"${_EMULATOR_VARIABLE} is not used: give the address as `url` in section `gcs`"
    if found is None or found.path is None:
        return
    if is_open_to_others(found.path):
        yield f"others can read {found.path}: run `chmod 600 {shlex.quote(str(found.path))}`"
    named = os.environ.get(VARIABLE)
    if named and found.path != Path(named):
        yield (
            f"${VARIABLE} is not used, since {found.source} goes first: give its path as "
            "`credentials` in section `gcs`"
        )


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
    lacking = connection.ask(permissions, "check", needs=needs, patience=_PATIENCE)
    location, kind = connection.ask(properties, "check", needs=needs, patience=_PATIENCE)
    return Reached(location, kind, lacking)
