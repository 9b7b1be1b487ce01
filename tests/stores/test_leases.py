"""Claims by leases: one owner at a time, whatever happens to owners and to answers."""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from cedar.exceptions import Conflict, InputError, NotFoundError, StoreError
from cedar.items import Destination, ObjectInfo
from cedar.stores import ABSENT, ANY, Store, leases
from cedar.stores.versions import IfVersion

LEASE = "P/a.lease"


@dataclass
class Contents:
    """What is in a store, for all who connect to it."""

    objects: dict[str, tuple[bytes, ObjectInfo]] = field(default_factory=dict)
    writes: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def wait_for_writes(self, number: int) -> None:
        """Wait until so many writes were made."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.writes >= number, 20)


class Memory(Store):
    """A store in memory. `before` and `after` are called with each request, and may raise."""

    kind = "memory"

    def __init__(self, contents: Contents):
        self.contents = contents
        self.before: Callable[[str], None] = lambda method: None
        self.after: Callable[[str], None] = lambda method: None

    def stat(self, key: str) -> ObjectInfo:
        self.before("stat")
        with self.contents.changed:
            if key not in self.contents.objects:
                raise NotFoundError(f"{key} is not here", key)
            return self.contents.objects[key][1]

    def read(self, key: str, start: int | None = None, end: int | None = None) -> bytes:
        self.before("read")
        self.stat(key)
        return self.contents.objects[key][0]

    def write(self, key: str, data: bytes, if_version: IfVersion = ANY) -> ObjectInfo:
        self.before("write")
        with self.contents.changed:
            self._check(key, if_version)
            self.contents.writes += 1
            # As some stores have it, the same bytes are the same version.
            info = ObjectInfo(key, len(data), f"{data!r}")
            self.contents.objects[key] = data, info
            self.contents.changed.notify_all()
        self.after("write")
        return info

    def delete(self, key: str, missing_ok: bool = True, if_version: IfVersion = ANY) -> None:
        self.before("delete")
        with self.contents.changed:
            if key in self.contents.objects:
                self._check(key, if_version)
                del self.contents.objects[key]

    def _check(self, key: str, if_version: IfVersion) -> None:
        found = self.contents.objects.get(key)
        if if_version not in (ANY, ABSENT if found is None else found[1].version):
            raise Conflict(f"{key} is another", key)

    def objects(self, prefix: str = "") -> Iterator[ObjectInfo]:
        raise NotImplementedError

    def put(
        self, path: str | os.PathLike[str], key: str, if_version: IfVersion = ANY
    ) -> ObjectInfo:
        raise NotImplementedError

    def fetch(
        self,
        key: str,
        path: str | os.PathLike[str],
        checksum: str | None = None,
        if_version: IfVersion = ANY,
    ) -> ObjectInfo:
        raise NotImplementedError

    def stream(
        self, key: str, start: int, end: int, if_version: IfVersion = ANY, timeout: float = 60.0
    ) -> Generator[bytes, None, None]:
        raise NotImplementedError

    def scratch(self, prefix: str) -> Path:
        raise NotImplementedError

    def destination(self, prefix: str) -> Destination:
        raise NotImplementedError

    def identity(self) -> dict[str, str]:
        raise NotImplementedError


class Clock:
    """Time that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(leases, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


@pytest.fixture
def contents() -> Contents:
    return Contents()


@pytest.fixture
def mine(contents: Contents) -> Memory:
    return Memory(contents)


@pytest.fixture
def other(contents: Contents) -> Memory:
    return Memory(contents)


@pytest.fixture
def dead(contents: Contents) -> None:
    """A lease whose owner was killed."""
    Memory(contents).write(LEASE, json.dumps({"owner": "dead", "host": "x"}).encode())


def owns(store: Store, key: str = "P/a") -> bool:
    with store.claim(key) as owned:
        return owned


def failing(*errors: Exception | None) -> Callable[[str], None]:
    """Raise one of the errors with each write, then none."""
    left = list(errors)

    def fail(method: str) -> None:
        error = left.pop(0) if method == "write" and left else None
        if error is not None:
            raise error

    return fail


def keepers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "cedar-leases"]


