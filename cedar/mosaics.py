"""Shards put together: as a VRT that refers to them, or as one GeoTIFF.

Earth Engine writes a large image as several files, named by the row and column of their first
pixels (see :mod:`cedar.shards`). They are placed by these, never by the order that they are listed
in; what each file says of its own place has to agree.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import numpy as np
import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, MaskFlags

from .exceptions import CedarError
from .products import deliver, workshop
from .rasters import Writing, blocks_of, compare, optimize, write_like
from .stores.files import arriving, explained
from .stores.keys import SHARD

#: How far, in pixels, a file may lie from where its name puts it: numbers in files are rounded.
_TOLERANCE: Final = 1e-3
#: GDAL's words for types of pixels.
_TYPES: Final = {
    "uint8": "Byte",
    "int8": "Int8",
    "uint16": "UInt16",
    "int16": "Int16",
    "uint32": "UInt32",
    "int32": "Int32",
    "uint64": "UInt64",
    "int64": "Int64",
    "float32": "Float32",
    "float64": "Float64",
}


@dataclass(frozen=True)
class Band:
    """What a file says of a band; text, so that NaN is equal to itself."""

    dtype: str
    nodata: str | None
    description: str | None
    color: ColorInterp
    scale: float
    offset: float
    unit: str | None
    tags: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Shard:
    """A file, and where its first pixel lies in the image."""

    path: Path
    row: int
    col: int
    height: int
    width: int
    blocks: tuple[int, int]
    crs: CRS | None
    transform: Affine
    tags: Mapping[str, str]
    bands: tuple[Band, ...]


@dataclass(frozen=True)
class Mosaic:
    """Shards that make an image: each pixel of it is in one.

    Attributes
    ----------
    height, width : int
        Of the image.
    shards : tuple of Shard
        In the order of their places; the first has the image's first pixel.
    """

    height: int
    width: int
    shards: tuple[Shard, ...]

    @classmethod
    def of(cls, files: Sequence[Path]) -> Mosaic:
        """Read where files belong, and check that they fit together.

        Parameters
        ----------
        files
            All of an image's. One alone is all of it, whatever its name.

        Raises
        ------
        CedarError
            They aren't one image: the file that doesn't fit is named.
        """
        places = [(0, 0)] if len(files) == 1 else [_place(path) for path in files]
        shards = [_read(path, *place) for path, place in zip(files, places, strict=True)]
        shards.sort(key=lambda shard: (shard.row, shard.col))
        if not shards:
            raise CedarError("there are no files to put together")
        for shard in shards[1:]:
            _check_alike(shard, shards[0])
        height, width = _check_places(shards)
        return cls(height, width, tuple(shards))

    @property
    def tags(self) -> dict[str, str]:
        """What all the files say."""
        common = set.intersection(*({*shard.tags.items()} for shard in self.shards))
        return {key: value for key, value in self.shards[0].tags.items() if (key, value) in common}


def write_vrt(files: Sequence[Path], target: Path, tags: Mapping[str, str] | None = None) -> Path:
    """Write a GDAL VRT that makes one image of shards; paths in it are relative to it.

    Parameters
    ----------
    files
        All of an image's.
    target : Path
        The VRT.
    tags
        Beside the files' own.

    Returns
    -------
    Path
        The VRT.

    Raises
    ------
    CedarError
        They aren't one image: the file that doesn't fit is named.
    StoreError
        A file can't be read, or the VRT written.
    """
    document = _vrt(Mosaic.of(files), target.parent, tags or {})
    with explained(f"can't write {target}"), arriving(target) as path:
        path.write_text(document, encoding="utf-8")
    return target


def mosaic(
    files: Sequence[Path],
    target: Path,
    writing: Writing | None = None,
    tags: Mapping[str, str] | None = None,
) -> Path:
    """Write shards as one GeoTIFF, by blocks, and compare it with them.

    Parameters
    ----------
    files
        All of an image's.
    target : Path
        The GeoTIFF.
    writing : Writing, optional
        How; by default as a COG.
    tags
        Beside the files' own.

    Returns
    -------
    Path
        The GeoTIFF.

    Raises
    ------
    CedarError
        They aren't one image: the file that doesn't fit is named.
    StoreError
        A file can't be read, or the GeoTIFF written.
    """
    writing = writing or Writing()
    image = Mosaic.of(files)
    with workshop(target) as work:
        source, made = work / "shards.vrt", work / "mosaic.tif"
        source.write_text(_vrt(image, work, tags or {}), encoding="utf-8")
        if writing.format == "COG":
            optimize(source, made, writing)
        else:
            _copy(source, made, writing)
            compare(source, made)
        deliver(made, target)
    return target


def _copy(source: Path, made: Path, writing: Writing) -> None:
    with rasterio.open(source) as image:
        itemsize = np.dtype(image.dtypes[0]).itemsize
        blocks = (
            (block, image.read(block.bands, window=block.window))
            for block in blocks_of(image.count, image.height, image.width, itemsize)
        )
        whole = rasterio.windows.Window(0, 0, image.width, image.height)
        write_like(made, image, whole, {}, blocks, writing)


def _place(path: Path) -> tuple[int, int]:
    """Row and column of a shard's first pixel, by its name."""
    found = SHARD.search(path.name.removesuffix(".tif"))
    if found is None:
        raise CedarError(
            f"{path} isn't one of several files of an image: its name doesn't end in the row and "
            "column of its first pixel"
        )
    row, col = found[0].removeprefix("-").split("-")
    return int(row), int(col)


