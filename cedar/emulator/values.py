"""What an expression evaluates to: the emulator's values.

Plain JSON values stand for themselves. Images are lazy: a band holds a function that reads a
:class:`Grid`, so nothing is computed but the pixels that a request asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from shapely.geometry.base import BaseGeometry

#: (a, b, c, d, e, f) of x = a·column + b·row + c, y = d·column + e·row + f.
AffineCoefficients = tuple[float, float, float, float, float, float]
IDENTITY: AffineCoefficients = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


class ServiceError(Exception):
    """What the service answers instead of a result: an HTTP status, a status word and a message.

    Services older than google.rpc, as Cloud Storage and Drive are, say a `reason` besides.
    """

    def __init__(
        self,
        message: str,
        code: int = 400,
        status: str = "INVALID_ARGUMENT",
        reason: str | None = None,
    ):
        super().__init__(message)
        self.message, self.code, self.status, self.reason = message, code, status, reason


@dataclass(frozen=True)
class Date:
    """A moment: milliseconds since 1970-01-01 UTC."""

    ms: int


@dataclass(frozen=True)
class DateRange:
    """Half-open range of moments, in milliseconds."""

    start: int
    end: int


@dataclass(frozen=True)
class Projection:
    """A coordinate reference system and the place of pixels in it."""

    crs: str
    transform: AffineCoefficients = IDENTITY


@dataclass(frozen=True)
class Geometry:
    """A shape in the pixel coordinates of a projection.

    ``GeometryConstructors`` give world coordinates, i.e. the identity transform. Edges are planar
    in that projection.
    """

    shape: BaseGeometry
    projection: Projection = Projection("EPSG:4326")


@dataclass(frozen=True)
class Feature:
    """A geometry with properties."""

    geometry: Geometry | None
    properties: Mapping[str, Any] = field(default_factory=dict)


class Pixels(NamedTuple):
    """Values and mask (True: there is a value) of one band, both (height, width)."""

    values: npt.NDArray[Any]
    mask: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Grid:
    """The pixels that are asked for.

    Attributes
    ----------
    crs : str
        Authority code or WKT.
    transform : tuple of float
        Affine coefficients (a, b, c, d, e, f), as rasterio orders them.
    width, height : int
        Columns and rows.
    """

    crs: str
    transform: AffineCoefficients
    width: int
    height: int

    def centers(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """x and y of every pixel's centre in the grid's own CRS, each (height, width)."""
        a, b, c, d, e, f = self.transform
        column, row = np.meshgrid(np.arange(self.width) + 0.5, np.arange(self.height) + 0.5)
        return a * column + b * row + c, d * column + e * row + f

    def centers_in(self, crs: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """x and y of every pixel's centre in another CRS, each (height, width)."""
        return _centers_in(self, crs)


@lru_cache(maxsize=32)
def _centers_in(grid: Grid, crs: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    from rasterio.crs import CRS
    from rasterio.warp import transform

    x, y = grid.centers()
    source, target = CRS.from_user_input(grid.crs), CRS.from_user_input(crs)
    if source == target:
        return x, y
    # Not pyproj: GDAL's choice of datum shift is the one that pixels are held against.
    there_x, there_y = transform(source, target, x.ravel(), y.ravel())
    return np.asarray(there_x).reshape(x.shape), np.asarray(there_y).reshape(y.shape)


@dataclass(frozen=True)
class Band:
    """One band of an image.

    Attributes
    ----------
    name : str
        Its id in the image.
    dtype : str
        numpy name of the pixel type.
    projection : Projection
        Native CRS and transform; WGS 84 at one degree for composites.
    read : callable
        Grid → Pixels, sampled at the grid's pixel centres.
    size : (int, int) or None
        Columns and rows of the native raster; None where unbounded.
    """

    name: str
    dtype: str
    projection: Projection
    read: Callable[[Grid], Pixels]
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Image:
    """Bands with properties.

    Attributes
    ----------
    bands : tuple of Band
    properties : mapping
        Includes system:index and system:time_start; never system:id or system:version.
    footprint : Geometry or None
        In longitude and latitude; None where unbounded.
    id, version
        Asset id and version; None for what was computed from several.
    grid : Grid or None
        Set by reproject and clipToBoundsAndScale.
    """

    bands: tuple[Band, ...]
    properties: Mapping[str, Any] = field(default_factory=dict)
    footprint: Geometry | None = None
    id: str | None = None
    version: int | None = None
    grid: Grid | None = None

    def get(self, name: str) -> Any:
        """A property, or None; system:id, system:version and system:band_names are some."""
        if name == "system:id":
            return self.id
        if name == "system:version":
            return self.version
        if name == "system:band_names":
            return [band.name for band in self.bands]
        return self.properties.get(name)

    def with_bands(self, bands: Sequence[Band]) -> Image:
        """The same image with other bands."""
        return replace(self, bands=tuple(bands))


@dataclass(frozen=True)
class Query:
    """The part of a filter that a catalog can answer by index: what it narrows a search to.

    Attributes
    ----------
    bounds : tuple of BaseGeometry
        Shapes in longitude and latitude; an image must intersect every one.
    start, end : int or None
        system:time_start in [start, end), milliseconds.
    """

    bounds: tuple[BaseGeometry, ...] = ()
    start: int | None = None
    end: int | None = None

    def narrowed(self, other: Query) -> Query:
        """Both at once."""
        starts = [s for s in (self.start, other.start) if s is not None]
        ends = [e for e in (self.end, other.end) if e is not None]
        return Query(
            self.bounds + other.bounds,
            max(starts) if starts else None,
            min(ends) if ends else None,
        )


class Catalog(Protocol):
    """Where images come from. It says what it has, by id or by what a query narrows to."""

    def has(self, collection: str) -> bool:
        """Whether it knows the collection."""

    def collections(self) -> Sequence[str]:
        """Ids of its collections, sorted."""

    def search(self, collection: str, query: Query) -> Sequence[Image]:
        """Images that may match, ordered by system:time_start, then system:index.

        May return more than match (the whole filter is applied afterwards), never fewer. Raises
        ServiceError where the query leaves more than it can list.
        """

    def image(self, image_id: str) -> Image | None:
        """The image of that asset id, or None."""
