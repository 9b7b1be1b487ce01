"""Files from a store: in parallel, in pieces, resumed, checked whole."""

import errno
import os
import random
import threading
import time
from collections import Counter

import pytest

from cedar import LocalStore, fetching, retry
from cedar.exceptions import Conflict, Interrupted, NotFoundError, StoreError
from cedar.fetching import TRIES, Fetcher
from cedar.items import ObjectInfo
from cedar.stores import parts
from cedar.stores.checksums import checksum_of
from cedar.stores.parts import Part, names
from cedar.wanted import FINISHED, Fetching, FileState, Wanted

CHUNK = 100
PIECE = 1000


class Scripted(LocalStore):
    """Objects whose streams do what a script says; else they are right."""

    workers = 4

    def __init__(self, directory):
        super().__init__(directory)
        self.contents, self.versions = {}, Counter()
        #: (key, start, end) of each stream.
        self.asked = []
        #: key → what is done with its next streams.
        self.script = {}
        self.sent = 0

    def add(self, key, size, seed=0):
        self.contents[key] = random.Random(f"{key} {seed}").randbytes(size)
        self.versions[key] += 1
        return self.stat(key)

    def stat(self, key):
        if key not in self.contents:
            raise NotFoundError(f"{key} is not in the store", key)
        data = self.contents[key]
        version = str(self.versions[key])
        return ObjectInfo(key, len(data), version, checksum_of(data, "crc32c"))

    def checksum(self, key, algorithm="sha256"):
        return checksum_of(self.contents[key], algorithm)

    def stream(self, key, start, end, if_version, timeout=60.0):
        self.asked.append((key, start, end))
        acts = self.script.get(key, [])
        act = acts.pop(0) if acts else None
        info = self.stat(key)
        if if_version != info.version:
            raise Conflict(f"{key} is at version {info.version}", key)
        data = self.contents[key]
        for at in range(start, end, CHUNK):
            chunk = data[at : min(at + CHUNK, end)]
            if act is not None:
                chunk = act(at, chunk)
            self.sent += len(chunk)
            yield chunk


def broken(after=0, slow_down=False):
    """Break off after so many chunks."""
    left = [after]

    def act(_at, chunk):
        if not left[0]:
            raise Interrupted("reset", "k", slow_down=slow_down)
        left[0] -= 1
        return chunk

    return act


def damaged(_at, chunk):
    return bytes([chunk[0] ^ 1]) + chunk[1:]


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setattr(retry, "FIRST_DELAY", 0.001)
    monkeypatch.setattr(parts, "SMALL", 0)
    return Scripted(tmp_path / "store")


@pytest.fixture
def fetch(store, tmp_path):
    """Fetch objects; the events."""

    def fetch(*infos, recorded=True, **options):
        fetcher = Fetcher(store, Fetching(**{"piece": PIECE, **options}))
        wanted = [Wanted(tmp_path / "home" / info.key, info, recorded) for info in infos]
        return [*fetcher.run(wanted)]

    return fetch


def ends(events):
    """How each file ended."""
    ended = [event for event in events if event.state in FINISHED]
    assert len({event.path for event in ended}) == len(ended)
    return {event.path.name: event.state for event in ended}


def is_home(store, tmp_path, *keys):
    left = [path.name for path in (tmp_path / "home").iterdir() if path.name.startswith(".")]
    assert left == []
    return all((tmp_path / "home" / key).read_bytes() == store.contents[key] for key in keys)


def test_files_of_any_size_come_home_each_byte_once(store, fetch, tmp_path):
    sizes = {"a": 0, "b": 1, "c": PIECE, "d": PIECE + 1, "e": 5 * PIECE + 17}
    infos = [store.add(key, size) for key, size in sizes.items()]
    assert ends(fetch(*infos)) == dict.fromkeys(sizes, FileState.DONE)
    assert is_home(store, tmp_path, *sizes)
    assert store.sent == sum(sizes.values())
    assert sorted(store.asked) == [
        ("b", 0, 1), ("c", 0, 1000), ("d", 0, 1000), ("d", 1000, 1001),
        *(("e", at, min(at + 1000, 5017)) for at in range(0, 5017, 1000)),
    ]  # fmt: skip


