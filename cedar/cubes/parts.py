"""What a cube is made of: items' layers one after another, and which of them it has already."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import xarray as xr

from cedar._version import __version__
from cedar.exceptions import CedarError

from .cf import GRID_MAPPING, TIME_ENCODING, band_attributes, coordinates, cube_attributes
from .made import MADE_OF, Made, dumps, loads

if TYPE_CHECKING:
    from .images import Window
    from .stack import Reader, Stack

#: Of a window, by the bands' names: (layers, rows, columns).
Pixels: TypeAlias = Mapping[str, npt.NDArray[Any]]

#: Of a band: time, y and x.
DIMENSIONS: Final = ("time", "y", "x")
#: What has to be the same of a band in all items of a cube.
_SAME: Final = ("_FillValue", "scale_factor", "add_offset", "units")


class Source(Protocol):
    """What layers can be read from, by any process that has its files."""

    def read(self, window: Window, layers: slice) -> Pixels:
        """Read a window of some layers, as a cube holds them."""


@dataclass(frozen=True)
class Layers:
    """Layers of a source that follow each other: `count` of them, from `first` on."""

    source: Source
    first: int
    count: int


@dataclass(frozen=True)
class Files:
    """A stack's files as a source.

    Attributes
    ----------
    reader : Reader
        What reads them.
    order : tuple of int
        Which layer of the files each of the cube's is, which are in the order of their times.
    """

    reader: Reader
    order: tuple[int, ...]

    def read(self, window: Window, layers: slice) -> Pixels:
        """Read a window of some layers, as a cube holds them."""
        wanted = self.order[layers]
        first, last = min(wanted), max(wanted) + 1
        pixels = self.reader.read(window, slice(first, last))
        if wanted != tuple(range(first, last)):
            pixels = pixels[np.array(wanted) - first]
        return self.reader.of_cube(pixels)


class Band(NamedTuple):
    """What a cube says of a band: its type and attributes."""

    dtype: np.dtype[Any]
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class Part:
    """An item's layers in a cube.

    Attributes
    ----------
    made : Made
        What the cube says of it.
    layers : Layers
        Where its pixels are.
    frame : xarray.Dataset
        Coordinates of the layers, and attributes of a cube of them.
    bands : mapping
        By name.
    """

    made: Made
    layers: Layers
    frame: xr.Dataset
    bands: Mapping[str, Band]

    @property
    def first(self) -> np.datetime64:
        """When its first layer is."""
        return np.datetime64(self.frame["time"].values.min())

    @property
    def last(self) -> np.datetime64:
        """When its last layer is."""
        return np.datetime64(self.frame["time"].values.max())


def part_of(stack: Stack) -> Part:
    """Return what a stack is in a cube."""
    made = Made.of(stack)
    times = [layer.time for layer in stack.layers]
    order = sorted(range(len(times)), key=times.__getitem__)
    frame = xr.Dataset({}, coordinates([stack], order), cube_attributes([stack]))
    bands = {
        band.name: Band(np.dtype(band.dtype), band_attributes(band, stack)) for band in stack.bands
    }
    return Part(made, Layers(Files(stack.reader, tuple(order)), 0, made.layers), frame, bands)


def parts_in(cube: xr.Dataset, source: Source, what: str) -> list[Part]:
    """Return what a cube is made of, as it says itself.

    Parameters
    ----------
    cube : xarray.Dataset
        The cube, undecoded.
    source : Source
        What reads its pixels.
    what : str
        The cube, for messages.

    Raises
    ------
    CedarError
        It isn't cedar's.
    """
    bands = {
        str(name): Band(each.dtype, each.attrs)
        for name, each in cube.data_vars.items()
        if each.dims == DIMENSIONS
    }
    frame = cube.drop_vars(bands).load()
    frame = frame.set_coords([*frame.data_vars])
    try:
        listed = loads(cube.attrs[MADE_OF])
        if sum(made.layers for made in listed) != cube.sizes["time"]:
            raise ValueError("it has other layers than it says")
    except (KeyError, ValueError) as error:
        why = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise CedarError(f"{what} is no cube of cedar's ({why}): move it away") from error
    parts, first = [], 0
    for made in listed:
        own = frame.isel(time=slice(first, first + made.layers))
        parts.append(Part(made, Layers(source, first, made.layers), own, bands))
        first += made.layers
    return parts


@dataclass(frozen=True)
class Plan:
    """What a cube is to be.

    Attributes
    ----------
    parts : tuple of Part
        In the order of their times.
    kept : int
        How many of the first ones are all that is there already; the others are appended. 0: it is
        made anew.
    """

    parts: tuple[Part, ...]
    kept: int

    @property
    def bands(self) -> Mapping[str, Band]:
        """The bands, by name."""
        return self.parts[0].bands

    @property
    def frame(self) -> xr.Dataset:
        """Coordinates of all layers, with what they are made of."""
        frames = [part.frame for part in self.parts]
        frame = xr.concat(
            frames, "time", data_vars="minimal", coords="minimal", compat="override",
            join="override", combine_attrs="override",
        )  # fmt: skip
        made = [part.made for part in self.parts]
        lines = [line for each in frames for line in each.attrs["history"].split("\n")]
        frame.attrs |= {
            "history": "\n".join(dict.fromkeys([*lines, _converted()])),
            "time_coverage_end": frames[-1].attrs["time_coverage_end"],
            "cedar_orders": " ".join(dict.fromkeys(each.order for each in made)),
            "cedar_requests": " ".join(each.request_id for each in made if each.request_id),
            MADE_OF: dumps(made),
        }
        return frame

    @property
    def n_kept(self) -> int:
        """How many layers are there already."""
        return sum(part.layers.count for part in self.parts[: self.kept])

    @property
    def n_layers(self) -> int:
        """How many layers there will be."""
        return sum(part.layers.count for part in self.parts)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of pixels."""
        sizes = self.parts[0].frame.sizes
        return sizes["y"], sizes["x"]

    def to_fill(self) -> list[Layers]:
        """Return the layers that aren't there yet."""
        return [part.layers for part in self.parts[self.kept :]]


