"""What an engine is: it finds images and makes pixels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import datetime as dt

    from cedar.grids import Tile
    from cedar.items import Destination, ExportRequest, ImageInfo, TaskStatus
    from cedar.metadata import ImageMetadata
    from cedar.sensors import base as sensors

#: Called with the part done, from 0 to 1. What it raises ends the pull.
Progress = Callable[[float], None]


class Engine(ABC):
    """Finds images and makes pixels. Nothing outside an engine's package knows its client.

    Into the kinds of stores in `exports_to` its service writes by itself, as tasks that are started
    and then followed; into any other, cedar pulls.

    In all methods, `options` are ``export_image_kwds`` and `kind` is that of a destination;
    `request` is what :meth:`prepare` made, and `ids` and `task_id` are tasks' short ids.
    """

    #: Kinds of destinations that the service writes to.
    exports_to: ClassVar[frozenset[str]] = frozenset()
    #: Whether it makes what a collection's recipe says of its layers.
    recipes: ClassVar[bool] = False
    #: Bands that one exported image may have.
    max_bands: ClassVar[int | None] = None
    #: EECU-hours a month that the project's tier has; None where nobody says.
    monthly_eecu_hours: float | None = None

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
        """Check a filter as it was `given`, and put it as the record keeps it.

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
        collection: sensors.Collection,
        tile: Tile,
        start: dt.datetime,
        end: dt.datetime,
        filters: Sequence[Mapping[str, Any]] = (),
        images: Sequence[str] | None = None,
    ) -> list[ImageInfo]:
        """Find the images of a collection that meet a tile, in one request for the whole range.

        Parameters
        ----------
        collection
            Which, as cedar knows it.
        tile
            The tile.
        start, end
            Half-open range of acquisition times, UTC.
        filters
            As :meth:`record_filter` puts them.
        images
            ``system:index`` of those that are wanted; None: all.
        """

    def have_pixels(self, image: Mapping[str, Any], tile: Tile) -> list[bool]:
        """Ask which groups of a stack have any pixel on a tile that its recipe leaves.

        Of an engine that has `recipes`.

        Parameters
        ----------
        image
            The section ``image`` of an item's metadata, with a recipe.
        tile
            The tile.

        Raises
        ------
        EngineError
            The service can't compute it.
        """
        raise NotImplementedError

    @abstractmethod
    def export_options(
        self, options: Mapping[str, Any], size: tuple[int, int], n_bands: int, dtype: str
    ) -> dict[str, Any]:
        """Add to checked options what an export needs and they don't say.

        So it is known before which files there will be: ``fileDimensions`` is [columns, rows].

        Parameters
        ----------
        size
            Columns and rows of a tile.
        n_bands
            Of the largest item.
        dtype
            Type of the pixels.
        """

    @abstractmethod
    def prepare(
        self,
        metadata: ImageMetadata,
        destination: Destination,
        options: Mapping[str, Any],
        attempt: int = 1,
    ) -> ExportRequest:
        """Make the request that one attempt at an item sends: a plain value, no request yet.

        Parameters
        ----------
        metadata
            What the item's stack is made of.
        destination
            Where the image goes.
        options
            Checked, and completed by :meth:`export_options`.
        attempt
            Which it is, from 1: it tells its request from those before.

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
        progress
            Told how far it is.

        Returns
        -------
        Path
            The finished file, in scratch.
        """

    @abstractmethod
    def start(self, request: ExportRequest) -> str:
        """Start a task; the name of its operation. For one request id there is never more than one.

        A task that was started before for the same request is found, and its name returned.

        Raises
        ------
        EngineError
            `full`: the queue takes no more now. `transient`: whether it was started isn't known;
            the same request may be sent again. Otherwise: the service refuses.
        """

    @abstractmethod
    def find(
        self, descriptions: Collection[str], since: dt.datetime
    ) -> dict[str, list[TaskStatus]]:
        """Find tasks by `descriptions`, among those created `since` then; the newest first."""

    @abstractmethod
    def list_tasks(self, since: dt.datetime | None = None) -> Iterator[TaskStatus]:
        """List all tasks that the service still knows; lazy, in no order.

        Parameters
        ----------
        since
            Only those created from this time on.

        Raises
        ------
        EngineError
            The service can't be asked.
        """

    @abstractmethod
    def poll(self, ids: Collection[str]) -> dict[str, TaskStatus]:
        """Ask how tasks are, by their short ids, in as few requests as will do.

        A task that isn't in the answer is one that the service has forgotten.

        Raises
        ------
        EngineError
            The service can't be asked.
        """

    @abstractmethod
    def cancel(self, task_id: str) -> None:
        """Ask the service to cancel a task, by its short id. One that has ended stays as it is."""

    @abstractmethod
    def room(self) -> int | None:
        """Count the tasks that the queue still takes; None where the service doesn't say."""

    def concurrency(self) -> int | None:
        """Count the tasks of the project that may run at once; None where nobody says.

        Raises
        ------
        EngineError
            The service can't be asked, or refuses.
        """
        return None
