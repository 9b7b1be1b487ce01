"""Where tile grids come from: those that come with cedar, files of grids, and rasters."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import rasterio
import yaml
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError

from .exceptions import InputError
from .lattice import Index
from .regions import read_roi
from .tilegrid import TileGrid
from .tiles import Limits, Tile, integers, positive

__all__ = [
    "Index",
    "Limits",
    "Tile",
    "TileGrid",
    "grid_like",
    "grid_source",
    "load_grids",
    "named_grid",
    "named_grids",
    "read_roi",
]

_FAMILY = "family"
_SOURCE = "source"


class _Grids(Mapping[str, TileGrid]):
    """Grids of a file, each made when it is asked for."""

    def __init__(self, documents: Mapping[str, Mapping[str, Any]]):
        self.documents = documents
        self._made: dict[str, TileGrid] = {}

    def __getitem__(self, name: str) -> TileGrid:
        if name not in self._made:
            self._made[name] = _grid(self.documents[name])
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.documents)

    def __len__(self) -> int:
        return len(self.documents)


def named_grids() -> Mapping[str, TileGrid]:
    """Tile grids that come with cedar, by name.

    Returns
    -------
    mapping of str to TileGrid
        In the order in which ``grids.yaml`` has them; a grid is made when it is first asked for.
    """
    return _bundled()


def named_grid(name: str, path: str | Path | None = None) -> TileGrid:
    """A tile grid by its name.

    Parameters
    ----------
    name : str
        A key of :func:`named_grids`, or of the file's grids.
    path : path, optional
        A file of grids, see :func:`load_grids`. None: those that come with cedar.

    Raises
    ------
    InputError
        None is called so, and the error names the nearest; or the file can't be used.
    """
    if path is None:
        return _bundled()[_known(name, _bundled(), "no tile grid is called")]
    grids = load_grids(path)
    return grids[_known(name, grids, f"{path} has no grid")]


def grid_source(name: str) -> str:
    """Say where the numbers of a grid that comes with cedar were published.

    Parameters
    ----------
    name : str
        A key of :func:`named_grids`.

    Raises
    ------
    InputError
        None is called so.
    """
    known = _known(name, _bundled(), "no tile grid is called")
    return str(_bundled().documents[known][_SOURCE])


def grid_like(path: str | Path, size: Sequence[int] | None = None) -> TileGrid:
    """The grid on which the pixels of a raster lie.

    Parameters
    ----------
    path : path
        A file that GDAL reads.
    size : (int, int), optional
        Columns and rows of pixels in a tile; tiles begin at the raster's upper left corner and
        cover it, the last ones reach beyond. None: one tile, the raster.

    Returns
    -------
    TileGrid
        Called by the file's stem, with limits.

    Raises
    ------
    InputError
        The file can't be read, has no coordinate reference system, or isn't north up.
    """
    path = Path(path)
    try:
        with warnings.catch_warnings():
            # That it isn't georeferenced is said below.
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            raster = rasterio.open(path)
        with raster:
            crs, transform, shape = raster.crs, raster.transform, (raster.width, raster.height)
    except RasterioIOError as error:
        raise InputError(f"can't read {path} as a raster: {error}") from error
    if not crs:
        raise InputError(f"{path} has no coordinate reference system, so it lies on no grid")
    if not (transform.b == transform.d == 0 and transform.a > 0 > transform.e):
        raise InputError(f"{path} isn't north up, as tiles are: gdalwarp makes one that is")
    columns, rows = shape if size is None else integers(size, "size", "(columns, rows)")
    positive((columns, rows), "size")
    return TileGrid(
        ul=(transform.c, transform.f),
        crs=crs,
        res=(transform.a, -transform.e),
        size=(columns, rows),
        limits=((0, -(-shape[1] // rows) - 1), (0, -(-shape[0] // columns) - 1)),
        name=path.stem,
    )


def load_grids(path: str | Path) -> dict[str, TileGrid]:
    """Read named tile grids from a YAML file.

    Parameters
    ----------
    path : path
        A mapping of names to grids, as stems has them, or a list of grids that have a name. A
        grid's ``source`` says where it comes from. An entry with ``family: {field: [first,
        last]}`` stands for many grids: ``{field}`` in its name and in its texts is each number.

    Returns
    -------
    dict of str to TileGrid
        By the mapping's keys; a grid without a name of its own is called by its key.

    Raises
    ------
    InputError
        The file can't be read, or a grid in it can't be used.
    """
    try:
        documents = _documents(Path(path).read_text(encoding="utf-8"))
        return {name: _grid(document) for name, document in documents.items()}
    except OSError as error:
        raise InputError(f"can't read {path}: {error.strerror}") from error
    except (ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"can't use the tile grids of {path}: {reason}") from error


@cache
def _bundled() -> _Grids:
    text = (resources.files(__package__) / "grids.yaml").read_text("utf-8")
    return _Grids(_documents(text))


def _known(name: str, grids: Mapping[str, Any], what: str) -> str:
    """Check a name; the error names the nearest, in whatever case it is."""
    if name in grids:
        return name
    upper = {known.upper(): known for known in grids}
    near = difflib.get_close_matches(str(name).upper(), upper, n=3, cutoff=0)
    raise InputError(f"{what} {name!r}; the nearest: {', '.join(repr(upper[n]) for n in near)}")


def _grid(document: Mapping[str, Any]) -> TileGrid:
    return TileGrid.from_dict({key: document[key] for key in document if key != _SOURCE})


def _documents(text: str) -> dict[str, dict[str, Any]]:
    """The grids of a file, each with a name."""
    document = yaml.safe_load(text)
    try:
        pairs = (
            [(str(name), dict(grid)) for name, grid in document.items()]
            if isinstance(document, Mapping)
            else [(str(grid["name"]), dict(grid)) for grid in document]
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError("it must hold grids, each with a name") from error
    members = [member for name, grid in pairs for member in _members(name, grid)]
    named = {name: {"name": name, **grid} for name, grid in members}
    if not named or len(named) < len(members):
        raise InputError("it must hold at least one grid, and each name once")
    return named


def _members(name: str, grid: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The grids that an entry stands for: itself, or those of its family."""
    family = grid.pop(_FAMILY, None)
    if family is None:
        yield name, grid
        return
    try:
        ((field, (first, last)),) = family.items()
        for number in range(first, last + 1):
            values = {field: number}
            yield (
                name.format_map(values),
                {
                    key: value.format_map(values) if isinstance(value, str) else value
                    for key, value in grid.items()
                },
            )
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise InputError(
            f"grid {name!r}: family must be {{field: [first, last]}}, and {{field}} in its name"
        ) from error
