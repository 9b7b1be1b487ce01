"""One state: what outlasts an emulator, and several emulators that have the same."""

from __future__ import annotations

import threading

import pytest
from forked import Forked

from cedar.emulator import Emulator
from cedar.emulator.settings import Settings

UNLIMITED = Settings(object_writes=0)


@pytest.fixture
def two(tmp_path, wire_to):
    """Wires to two emulators with one state."""
    with (
        Emulator(state=tmp_path, settings=UNLIMITED) as first,
        Emulator(state=tmp_path, settings=UNLIMITED) as second,
    ):
        yield wire_to(first), wire_to(second)


def test_objects_outlast_an_emulator_with_a_state_of_its_own(tmp_path, wire_to):
    with Emulator(state=tmp_path) as emulator:
        wire = wire_to(emulator)
        wire.make_bucket()
        made = wire.insert("a", b"1").json
    with Emulator(state=tmp_path) as emulator:
        wire = wire_to(emulator)
        assert wire.make_bucket().status == 409
        found = wire.object("a").json
        assert found["generation"] == made["generation"]
        assert wire.download("a").content == b"1"


def test_objects_without_a_state_are_gone_with_the_emulator(wire_to):
    emulator = Emulator(settings=UNLIMITED)
    for _ in range(2):
        with emulator:
            wire = wire_to(emulator)
            assert wire.make_bucket().status == 200
            assert wire.insert("a", b"1").status == 200
            directory = emulator._state.directory
        assert not directory.exists()


def test_what_one_emulator_does_the_other_knows_at_once(two):
    first, second = two
    first.make_bucket()
    generation = int(first.insert("a", b"1").json["generation"])
    assert second.download("a").content == b"1"
    assert second.insert("a", b"2", f"&ifGenerationMatch={generation}").status == 200
    assert first.insert("a", b"3", f"&ifGenerationMatch={generation}").status == 412
    assert first.download("a").content == b"2"
    assert first.object("a", verb="DELETE").status == 204
    assert second.ask("GET", "/storage/v1/b/bucket/o").json.get("items") is None


def test_the_limit_of_writes_is_one_for_all(tmp_path, wire_to):
    with Emulator(state=tmp_path) as first, Emulator(state=tmp_path) as second:
        wires = wire_to(first), wire_to(second)
        wires[0].make_bucket()
        assert [wire.insert("a").status for wire in wires] == [200, 429]


def test_of_conditional_writes_at_once_exactly_one_comes_through(two, wire_to):
    first, second = two
    first.make_bucket()
    rounds, writers = 15, 4
    wires = [wire_to(each.emulator) for each in (first, second) * (writers // 2)]
    meet = threading.Barrier(writers, timeout=60)
    won = [[] for _ in range(writers)]

    def write(i):
        generation = 0
        for turn in range(rounds):
            meet.wait()
            content = f"{turn} by {i}".encode()
            answer = wires[i].insert("a", content, f"&ifGenerationMatch={generation}")
            if answer.status == 200:
                won[i].append(turn)
            else:
                assert answer.reason == "conditionNotMet"
            meet.wait()
            generation = int(wires[i].object("a").json["generation"])

    threads = [threading.Thread(target=write, args=(i,)) for i in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(turn for each in won for turn in each) == list(range(rounds))
    assert first.download("a").content == second.download("a").content


WRITER = """
import sys
from cedar.emulator import Emulator
from cedar.emulator.settings import Settings
from cedar.emulator.transport import Call

with Emulator(state=sys.argv[1], settings=Settings(object_writes=0)) as emulator:
    service = emulator._services["gcs"]
    for i in range(int(sys.argv[3])):
        address = f"/upload/storage/v1/b/bucket/o?uploadType=media&name={sys.argv[2]}{i}"
        call = Call("POST", address, {}, sys.argv[2].encode())
        assert service.answer(service.method(call), call).status == 200
"""


def test_processes_write_to_one_bucket_and_nothing_is_lost(tmp_path, wire_to):
    with Emulator(state=tmp_path, settings=UNLIMITED) as emulator:
        wire = wire_to(emulator)
        wire.make_bucket()
        writers = [Forked(WRITER, str(tmp_path), name, "40") for name in ("x", "y")]
        for writer in writers:
            assert writer.communicate() == ("", "")
            assert writer.returncode == 0
        listed = wire.ask("GET", "/storage/v1/b/bucket/o").json["items"]
        assert {each["name"] for each in listed} == {f"{n}{i}" for n in "xy" for i in range(40)}
        generations = [each["generation"] for each in listed]
        assert len(set(generations)) == 80
        assert wire.download("y39").content == b"y"
