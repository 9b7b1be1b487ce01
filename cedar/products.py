"""Files that are made of downloaded ones: worked on aside, and in their place only when whole."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import rasterio

from .exceptions import StoreError
from .rasters import CACHE_BYTES
from .stores.files import make_directory, sync


@contextlib.contextmanager
def workshop(target: Path) -> Iterator[Path]:
    """Give a directory beside `target` to work in; it is gone at the end.

    It always has the same name, so that what a killed process left there is removed by the next.
    Hence one process at a time may make a file: :func:`cedar.assembly.put_together` sees to that.

    Raises
    ------
    StoreError
        Something can't be read or written.
    """
    work = _work(target)
    try:
        shutil.rmtree(work, ignore_errors=True)
        make_directory(work)
        with rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES):
            yield work
    except OSError as error:
        # GDAL's own words are in the cause of rasterio's error.
        problem = error.strerror or " ".join(str(error.__cause__ or error).split())
        raise StoreError(f"can't make {target}: {problem}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def sweep(target: Path) -> None:
    """Remove what a killed process left of its work on a file."""
    shutil.rmtree(_work(target), ignore_errors=True)


def _work(target: Path) -> Path:
    return target.with_name(f".cedar-{target.name}.work")


def deliver(made: Path, target: Path) -> None:
    """Put a file that is whole in its place, to outlast a power cut."""
    sync(made)
    made.replace(target)
    sync(target.parent)
