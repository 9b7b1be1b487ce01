"""What a user can rely on of the streams of every store: one body for all stores."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from store_kinds import Connect

from cedar.exceptions import Conflict, InputError, NotFoundError
from cedar.stores import ABSENT, ANY, Store
from cedar.stores.streams import PIECE

SIZE = 12 * PIECE + 1000
DATA = os.urandom(SIZE)
#: Of bytes that there are.
PARTS = {
    "all": (0, SIZE),
    "the first byte": (0, 1),
    "the last byte": (SIZE - 1, SIZE),
    "a piece": (PIECE, 2 * PIECE),
    "a piece and a byte": (1000, PIECE + 1001),
    "none at the start": (0, 0),
    "none in the middle": (1000, 1000),
    "none at the end": (SIZE, SIZE),
}
#: Of bytes of which some aren't there.
BEYOND = {
    "one more than all": (0, SIZE + 1),
    "the first that isn't there": (SIZE, SIZE + 1),
    "far away": (2 * SIZE, 3 * SIZE),
    "none behind the end": (SIZE + 1, SIZE + 1),
}


@pytest.mark.parametrize("part", PARTS)
def test_a_stream_is_a_part_of_an_object_in_pieces(store: Store, part: str) -> None:
    info = store.write("P/a.tif", DATA)
    start, end = PARTS[part]
    for version in (ANY, info.version):
        pieces = list(store.stream("P/a.tif", start, end, version))
        assert b"".join(pieces) == DATA[start:end]
        assert all(type(piece) is bytes and 0 < len(piece) <= PIECE for piece in pieces)


def test_an_empty_object_has_no_pieces(store: Store) -> None:
    info = store.write("P/a.tif", b"")
    assert list(store.stream("P/a.tif", 0, 0)) == []
    assert list(store.stream("P/a.tif", 0, 0, info.version)) == []
    with pytest.raises(Conflict, match=r"P/a\.tif is shorter than the 1 bytes"):
        next(store.stream("P/a.tif", 0, 1))


@pytest.mark.parametrize("part", BEYOND)
def test_a_stream_beyond_the_end_is_a_conflict(store: Store, part: str) -> None:
    info = store.write("P/a.tif", DATA)
    for version in (ANY, info.version):
        with pytest.raises(Conflict, match=r"P/a\.tif is shorter than the \d+ bytes") as caught:
            next(store.stream("P/a.tif", *BEYOND[part], version))
        assert caught.value.key == "P/a.tif"


@pytest.mark.parametrize("end", [0, 4])
def test_a_stream_is_of_the_version_asked_for(connect: Connect, end: int) -> None:
    old = connect().write("P/a.tif", b"first")
    new = connect().write("P/a.tif", b"other", old.version)
    store = connect()
    for version in (old.version, "5", "no version of this store"):
        with pytest.raises(Conflict, match=r"P/a\.tif") as caught:
            next(store.stream("P/a.tif", 0, end, version), None)
        assert caught.value.key == "P/a.tif"
    assert b"".join(store.stream("P/a.tif", 0, end, new.version)) == b"other"[:end]


def test_a_stream_that_has_begun_is_of_one_version(connect: Connect) -> None:
    info = connect().write("P/a.tif", DATA)
    stream = connect().stream("P/a.tif", 0, SIZE, info.version)
    pieces = [next(stream)]
    connect().write("P/a.tif", bytes(SIZE), info.version)
    pieces += stream
    assert b"".join(pieces) == DATA


@pytest.mark.parametrize("end", [0, 4])
def test_what_is_missing_has_no_stream(store: Store, end: int) -> None:
    gone = store.write("P/gone.tif", b"data").version
    store.delete("P/gone.tif")
    for key, version in (("P/none.tif", ANY), ("P/gone.tif", ANY), ("P/gone.tif", gone)):
        with pytest.raises(NotFoundError, match=key) as caught:
            next(store.stream(key, 0, end, version))
        assert caught.value.key == key


def test_a_stream_asks_for_nothing_before_its_first_piece(store: Store) -> None:
    stream = store.stream("P/a.tif", 1, 3)
    store.stream("P/none.tif", 0, 1).close()
    store.write("P/a.tif", b"data")
    assert list(stream) == [b"at"]


@pytest.mark.parametrize(
    ("key", "start", "end", "version", "words"),
    [
        ("a", -1, 1, ANY, "can't stream bytes -1 to 1 of a"),
        ("a", 2, 1, ANY, "can't stream bytes 2 to 1 of a"),
        ("a", 0, 1, ABSENT, "can't stream a if it is absent"),
        ("../a", 0, 1, ANY, "../a"),
    ],
)
def test_a_stream_of_nothing_possible_is_refused(
    store: Store, key: str, start: int, end: int, version: object, words: str
) -> None:
    store.write("a", b"data")
    with pytest.raises(InputError, match=words):
        next(store.stream(key, start, end, version))


def test_a_stream_is_closed_before_its_end(store: Store) -> None:
    info = store.write("P/a.tif", DATA)
    for _ in range(3):
        with closing(store.stream("P/a.tif", 0, SIZE, info.version)) as stream:
            assert DATA.startswith(next(stream))
    assert b"".join(store.stream("P/a.tif", 0, SIZE, info.version)) == DATA


def test_many_threads_stream_the_parts_of_an_object(store: Store) -> None:
    n = 8
    info = store.write("P/a.tif", DATA)
    start = threading.Barrier(n)
    bounds = [SIZE * i // n for i in range(n + 1)]

    def part(i: int) -> bytes:
        start.wait()
        return b"".join(store.stream("P/a.tif", bounds[i], bounds[i + 1], info.version))

    with ThreadPoolExecutor(n) as pool:
        assert b"".join(pool.map(part, range(n))) == DATA
