"""Pulling: cedar reads an item's pixels itself, block by block, and writes its GeoTIFF."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from functools import lru_cache
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import ee
import numpy as np
import numpy.typing as npt

from cedar import defaults
from cedar._version import __version__
from cedar.exceptions import EngineError, InputError
from cedar.grids import Tile
from cedar.items import Destination, ExportRequest
from cedar.metadata import ImageMetadata
from cedar.rasters import TILE_SIDE, Block, write_geotiff

from .build import stack
from .session import answered, translated

if TYPE_CHECKING:
    from cedar.engines.base import Progress

#: Bytes of one request. The service counts a mask byte with every value and takes 50,331,648;
#: smaller blocks keep memory low, and less is fetched again after a crash.
BLOCK_BYTES: Final = 16 * 2**20
#: Bands the service takes in one request.
MAX_BANDS: Final = 1024


def prepare(
    metadata: ImageMetadata, destination: Destination, options: Mapping[str, Any]
) -> ExportRequest:
    """Make the request of one attempt at an item.

    Raises
    ------
    InputError
        The tile has more pixels than `maxPixels` allows.
    """
    width, height = metadata["tile"]["size"]
    task = metadata["task"]
    limit = options.get("maxPixels")
    if limit is not None and width * height > limit:
        raise InputError(
            f"{task['name']}: {width} × {height} pixels are more than maxPixels {limit} allows"
        )
    return ExportRequest(
        name=task["name"],
        prefix=task["prefix"],
        request_id=task["request_id"],
        metadata=metadata,
        destination=destination,
        options=options,
    )


def plan(width: int, height: int, n_bands: int, itemsize: int) -> list[Block]:
    """Cut a stack into blocks within the service's limits, on the file's own tiles."""
    pixel = itemsize + 1
    bands = max(1, min(n_bands, MAX_BANDS, BLOCK_BYTES // (TILE_SIDE**2 * pixel)))
    side = TILE_SIDE
    while (side + TILE_SIDE) ** 2 * bands * pixel <= BLOCK_BYTES:
        side += TILE_SIDE
    return [
        Block(
            row,
            col,
            min(side, height - row),
            min(side, width - col),
            first,
            min(first + bands, n_bands),
        )
        for first, row, col in product(
            range(0, n_bands, bands), range(0, height, side), range(0, width, side)
        )
    ]


def pull(request: ExportRequest, scratch: Path, progress: Progress) -> Path:
    """Read an item's pixels and write its GeoTIFF in scratch; see :meth:`Engine.pull`."""
    metadata = ImageMetadata(request.metadata)
    tile = Tile.from_dict(metadata["tile"])
    image = metadata["image"]
    names = metadata.band_names
    blocks = plan(tile.width, tile.height, len(names), np.dtype(image["dtype"]).itemsize)
    _fetch_all(blocks, metadata, tile, scratch, progress)
    path = scratch / f"{request.name}.tif"
    form = request.options.get("formatOptions", {})
    write_geotiff(
        path,
        tile,
        image["dtype"],
        image["nodata"],
        names,
        _tags(metadata),
        _read_blocks(blocks, scratch),
        form.get("cloudOptimized", False),
    )
    return path


def _tags(metadata: ImageMetadata) -> dict[str, str]:
    order, task = metadata["order"], metadata["task"]
    return {
        "TIFFTAG_SOFTWARE": f"cedar {__version__}",
        "CEDAR_COLLECTION": order["collection"],
        "CEDAR_ORDER": order["tracking"],
        "CEDAR_REQUEST_ID": task["request_id"],
        "CEDAR_EMULATED": str(metadata["engine"]["emulated"]).lower(),
    }