# One owner


def test_a_claim_is_an_object_while_it_lasts(mine: Memory, contents: Contents) -> None:
    with mine.claim("P/a") as owned:
        assert owned
        assert [*contents.objects] == [LEASE]
        assert json.loads(contents.objects[LEASE][0]).keys() == {"owner", "host", "written"}
    assert contents.objects == {}


def test_another_owns_nothing_meanwhile_and_all_afterwards(mine: Memory, other: Memory) -> None:
    with mine.claim("P/a") as owned:
        assert owned
        assert not owns(other)
        assert not owns(mine)
        assert owns(other, "P/b")
    assert owns(other)
    assert owns(mine)


def test_who_was_refused_deletes_nothing(mine: Memory, other: Memory, contents: Contents) -> None:
    with mine.claim("P/a"):
        lease = contents.objects[LEASE]
        assert not owns(other)
        assert contents.objects[LEASE] == lease


def test_a_block_that_fails_gives_its_lease_back(mine: Memory, other: Memory) -> None:
    with pytest.raises(KeyboardInterrupt), mine.claim("P/a"):
        raise KeyboardInterrupt
    assert owns(other)


def test_a_key_that_leads_astray_is_refused(mine: Memory) -> None:
    with pytest.raises(InputError, match="key"):
        mine.claim("../a")


def test_of_many_threads_never_two_own(contents: Contents) -> None:
    owners: list[int] = []
    start = threading.Barrier(6)

    def work(number: int) -> int:
        # Every second one is a process of its own, as far as leases know.
        store, times = stores[number % 3], 0
        start.wait()
        for _ in range(200):
            with store.claim("P/a") as owned:
                if owned:
                    times += 1
                    owners.append(number)
                    assert owners == [number]
                    owners.remove(number)
        return times

    stores = [Memory(contents) for _ in range(3)]
    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(work, range(6))) > 0
    assert contents.objects == {}


def test_one_thread_keeps_all_leases_and_ends_with_the_last(mine: Memory) -> None:
    before = set(keepers())
    with ExitStack() as stack:
        for number in range(5):
            stack.enter_context(mine.claim(f"P/{number}"))
        (keeper,) = set(keepers()) - before
        assert keeper.daemon
    keeper.join(20)
    assert not keeper.is_alive()
    with mine.claim("P/a"):
        assert len(set(keepers()) - before) == 1


# Owners that are lost


@pytest.mark.usefixtures("dead")
def test_a_lost_owners_lease_is_taken_after_a_term(
    mine: Memory, other: Memory, clock: Clock, contents: Contents
) -> None:
    assert not owns(mine)
    clock.now += leases.TERM
    assert not owns(mine)
    # Who hasn't seen it before has to wait for himself.
    assert not owns(other)
    clock.now += 0.1
    assert not owns(other)
    with mine.claim("P/a") as owned:
        assert owned
        assert b"dead" not in contents.objects[LEASE][0]
    assert contents.objects == {}


@pytest.mark.usefixtures("dead")
def test_an_owner_that_writes_again_is_not_lost(mine: Memory, other: Memory, clock: Clock) -> None:
    for number in range(5):
        assert not owns(mine)
        clock.now += 0.7 * leases.TERM
        other.write(LEASE, json.dumps({"owner": "alive", "written": number}).encode())


@pytest.mark.usefixtures("dead")
def test_of_two_who_take_it_over_one_does(
    mine: Memory, other: Memory, clock: Clock, contents: Contents
) -> None:
    assert not owns(mine)
    assert not owns(other)
    clock.now += 2 * leases.TERM
    writes = []

    def overtaken(method: str) -> None:
        # The first write finds the lease there; just before the second the other takes it over.
        writes.append(method) if method == "write" else None
        if len(writes) == 2:
            mine.before = lambda method: None
            assert stack.enter_context(other.claim("P/a"))

    mine.before = overtaken
    with ExitStack() as stack:
        assert not owns(mine)
        assert writes == ["write", "write"]
        assert [*contents.objects] == [LEASE]
    assert contents.objects == {}


