"""What an engine is: it finds images and makes pixels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datetime as dt

    from cedar.grids import Tile
    from cedar.items import Destination, ExportRequest, ImageInfo
    from cedar.metadata import ImageMetadata
    from cedar.sensors.base import Collection

#: Called with the part done, from 0 to 1. What it raises ends the pull.
Progress = Callable[[float], None]


class Engine(ABC):
    """Finds images and makes pixels. Nothing outside an engine's package knows its client."""

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """Say what it is, for the record, without a request: name, url, project, emulated."""

    @abstractmethod
    def check(self) -> None:
        """Check what it needs as far as that goes without a request.

        Raises
        ------
        ConfigError
            Something is missing.
        """

    @abstractmethod
    def record_filter(self, given: Any) -> dict[str, Any]:
        """Check a filter, and put it as the record keeps it.

        Raises
        ------
        InputError
            It isn't one that the engine has.
        """

    @abstractmethod
    def check_options(self, options: Mapping[str, Any], kind: str) -> dict[str, Any]:
        """Check export_image_kwds for a kind of destination, and return a normalised copy.

        Raises
        ------
        InputError
            An option isn't known, or has no meaning for that kind.
        """

    @abstractmethod
    def search(
        self,
        collection: Collection,
        tile: Tile,
        start: dt.datetime,
        end: dt.datetime,
        filters: Sequence[Mapping[str, Any]] = (),
    ) -> list[ImageInfo]:
        """Find the images of a collection that meet a tile, in one request for the whole range.

        Parameters
        ----------
        start, end
            Half-open range of acquisition times, UTC.
        filters
            As :meth:`record_filter` puts them.
        """

    @abstractmethod
    def prepare(
        self, metadata: ImageMetadata, destination: Destination, options: Mapping[str, Any]
    ) -> ExportRequest:
        """Make the request that one attempt at an item sends: a plain value, no request yet.

        Raises
        ------
        InputError
            The service can't take it: too many pixels or bands.
        """

    @abstractmethod
    def pull(self, request: ExportRequest, scratch: Path, progress: Progress) -> Path:
        """Read an item's pixels and write its GeoTIFF.

        Parameters
        ----------
        scratch
            A directory of this request alone. Finished blocks stay in it, so that the same request
            goes on where an earlier pull was cut off.

        Returns
        -------
        Path
            The finished file, in scratch.
        """
