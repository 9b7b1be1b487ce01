"""With what Earth Engine is reached: the credential, the project, and what may be missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ee import oauth

from cedar import access
from cedar.credentials import Credential, for_google
from cedar.exceptions import ConfigError

from . import NO_PROJECT, Project

if TYPE_CHECKING:
    from . import EarthEngine

SERVICE: Final = access.Service(
    "Earth Engine",
    "earthengine",
    oauth.SCOPES,
    [f"https://www.googleapis.com/auth/{name}" for name in ("earthengine", "cloud-platform")],
)


@dataclass(frozen=True)
class Access(access.Access):
    """With what an engine would connect.

    Attributes
    ----------
    project : Project or None
        The Cloud project.
    """

    project: Project | None


def project_of(path: Path | None = None) -> Project | None:
    """The Cloud project that the credential names, if it is in a file; nothing is sent."""
    try:
        found = for_google(path, SERVICE.scopes, SERVICE.section, ask=False)
    except ConfigError:
        # Whoever needs the credential will hear of it.
        return None
    return Project(found.project, found.source) if found.project else None


def describe(engine: EarthEngine) -> Access:
    """Say what an engine would connect with. The service isn't asked."""
    found, missing = SERVICE.look(engine.credentials, engine.emulated)
    if engine.found_project is None and not engine.emulated:
        missing.append(NO_PROJECT)
    return Access(
        engine.url,
        engine.emulated,
        found,
        tuple(missing),
        tuple(_doubts(engine, found)),
        tuple(SERVICE.notes(engine.credentials, engine.emulated, found)),
        engine.found_project,
    )


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
