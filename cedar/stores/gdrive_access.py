"""With what Drive is reached, what may be missing, and what the service says of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .. import access
from ..credentials import Credential
from .gdrive_connection import Connection
from .gdrive_errors import SCOPE, SCOPES_MISSING
from .gdrive_folders import BY_ID

if TYPE_CHECKING:
    from .gdrive import GDriveStore

SERVICE: Final = access.Service("Drive", "gdrive", [SCOPE], [SCOPE], SCOPES_MISSING)
_SERVICE_ACCOUNT: Final = "service account"


@dataclass(frozen=True)
class Access(access.Access):
    """With what a store would be reached.

    Attributes
    ----------
    folder : str
        As it was given.
    """

    folder: str


@dataclass(frozen=True)
class Reached:
    """What the service says of an account and of cedar's folder.

    Attributes
    ----------
    account : str
        Its address of electronic mail.
    folder : str or None
        Id of cedar's folder; None: it isn't there yet.
    namesakes : int
        How many other folders at the top of My Drive have its title.
    used : int
        Bytes that the account has used.
    total : int or None
        How many it may; None: any number.
    lacking : tuple of str
        What is needed and not there.
    """

    account: str
    folder: str | None
    namesakes: int
    used: int
    total: int | None
    lacking: tuple[str, ...]


def describe(store: GDriveStore) -> Access:
    """Say what a store would be reached with. The service isn't asked."""
    found, missing = SERVICE.look(store.credentials, store.emulated)
    return Access(
        store.url,
        store.emulated,
        found,
        tuple(missing),
        tuple(_doubts(store, found)),
        tuple(SERVICE.notes(store.credentials, store.emulated, found)),
        store.folder,
    )


def _doubts(store: GDriveStore, found: Credential | None) -> Iterator[str]:
    if found is None:
        return
    who = found.account or "the account"
    if found.kind == _SERVICE_ACCOUNT:
        yield (
            f"{who} has no room in Drive: Earth Engine can export, and cedar write, only as a "
            "user, or into a shared drive"
        )
    yield (
        "Earth Engine exports to the Drive of the account that it knows: that has to be the one "
        "of this credential"
    )
    if not found.credentials.scopes:
        yield f"{found.source} doesn't say what it is for; if it isn't for Drive: {SCOPES_MISSING}"
    if store.folder.startswith(BY_ID):
        yield f"{who} has to be let edit the folder {store.folder.removeprefix(BY_ID)}"


def check(store: GDriveStore) -> Reached:
    """Ask the service for the account, and for cedar's folder, which isn't made.

    Raises
    ------
    ConfigError
        There is no credential, or no folder of the id that was given.
    StoreError
        The service can't be reached, or refuses.
    """
    about = _about(store.connection, access.PATIENCE)
    used, total = _quota(about)
    base = store.base()
    lacking = [
        f"the right to edit the folder {folder.title!r}: ask its owner for it"
        for folder in base[:1]
        if not folder.editable
    ]
    if total is not None and used >= total:
        lacking.append(f"room: all {total:,} bytes are used")
    return Reached(
        about["user"]["emailAddress"],
        base[0].id if base else None,
        len(base[1:]),
        used,
        total,
        tuple(lacking),
    )


def quota_of(connection: Connection) -> tuple[int, int | None]:
    """Bytes that the account has used, and how many it may; None: any number."""
    return _quota(_about(connection, None))


def _about(connection: Connection, patience: float | None) -> Any:
    fields = "user(emailAddress),quotaType,quotaBytesTotal,quotaBytesUsed,quotaBytesUsedAggregate"
    request = connection.about.get(fields=fields)
    return connection.ask(request, "look at the account in Drive", patience=patience)


def _quota(about: Any) -> tuple[int, int | None]:
    # What mail and photos take counts too.
    used = int(about.get("quotaBytesUsedAggregate", about["quotaBytesUsed"]))
    is_unlimited = about.get("quotaType") == "UNLIMITED" or "quotaBytesTotal" not in about
    return used, None if is_unlimited else int(about["quotaBytesTotal"])
