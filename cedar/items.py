"""Frozen data that travels between the parts of cedar."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .grids import Tile


@dataclass(frozen=True)
class ObjectInfo:
    """An object in a store.

    Attributes
    ----------
    key : str
        Its whole name in the store, parts separated by ``/``.
    size : int
        Bytes.
    version : str
        Changes whenever the object is written; opaque.
    checksum : str or None
        ``algorithm:digest``, where the store knows one without reading the object.
    updated : datetime.datetime or None
        When it was last written (UTC).
    ref : str or None
        What else the store calls it by (a Drive file id, a path).
    """

    key: str
    size: int
    version: str
    checksum: str | None = None
    updated: dt.datetime | None = None
    ref: str | None = None

    @property
    def path(self) -> Path | None:
        """The file of this machine that it is, if it is one."""
        path = Path(self.ref or "")
        return path if path.is_absolute() else None


@dataclass(frozen=True)
class Destination:
    """Where an engine writes an item's image.

    Attributes
    ----------
    kind : str
        The kind of store: ``local``, ``gcs``, ``gdrive``.
    container : str
        The bucket, folder or directory.
    prefix : str
        The folder inside it.
    """

    kind: str
    container: str
    prefix: str


@dataclass(frozen=True)
class ImageInfo:
    """One image of a collection, as a search found it.

    Attributes
    ----------
    id : str
        ``system:id``, by which the image is loaded.
    index : str
        ``system:index``.
    time_start : int
        ``system:time_start``: milliseconds since 1970-01-01 UTC.
    version : int or None
        ``system:version``: what the asset was when it was found.
    bands : frozenset of str or None
        Native names of the bands it has; None where the search could not tell.
    resolution : float or None
        Native pixel size in metres, where it was asked for.
    properties : mapping
        Other properties that the collection records; those the image lacks are left out.
    joined : mapping
        Images of other collections that bands come from, by collection: those that there are.
    """

    id: str
    index: str
    time_start: int
    version: int | None = None
    bands: frozenset[str] | None = None
    resolution: float | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    joined: Mapping[str, ImageInfo] = field(default_factory=dict)

    @property
    def time(self) -> dt.datetime:
        """Time of acquisition, UTC."""
        return dt.datetime.fromtimestamp(self.time_start / 1000, dt.UTC)

    @property
    def ids(self) -> set[str]:
        """Its id, and those of the images that are joined."""
        return {self.id, *(image.id for image in self.joined.values())}

    def has(self, native: str, joined: str | None = None) -> bool:
        """Whether it has a band, as far as the search could tell: one that is joined, or its own.

        Parameters
        ----------
        native : str
            The band's native name.
        joined : str, optional
            Id of the collection that it comes from.
        """
        if joined is not None:
            return joined in self.joined and self.joined[joined].has(native)
        return self.bands is None or native in self.bands


@dataclass(frozen=True)
class Group:
    """Images that make one layer of the stack, the lowest first.

    Attributes
    ----------
    date : datetime.date
        The one date that names the group's bands and places it in a period.
    images : tuple of ImageInfo
        By time of acquisition, then system:index: the last lies on top.
    collection : str or None
        Of merged collections, the one that all its images are of.
    """

    date: dt.date
    images: tuple[ImageInfo, ...]
    collection: str | None = None

    @property
    def time(self) -> dt.datetime:
        """Time of the first acquisition, UTC."""
        return self.images[0].time


@dataclass(frozen=True)
class Item:
    """One collection × tile × period of an order.

    Attributes
    ----------
    name, prefix : str
        Stem and folder of what will be in the store.
    collection : str
        Earth Engine collection id, or the name of several that are merged.
    tile : Tile
        Where.
    date_start, date_end : datetime.datetime
        Half-open period, UTC.
    groups : tuple of Group
        What the stack will be made of; empty where nothing was found.
    family : str or None
        Of a part of an item that was too large for one image, the item's name.
    dropped : tuple of datetime.date
        Dates of groups that were left out, since they have no pixels.
    """

    name: str
    prefix: str
    collection: str
    tile: Tile
    date_start: dt.datetime
    date_end: dt.datetime
    groups: tuple[Group, ...] = ()
    family: str | None = None
    dropped: tuple[dt.date, ...] = ()

    @property
    def image_ids(self) -> set[str]:
        """Ids of all that it is made of, those that are joined among them."""
        return {each for group in self.groups for image in group.images for each in image.ids}

    @property
    def n_images(self) -> int:
        """Images in all groups."""
        return sum(len(group.images) for group in self.groups)


@dataclass(frozen=True)
class ExportRequest:
    """What one attempt at an item asks of an engine: a plain value; no expression is in it.

    Attributes
    ----------
    name, prefix : str
        Stem and folder of the output.
    request_id : str
        Minted by cedar; the service starts at most one task for it.
    description : str
        What the service's list of tasks calls it: the name, and the attempt.
    metadata : mapping
        The item's image metadata document.
    destination : Destination
        Where the image goes.
    options : mapping
        export_image_kwds, checked.
    """

    name: str
    prefix: str
    request_id: str
    description: str
    metadata: Mapping[str, Any]
    destination: Destination
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Output:
    """A finished image in the store, as the record names it."""

    name: str
    size: int
    checksum: str | None
    version: str

    @classmethod
    def of(cls, info: ObjectInfo) -> Output:
        """The record's form of an object."""
        return cls(info.key.rpartition("/")[2], info.size, info.checksum, info.version)

    @classmethod
    def listed(cls, output: Mapping[str, Any]) -> Output:
        """An entry's output, of which a later release may say more."""
        return cls(output["name"], output["size"], output["checksum"], output["version"])

    def at(self, key: str) -> ObjectInfo:
        """The object that the record names."""
        return ObjectInfo(key, self.size, self.version, self.checksum)


@dataclass(frozen=True)
class TaskStatus:
    """What an engine's service says of a task.

    Attributes
    ----------
    name : str
        The operation's, in full: ``projects/…/operations/…``.
    state : str
        In the words of :class:`cedar.states.TaskState`; a word never heard of as it came.
    description : str
        The item's name and the attempt, ``<name>-a1``.
    created, started, updated : int or None
        Milliseconds since 1970-01-01 UTC.
    progress : float
        From 0 to 1.
    urls : tuple of str
        Where the service says that the outputs are.
    error : str or None
        The service's words for why it failed.
    eecu_seconds : float or None
        What it has cost.
    """

    name: str
    state: str
    description: str
    created: int | None = None
    started: int | None = None
    updated: int | None = None
    progress: float = 0.0
    urls: tuple[str, ...] = ()
    error: str | None = None
    eecu_seconds: float | None = None

    @property
    def id(self) -> str:
        """The task's short id."""
        return self.name.rpartition("/")[2]