def as_numbers(coordinate: xr.DataArray) -> dict[str, Any]:
    """Return what of a coordinate's encoding says how its times are numbers."""
    if coordinate.dtype.kind != "M":
        return {}
    return {key: coordinate.encoding[key] for key in TIME_ENCODING}


def merge(
    there: Sequence[Part], new: Sequence[Part], what: str, overwrite: bool = False
) -> Plan | None:
    """Say what a cube is to be when items are put into it; None if it is that already.

    Parameters
    ----------
    there
        What it has, in its order.
    new
        What it is to have, too: an item of the same name is replaced.
    what : str
        The cube, for messages.
    overwrite : bool, optional
        Put items there again that are there already, with the same files.

    Raises
    ------
    CedarError
        They can't be in one cube: they are of other bands, or of one time.
    """
    before = {part.made.name: part.made for part in there}
    named = {
        part.made.name: part
        for part in new
        if overwrite
        or part.made.name not in before
        or not part.made.is_same(before[part.made.name])
    }
    if not named:
        return None
    replaced = before.keys() & named.keys()
    stay = [part for part in there if part.made.name not in named]
    parts = sorted([*stay, *named.values()], key=lambda part: part.first)
    for one, other in pairwise(parts):
        _check_alike(parts[0], other, what)
        if one.last >= other.first:
            raise CedarError(
                f"{what} can't hold both {one.made.name} and {other.made.name}: the second begins "
                "before the first ends, so the same images may be in both; put one of them "
                "into a cube elsewhere"
            )
    names = [part.made.name for part in there]
    is_longer = not replaced and names == [part.made.name for part in parts[: len(names)]]
    return Plan(tuple(parts), len(names) if is_longer else 0)


def _check_alike(one: Part, other: Part, what: str) -> None:
    """Check that two items have the same bands on the same pixels.

    Raises
    ------
    CedarError
        They differ: in what is said.
    """
    for differs in _differences(one, other):
        raise CedarError(
            f"{what} can't hold both {one.made.name} and {other.made.name}: {differs}; put one of "
            "them into a cube elsewhere"
        )


def _differences(one: Part, other: Part) -> Iterator[str]:
    if one.bands.keys() != other.bands.keys():
        ours, theirs = (", ".join(part.bands) for part in (one, other))
        yield f"one has the bands {ours}, the other {theirs}"
        return
    for name, band in one.bands.items():
        dtype, attributes = other.bands[name]
        if band.dtype != dtype:
            yield f"{name} is {band.dtype} in one, {dtype} in the other"
        for key in _SAME:
            before, now = band.attributes.get(key), attributes.get(key)
            if _plain(before) != _plain(now):
                yield f"{key} of {name} is {before} in one, {now} in the other"
    if {*one.frame.coords} != {*other.frame.coords}:
        yield "one is of composites, and the other isn't"
    if any(not np.array_equal(one.frame[axis].values, other.frame[axis].values) for axis in "yx"):
        yield "their pixels don't lie on each other"
    if _wkt(one) != _wkt(other):
        yield "they have other coordinate reference systems"


def _plain(value: Any) -> str:
    """Return text of an attribute's value: NaN is equal to itself, and of any type of number."""
    return str(value if value is None else np.asarray(value).item())


def _wkt(part: Part) -> Any:
    return part.frame.coords[GRID_MAPPING].attrs.get("crs_wkt")


def _converted() -> str:
    """Return the line of a cube's history that says that it was written now."""
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    return f"{now} written by cedar {__version__}"
