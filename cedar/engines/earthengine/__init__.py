"""Earth Engine, the one place that imports its client (and only when it is first needed)."""

from __future__ import annotations

import atexit
import datetime as dt
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from cedar.credentials import check_url, is_loopback
from cedar.engines.base import Engine, Progress
from cedar.exceptions import ConfigError

if TYPE_CHECKING:
    from cedar.emulator import Emulator
    from cedar.grids import Tile
    from cedar.items import Destination, ExportRequest, ImageInfo, TaskStatus
    from cedar.metadata import ImageMetadata
    from cedar.sensors import base as sensors

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
    "description": "The engine `earthengine`: Earth Engine, or an emulator of it.",
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
            "description": "Another host of the service, say http://localhost:8080, where `cedar "
            "emulator` serves one; or `emulator`: the one in this process.",
        },
        "high_volume": {
            "type": "boolean",
            "default": False,
            "description": "Use the service's high-volume host, for many requests at once.",
        },
        "credentials": {
            "type": "string",
            "minLength": 1,
            "description": "Key file of a service account or user; without it, what `earthengine "
            "authenticate` wrote, else application default credentials.",
        },
        "monthly_eecu_hours": {
            "type": "number",
            "exclusiveMinimum": 0,
            "expected": "above 0",
            "description": "EECU-hours a month that the project's tier has: what an order will "
            "cost is compared with it.",
        },
        "catalog": {
            "type": "string",
            "minLength": 1,
            "description": "Directory of STAC Items that the emulator serves; synthetic scenes "
            "where it is left out.",
        },
        "state": {
            "type": "string",
            "minLength": 1,
            "description": "Directory where the emulator keeps tasks, buckets and Drive for the "
            "next command; needed with a store that it exports to.",
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
    for key in ("catalog", "state"):
        if key in section and url != EMULATOR:
            raise ConfigError(f"earthengine: {key} goes with `url: emulator` only")
    if "credentials" in section and url == EMULATOR:
        raise ConfigError("earthengine: the emulator takes no credentials")
    if high_volume and url is not None:
        raise ConfigError("earthengine: give either url or high_volume")
    return EarthEngine(
        section.get("project"),
        HIGH_VOLUME_URL if high_volume else url,
        catalog=path("catalog"),
        state=path("state"),
        credentials=path("credentials"),
        monthly_eecu_hours=section.get("monthly_eecu_hours"),
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
    catalog, state : path, optional
        Of ``url="emulator"``: directory of STAC Items, and where it keeps what outlasts it.
    emulator : Emulator, optional
        An emulator that the caller has entered, instead of `url` and `catalog`.
    credentials : path, optional
        Key file of a service account or user; by default what ``earthengine authenticate`` wrote,
        else application default credentials. None is ever sent to a host that isn't Google's.
    monthly_eecu_hours : float, optional
        What the project's tier has, for forecasts.
    """

    exports_to: ClassVar[frozenset[str]] = frozenset({"gcs", "gdrive"})
    recipes: ClassVar[bool] = True
    # developers.google.com/earth-engine/apidocs/ee-imagecollection-tobands
    max_bands: ClassVar[int | None] = 5000

    def __init__(
        self,
        project: str | None = None,
        url: str | None = None,
        *,
        catalog: Path | None = None,
        state: Path | None = None,
        emulator: Emulator | None = None,
        credentials: Path | None = None,
        monthly_eecu_hours: float | None = None,
    ):
        in_process = emulator is not None or url == EMULATOR
        self.url = EMULATOR if in_process else (url or DEFAULT_URL).rstrip("/")
        if not in_process:
            check_url(self.url)
        #: Whether it isn't the real service: what is on this machine's loopback isn't either.
        self.emulated = in_process or is_loopback(self.url)
        self.credentials = credentials
        self.monthly_eecu_hours = monthly_eecu_hours
        self._project = project
        self._catalog, self._state = catalog, state
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
        return self.emulator.url, self.emulator.transport

    @property
    def emulator(self) -> Emulator:
        """The emulator in this process, which is started when it is first needed.

        Raises
        ------
        ConfigError
            Its catalog, or its state, can't be read.
        """
        if self._emulator is None:
            self._emulator = _emulator(self._catalog, self._state)
        return self._emulator

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
        collection: sensors.Collection,
        tile: Tile,
        start: dt.datetime,
        end: dt.datetime,
        filters: Sequence[Mapping[str, Any]] = (),
        images: Sequence[str] | None = None,
    ) -> list[ImageInfo]:
        from .search import search

        self.connect()
        return search(collection, tile, start, end, filters, images)

    def have_pixels(self, image: Mapping[str, Any], tile: Tile) -> list[bool]:
        from .emptiness import have_pixels

        self.connect()
        return have_pixels(image, tile)

    def export_options(
        self, options: Mapping[str, Any], size: tuple[int, int], n_bands: int, dtype: str
    ) -> dict[str, Any]:
        from .options import complete

        return complete(options, size, n_bands, dtype)

    def prepare(
        self,
        metadata: ImageMetadata,
        destination: Destination,
        options: Mapping[str, Any],
        attempt: int = 1,
    ) -> ExportRequest:
        from .prepare import prepare

        return prepare(metadata, destination, options, attempt)

    def start(self, request: ExportRequest) -> str:
        from .export import start

        self.connect()
        return start(request)

    def find(
        self, descriptions: Collection[str], since: dt.datetime
    ) -> dict[str, list[TaskStatus]]:
        from .operations import find

        self.connect()
        return find(descriptions, since)

    def list_tasks(self, since: dt.datetime | None = None) -> Iterator[TaskStatus]:
        from .operations import listed

        self.connect()
        return listed(since)

    def poll(self, ids: Collection[str]) -> dict[str, TaskStatus]:
        from .operations import poll

        self.connect()
        return poll(ids)

    def cancel(self, task_id: str) -> None:
        from .operations import cancel

        self.connect()
        cancel(task_id)

    def room(self) -> int | None:
        # No request asks for it, and whose tasks the limit counts isn't documented.
        return None

    def concurrency(self) -> int | None:
        self.connect()
        return self._concurrency

    @cached_property
    def _concurrency(self) -> int | None:
        from .operations import concurrency

        return concurrency()

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


@cache
def _emulator(catalog: Path | None, state: Path | None) -> Emulator:
    """Start an emulator that lasts as long as this process: one for all engines that are alike."""
    from cedar.emulator import Emulator

    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(Emulator(catalog, state=state))


def default() -> EarthEngine:
    """Return the caller's session if there is one, else the real service's by default."""
    import sys

    if "ee" in sys.modules:
        from . import session

        if session.is_callers():
            return CallersSession()
    return EarthEngine()
