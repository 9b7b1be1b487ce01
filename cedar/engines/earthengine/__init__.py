"""Earth Engine, the one place that imports its client (and only when it is first needed)."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cedar.credentials import check_url, is_loopback
from cedar.engines.base import Engine, Progress
from cedar.exceptions import ConfigError

if TYPE_CHECKING:
    from cedar.emulator import Emulator
    from cedar.grids import Tile
    from cedar.items import Destination, ExportRequest, ImageInfo
    from cedar.metadata import ImageMetadata
    from cedar.sensors.base import Collection

#: What `url` says for the emulator in this process.
EMULATOR: Final = "emulator"
DEFAULT_URL: Final = "https://earthengine.googleapis.com"
#: For many small requests, as pulls are: with a limit of its own, and fewer caches.
HIGH_VOLUME_URL: Final = "https://earthengine-highvolume.googleapis.com"

#: Google's variable for a Cloud project.
PROJECT_VARIABLE: Final = "GOOGLE_CLOUD_PROJECT"
NO_PROJECT: Final = (
    f"Earth Engine needs a Cloud project: set `project` in section `earthengine`, or "
    f"${PROJECT_VARIABLE} (or try `url: emulator`, which needs none)"
)

CONFIG_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "project": {
            "type": "string",
            "minLength": 1,
            "description": "Cloud project; without it, $GOOGLE_CLOUD_PROJECT, else the one that "
            "the credential names.",
        },
        "url": {
            "type": "string",
            "minLength": 1,
            "description": "Another host of the service, or `emulator`: the one in this process.",
        },
        "high_volume": {
            "type": "boolean",
            "description": "Use the service's high-volume host, for many requests at once.",
        },
        "credentials": {
            "type": "string",
            "minLength": 1,
            "description": "Key file of a service account or user; without it, what `earthengine "
            "authenticate` wrote, else application default credentials.",
        },
        "catalog": {
            "type": "string",
            "minLength": 1,
            "description": "Directory of STAC Items that the emulator serves; synthetic scenes "
            "where it is left out.",
        },
    },
    "additionalProperties": False,
}


def from_config(section: Mapping[str, Any], directory: Path) -> EarthEngine:
    """Open the engine that a config's section describes.

    Raises
    ------
    ConfigError
        Its settings don't go together.
    """

    def path(key: str) -> Path | None:
        return None if key not in section else directory / Path(section[key]).expanduser()

    url, high_volume = section.get("url"), section.get("high_volume", False)
    if "catalog" in section and url != EMULATOR:
        raise ConfigError("earthengine: catalog goes with `url: emulator` only")
    if "credentials" in section and url == EMULATOR:
        raise ConfigError("earthengine: the emulator takes no credentials")
    if high_volume and url is not None:
        raise ConfigError("earthengine: give either url or high_volume")
    return EarthEngine(
        section.get("project"),
        HIGH_VOLUME_URL if high_volume else url,
        catalog=path("catalog"),
        credentials=path("credentials"),
    )


@dataclass(frozen=True)
class Project:
    """A Cloud project.

    Attributes
    ----------
    id : str
        Its id, or number.
    source : str
        Where it was found.
    """

    id: str
    source: str


class EarthEngine(Engine):
    """A session with Earth Engine, or with the emulator, made when it is first needed.

    The official client keeps one session a process: an engine that finds another's takes over, so
    don't use two at the same time.

    Parameters
    ----------
    project : str, optional
        Cloud project; by default $GOOGLE_CLOUD_PROJECT, else the one that the credential's file
        names. The emulator needs none.
    url : str, optional
        Another host of the service, or ``emulator``.
    catalog : path, optional
        Directory of STAC Items for ``url="emulator"``.
    emulator : Emulator, optional
        An emulator that the caller has entered, instead of `url` and `catalog`.
    credentials : path, optional
        Key file of a service account or user; by default what ``earthengine authenticate`` wrote,
        else application default credentials. None is ever sent to a host that isn't Google's.
    """

    def __init__(
        self,
        project: str | None = None,
        url: str | None = None,
        *,
        catalog: Path | None = None,
        emulator: Emulator | None = None,
        credentials: Path | None = None,
    ):
        in_process = emulator is not None or url == EMULATOR
        self.url = EMULATOR if in_process else (url or DEFAULT_URL).rstrip("/")
        if not in_process:
            check_url(self.url)
        #: Whether it isn't the real service: what is on this machine's loopback isn't either.
        self.emulated = in_process or is_loopback(self.url)
        self.credentials = credentials
        self._project = project
        self._catalog = catalog
        self._emulator = emulator

    @cached_property
    def found_project(self) -> Project | None:
        """The Cloud project, and where it was found. The emulator's is what is given."""
        if self._project:
            return Project(self._project, "the configuration")
        if self.emulated:
            return None
        if named := os.environ.get(PROJECT_VARIABLE):
            return Project(named, f"${PROJECT_VARIABLE}")
        from .access import project_of

        return project_of(self.credentials)

    @property
    def project(self) -> str | None:
        """Id of the Cloud project."""
        return None if self.found_project is None else self.found_project.id

    def endpoint(self) -> tuple[str, Any]:
        """Return the base url, and the transport that answers it (None: the network).

        Raises
        ------
        ConfigError
            The catalog can't be read, or there is no project for the real service.
        """
        if self.url != EMULATOR:
            if self.project is None and not self.emulated:
                raise ConfigError(NO_PROJECT)
            return self.url, None
        if self._emulator is None:
            from cedar.emulator import Emulator

            self._emulator = Emulator(catalog=self._catalog).__enter__()
        return self._emulator.url, self._emulator.transport

    def connect(self) -> None:
        """Make this engine's session the process's, if it isn't."""
        from . import session

        session.connect(self)

    def identity(self) -> dict[str, Any]:
        return {
            "name": "earthengine",
            "url": EMULATOR if self.emulated else self.url,
            "project": self.project,
            "emulated": self.emulated,
        }

    def check(self) -> None:
        self.endpoint()

    def record_filter(self, given: Any) -> dict[str, Any]:
        from . import filters

        return filters.record(given)

    def check_options(self, options: Mapping[str, Any], kind: str) -> dict[str, Any]:
        from .options import check

        return check(options, kind)

    def search(
        self,
        collection: Collection,
        tile: Tile,
        start: dt.datetime,
        end: dt.datetime,
        filters: Sequence[Mapping[str, Any]] = (),
    ) -> list[ImageInfo]:
        from .search import search

        self.connect()
        return search(collection, tile, start, end, filters)

    def prepare(
        self, metadata: ImageMetadata, destination: Destination, options: Mapping[str, Any]
    ) -> ExportRequest:
        from .pull import prepare

        return prepare(metadata, destination, options)

    def pull(self, request: ExportRequest, scratch: Path, progress: Progress) -> Path:
        from .pull import pull

        self.connect()
        return pull(request, scratch, progress)


class CallersSession(EarthEngine):
    """The session that the caller has initialized with ``ee.Initialize``."""

    def __init__(self) -> None:
        from . import session

        self._session = session.current()
        super().__init__(session.project(), EMULATOR if session.emulated() else session.url())

    def connect(self) -> None:
        """Make sure that the session is still the caller's.

        Raises
        ------
        ConfigError
            Another has taken its place.
        """
        from . import session

        if session.current() != self._session:
            raise ConfigError(
                "the Earth Engine session that this tracker began with was replaced by another: "
                "initialize it again, and make a new Tracker"
            )

    def check(self) -> None:
        self.connect()


def default() -> EarthEngine:
    """Return the caller's session if there is one, else the real service's by default."""
    import sys

    if "ee" in sys.modules:
        from . import session

        if session.is_callers():
            return CallersSession()
    return EarthEngine()
