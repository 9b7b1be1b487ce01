"""What the streams of all stores have in common: the bytes of a part of an object, in pieces."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Final

from ..exceptions import Conflict, InputError, Interrupted
from ..items import ObjectInfo
from .keys import check_key
from .versions import ABSENT, ANY, IfVersion

#: Bytes of a piece, at most: larger ones are no faster, and many threads hold one each.
PIECE: Final = 512 << 10


def check_stream(key: str, start: int, end: int, if_version: IfVersion) -> None:
    """Refuse what no stream can be of.

    Raises
    ------
    InputError
        The key is none, no bytes are from `start` to before `end`, or what is ABSENT has any.
    """
    check_key(key)
    if not 0 <= start <= end:
        raise InputError(f"can't stream bytes {start} to {end} of {key}: count from its start")
    if if_version is ABSENT:
        raise InputError(f"can't stream {key} if it is absent: give a version, or none")


def check_object(info: ObjectInfo, end: int, if_version: IfVersion) -> None:
    """Refuse an object that isn't at a version, or ends before the bytes that were asked for do.

    Raises
    ------
    Conflict
        It is such a one.
    """
    if if_version not in (ANY, info.version):
        raise Conflict(
            f"{info.key} is at version {info.version}, where version {if_version} was expected",
            info.key,
        )
    check_size(info.key, info.size, end)


def check_size(key: str, size: int, end: int) -> None:
    """Refuse an object that ends before the bytes that were asked for do.

    Raises
    ------
    Conflict
        It isn't the one that was expected.
    """
    if size < end:
        raise Conflict(f"{key} is shorter than the {end} bytes that were expected of it", key)


def in_pieces(key: str, read: Callable[[int], bytes], size: int) -> Generator[bytes, None, None]:
    """Read so many bytes piece by piece.

    Parameters
    ----------
    key : str
        The object that they are of.
    read : callable
        Read at most so many; none at the end.
    size : int
        How many to read; more are left alone.

    Raises
    ------
    Interrupted
        There are fewer.
    """
    left = size
    while left:
        piece = read(min(PIECE, left))
        if not piece:
            raise interrupted(key, ConnectionError(f"{left} bytes of {size} didn't arrive"))
        left -= len(piece)
        yield piece


def interrupted(
    key: str, error: Exception, status: int | None = None, slow_down: bool = False
) -> Interrupted:
    """Say why bytes didn't arrive, in few words and without an address.

    Parameters
    ----------
    key : str
        The object that they are of.
    error : Exception
        Built-in ones are quoted.
    status : int, optional
        What the service answered.
    slow_down : bool, optional
        Whether that asks for fewer requests.
    """
    if status is not None:
        why = f"the service answers {int(status)}"
    elif isinstance(error, ConnectionError | TimeoutError):
        why = str(error)
    else:
        why = type(error).__name__
    return Interrupted(f"can't read {key}: {why}", key, slow_down=slow_down)
