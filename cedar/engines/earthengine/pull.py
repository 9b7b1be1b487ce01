"""Pulling: cedar reads an item's pixels itself, block by block, and writes its GeoTIFF."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import ee
import numpy as np
import numpy.typing as npt
from ee.image_converter import ImageConverter

from cedar._version import __version__
from cedar.exceptions import EngineError, StoreError
from cedar.grids import Tile
from cedar.metadata import ImageMetadata
from cedar.rasters import Block, write_geotiff

from .blocks import Pixels, Scratch, halves, plan
from .build import stack
from .grid import pixel_grid
from .limiter import AT_ONCE
from .session import PAYLOAD, ask

if TYPE_CHECKING:
    from cedar.engines.base import Progress
    from cedar.items import ExportRequest

#: Room that a pull leaves on the disk, for what is under way and for the record: GDAL says what it
#: can't write on standard error, and some of it nowhere.
_RESERVE: Final = 256 * 2**20
#: Of how many files' room a Cloud Optimized GeoTIFF takes: the plain one, itself, its overviews.
_COG_FILES: Final = 3


def pull(request: ExportRequest, scratch: Path, progress: Progress) -> Path:
    """Read an item's pixels and write its GeoTIFF in scratch; see :meth:`Engine.pull`."""
    metadata = ImageMetadata(request.metadata)
    source = _Source(metadata)
    tile, names, dtype = source.tile, metadata.band_names, metadata["image"]["dtype"]
    whole = tile.width * tile.height * len(names) * np.dtype(dtype).itemsize
    cog = request.options.get("formatOptions", {}).get("cloudOptimized", False)
    inputs = len(metadata.groups) if metadata.is_composite else 1
    blocks = plan(tile.width, tile.height, len(names), np.dtype(dtype).itemsize, inputs)
    kept = Scratch(scratch, dtype)
    todo = kept.missing(blocks)
    _check_room(scratch, whole * len(todo) // len(blocks) + whole * (_COG_FILES if cog else 1))
    reserve = min(_RESERVE, whole)

    def fetch(block: Block) -> None:
        _check_room(scratch, reserve)
        kept.keep(block, source.read(block))

    def there() -> Iterator[tuple[Block, Pixels]]:
        for block in _in_order(blocks, fetched, progress):
            _check_room(scratch, reserve)
            yield block, kept.read(block)

    fetched = {_pool().submit(fetch, block): block for block in todo}
    path = scratch / f"{request.name}.tif"
    nodata, tags = metadata["image"]["nodata"], _tags(metadata)
    try:
        # While the first blocks are written, the next are fetched.
        write_geotiff(path, tile, dtype, nodata, names, tags, there(), cog)
    except BaseException:
        # Those under way still write into scratch.
        wait([future for future in fetched if not future.cancel()])
        raise
    return path


def _in_order(
    blocks: Sequence[Block], fetched: Mapping[Future[None], Block], progress: Progress
) -> Iterator[Block]:
    """Give blocks in their order, so that the same pixels make the same file, when they are there.

    Raises whatever a block failed with that ended before that.
    """
    there, ended = {*blocks} - {*fetched.values()}, as_completed(fetched)
    for block in blocks:
        progress(len(there) / len(blocks))
        while block not in there:
            future = next(ended)
            future.result()
            there.add(fetched[future])
            progress(len(there) / len(blocks))
        yield block


def _check_room(scratch: Path, needed: int) -> None:
    """Refuse to go on where the disk can't hold what is to come.

    Raises
    ------
    StoreError
        There isn't room.
    """
    free = shutil.disk_usage(scratch).free
    if needed > free:
        raise StoreError(
            f"{scratch} is on a disk with {free / 1e6:,.0f} MB free, and up to "
            f"{needed / 1e6:,.0f} MB are needed: make room, then watch again"
        )


def _tags(metadata: ImageMetadata) -> dict[str, str]:
    order, task = metadata["order"], metadata["task"]
    return {
        "TIFFTAG_SOFTWARE": f"cedar {__version__}",
        "CEDAR_COLLECTION": order["collection"],
        "CEDAR_ORDER": order["tracking"],
        "CEDAR_REQUEST_ID": task["request_id"],
        "CEDAR_EMULATED": str(metadata["engine"]["emulated"]).lower(),
    }


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    """Threads for all pulls of the process; how many of them ask at once is the limiter's say."""
    return ThreadPoolExecutor(AT_ONCE, thread_name_prefix="cedar-pull")


class _Npy(ImageConverter):
    """Reads NPY where it lies, with headers as long as a thousand bands make them.

    The client's own converter copies, and takes no header of over 10,000 characters.
    """

    def expected_data_format(self) -> str:
        """Name the format to the service."""
        return "NPY"

    def do_conversion(self, data: bytes) -> npt.NDArray[Any]:
        """Return the structured array of an answer."""
        file = io.BytesIO(data)
        version = np.lib.format.read_magic(file)
        if version not in _HEADERS:
            raise ValueError(f"NPY of version {version}")
        shape, _, dtype = _HEADERS[version](file, max_header_size=_MAX_HEADER)
        return np.frombuffer(data, dtype, offset=file.tell()).reshape(shape)


_HEADERS: Final = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_MAX_HEADER: Final = 2**20


class _Source:
    """The pixels of one item's stack."""

    def __init__(self, metadata: ImageMetadata):
        self.tile = Tile.from_dict(metadata["tile"])
        self._metadata = metadata
        self._bands = [band["name"] for band in metadata.bands]
        self._dtype = np.dtype(metadata["image"]["dtype"])
        #: Values in the smallest request that was too large, and in the largest that was not.
        self._too_many, self._fine = float("inf"), 0

    def read(self, block: Block) -> Pixels:
        """Pixels of a block, (bands, rows, columns).

        What the service says is too large is asked for in halves; others like it then are at once.

        Raises
        ------
        EngineError
            The service refuses, or answers something else.
        """
        values = block.height * block.width * (block.last - block.first)
        # A refusal may have been of the moment: what was answered once is asked for again.
        hopeless = values >= self._too_many and values > self._fine
        cut = halves(block, by_bands=False) if hopeless else None
        if cut is None:
            try:
                pixels = self._ask(block)
            except EngineError as error:
                by_bands = PAYLOAD in str(error)
                cut = halves(block, by_bands) if error.too_large else None
                if cut is None:
                    raise
                if not by_bands:
                    self._too_many = min(self._too_many, values)
            else:
                self._fine = max(self._fine, values)
                return pixels
        one, other, axis = cut
        return np.concatenate([self.read(one), self.read(other)], axis=axis)

    def _ask(self, block: Block) -> Pixels:
        n_bands, itemsize = block.last - block.first, self._dtype.itemsize
        pixels = ask(
            ee.data.computePixels,
            self._request(block),
            size=block.height * block.width * n_bands * (itemsize + 1),
        )
        names = pixels.dtype.names or ()
        if pixels.shape != (block.height, block.width) or len(names) != n_bands:
            raise EngineError(
                f"Earth Engine: a block of {self._metadata['task']['name']} came with shape "
                f"{pixels.shape} and {len(names)} bands",
                transient=True,
            )
        # The values were clamped to the file's type, so this loses nothing.
        return np.stack([pixels[name] for name in names], dtype=self._dtype, casting="unsafe")

    def _request(self, block: Block) -> dict[str, Any]:
        """Return what asks for a block: with only its own part of the graph."""
        n_bands = len(self._bands)
        first, last = block.first // n_bands, -(-block.last // n_bands)
        offset = first * n_bands
        return {
            "expression": stack(self._metadata, self._metadata.made_of(first, last)),
            "fileFormat": _Npy(),
            "bandIds": [
                f"{position // n_bands}_{self._bands[position % n_bands]}"
                for position in range(block.first - offset, block.last - offset)
            ],
            "grid": pixel_grid(self.tile, block.row, block.col, block.height, block.width),
        }
