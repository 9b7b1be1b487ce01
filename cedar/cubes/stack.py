"""Stacks: an item's files on this machine, and what each band and layer of them is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from cedar.exceptions import CedarError
from cedar.splitting import family

from .bands import CubeBand, Layer, bands_of, layers_of, masked, validity_of
from .images import Image, Window, steps

if TYPE_CHECKING:
    import numpy.typing as npt
    from affine import Affine
    from rasterio.crs import CRS

    from cedar.metadata import ImageMetadata, TrackingMetadata
    from cedar.tiles import Tile

Entry = Mapping[str, Any]

#: Of a window, where nobody says: what is read at once of all bands and layers.
MOST_BYTES: Final = 64 * 2**20
_ALL: Final = slice(None)


@dataclass(frozen=True)
class Part:
    """An item, or that of its parts that has some of its bands.

    Attributes
    ----------
    entry : mapping
        The record's.
    metadata : ImageMetadata
        What it is made of.
    image : Image
        Its files.
    known : bool
        Whether the metadata is its own; else it is what record and files tell, without images.
    """

    entry: Entry
    metadata: ImageMetadata
    image: Image
    known: bool = True


@dataclass(frozen=True)
class Reader:
    """What reads a stack's pixels; it knows nothing of what they are of.

    Attributes
    ----------
    images : tuple of (Image, int)
        Files, and how many of the bands each has.
    bands : tuple of CubeBand
        In their order.
    n_layers : int
        How many layers there are.
    """

    images: tuple[tuple[Image, int], ...]
    bands: tuple[CubeBand, ...]
    n_layers: int

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the files' pixels."""
        return np.result_type(*(image.dtype for image, _ in self.images))

    def read(
        self, window: Window, layers: slice = _ALL, bands: Sequence[str] | None = None
    ) -> npt.NDArray[Any]:
        """Read a window, as the files have it.

        Parameters
        ----------
        window : Window
            Any rectangle of the tile.
        layers : slice, optional
            Which of them.
        bands : sequence of str, optional
            Their names; by default all.

        Returns
        -------
        numpy.ndarray
            (layers, bands, rows, columns), of the files' type.

        Raises
        ------
        StoreError
            A file can't be read.
        """
        at = range(self.n_layers)[layers]
        named = [band.name for band in self.bands]
        wanted = [*range(len(named))] if bands is None else [named.index(name) for name in bands]
        pixels: list[npt.NDArray[Any]] = []
        first = 0
        for image, count in self.images:
            own = [band - first for band in wanted if first <= band < first + count]
            if own:
                numbers = [layer * count + band + 1 for layer in at for band in own]
                found = image.read(window, numbers)
                pixels.append(found.reshape(len(at), len(own), window.height, window.width))
            first += count
        return pixels[0] if len(pixels) == 1 else np.concatenate(pixels, axis=1)

    def of_cube(self, pixels: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
        """Put a window's pixels as cubes have them, band by band: (layers, rows, columns) each.

        They are views of what was read, but of bands whose type or nodata value is another.

        Parameters
        ----------
        pixels : numpy.ndarray
            What :meth:`read` gave of all bands.
        """
        read = {band.name: pixels[:, number] for number, band in enumerate(self.bands)}
        return {band.name: in_cube(band, read[band.name], self._mask(band, read))
                for band in self.bands}  # fmt: skip

    def _mask(
        self, band: CubeBand, read: Mapping[str, npt.NDArray[Any]]
    ) -> npt.NDArray[np.bool_] | None:
        if band.masked_by is None:
            return None
        return is_nodata(read[band.masked_by], band.nodata)


@dataclass(frozen=True)
class Stack:
    """One item's files on this machine.

    Attributes
    ----------
    order : str
        The name of the record that it is in.
    tile : Tile
        Where its pixels are.
    parts : tuple of Part
        One; or several with some of the bands each.
    bands : tuple of CubeBand
        In their order.
    layers : tuple of Layer
        In their order.
    validity : str or None
        The band by whose nodata others are masked.
    """

    order: str
    tile: Tile
    parts: tuple[Part, ...]
    bands: tuple[CubeBand, ...]
    layers: tuple[Layer, ...]
    validity: str | None

    @classmethod
    def of(cls, tracking: TrackingMetadata, tile: Tile, parts: Sequence[Part]) -> Self:
        """Put the parts of an item together.

        Raises
        ------
        CedarError
            Files aren't what the metadata says.
        """
        for part in parts:
            _check(part)
        bands = [band for part in parts for band in _bands(part, tracking)]
        metadata = parts[0].metadata
        validity = validity_of(metadata, bands)
        bands = masked(bands, validity, metadata)
        return cls(tracking.name, tile, (*parts,), (*bands,), (*layers_of(metadata),), validity)

    @property
    def name(self) -> str:
        """The item's; of several parts, the first's."""
        return str(self.entry["name"])

    @property
    def item(self) -> str:
        """Name of the item as it was ordered, which this may be a part of."""
        return family(self.entry)

    @property
    def collection(self) -> str:
        """What was ordered: a collection's id, or the name of several merged."""
        return str(self.metadata["order"]["collection"])

    @property
    def entry(self) -> Entry:
        """The record's; of several parts, the first's."""
        return self.parts[0].entry

    @property
    def metadata(self) -> ImageMetadata:
        """What it is made of; of several parts, the first's."""
        return self.parts[0].metadata

    @property
    def files(self) -> list[Path]:
        """All of its files."""
        return [file.path for part in self.parts for file in part.image.files]

    @property
    def height(self) -> int:
        """Rows of pixels."""
        return self.tile.height

    @property
    def width(self) -> int:
        """Columns of pixels."""
        return self.tile.width

    @property
    def crs(self) -> CRS:
        """Coordinate reference system."""
        return self.tile.crs

    @property
    def transform(self) -> Affine:
        """From (column, row) of a pixel's upper left corner to (x, y)."""
        return self.tile.transform

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the files' pixels."""
        return self.reader.dtype

    @property
    def nodata(self) -> float | None:
        """What stands for nothing in the files."""
        return self.bands[0].nodata

    @property
    def is_interleaved(self) -> bool:
        """Whether a block of the files holds all bands, so that reading one reads them all."""
        return any(part.image.is_interleaved for part in self.parts)

    @property
    def layer_bytes(self) -> int:
        """Bytes of one pixel of one layer."""
        return len(self.bands) * self.dtype.itemsize

    def steps(
        self, most_bytes: int = MOST_BYTES, n_layers: int | None = None
    ) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Cut the stack into rows and columns of windows, as :meth:`windows` are.

        Parameters
        ----------
        most_bytes : int, optional
            Of a window's pixels; but it is one block of the files at least.
        n_layers : int, optional
            Of a window; by default all.

        Returns
        -------
        heights, widths : tuple of int
            From the upper left.
        """
        pixel = self.layer_bytes * (len(self.layers) if n_layers is None else n_layers)
        return steps([part.image for part in self.parts], self.tile.size, most_bytes // pixel)

    def windows(self, most_bytes: int = MOST_BYTES) -> Iterator[Window]:
        """Yield windows, row by row, that are whole blocks of the files, each of one file."""
        heights, widths = self.steps(most_bytes)
        row = 0
        for height in heights:
            col = 0
            for width in widths:
                yield Window(row, col, height, width)
                col += width
            row += height

    @property
    def reader(self) -> Reader:
        """What reads its pixels, and can be sent to another process for little."""
        return Reader(
            tuple((part.image, len(part.metadata.bands)) for part in self.parts),
            self.bands,
            len(self.layers),
        )

    def read(
        self, window: Window, layers: slice = _ALL, bands: Sequence[str] | None = None
    ) -> npt.NDArray[Any]:
        """Read a window, as :meth:`Reader.read` does."""
        return self.reader.read(window, layers, bands)

    def of_cube(self, pixels: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
        """Put a window's pixels as cubes have them, as :meth:`Reader.of_cube` does."""
        return self.reader.of_cube(pixels)


def in_cube(
    band: CubeBand, pixels: npt.NDArray[Any], nothing: npt.NDArray[np.bool_] | None
) -> npt.NDArray[Any]:
    """Put a band's pixels as cubes have them: in its type there, with its own nodata value.

    Parameters
    ----------
    pixels : numpy.ndarray
        The file's.
    nothing : numpy.ndarray or None
        Where another band says that there is nothing.
    """
    cast = pixels.astype(band.dtype, copy=False)
    return cast if nothing is None else np.where(nothing, cast.dtype.type(band.fill), cast)


def is_nodata(pixels: npt.NDArray[Any], nodata: float | None) -> npt.NDArray[np.bool_]:
    """Say where pixels are what stands for nothing."""
    if nodata is None:
        return np.zeros(pixels.shape, bool)
    return np.isnan(pixels) if np.isnan(nodata) else np.asarray(pixels == nodata)


def _bands(part: Part, tracking: TrackingMetadata) -> list[CubeBand]:
    recorded = part.metadata.nodata
    nodata = part.image.nodata if recorded is None else recorded
    return bands_of(part.metadata, tracking, part.image.dtype.name, nodata)


def _check(part: Part) -> None:
    """Check that files have the bands that the metadata lists.

    Raises
    ------
    CedarError
        They have others.
    """
    metadata, image = part.metadata, part.image
    names = metadata.band_names
    path = image.files[0].path
    if (count := len(image.descriptions)) != len(names):
        raise CedarError(
            f"{path} has {count} bands, and its metadata names {len(names)}: one of the two is "
            "another image's; download it again"
        )
    if metadata["engine"] is None:
        return  # Of 2019: its bands are told by their places alone.
    for said, name in zip(image.descriptions, names, strict=True):
        if said not in (None, name):
            raise CedarError(
                f"{path} has a band {said!r} where its metadata has {name!r}: one of the two is "
                "another image's; download it again"
            )