def test_a_claim_that_was_held_up_until_another_took_it_over_is_none(
    mine: Memory, clock: Clock, contents: Contents
) -> None:
    written, go_on = threading.Event(), threading.Event()

    def hold_up(method: str) -> None:
        mine.after = lambda method: None
        written.set()
        assert go_on.wait(20)

    mine.after = hold_up
    with ThreadPoolExecutor(1) as pool:
        held_up = pool.submit(owns, mine)
        assert written.wait(20)
        assert not owns(mine)
        clock.now += 2 * leases.TERM
        with mine.claim("P/a") as owned:
            assert owned
            go_on.set()
            assert not held_up.result(20)
            assert [*contents.objects] == [LEASE]
    assert contents.objects == {}


@pytest.mark.parametrize(
    ("age", "is_lost"), [(0.0, False), (0.9, False), (1.1, True), (-100.0, False)]
)
def test_a_lease_written_long_ago_is_taken_at_once(
    mine: Memory, contents: Contents, age: float, is_lost: bool
) -> None:
    written = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=age * leases.LONG_AGO * leases.TERM)
    info = ObjectInfo(LEASE, 4, "1", updated=written)
    contents.objects[LEASE] = b"dead", info
    assert owns(mine) == is_lost


@pytest.mark.usefixtures("dead")
def test_a_lease_that_is_given_back_meanwhile_is_no_error(mine: Memory, contents: Contents) -> None:
    def gone(method: str) -> None:
        if method == "stat":
            contents.objects.clear()

    mine.before = gone
    assert not owns(mine)
    mine.before = lambda method: None
    assert owns(mine)


def test_what_is_too_large_for_a_lease_is_not_read(mine: Memory, contents: Contents) -> None:
    mine.write(LEASE, b"x" * 20_000)
    mine.before = lambda method: pytest.fail("it was read") if method == "read" else None
    assert not owns(mine)


# Answers that are lost


