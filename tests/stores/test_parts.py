"""Files that arrive in pieces."""

import contextlib
import os

import pytest

from cedar.items import ObjectInfo
from cedar.stores import parts
from cedar.stores.checksums import checksum_of
from cedar.stores.parts import Part, names

DATA = bytes(range(256)) * 40
INFO = ObjectInfo("images/a.tif", len(DATA), "7", checksum_of(DATA, "crc32c"))
SIZE = 3000


@pytest.fixture(autouse=True)
def none_are_small(monkeypatch):
    monkeypatch.setattr(parts, "SMALL", 0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "there" / "a.tif"


@pytest.fixture
def opened():
    """Open a part; all are closed at the end."""
    with contextlib.ExitStack() as stack:

        def opened(path, info=INFO, size=SIZE):
            part = Part.open(path, info, size)
            assert part is not None
            stack.callback(part.close)
            return part

        yield opened


def fill(part, piece, count=None):
    """Write the next bytes of a piece, or all that it lacks."""
    end = piece.end if count is None else piece.position + count
    part.write(piece, DATA[piece.position : end])


def test_pieces_in_any_order_make_the_file(opened, path):
    part = opened(path)
    assert [(p.start, p.end) for p in part.pieces] == [
        (0, 3000), (3000, 6000), (6000, 9000), (9000, 10240),
    ]  # fmt: skip
    assert part.arrived == 0
    for piece in reversed(part.pieces):
        fill(part, piece, 7)
    assert part.arrived == 28
    for piece in part.pieces:
        fill(part, piece)
    assert part.checksum("crc32c") == INFO.checksum
    assert not path.exists()
    part.finish()
    assert path.read_bytes() == DATA
    assert [*path.parent.iterdir()] == [path]


def test_what_has_arrived_is_there_for_the_next(opened, path):
    first = opened(path)
    fill(first, first.pieces[0])
    fill(first, first.pieces[2], 500)
    first.close()
    second = opened(path)
    assert second.resumed
    assert [p.position for p in second.pieces] == [3000, 3000, 6500, 9000]
    for piece in second.pieces:
        fill(second, piece)
    second.finish()
    assert path.read_bytes() == DATA


def test_what_nobody_closed_is_there_too(opened, path):
    """As after kill -9, which closes nothing but the system's handles."""
    first = opened(path)
    fill(first, first.pieces[1], 100)
    journal = names(path)[1].read_bytes()
    first.close()
    assert names(path)[1].read_bytes() == journal
    assert opened(path).arrived == 100


@pytest.mark.parametrize(
    "other",
    [
        ObjectInfo(INFO.key, INFO.size, "8", INFO.checksum),
        ObjectInfo(INFO.key, INFO.size - 1, "7", INFO.checksum),
        ObjectInfo("images/b.tif", INFO.size, "7", INFO.checksum),
    ],
    ids=["version", "size", "key"],
)
def test_another_object_begins_anew(opened, path, other):
    first = opened(path)
    fill(first, first.pieces[0])
    first.close()
    second = opened(path, other)
    assert (second.resumed, second.arrived) == (False, 0)
    second.close()
    assert names(path)[0].read_bytes() == bytes(other.size)


def test_other_pieces_begin_anew(opened, path):
    first = opened(path)
    fill(first, first.pieces[0])
    first.close()
    assert opened(path, size=SIZE + 1).arrived == 0


@pytest.mark.parametrize("length", [0, 1, 20, -1, -8])
def test_a_torn_note_of_how_far_it_is_begins_anew(opened, path, length):
    first = opened(path)
    fill(first, first.pieces[0])
    first.close()
    journal = names(path)[1]
    journal.write_bytes(journal.read_bytes()[:length])
    second = opened(path)
    assert (second.resumed, second.arrived) == (False, 0)
    for piece in second.pieces:
        fill(second, piece)
    second.finish()
    assert path.read_bytes() == DATA


@pytest.mark.parametrize("position", [-1, 3001, 1 << 62])
def test_a_note_that_cannot_be_begins_anew(opened, path, position):
    first = opened(path)
    first.close()
    journal = names(path)[1]
    text = journal.read_bytes()
    journal.write_bytes(text[:-32] + position.to_bytes(8, "big", signed=True) + text[-24:])
    assert opened(path).resumed is False


def test_bytes_that_are_gone_begin_anew(opened, path):
    first = opened(path)
    fill(first, first.pieces[0])
    first.close()
    names(path)[0].unlink()
    assert opened(path).arrived == 0


def test_one_at_a_time_has_a_file(opened, path):
    first = opened(path)
    assert Part.open(path, INFO, SIZE) is None
    first.close()
    opened(path).close()


def test_who_comes_after_the_end_has_a_lock_of_its_own(opened, path):
    first = opened(path)
    for piece in first.pieces:
        fill(first, piece)
    first.finish()
    second = opened(path)
    assert second.arrived == 0
    second.discard()
    assert [*path.parent.iterdir()] == [path]


def test_a_file_of_no_bytes_is_there_at_once(opened, path):
    part = opened(path, ObjectInfo("e", 0, "1"))
    assert part.pieces == []
    part.finish()
    assert path.read_bytes() == b""


def test_what_was_there_stays_until_the_end_and_is_replaced(opened, path):
    path.parent.mkdir()
    path.write_bytes(b"older")
    part = opened(path)
    for piece in part.pieces:
        fill(part, piece)
    assert path.read_bytes() == b"older"
    part.finish()
    assert path.read_bytes() == DATA


def test_nothing_is_open_after_an_error_at_the_start(opened, path, monkeypatch):
    monkeypatch.setattr(os, "open", lambda *_: (_ for _ in ()).throw(PermissionError(13, "no")))
    with pytest.raises(PermissionError):
        Part.open(path, INFO, SIZE)
    monkeypatch.undo()
    opened(path).close()


def test_of_a_small_file_it_is_not_noted_how_far_it_is(opened, path, monkeypatch):
    monkeypatch.setattr(parts, "SMALL", INFO.size)
    first = opened(path)
    fill(first, first.pieces[0])
    assert Part.open(path, INFO, SIZE) is None
    first.close()
    second = opened(path)
    assert (second.resumed, second.arrived) == (False, 0)
    assert names(path)[0].read_bytes() == bytes(INFO.size)
    for piece in second.pieces:
        fill(second, piece)
    second.finish()
    assert path.read_bytes() == DATA
    assert [*path.parent.iterdir()] == [path]


def test_a_small_file_that_was_a_large_one_begins_anew(opened, path, monkeypatch):
    first = opened(path)
    fill(first, first.pieces[0])
    first.close()
    monkeypatch.setattr(parts, "SMALL", INFO.size)
    other = ObjectInfo(INFO.key, INFO.size - 1, "8", INFO.checksum)
    second = opened(path, other)
    assert second.arrived == 0
    assert names(path)[0].read_bytes() == bytes(other.size)
