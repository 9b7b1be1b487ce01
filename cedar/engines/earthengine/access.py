"""With what Earth Engine is reached: the credential, the project, and what may be missing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Final

from ee import oauth
from google.oauth2.credentials import Credentials

from cedar import credentials
from cedar.credentials import (
    VARIABLE,
    Credential,
    check_private,
    find,
    is_open_to_others,
    read,
    read_object,
)
from cedar.exceptions import ConfigError

from . import NO_PROJECT, Project

if TYPE_CHECKING:
    from . import EarthEngine

_NO_CREDENTIAL: Final = (
    "no credential for Earth Engine: run `earthengine authenticate` or `gcloud auth "
    "application-default login`, or name a key file as `credentials` in section `earthengine` (or "
    "try `url: emulator`, which needs none)"
)
#: One of these, or the service refuses.
_SCOPES: Final = frozenset(
    f"https://www.googleapis.com/auth/{name}" for name in ("earthengine", "cloud-platform")
)


@dataclass(frozen=True)
class Access(credentials.Access):
    """With what an engine would connect.

    Attributes
    ----------
    project : Project or None
        The Cloud project.
    """

    project: Project | None


def credential(path: Path | None = None, ask: bool = True) -> Credential:
    """Find the credential for Earth Engine.

    It is the file's; else what ``earthengine authenticate`` wrote; else application default
    credentials: the client's own order.

    Parameters
    ----------
    path : Path, optional
        A credential file.
    ask : bool
        Whether the machine's metadata server may be asked, where no file is found.

    Raises
    ------
    ConfigError
        There is none, or it can't be used.
    """
    if path is not None:
        check_private(path)
        return read(path, oauth.SCOPES)
    own, project = _clients_own()
    found = own or find(oauth.SCOPES, ask)
    if found is None:
        raise ConfigError(_NO_CREDENTIAL)
    return replace(found, project=project or found.project)


def _clients_own() -> tuple[Credential | None, str | None]:
    """What ``earthengine authenticate`` wrote, and ``earthengine set_project``."""
    path = Path(oauth.get_credentials_path())
    if not path.is_file():
        return None, None
    read_object(path)
    arguments = oauth.get_credentials_arguments()
    project = arguments["quota_project_id"]
    if not arguments["refresh_token"]:
        return None, project
    return Credential(Credentials(None, **arguments), "user", str(path), path), project


def project_of(path: Path | None = None) -> Project | None:
    """The Cloud project that the credential names, if it is in a file; nothing is sent."""
    try:
        found = credential(path, ask=False)
    except ConfigError:
        # Whoever needs the credential will hear of it.
        return None
    return Project(found.project, found.source) if found.project else None


def describe(engine: EarthEngine) -> Access:
    """Say what an engine would connect with. The service isn't asked."""
    found, missing = None, []
    if not engine.emulated:
        try:
            found = credential(engine.credentials)
        except ConfigError as error:
            missing.append(str(error))
        if engine.found_project is None:
            missing.append(NO_PROJECT)
        if found is not None and _lacks_scopes(found):
            missing.append(
                f"{found.source} is not for Earth Engine: run `earthengine authenticate --force`"
            )
    return Access(
        engine.url,
        engine.emulated,
        found,
        tuple(missing),
        tuple(_doubts(engine, found)),
        tuple(_notes(engine, found)),
        engine.found_project,
    )


def _lacks_scopes(found: Credential) -> bool:
    # What gcloud writes doesn't say what the user agreed to.
    return bool(found.credentials.scopes) and _SCOPES.isdisjoint(found.credentials.scopes)


def _doubts(engine: EarthEngine, found: Credential | None) -> Iterator[str]:
    if found is None or found.kind == "user":
        return
    # developers.google.com/earth-engine/guides/access_control
    yield (
        f"{found.account or 'the account'} needs the roles Earth Engine Resource Viewer and "
        f"Service Usage Consumer in project {engine.project}, and that project has to be "
        "registered for Earth Engine"
    )
    if found.path is None:
        yield "the machine needs the scope cloud-platform, or earthengine, from when it was made"


def _notes(engine: EarthEngine, found: Credential | None) -> Iterator[str]:
    if engine.emulated and engine.credentials is not None:
        yield (
            f"{engine.credentials} is sent nowhere, since the host is on this machine: leave "
            "`credentials` out of section `earthengine`"
        )
    if found is None:
        return
    if found.path is not None and is_open_to_others(found.path):
        yield f"others can read {found.path}: run `chmod 600 {quote(str(found.path))}`"
    named = os.environ.get(VARIABLE)
    if named and found.path != Path(named):
        yield (
            f"${VARIABLE} is not used, since {found.source} goes first: give its path as "
            "`credentials` in section `earthengine`"
        )