def test_a_claim_whose_answer_was_lost_is_ours(
    mine: Memory, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that sends again on its own finds what it has just written."""
    write = mine.write

    def written_twice(key: str, data: bytes, if_version: IfVersion = ANY) -> ObjectInfo:
        write(key, data, if_version)
        return write(key, data, if_version)

    monkeypatch.setattr(mine, "write", written_twice)
    with mine.claim("P/a") as owned:
        assert owned
        assert [*contents.objects] == [LEASE]
    assert contents.objects == {}


def test_a_claim_that_fails_says_so(mine: Memory, other: Memory) -> None:
    mine.before = failing(StoreError("the service answered 503"))
    with pytest.raises(StoreError, match="503"):
        owns(mine)
    assert owns(other)


def test_a_lease_that_could_not_be_deleted_is_noted(
    mine: Memory, other: Memory, caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    def fail(method: str) -> None:
        if method == "delete":
            raise StoreError("the service answered 503")

    caplog.set_level(logging.INFO)
    mine.before = fail
    assert owns(mine)
    assert "not given back" in caplog.text
    assert not owns(other)
    clock.now += 2 * leases.TERM
    assert owns(other)


# Renewal


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A third of a term is a moment. Real time: another thread waits for it."""
    monkeypatch.setattr(leases, "TERM", 0.06)


@pytest.mark.usefixtures("short", "clock")
def test_a_lease_is_written_again_and_again(
    mine: Memory, other: Memory, contents: Contents
) -> None:
    with mine.claim("P/a"):
        versions = set()
        for number in range(1, 5):
            contents.wait_for_writes(contents.writes + 1)
            versions.add(contents.objects[LEASE][1].version)
            assert not owns(other), number
        assert len(versions) > 1
    assert contents.objects == {}
    assert owns(other)


@pytest.mark.usefixtures("short", "clock")
def test_all_leases_are_written_again(mine: Memory, contents: Contents) -> None:
    with mine.claim("P/a"), mine.claim("P/b"):
        first = {key: info.version for key, (_, info) in contents.objects.items()}
        contents.wait_for_writes(8)
        now = {key: info.version for key, (_, info) in contents.objects.items()}
        assert first.keys() == now.keys() == {"P/a.lease", "P/b.lease"}
        assert all(first[key] != now[key] for key in now)


@pytest.mark.usefixtures("short", "clock")
def test_a_renewal_whose_answer_was_lost_loses_no_lease(
    mine: Memory, contents: Contents, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    mine.after = failing(None, StoreError("the connection was lost"))
    with mine.claim("P/a"):
        contents.wait_for_writes(4)
    assert "was not renewed: the connection was lost" in caplog.text
    assert "taken over" not in caplog.text
    assert contents.objects == {}


@pytest.mark.usefixtures("short", "clock")
def test_a_renewal_that_fails_is_tried_again(mine: Memory, contents: Contents) -> None:
    mine.before = failing(None, StoreError("503"), StoreError("503"))
    with mine.claim("P/a"):
        contents.wait_for_writes(3)
    assert contents.objects == {}


@pytest.mark.usefixtures("short", "clock")
def test_a_look_that_fails_after_a_lost_answer_is_tried_again(
    mine: Memory, contents: Contents, caplog: pytest.LogCaptureFixture
) -> None:
    failures = iter([StoreError("the service answered 503")])

    def fail(method: str) -> None:
        if method == "stat" and (error := next(failures, None)):
            raise error

    caplog.set_level(logging.INFO)
    mine.before, mine.after = fail, failing(None, StoreError("the connection was lost"))
    with mine.claim("P/a"):
        contents.wait_for_writes(4)
    assert "was not renewed: the service answered 503" in caplog.text
    assert "taken over" not in caplog.text
    assert contents.objects == {}


@pytest.mark.usefixtures("short", "clock")
@pytest.mark.parametrize("theirs", [b"another's", None])
def test_who_lost_a_lease_does_not_touch_the_next_owners(
    mine: Memory, contents: Contents, caplog: pytest.LogCaptureFixture, theirs: bytes | None
) -> None:
    looked = threading.Event()
    with mine.claim("P/a"):
        mine.before = lambda method: looked.set() if method == "stat" else None
        with contents.changed:
            contents.objects.clear()
            if theirs is not None:
                contents.objects[LEASE] = theirs, ObjectInfo(LEASE, len(theirs), "theirs")
        # The thread that keeps leases finds out, and says so before it looks at the next.
        assert looked.wait(20)
        with mine.claim("P/b"):
            contents.wait_for_writes(contents.writes + 2)
    assert "P/a.lease was taken over" in caplog.text
    assert [data for data, _ in contents.objects.values()] == ([theirs] if theirs else [])


@pytest.mark.usefixtures("short", "clock")
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_lease_given_back_while_it_is_written_is_gone(
    mine: Memory, contents: Contents, moment: str
) -> None:
    writing, go_on = threading.Event(), threading.Event()
    owner = threading.current_thread()

    def wait(method: str) -> None:
        if method == "write" and threading.current_thread() is not owner:
            writing.set()
            assert go_on.wait(20)

    setattr(mine, moment, wait)
    with mine.claim("P/a"):
        assert writing.wait(20)
        threading.Timer(0.05, go_on.set).start()
    assert contents.objects == {}


@pytest.mark.usefixtures("short", "clock")
def test_a_new_claim_is_not_taken_for_the_one_before(mine: Memory, contents: Contents) -> None:
    for _ in range(20):
        with mine.claim("P/a") as owned:
            assert owned
            contents.wait_for_writes(contents.writes + 1)
    assert contents.objects == {}
