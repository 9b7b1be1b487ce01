"""How cubes are written: their format, chunks and compression, and where they go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Self, TypeAlias, get_args

from cedar.assembly import CUBES
from cedar.exceptions import InputError

if TYPE_CHECKING:
    from .stack import Stack

Format: TypeAlias = Literal["netcdf", "zarr", "cog"]
By: TypeAlias = Literal["item", "tile"]
Codec: TypeAlias = Literal["deflate", "zstd", "none"]

#: Compression where none is asked for. Whatever reads NetCDF and COG reads deflate; Zarr's zstd,
#: with its bytes shuffled, is as small and four times as fast.
_CODECS: Final[Mapping[Format, Codec]] = {"netcdf": "deflate", "zarr": "zstd", "cog": "deflate"}
#: Of deflate and zstd: the fastest. On imagery others are 5 % smaller, and take twice as long.
_LEVEL: Final = 1


class Chunks(NamedTuple):
    """Layers, rows and columns of what is read of a band at once.

    By default they are of 2 MB, in 16 bits: a series of a pixel then reads all of 256 × 256, and a
    map 16 dates, which takes milliseconds a chunk; docs/convert.rst has what others take. Blocks of
    files that Earth Engine writes fit into them.
    """

    time: int = 16
    y: int = 256
    x: int = 256

    def within(self, layers: int | None, height: int, width: int) -> Chunks:
        """Return the same, but no larger than a cube.

        Parameters
        ----------
        layers : int or None
            Of the cube; None: it grows.
        height, width : int
            Rows and columns of it.
        """
        time = self.time if layers is None else min(self.time, layers)
        return Chunks(time, min(self.y, height), min(self.x, width))


@dataclass(frozen=True)
class Converting:
    """How the cubes of an order are made.

    Attributes
    ----------
    format : {'netcdf', 'zarr', 'cog'}
        NetCDF-4, Zarr (version 3), or a Cloud Optimized GeoTIFF a date.
    by : {'item', 'tile'}
        A cube an item; or one a collection and tile, to which later items are appended.
    directory : Path or None
        Where cubes go. Without it those of items lie beside the items' files, and those of tiles in
        ``ARD`` beside the order's directory.
    chunks : Chunks
        Of a new cube of NetCDF or Zarr.
    codec : {'deflate', 'zstd', 'none'} or None
        How it is compressed; None: as suits the format.
    level : int
        Of the compression: 1 is the fastest, 9 the smallest.
    stac : bool
        Whether a STAC catalog of the cubes is written, too.

    Raises
    ------
    InputError
        One of them is nothing that there is.
    """

    format: Format = "netcdf"
    by: By = "item"
    directory: Path | None = None
    chunks: Chunks = field(default_factory=Chunks)
    codec: Codec | None = None
    level: int = _LEVEL
    stac: bool = False

    def __post_init__(self) -> None:
        asked: dict[str, tuple[object, tuple[object, ...]]] = {
            "format": (self.format, get_args(Format)),
            "by": (self.by, get_args(By)),
            "codec": (self.codec, (None, *get_args(Codec))),
            "level": (self.level, tuple(range(1, 10))),
        }
        for name, (value, known) in asked.items():
            if value not in known:
                among = ", ".join(str(each) for each in known if each is not None)
                raise InputError(f"{name} {value!r} is not one of {among}")
        if min(self.chunks) < 1:
            raise InputError(f"chunks {tuple(self.chunks)} are not all above 0")

    @classmethod
    def from_config(cls, section: Mapping[str, Any], directory: Path) -> Self:
        """Make them of a section ``ard`` of a configuration, which has been checked.

        Parameters
        ----------
        section : mapping
            The section.
        directory : Path
            What paths in it are relative to.
        """
        given: dict[str, Any] = {
            key: section[key] for key in ("format", "by", "stac") if key in section
        }
        given |= section.get("compression", {})
        if "chunks" in section:
            given["chunks"] = Chunks()._replace(**section["chunks"])
        if "directory" in section:
            given["directory"] = directory / Path(section["directory"]).expanduser()
        return cls(**given)

    @property
    def compression(self) -> Codec:
        """What compresses: the codec, or what suits the format."""
        return self.codec or _CODECS[self.format]

    @property
    def suffix(self) -> str:
        """What a cube's name ends in."""
        return CUBES[self.format]


@dataclass(frozen=True)
class Cube:
    """A cube that an order makes, or makes longer.

    Attributes
    ----------
    path : Path
        The file or directory that it is.
    stacks : tuple of Stack
        What this order has for it.
    """

    path: Path
    stacks: tuple[Stack, ...]