def test_pieces_of_one_file_come_at_the_same_time(store, fetch, tmp_path):
    together = threading.Barrier(4)

    def wait(at, chunk):
        if at % PIECE == 0:
            together.wait(10)
        return chunk

    info = store.add("a", 4 * PIECE)
    store.script["a"] = [wait] * 4
    assert ends(fetch(info)) == {"a": FileState.DONE}
    assert is_home(store, tmp_path, "a")


def test_no_more_requests_at_once_than_workers(store, fetch):
    active, most, lock = 0, 0, threading.Lock()

    def count(at, chunk):
        nonlocal active, most
        with lock:
            active += at % PIECE == 0
            most = max(most, active)
        time.sleep(0.001)
        with lock:
            active -= at % PIECE == PIECE - CHUNK
        return chunk

    infos = [store.add(f"f{n}", 2 * PIECE) for n in range(6)]
    store.script = {info.key: [count] * 2 for info in infos}
    fetch(*infos, workers=3)
    assert most == 3


def test_events_tell_what_happens(store, fetch, monkeypatch):
    monkeypatch.setattr(fetching, "_TOLD", 0.0)
    info = store.add("a", 5 * CHUNK)
    events = fetch(info)
    states = [event.state for event in events]
    assert states == [FileState.DOWNLOADING] * (len(states) - 1) + [FileState.DONE]
    arrived = [event.arrived for event in events]
    assert arrived == sorted(arrived)
    assert {0, 100, 500} <= set(arrived)
    assert {event.size for event in events} == {500}


def test_a_file_that_is_there_is_not_fetched(store, fetch, tmp_path):
    infos = [store.add(key, 2 * PIECE) for key in "abc"]
    fetch(*infos)
    (tmp_path / "home" / "b").write_bytes(b"x" * 2 * PIECE)
    (tmp_path / "home" / "c").write_bytes(b"short")
    store.asked.clear()
    assert ends(fetch(*infos)) == {
        "a": FileState.HERE, "b": FileState.DONE, "c": FileState.DONE,
    }  # fmt: skip
    assert {key for key, *_ in store.asked} == {"b", "c"}
    assert is_home(store, tmp_path, "a", "b", "c")


def test_a_file_that_differs_stays_where_it_may_not_be_replaced(store, fetch, tmp_path):
    info = store.add("a", 10)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "a").write_bytes(b"mine")
    (event,) = fetch(info, overwrite=False)
    assert event.state == FileState.FAILED
    assert "home/a differs from a in the store: move it away or overwrite it" in str(event.error)
    assert (tmp_path / "home" / "a").read_bytes() == b"mine"
    assert store.asked == []


@pytest.mark.parametrize("slow_down", [False, True])
def test_what_breaks_off_goes_on_from_its_last_byte(store, fetch, tmp_path, slow_down):
    info = store.add("a", 10 * CHUNK)
    store.script["a"] = [broken(3, slow_down), broken(0, slow_down), broken(2, slow_down)]
    assert ends(fetch(info)) == {"a": FileState.DONE}
    assert is_home(store, tmp_path, "a")
    assert store.asked == [("a", at, 1000) for at in (0, 300, 300, 500)]
    assert store.sent == 1000


def test_nothing_for_too_long_fails_and_what_came_is_kept(store, fetch, tmp_path, monkeypatch):
    info = store.add("a", 10 * CHUNK)
    store.script["a"] = [broken(3), broken(0)]
    with monkeypatch.context() as patch:
        patch.setattr(retry, "PATIENCE", 0.0)
        *_, event = fetch(info)
    assert (event.state, str(event.error)) == (FileState.FAILED, "reset")
    store.asked.clear()
    assert ends(fetch(info)) == {"a": FileState.DONE}
    assert store.asked == [("a", 300, 1000)]
    assert is_home(store, tmp_path, "a")


def test_a_file_that_fails_does_not_stop_the_others(store, fetch, tmp_path):
    infos = [store.add(key, 3 * PIECE) for key in "abcd"]
    del store.contents["b"]
    events = fetch(*infos)
    assert ends(events) == {
        "a": FileState.DONE, "b": FileState.FAILED, "c": FileState.DONE, "d": FileState.DONE,
    }  # fmt: skip
    (error,) = (event.error for event in events if event.error)
    assert isinstance(error, NotFoundError)
    left = {path.name for path in (tmp_path / "home").iterdir()}
    assert left == {"a", "c", "d"}


