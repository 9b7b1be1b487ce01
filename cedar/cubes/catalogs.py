"""A catalog of cubes on this machine: STAC documents, and quicklooks.

``stac/`` beside the cubes has ``catalog.json``, and a folder a collection with ``collection.json``,
Items and pictures. They refer to one another, and to the cubes, by relative paths, so that all of
it can be moved. Items that an earlier call wrote stay listed as long as what they are of is there.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import rasterio
import xarray as xr

from cedar.assembly import alone
from cedar.quicklook import colours, draw
from cedar.stores.files import arriving, explained, make_directory

from . import cogs
from .stac import Data, Document, catalog, collection, collection_id, item

if TYPE_CHECKING:
    import numpy.typing as npt

    from .options import Cube
    from .stack import Stack

#: Where a catalog is, beside the cubes.
DIRECTORY: Final = "stac"
#: Rows and columns of a quicklook, at most, and layers of a cube whose median it is.
_SIDE: Final = 512
_LAYERS: Final = 5
#: Of a multihash: sha2-256, of 32 bytes (https://multiformats.io/multihash).
_SHA256: Final = "1220"
_BLOCK: Final = 2**20


@dataclass(frozen=True)
class _Made:
    """What was made of a stack, on this machine."""

    stack: Stack
    path: Path
    data: Data


def write_catalog(cubes: Iterable[Cube], form: str, directory: Path) -> Path:
    """Write a catalog of cubes, or add them to the one that is there.

    Parameters
    ----------
    cubes
        What there is.
    form
        Their format.
    directory
        What the catalog is of; it will be in ``stac`` there.

    Returns
    -------
    Path
        ``catalog.json``.

    Raises
    ------
    StoreError
        Something can't be read or written.
    """
    root = make_directory(directory) / DIRECTORY
    with alone(directory / f".cedar-{DIRECTORY}.lock"), explained(f"can't write {root}"):
        for left in root.rglob(".cedar-*.part"):
            left.unlink()  # By a process that was killed.
        for cube in cubes:
            for made in _made(cube, form):
                folder = root / collection_id(made.stack.collection, form)
                _write_item(made, make_directory(folder))
        collections = []
        for folder in sorted(path for path in root.glob("*") if path.is_dir()):
            if items := _items(folder):
                collections.append(collection(items))
                _write(folder / "collection.json", collections[-1])
        path = root / "catalog.json"
        _write(path, catalog(directory.absolute().name, collections))
        return path


def _made(cube: Cube, form: str) -> Iterator[_Made]:
    if form == "cog":
        for stack in cube.stacks:
            for layer, path in zip(stack.layers, cogs.paths_of(stack, cube.path), strict=True):
                period = (layer.start, layer.end) if layer.start != layer.end else None
                sensors = [layer.collection]
                data = Data("cog", path.stem, [layer.time], period, sensors, layer.images)
                yield _Made(stack, path, data)
    else:
        with _opened(cube.path, form) as opened:
            times = [_moment(time) for time in opened["time"].values]
            sensors = sorted({*opened["sensor"].values.tolist()})
            images = [*dict.fromkeys(" ".join(opened["images"].values.tolist()).split())]
        data = Data(form, cube.path.stem, times, sensors=sensors, images=images)
        yield _Made(cube.stacks[0], cube.path, data)


def _moment(time: np.datetime64) -> dt.datetime:
    microseconds = time.astype("datetime64[us]").item()
    return microseconds.replace(tzinfo=dt.UTC)  # type: ignore[no-any-return] # numpy's item is Any.


def _opened(path: Path, form: str) -> xr.Dataset:
    opened: xr.Dataset = xr.open_dataset(path, engine="zarr" if form == "zarr" else "netcdf4")
    return opened


def _write_item(made: _Made, folder: Path) -> None:
    """Write an Item and its picture; what was known of a file that hasn't changed is still so."""
    data, path = made.data, made.path
    place, picture = folder / f"{data.id}.json", folder / f"{data.id}.png"
    data = replace(data, href=_relative(path, folder), quicklook=f"./{picture.name}")
    before = _read(place).get("assets", {}).get("data", {})
    status = path.stat() if path.is_file() else (path / "zarr.json").stat()
    if path.is_file():
        same = before.get("file:size") == status.st_size and _is_newer(place, status)
        checksum = before.get("file:checksum") if same else None
        data = replace(data, size=status.st_size, checksum=checksum or _checksum(path))
    if not _is_newer(picture, status):
        with arriving(picture) as new:
            draw(_picture(made), new)
    _write(place, item(made.stack, data))


def _is_newer(path: Path, status: os.stat_result) -> bool:
    return path.exists() and path.stat().st_mtime_ns >= status.st_mtime_ns


def _checksum(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return _SHA256 + digest.hexdigest()


def _picture(made: _Made) -> npt.NDArray[Any]:
    """Pixels of a few hundred rows and columns, as numbers with gaps."""
    bands = colours(
        [band.name for band in made.stack.bands if not band.qa] or [made.stack.bands[0].name]
    )
    if made.data.format == "cog":
        names = [band.name for band in made.stack.bands]
        with rasterio.open(made.path) as source:
            side = max(source.shape)
            shape = [max(1, n * min(side, _SIDE) // side) for n in source.shape]
            numbers = [names.index(band) + 1 for band in bands]
            pixels = source.read(numbers, out_shape=(len(bands), *shape), masked=True)
        filled: npt.NDArray[Any] = pixels.astype("float32").filled(np.nan)
        return filled
    with _opened(made.path, made.data.format) as cube:
        times = np.unique(np.linspace(0, cube.sizes["time"] - 1, _LAYERS).round().astype(int))
        step = ceil(max(cube.sizes["y"], cube.sizes["x"]) / _SIDE)
        few = cube[[*bands]].isel(time=times, y=slice(None, None, step), x=slice(None, None, step))
        return few.median("time").to_array().to_numpy()


def _items(folder: Path) -> list[Document]:
    """Items in a folder that are of cubes, and of such as are there, by their ids."""
    found = [_read(path) for path in sorted(folder.glob("*.json"))]
    return [
        document
        for document in found
        if "cedar:collection" in document.get("properties", {})
        and (folder / document["assets"]["data"]["href"]).exists()
    ]


def _read(path: Path) -> Document:
    """Read a document; what is none, or damaged, is nothing, and written anew."""
    try:
        document = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _write(path: Path, document: Document) -> None:
    """Write a document, unless it is there as it is."""
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    if not path.exists() or path.read_text("utf-8") != text:
        with arriving(path) as new:
            new.write_text(text, "utf-8")


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()
