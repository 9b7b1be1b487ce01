"""Files that arrive in pieces, by several threads: what has arrived outlasts the process.

Beside a file ``a.tif`` that is on its way are two others. ``.cedar-a.tif.part`` has its bytes, each
at its place. ``.cedar-a.tif.pieces`` says which object they are of, and how far each piece has
come; who has it locked fetches the file, and nobody else. A piece's bytes are written before it is
said that they are there, so a process that is killed has said nothing that isn't so. (After a power
cut it may not be so: what one process began and another finished is read again and checked.)
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from ..items import ObjectInfo
from .checksums import CHUNK, summing
from .files import make_directory, sync
from .local import lock_if_free

#: Bytes of a piece: one request, if all goes well.
PIECE: Final = 32 * 2**20
#: Bytes of the largest file of which it isn't noted how far it is: it is fetched again.
SMALL: Final = 512 << 10
_POSITION: Final = struct.Struct(">q")


@dataclass
class Piece:
    """A part of a file.

    Attributes
    ----------
    index : int
        Which.
    start : int
        Where its first byte goes.
    position : int
        Where its next byte goes.
    end : int
        Before which its last one does.
    """

    index: int
    start: int
    position: int
    end: int


class Part:
    """A file on its way. Each piece is one thread's at a time.

    Parameters
    ----------
    path : Path
        What it becomes.
    info : ObjectInfo
        What it is a copy of.
    lock : BinaryIO
        The file that says how far it is, locked.
    piece_size : int
        Bytes of a piece.

    Attributes
    ----------
    pieces : list of Piece
        All of it.
    resumed : bool
        Whether some of it was there already.
    """

    def __init__(self, path: Path, info: ObjectInfo, lock: BinaryIO, piece_size: int = PIECE):
        self.path, self.info, self._lock = path, info, lock
        self._temp, self._journal = names(path)
        starts = range(0, info.size, piece_size)
        self.pieces = [
            Piece(i, at, at, min(at + piece_size, info.size)) for i, at in enumerate(starts)
        ]
        said = {"key": info.key, "version": info.version, "size": info.size, "piece": piece_size}
        self._header = json.dumps(said).encode() + b"\n"
        self._files = contextlib.ExitStack()
        self._files.callback(lock.close)
        with contextlib.ExitStack() as undo:
            undo.callback(self._files.close)
            # It is opened at its end.
            self.resumed = lock.tell() > 0 and self._take_up()
            self._data = self._open(self._temp)
            if not self.resumed:
                self._begin()
            self._positions = self._open(self._journal) if info.size > SMALL else None
            undo.pop_all()

    @classmethod
    def open(cls, path: Path, info: ObjectInfo, piece_size: int = PIECE) -> Part | None:
        """Begin a file, or take it up where it was left; None where another process has it."""
        make_directory(path.parent)
        lock = lock_if_free(names(path)[1])
        return None if lock is None else cls(path, info, lock, piece_size)

    @property
    def arrived(self) -> int:
        """Bytes that are there."""
        return self.info.size - sum(piece.end - piece.position for piece in self.pieces)

    def write(self, piece: Piece, data: bytes) -> None:
        """Write the next bytes of a piece."""
        _write_all(self._data, data, piece.position)
        piece.position += len(data)
        if self._positions is not None:
            position = _POSITION.pack(piece.position)
            at = len(self._header) + piece.index * _POSITION.size
            _write_all(self._positions, position, at)

    def checksum(self, algorithm: str) -> str:
        """``algorithm:digest`` of what is there, read from the disk."""
        total, start = summing(algorithm), 0
        while data := os.pread(self._data, CHUNK, start):
            total.update(data)
            start += len(data)
        return total.text()

    def finish(self) -> None:
        """Give the file its name, to outlast a power cut. It has to be right."""
        os.fsync(self._data)
        self._temp.replace(self.path)
        sync(self.path.parent)
        self._journal.unlink()
        self.close()

    def discard(self) -> None:
        """Leave nothing of it."""
        self._temp.unlink(missing_ok=True)
        self._journal.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Leave it for whoever takes it up."""
        self._files.close()

    def _open(self, path: Path) -> int:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        self._files.callback(os.close, descriptor)
        return descriptor

    def _begin(self) -> None:
        """Forget all that is there: first that it is, then the bytes."""
        os.ftruncate(self._lock.fileno(), 0)
        os.ftruncate(self._data, 0)
        os.ftruncate(self._data, self.info.size)
        if self.info.size > SMALL:
            positions = (_POSITION.pack(piece.start) for piece in self.pieces)
            _write_all(self._lock.fileno(), b"".join([self._header, *positions]), 0)

    def _take_up(self) -> bool:
        """Read how far it is; whether that is known, and of this object."""
        text = self._journal.read_bytes()
        said = text.removeprefix(self._header)
        if len(text) - len(said) != len(self._header) or not self._temp.is_file():
            return False
        if len(said) != len(self.pieces) * _POSITION.size:
            return False
        positions = [position for (position,) in _POSITION.iter_unpack(said)]
        if any(not p.start <= at <= p.end for p, at in zip(self.pieces, positions, strict=True)):
            return False
        for piece, position in zip(self.pieces, positions, strict=True):
            piece.position = position
        return True


def names(path: Path) -> tuple[Path, Path]:
    """Return the files that a file on its way has: its bytes, and how far it is."""
    return path.with_name(f".cedar-{path.name}.part"), path.with_name(f".cedar-{path.name}.pieces")


def _write_all(descriptor: int, data: bytes, start: int) -> None:
    """Write bytes at a place. A nearly full disk takes a part of them before it refuses."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, start)
        view, start = view[written:], start + written
