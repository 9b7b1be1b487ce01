"""Images cut to a region."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
import rasterio
import shapely
from rasterio.crs import CRS
from rasterio.features import bounds, rasterize
from rasterio.windows import Window
from shapely.geometry.base import BaseGeometry

from .exceptions import CedarError, InputError
from .geometry import (
    LONLAT,
    full_turn,
    reproject,
    to_crs,
    transform_point,
    translate,
)
from .products import deliver, workshop
from .rasters import TILE_SIDE, Block, Writing, blocks_of, created, optimize, write_like
from .regions import parse_roi, read_roi
from .stores.files import explained

_log = logging.getLogger(__name__)

#: Segments of a quarter of a circle around a corner: the edge is at most 0.03 % too near.
_QUARTER: Final = 32


@dataclass(frozen=True)
class Region:
    """What an image is cut to.

    Attributes
    ----------
    outline : shapely geometry
        Points, lines or polygons.
    crs : rasterio.crs.CRS
        Its system.
    buffer : float
        Metres around it that belong to it, from 0.
    """

    outline: BaseGeometry
    crs: CRS
    buffer: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.buffer) and self.buffer >= 0):
            raise InputError(f"a region's buffer is a number of metres from 0, not {self.buffer}")

    @classmethod
    def of(cls, roi: Any, crs: Any = None, buffer: float = 0.0) -> Self:
        """Make one of the geometry `roi`, which is given as regions of interest are everywhere.

        `crs` is its system, where it doesn't say that itself, and `buffer` metres to add around it.

        Raises
        ------
        InputError
            It can't be used, or nothing says what system it is in.
        """
        outline, known = parse_roi(roi, crs)
        if known is None:
            raise InputError("give the coordinate reference system of the region (crs)")
        return cls(outline, known, buffer)

    @classmethod
    def read(cls, path: str | Path, buffer: float = 0.0) -> Self:
        """Read one from the GeoJSON file `path`, and add `buffer` metres around it.

        Raises
        ------
        InputError
            It can't be used.
        """
        return cls(*read_roi(path), buffer)

    @classmethod
    def box(cls, corners: Sequence[float], buffer: float = 0.0) -> Self:
        """Make one of `corners`: west, south, east and north, and add `buffer` metres around it.

        A west beyond the east crosses the antimeridian.

        Raises
        ------
        InputError
            It has no area.
        """
        west, south, east, north = corners
        if east < west:
            east += 360
        if not (west < east and south < north):
            raise InputError(f"bounds {tuple(corners)} have no area; give west, south, east, north")
        return cls(shapely.box(west, south, east, north), to_crs(LONLAT), buffer)


def clip(
    source: Path,
    region: Region,
    target: Path,
    writing: Writing | None = None,
    tags: Mapping[str, str] | None = None,
) -> Path | None:
    """Cut an image to a region, by blocks.

    Kept is every pixel that the region touches, however little of it; the others become nodata.
    The image is as large as the region's extent within it. That is what ``rasterio.mask.mask``
    makes with ``crop=True, all_touched=True``.

    Parameters
    ----------
    source : Path
        A GeoTIFF or VRT that has nodata.
    region : Region
        What to cut it to.
    target : Path
        The new GeoTIFF.
    writing : Writing, optional
        How; by default as a COG.
    tags
        Beside the image's own.

    Returns
    -------
    Path or None
        The GeoTIFF; None where the region misses the image, and nothing is written.

    Raises
    ------
    InputError
        The region can't be expressed in the image's system.
    CedarError
        The image has no nodata.
    StoreError
        The image can't be read, or the new one written.
    """
    writing = writing or Writing()
    with explained(f"can't read {source}"), rasterio.open(source) as image:
        _check(image, source)
        shapes = touching(region, image)
        if not shapes:
            _log.warning("%s lies outside the region: nothing is cut of it", source.name)
            return None
        window = _window(image, shapes)
        with workshop(target) as work:
            plain, made = work / "plain.tif", work / "clipped.tif"
            _write_mask(work / "mask.tif", image, shapes, window)
            passing = Writing("GTiff", "zstd", overviews=False)
            is_cog = writing.format == "COG"
            with rasterio.open(work / "mask.tif") as mask:
                blocks = _cut(image, window, mask)
                write_like(plain, image, window, tags or {}, blocks, passing if is_cog else writing)
            if is_cog:
                optimize(plain, made, writing)
            deliver(made if is_cog else plain, target)
    return target


def touches(region: Region, source: Path) -> bool:
    """Whether a region, buffered, has anything of an image.

    Raises
    ------
    InputError
        The region can't be expressed in the image's system.
    CedarError
        The image can't be cut.
    StoreError
        The image can't be read.
    """
    with explained(f"can't read {source}"), rasterio.open(source) as image:
        _check(image, source)
        return bool(touching(region, image))


def _check(image: Any, source: Path) -> None:
    if None in image.nodatavals:  # Nor if it is one that its pixels can't be: rasterio drops it.
        raise CedarError(
            f"{source} has no nodata value, so what is cut away couldn't be told from what is "
            "there: give it one (`rio edit-info --nodata`, on a copy), or order with formatOptions "
            "noData"
        )
    if image.crs is None:
        raise CedarError(f"{source} has no coordinate reference system, so no region can be found")


def touching(region: Region, image: Any) -> list[BaseGeometry]:
    """The parts of a region, buffered, that lie on an image, in its system.

    The buffer is drawn in an azimuthal equidistant projection about the image's centre: within
    500 km of it a metre is one to 0.1 %, at any latitude.

    Parameters
    ----------
    region : Region
        The region.
    image : rasterio dataset
        The image.
    """
    crs = to_crs(image.crs)
    extent = _extent(image)
    outline, source = region.outline, region.crs
    if region.buffer:
        middle = extent.centroid
        lon, lat = transform_point(middle.x, middle.y, crs, to_crs(LONLAT))
        metric = to_crs(f"+proj=aeqd +lat_0={lat!r} +lon_0={lon!r} +datum=WGS84 +units=m")
        near = reproject(extent, crs, metric).buffer(region.buffer).bounds
        outline = _reproject(outline, source, metric, near).buffer(
            region.buffer, quad_segs=_QUARTER
        )
        source = metric
    moved = _reproject(outline, source, crs, extent.bounds)
    turn = full_turn(crs)
    # The image may reach beyond the antimeridian, where longitudes go on.
    turns = [0.0] if turn is None else [-turn, 0.0, turn]
    whole = shapely.get_parts([translate(moved, by) for by in turns])
    pieces, owner = shapely.get_parts(shapely.intersection(whole, extent), return_index=True)
    # Of a polygon that has only its edge in common with the image, nothing lies on it.
    as_before = shapely.get_dimensions(pieces) == shapely.get_dimensions(whole)[owner]
    return list(pieces[as_before & ~shapely.is_empty(pieces)])


def _reproject(
    outline: BaseGeometry, source: CRS, target: CRS, within: tuple[float, float, float, float]
) -> BaseGeometry:
    return outline if outline.is_empty else reproject(outline, source, target, within)


def _extent(image: Any) -> BaseGeometry:
    corners = [(0, 0), (image.width, 0), (image.width, image.height), (0, image.height)]
    return shapely.Polygon([image.transform * corner for corner in corners])


def _window(image: Any, shapes: Sequence[BaseGeometry]) -> Window:
    """The pixels that shapes on an image extend over; of what has no extent, the one it lies in."""
    edges = np.array([bounds(shape, transform=~image.transform) for shape in shapes])
    col, width = _span(edges[:, [0, 2]], image.width)
    row, height = _span(edges[:, [1, 3]], image.height)
    return Window(col, row, width, height)


def _span(edges: npt.NDArray[np.float64], most: int) -> tuple[int, int]:
    first = min(max(math.floor(edges.min()), 0), most - 1)
    return first, max(min(math.ceil(edges.max()), most) - first, 1)


def _write_mask(path: Path, image: Any, shapes: Sequence[BaseGeometry], window: Window) -> None:
    """Write a file that is 1 where shapes touch the pixels of a window.

    All are found at once, as rasterio does: in pieces, edges along pixels' edges would be rounded
    otherwise. In a file, because in memory there may be no room for them.
    """
    profile = {
        "width": window.width,
        "height": window.height,
        "count": 1,
        "dtype": "uint8",
        "crs": image.crs,
        "transform": image.window_transform(window),
        # rasterio doesn't let go of the interpreter meanwhile, and GDAL's threads need it to write.
        "num_threads": 1,
    }
    with created(path, "zstd", TILE_SIDE, profile) as mask:
        rasterize(
            shapes, dst_path=mask, transform=mask.transform, all_touched=True, default_value=1
        )


def _cut(image: Any, window: Window, mask: Any) -> Iterator[tuple[Block, npt.NDArray[Any]]]:
    """Blocks of a window of an image, nodata outside."""
    dtype = np.dtype(image.dtypes[0])
    nodata = np.asarray(image.nodata).astype(dtype)
    for block in blocks_of(image.count, window.height, window.width, dtype.itemsize):
        kept = mask.read(1, window=block.window).astype(bool)
        if kept.any():
            there = Window(
                window.col_off + block.col, window.row_off + block.row, block.width, block.height
            )
            yield block, np.where(kept, image.read(block.bands, window=there), nodata)
        else:
            yield block, np.full((len(block.bands), *kept.shape), nodata)
