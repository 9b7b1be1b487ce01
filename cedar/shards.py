"""The files that one exported image comes as, and which of those in a store they are.

Earth Engine cuts an image that is larger than ``fileDimensions`` into files and appends to their
names the row and column of their first pixels: ``<name>-0000000000-0000002560.tif``. One field
report has them without the first dash (developers.google.com/earth-engine/guides/exporting_images).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from itertools import product
from typing import TYPE_CHECKING, Final

from .exceptions import InputError

if TYPE_CHECKING:
    from .items import ObjectInfo

_log = logging.getLogger(__name__)

Size = tuple[int, int]

#: Files of an image at the most, so that a document can't ask for any number of them.
_MOST: Final = 1_000_000


def offsets(size: Size, file_dimensions: Size) -> list[tuple[int, int]]:
    """Rows and columns of the first pixels of an image's files.

    Parameters
    ----------
    size, file_dimensions : tuple of int
        Columns and rows: of the image, and of a file at the most.

    Raises
    ------
    InputError
        They are too many.
    """
    (width, height), (columns, rows) = size, file_dimensions
    check_count(size, file_dimensions)
    return list(product(range(0, height, rows), range(0, width, columns)))


def check_count(size: Size, file_dimensions: Size) -> None:
    """Refuse an image of too many files, before they are counted up.

    Raises
    ------
    InputError
        It has too many.
    """
    (width, height), (columns, rows) = size, file_dimensions
    if -(-width // columns) * -(-height // rows) > _MOST:
        raise InputError(
            f"an image of {width} × {height} pixels in files of {columns} × {rows} has more than "
            f"the {_MOST:,} files that one may have: use larger fileDimensions"
        )


def file_names(name: str, at: Sequence[tuple[int, int]], dash: bool = True) -> list[str]:
    """Names of an image's files, in the order of their offsets."""
    if len(at) == 1:
        return [f"{name}.tif"]
    joint = "-" if dash else ""
    return [f"{name}{joint}{row:010d}-{col:010d}.tif" for row, col in at]


def choose(
    name: str, at: Sequence[tuple[int, int]], found: Iterable[ObjectInfo]
) -> list[ObjectInfo]:
    """Choose an image's files among those of its name: all of them, or as many as there are.

    Where there are several of one name, as on Drive there may be, the last one written counts.
    """
    there: dict[str, ObjectInfo] = {}
    for info in sorted(found, key=_age):
        file = info.key.rpartition("/")[2]
        if file in there:
            _log.warning("%s is there more than once: the last one written counts", info.key)
        if info.size:
            there[file] = info
    ways = [[there[file] for file in file_names(name, at, dash) if file in there]
            for dash in (True, False)]  # fmt: skip
    return max(ways, key=len)


def is_whole(name: str, n_files: int | None, found: Sequence[str]) -> bool:
    """Whether these files are all of an image's.

    Parameters
    ----------
    n_files : int or None
        How many it comes as. Where nobody knows, one of its very name is all; of parts nobody can
        tell whether more belong to them.
    """
    return list(found) == [f"{name}.tif"] if n_files is None else len(found) == n_files


def _age(info: ObjectInfo) -> float:
    return 0.0 if info.updated is None else info.updated.timestamp()
