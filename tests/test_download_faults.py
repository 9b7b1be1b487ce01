"""Downloads on bad days, on the real wire: each byte comes about once, and none is wrong."""

import random
import sys

import pytest
from bad_days import passing, share
from exported import BUCKET, KINDS, store_of

from cedar import retry
from cedar.emulator import Emulator
from cedar.emulator.faults import Faults
from cedar.emulator.settings import Settings
from cedar.fetching import Fetcher
from cedar.wanted import FINISHED, Fetching, FileState, Wanted

PIECE = 1 << 20
SIZES = [(n + 1) * 700_001 for n in range(6)]
TOTAL = sum(SIZES)


class Counting:
    """Counts the bytes that come from a store, also those that come again."""

    def __init__(self, store, monkeypatch):
        self.count, stream = 0, store.stream

        def counted(*args, **kwds):
            for chunk in stream(*args, **kwds):
                self.count += len(chunk)
                yield chunk

        monkeypatch.setattr(store, "stream", counted)


@pytest.fixture(params=KINDS)
def there(request, tmp_path, monkeypatch):
    """An emulator and a store in it that has some files; what they are."""
    monkeypatch.setattr(retry, "FIRST_DELAY", 0.001)
    dice = random.Random(1)
    with Emulator(settings=Settings(object_writes=0)) as emulator:
        emulator.make_bucket(BUCKET)
        store = store_of(request.param, emulator.urls, tmp_path)
        contents = {f"images/{n}.tif": dice.randbytes(size) for n, size in enumerate(SIZES)}
        for key, data in contents.items():
            store.write(key, data)
        yield emulator, store, contents


def download(store, home, monkeypatch):
    """Download all that there is; the bytes that came, and how each file ended."""
    wanted = [Wanted(home / info.key[7:], info) for info in store.objects("images/")]
    counting = Counting(store, monkeypatch)
    events = [*Fetcher(store, Fetching(piece=PIECE)).run(wanted)]
    return counting.count, {e.path.name: e for e in events if e.state in FINISHED}


def check_home(home, contents):
    assert {path.name for path in home.iterdir()} == {key[7:] for key in contents}
    for key, data in contents.items():
        assert (home / key[7:]).read_bytes() == data


def test_what_fails_costs_few_bytes(there, tmp_path, monkeypatch, capsys):
    emulator, store, contents = there
    sound = [f for f in passing(store.kind) if f["action"] != "corrupt"]
    came = requests = 0
    for seed in range(5):
        home = tmp_path / f"home{seed}"
        wanted_before = len(emulator.requests)
        emulator._faults = Faults(share(sound, 0.1), seed)
        with monkeypatch.context() as patch:
            count, ended = download(store, home, patch)
        emulator._faults = Faults()
        came, requests = came + count, requests + len(emulator.requests) - wanted_before
        assert {event.state for event in ended.values()} == {FileState.DONE}
        check_home(home, contents)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{store.kind}: {requests} requests, a tenth of which failed; "
            f"{came / TOTAL / 5:.3f} × the files' bytes came\n"
        )
    assert came <= 1.15 * 5 * TOTAL


@pytest.mark.parametrize("offset", [0, None, 2**40])
def test_a_corruption_costs_at_most_its_file_once_more(there, offset, tmp_path, monkeypatch):
    emulator, store, contents = there
    fault = {"service": store.kind, "method": "*.download", "action": "corrupt", "value": offset}
    for nth in (1, 4, 9):
        emulator._faults = Faults([{**fault, "nth": nth}])
        home = tmp_path / f"home{nth}"
        with monkeypatch.context() as patch:
            count, ended = download(store, home, patch)
        assert {event.state for event in ended.values()} == {FileState.DONE}
        check_home(home, contents)
        assert TOTAL < count <= TOTAL + max(SIZES)


def test_what_is_always_damaged_is_never_accepted_and_named(there, tmp_path, monkeypatch):
    emulator, store, _ = there
    fault = {"service": store.kind, "method": "*.download", "action": "corrupt", "value": None}
    emulator._faults = Faults([{**fault, "probability": 1.0}])
    home = tmp_path / "home"
    _, ended = download(store, home, monkeypatch)
    assert {event.state for event in ended.values()} == {FileState.FAILED}
    for name, event in ended.items():
        assert f"images/{name} arrived damaged, or was replaced, 4 times" in str(event.error)
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("change", ["swapped", "growing", "shorter", "gone"])
def test_what_was_changed_since_is_never_accepted_and_named(there, change, tmp_path, monkeypatch):
    _, store, contents = there
    key = "images/3.tif"
    wanted = [Wanted(tmp_path / "home" / i.key[7:], i) for i in store.objects("images/")]
    match change:
        case "swapped":
            store.write(key, contents["images/3.tif"][::-1])
        case "growing":
            store.write(key, contents[key] + b"more")
        case "shorter":
            store.write(key, contents[key][:-1])
        case "gone":
            store.delete(key)
    events = [*Fetcher(store, Fetching(piece=PIECE)).run(wanted)]
    (failed,) = (event for event in events if event.state == FileState.FAILED)
    assert failed.path.name == "3.tif"
    assert key in str(failed.error)
    del contents[key]
    check_home(tmp_path / "home", contents)