@pytest.mark.parametrize("size", [PIECE, 3 * PIECE])
def test_a_damaged_file_is_fetched_once_more(store, fetch, tmp_path, size):
    info = store.add("a", size)
    store.script["a"] = [damaged]
    assert ends(fetch(info)) == {"a": FileState.DONE}
    assert is_home(store, tmp_path, "a")
    assert store.sent == 2 * size


def test_a_file_that_is_damaged_every_time_is_never_accepted(store, fetch, tmp_path):
    info = store.add("a", PIECE)
    store.script["a"] = [damaged] * 100
    *_, event = fetch(info)
    assert event.state == FileState.FAILED
    assert f"a arrived damaged, or was replaced, {TRIES} times" in str(event.error)
    assert [*(tmp_path / "home").iterdir()] == []
    assert store.sent == TRIES * PIECE


def test_damage_that_an_earlier_process_took_in_is_seen(store, fetch, tmp_path):
    """What was there before is read again, from the disk."""
    info = store.add("a", PIECE)
    part = Part.open(tmp_path / "home" / "a", info, PIECE)
    part.write(part.pieces[0], b"wrong" * 100)
    part.close()
    assert ends(fetch(info)) == {"a": FileState.DONE}
    assert is_home(store, tmp_path, "a")
    assert store.asked == [("a", 500, 1000), ("a", 0, 1000)]


def test_what_was_replaced_since_it_was_recorded_is_refused(store, fetch, tmp_path):
    info = store.add("a", PIECE)
    store.add("a", PIECE, seed=1)
    *_, event = fetch(info)
    assert event.state == FileState.FAILED
    assert str(event.error) == "a isn't what the order made: it was replaced since"
    assert [*(tmp_path / "home").iterdir()] == []


def test_the_same_bytes_at_another_version_are_taken(store, fetch, tmp_path):
    """As in a copy of a store."""
    info = store.add("a", 3 * PIECE)
    store.versions["a"] += 1
    assert ends(fetch(info)) == {"a": FileState.DONE}
    assert is_home(store, tmp_path, "a")


def test_what_no_record_names_is_had_as_it_is_by_then(store, fetch, tmp_path):
    info = store.add("a", 3 * PIECE)

    def replaced(_at, chunk):
        store.add("a", 2 * PIECE + 5, seed=1)
        return chunk

    store.script["a"] = [replaced]
    assert ends(fetch(info, recorded=False)) == {"a": FileState.DONE}
    assert is_home(store, tmp_path, "a")


def test_a_remote_that_changes_all_the_time_is_given_up(store, fetch):
    info, seeds = store.add("a", PIECE), iter(range(1, 100))

    def replaced(at, chunk):
        store.add("a", PIECE, seed=next(seeds))
        return damaged(at, chunk)

    store.script["a"] = [replaced] * 100
    *_, event = fetch(info, recorded=False)
    assert event.state == FileState.FAILED
    assert len(store.asked) == TRIES


def test_a_service_that_asks_for_less_gets_it(store, fetch, monkeypatch):
    limits = []
    slow_down = fetching.Pace.slow_down

    def noted(pace):
        slow_down(pace)
        limits.append(pace.limit)

    monkeypatch.setattr(fetching.Pace, "slow_down", noted)
    infos = [store.add(f"f{n}", PIECE) for n in range(4)]
    store.script["f1"] = [broken(0, slow_down=True)]
    store.script["f2"] = [broken(0)]
    assert set(ends(fetch(*infos)).values()) == {FileState.DONE}
    assert limits == [2.0]