def _name(path: Path, row: int, col: int) -> str:
    """What the file of another place is called, by the name of one."""
    return SHARD.sub(lambda found: f"{found[1]}{row:010d}-{col:010d}", path.stem) + ".tif"


def _read(path: Path, row: int, col: int) -> Shard:
    with explained(f"can't read {path}"), rasterio.open(path) as image:
        masked = any(MaskFlags.per_dataset in flags for flags in image.mask_flag_enums)
        # GDAL says the same where a band is one of transparency, which is a band like others.
        if masked and ColorInterp.alpha not in image.colorinterp:
            raise CedarError(f"{path} has a mask beside its bands, which would be lost")
        bands = tuple(map(Band, *_said(image)))
        return Shard(
            path, row, col, image.height, image.width, image.block_shapes[0],
            image.crs, image.transform, image.tags(), bands,
        )  # fmt: skip


def _said(image: Any) -> tuple[Sequence[Any], ...]:
    """What a raster says of its bands, as the fields of Band."""
    nodata = [None if value is None else repr(value) for value in image.nodatavals]
    tags = [tuple(sorted(image.tags(band).items())) for band in image.indexes]
    return (
        image.dtypes, nodata, image.descriptions, image.colorinterp, image.scales, image.offsets,
        image.units, tags,
    )  # fmt: skip


#: What is the same in all files of an image.
_ALIKE: Final[Mapping[str, Callable[[Shard], object]]] = {
    "coordinate reference system": lambda shard: shard.crs,
    "number of bands": lambda shard: len(shard.bands),
    "type of pixels": lambda shard: [band.dtype for band in shard.bands],
    "nodata value": lambda shard: [band.nodata for band in shard.bands],
    "names of bands": lambda shard: [band.description for band in shard.bands],
    "description of bands": lambda shard: shard.bands,
}


def _check_alike(shard: Shard, first: Shard) -> None:
    for what, said in _ALIKE.items():
        if said(shard) != said(first):
            raise CedarError(
                f"{shard.path} isn't of one image with {first.path.name}: it has another {what}"
            )


def _check_places(shards: Sequence[Shard]) -> tuple[int, int]:
    """Check that shards are rows and columns without gap or overlap; the image's height, width."""
    rows = _ends({shard.row: shard.height for shard in reversed(shards)})
    cols = _ends({shard.col: shard.width for shard in reversed(shards)})
    there: dict[tuple[int, int], Shard] = {}
    for shard in shards:
        _check_extent(shard, rows[shard.row], cols[shard.col])
        _check_transform(shard, shards[0])
        if (other := there.setdefault((shard.row, shard.col), shard)) is not shard:
            raise CedarError(f"{shard.path} has the place of {other.path.name} in the image")
    for row in {0, *rows}:
        for col in {0, *cols}:
            if (row, col) not in there:
                raise CedarError(
                    f"{shards[0].path} and {len(shards) - 1} more aren't all of an image: the one "
                    f"at row {row}, column {col} is missing, {_name(shards[-1].path, row, col)}"
                )
    return max(rows.values()), max(cols.values())