def _fetch_all(
    blocks: list[Block], metadata: ImageMetadata, tile: Tile, scratch: Path, progress: Progress
) -> None:
    found = {block: _find(block, scratch) for block in blocks}
    todo = [block for block, path in found.items() if path is None]
    progress(1 - len(todo) / len(blocks))
    futures = [_pool().submit(_fetch, block, metadata, tile, scratch) for block in todo]
    try:
        for left, future in zip(range(len(todo) - 1, -1, -1), as_completed(futures), strict=True):
            future.result()
            progress(1 - left / len(blocks))
    except BaseException:
        _drop(futures)
        raise


def _drop(futures: list[Future[None]]) -> None:
    """Start no more of these, and wait for those under way: they still write into scratch."""
    for future in futures:
        future.cancel()
    wait(futures)


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    """Threads for all pulls of the process together."""
    return ThreadPoolExecutor(defaults.PULL_WORKERS, thread_name_prefix="cedar-pull")


def _fetch(block: Block, metadata: ImageMetadata, tile: Tile, scratch: Path) -> None:
    bands = [band["name"] for band in metadata["image"]["bands"]]
    groups = metadata["image"]["groups"]
    first, last = block.first // len(bands), -(-block.last // len(bands))
    offset = first * len(bands)
    with translated():
        pixels = answered(
            ee.data.computePixels,
            {
                "expression": stack(metadata, groups[first:last]),
                "fileFormat": "NUMPY_NDARRAY",
                "bandIds": [
                    f"{position // len(bands)}_{bands[position % len(bands)]}"
                    for position in range(block.first - offset, block.last - offset)
                ],
                "grid": _grid(tile, block),
            },
        )
    names = pixels.dtype.names or ()
    if pixels.shape != (block.height, block.width) or len(names) != block.last - block.first:
        raise EngineError(
            f"Earth Engine: a block of {metadata['task']['name']} came with shape {pixels.shape} "
            f"and {len(names)} bands",
            transient=True,
        )
    dtype = np.dtype(metadata["image"]["dtype"])
    # The values were clamped to the file's type, so this loses nothing.
    whole = np.stack([pixels[name] for name in names], dtype=dtype, casting="unsafe")
    _keep(whole, block, scratch)


def _grid(tile: Tile, block: Block) -> dict[str, Any]:
    transform = tile.transform
    authority = tile.crs.to_authority(confidence_threshold=100)
    coded = authority is not None and authority[0] == "EPSG"
    return {
        "dimensions": {"width": block.width, "height": block.height},
        "affineTransform": {
            "scaleX": transform.a,
            "shearX": transform.b,
            "translateX": transform.c + block.col * transform.a,
            "shearY": transform.d,
            "scaleY": transform.e,
            "translateY": transform.f + block.row * transform.e,
        },
        **({"crsCode": ":".join(authority)} if coded else {"crsWkt": tile.crs.to_wkt()}),
    }


def _stem(block: Block) -> str:
    return f"block-{block.first}-{block.last}-{block.row}-{block.col}-{block.height}x{block.width}"


def _keep(pixels: npt.NDArray[Any], block: Block, scratch: Path) -> None:
    """Write a finished block to a file of its own, with its checksum in the name."""
    data = BytesIO()
    np.save(data, pixels)
    partial = scratch / f"{_stem(block)}.partial"
    with partial.open("wb") as file:
        file.write(data.getbuffer())
        file.flush()
        os.fsync(file.fileno())
    partial.replace(scratch / f"{_stem(block)}.{zlib.crc32(data.getbuffer()):08x}.npy")


def _find(block: Block, scratch: Path) -> Path | None:
    """Return a block's file if it is there and sound."""
    for path in scratch.glob(f"{_stem(block)}.*.npy"):
        if path.suffixes[-2] == f".{zlib.crc32(path.read_bytes()):08x}":
            return path
    return None


def _read_blocks(blocks: list[Block], scratch: Path) -> Iterator[tuple[Block, npt.NDArray[Any]]]:
    for block in blocks:
        path = _find(block, scratch)
        if path is None:
            raise EngineError(f"a block went missing from {scratch}", transient=True)
        yield block, np.load(path)