def test_a_full_disk_stops_all_and_keeps_what_came(store, fetch, tmp_path, monkeypatch):
    write, room = os.pwrite, [2500]

    def pwrite(descriptor, data, at):
        if len(data) == CHUNK:
            room[0] -= len(data)
            if room[0] < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data, at)

    infos = [store.add(key, 2 * PIECE) for key in "abc"]
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", pwrite)
        with pytest.raises(StoreError, match=r"the disk of .*/home is full: make room and run it"):
            fetch(*infos)
    sent = store.sent
    assert set(ends(fetch(*infos)).values()) <= {FileState.DONE, FileState.HERE}
    assert is_home(store, tmp_path, "a", "b", "c")
    # What each worker had in its hands was lost, and nothing else.
    assert store.sent <= 6 * PIECE + 4 * CHUNK
    assert sent >= 2500


def test_a_file_that_cannot_be_written_fails_alone(store, fetch, tmp_path):
    (tmp_path / "home" / "a").mkdir(parents=True)
    infos = [store.add(key, PIECE) for key in "ab"]
    events = fetch(*infos)
    assert ends(events) == {"a": FileState.FAILED, "b": FileState.DONE}


def test_two_at_once_fetch_each_file_once(store, tmp_path):
    infos = [store.add(f"f{n}", 3 * PIECE) for n in range(8)]
    wanted = [Wanted(tmp_path / "home" / info.key, info) for info in infos]
    store.script = {info.key: [slow] * 3 for info in infos}
    found = []

    def fetch():
        found.append(ends([*Fetcher(store, Fetching(piece=PIECE)).run(wanted)]))

    threads = [threading.Thread(target=fetch) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert is_home(store, tmp_path, *(info.key for info in infos))
    assert store.sent == 8 * 3 * PIECE
    for info in infos:
        assert sorted(each[info.key] for each in found) == [FileState.HERE, FileState.DONE]


def slow(_at, chunk):
    time.sleep(0.001)
    return chunk


def test_who_stops_listening_stops_it_and_the_next_goes_on(store, tmp_path):
    def very_slow(_at, chunk):
        time.sleep(0.1)
        return chunk

    info = store.add("a", 4 * PIECE)
    store.script["a"] = [very_slow] * 4
    wanted = [Wanted(tmp_path / "home" / "a", info)]
    events = Fetcher(store, Fetching(piece=PIECE)).run(wanted)
    next(event for event in events if event.arrived > 0)
    events.close()
    before = store.sent
    assert before < 4 * PIECE
    assert not [t for t in threading.enumerate() if t.name.startswith("fetching-")]
    assert ends([*Fetcher(store, Fetching(piece=PIECE)).run(wanted)]) == {"a": FileState.DONE}
    assert is_home(store, tmp_path, "a")
    assert store.sent <= 4 * PIECE + 4 * CHUNK


def test_an_error_of_ours_is_the_callers(store, fetch, monkeypatch):
    monkeypatch.setattr(fetching.Fetcher, "_is_here", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fetch(store.add("a", 1))


def test_no_files_are_no_work(fetch):
    assert fetch() == []


def test_bytes_a_second_are_kept(store, fetch):
    infos = [store.add(key, 10 * CHUNK) for key in "abc"]
    began = time.monotonic()
    fetch(*infos, rate=20_000)
    # The last bytes are waited for after they have come.
    assert time.monotonic() - began >= 0.14


def test_a_file_without_a_checksum_is_known_by_its_size(store, fetch, tmp_path, monkeypatch):
    info = store.add("a", 2 * PIECE)
    known = ObjectInfo(info.key, info.size, info.version)
    assert ends(fetch(known)) == {"a": FileState.DONE}
    assert is_home(store, tmp_path, "a")
    assert names(tmp_path / "home" / "a")[0].exists() is False


def test_a_file_that_came_meanwhile_stays_and_its_part_is_let_go(
    store, fetch, tmp_path, monkeypatch
):
    info, path, opened = store.add("a", PIECE), tmp_path / "home" / "a", Part.open

    def another_was_first(*arguments):
        path.write_bytes(b"another's")
        return opened(*arguments)

    path.parent.mkdir()
    monkeypatch.setattr(Part, "open", another_was_first)
    (event,) = fetch(info, overwrite=False)
    assert event.state is FileState.FAILED
    assert path.read_bytes() == b"another's"
    assert [each.name for each in path.parent.iterdir()] == ["a"]
    again = opened(path, info, PIECE)
    assert again is not None
    again.discard()
