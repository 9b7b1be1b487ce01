"""Earth Engine, the one place that imports its client (and only when it is first needed)."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from cedar.engines.base import Engine, Progress
from cedar.exceptions import ConfigError, InputError

if TYPE_CHECKING:
    from cedar.emulator import Emulator
    from cedar.grids import Tile
    from cedar.items import Destination, ExportRequest, ImageInfo
    from cedar.metadata import ImageMetadata
    from cedar.sensors.base import Collection

#: What `url` says for the emulator in this process.
EMULATOR: Final = "emulator"
DEFAULT_URL: Final = "https://earthengine.googleapis.com"

CONFIG_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "project": {"type": "string", "minLength": 1, "description": "Cloud project."},
        "url": {
            "type": "string",
            "minLength": 1,
            "description": "Another host of the service, or `emulator`: the one in this process.",
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
        `catalog` without the emulator.
    """
    url, catalog = section.get("url"), section.get("catalog")
    if url != EMULATOR:
        if catalog is not None:
            raise ConfigError("earthengine: catalog goes with `url: emulator` only")
        return EarthEngine(section.get("project"), url)
    return EarthEngine(
        section.get("project"),
        url,
        catalog=None if catalog is None else directory / Path(catalog).expanduser(),
    )


class EarthEngine(Engine):
    """A session with Earth Engine, or with the emulator, made when it is first needed.

    The official client keeps one session a process: an engine that finds another's takes over, so
    don't use two at the same time.

    Parameters
    ----------
    project : str, optional
        Cloud project; by default $GOOGLE_CLOUD_PROJECT. The emulator needs none.
    url : str, optional
        Another host of the service, or ``emulator``.
    catalog : path, optional
        Directory of STAC Items for ``url="emulator"``.
    emulator : Emulator, optional
        An emulator that the caller has entered, instead of `url` and `catalog`.
    """

    def __init__(
        self,
        project: str | None = None,
        url: str | None = None,
        *,
        catalog: Path | None = None,
        emulator: Emulator | None = None,
    ):
        self.emulated = emulator is not None or url == EMULATOR
        self.project = project or (
            None if self.emulated else os.environ.get("GOOGLE_CLOUD_PROJECT") or None
        )
        self.url = EMULATOR if self.emulated else (url or DEFAULT_URL).rstrip("/")
        self._catalog = catalog
        self._emulator = emulator
        if not self.emulated:
            _check_host(self.url)

    def endpoint(self) -> tuple[str, Any]:
        """Return the base url, and the transport that answers it (None: the client's own).

        Raises
        ------
        ConfigError
            The catalog can't be read, or there is no project for the real service.
        """
        if not self.emulated:
            if self.project is None and not is_loopback(self.url):
                raise ConfigError(
                    "Earth Engine needs a Cloud project: set `project` in section `earthengine`, "
                    "or $GOOGLE_CLOUD_PROJECT (or try `url: emulator`, which needs none)"
                )
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
        emulated = self.emulated or is_loopback(self.url)
        return {
            "name": "earthengine",
            "url": EMULATOR if emulated else self.url,
            "project": self.project,
            "emulated": emulated,
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


def is_loopback(url: str) -> bool:
    """Whether a url's host is this machine."""
    return urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")


def _check_host(url: str) -> None:
    parts = urlsplit(url)
    host = parts.hostname or ""
    google = parts.scheme == "https" and (
        host == "googleapis.com" or host.endswith(".googleapis.com")
    )
    if not google and not (is_loopback(url) and parts.scheme in ("http", "https")):
        raise InputError(
            f"earthengine url {url!r} is neither Google's, by https, nor on this machine: "
            "credentials are sent nowhere else"
        )