def _ends(lengths: Mapping[int, int]) -> dict[int, int]:
    """Where each row (or column) of shards has to end: at the start of the next."""
    starts = sorted(lengths)
    last = starts[-1] + lengths[starts[-1]]
    return dict(zip(starts, [*starts[1:], last], strict=True))


def _check_extent(shard: Shard, row_end: int, col_end: int) -> None:
    for start, length, end, what in (
        (shard.row, shard.height, row_end, "rows"),
        (shard.col, shard.width, col_end, "columns"),
    ):
        if start + length != end:
            how = "overlaps the next" if start + length > end else "leaves a gap before the next"
            raise CedarError(
                f"{shard.path} {how} file of its image: it has {length} {what} from {start}, where "
                f"{end - start} belong"
            )


def _check_transform(shard: Shard, first: Shard) -> None:
    """Check that a file says that it lies where its name says it does."""
    to_pixel = ~first.transform
    for x, y in ((0, 0), (shard.width, 0), (0, shard.height)):
        col, row = to_pixel * (shard.transform * (x, y))
        expected = shard.col - first.col + x, shard.row - first.row + y
        if not np.allclose((col, row), expected, rtol=0, atol=_TOLERANCE):
            raise CedarError(
                f"{shard.path} doesn't lie where its name says: its georeference puts its pixel "
                f"({y}, {x}) at row {row + first.row:.9g}, column {col + first.col:.9g}"
            )


def _vrt(image: Mosaic, directory: Path, tags: Mapping[str, str]) -> str:
    """The XML of a VRT (gdal.org/en/stable/drivers/raster/vrt.html) for a directory."""
    first = image.shards[0]
    root = ET.Element("VRTDataset", rasterXSize=str(image.width), rasterYSize=str(image.height))
    if first.crs is not None:
        ET.SubElement(root, "SRS").text = first.crs.wkt
    ET.SubElement(root, "GeoTransform").text = ", ".join(map(repr, first.transform.to_gdal()))
    _add_tags(root, (image.tags | dict(tags)).items())
    for number, band in enumerate(first.bands, 1):
        element = ET.SubElement(
            root, "VRTRasterBand", dataType=_TYPES[band.dtype], band=str(number)
        )
        _add_band(element, band)
        for shard in image.shards:
            _add_source(element, shard, number, directory)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


def _add_tags(parent: ET.Element, tags: Iterable[tuple[str, str]]) -> None:
    metadata = ET.SubElement(parent, "Metadata")
    for key, value in tags:
        ET.SubElement(metadata, "MDI", key=key).text = value


def _add_band(element: ET.Element, band: Band) -> None:
    said = {
        "Description": band.description,
        "NoDataValue": band.nodata,
        "UnitType": band.unit,
        "Offset": repr(band.offset),
        "Scale": repr(band.scale),
        "ColorInterp": band.color.name.capitalize(),
    }
    _add_tags(element, band.tags)
    for key, value in said.items():
        if value is not None:
            ET.SubElement(element, key).text = value


def _add_source(element: ET.Element, shard: Shard, band: int, directory: Path) -> None:
    source = ET.SubElement(element, "SimpleSource")
    path = Path(os.path.relpath(shard.path.resolve(), directory.resolve())).as_posix()
    ET.SubElement(source, "SourceFilename", relativeToVRT="1").text = path
    ET.SubElement(source, "SourceBand").text = str(band)
    height, width = shard.blocks
    size = {"xSize": str(shard.width), "ySize": str(shard.height)}
    # With these GDAL needn't open all files to open the VRT.
    ET.SubElement(
        source, "SourceProperties",
        RasterXSize=size["xSize"], RasterYSize=size["ySize"],
        DataType=_TYPES[shard.bands[band - 1].dtype], BlockXSize=str(width),
        BlockYSize=str(height),
    )  # fmt: skip
    ET.SubElement(source, "SrcRect", {"xOff": "0", "yOff": "0"} | size)
    ET.SubElement(source, "DstRect", {"xOff": str(shard.col), "yOff": str(shard.row)} | size)
