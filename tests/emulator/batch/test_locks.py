from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from cedar.emulator.batch import locks
from cedar.emulator.batch.locks import Owner, alone, is_alive
from cedar.emulator.values import ServiceError


def test_an_owner_is_alive_until_it_is_closed(tmp_path):
    path = tmp_path / "owners" / "one"
    assert not is_alive(path)
    owner = Owner(path)
    assert owner.name == "one"
    assert is_alive(path)
    owner.close()
    assert not is_alive(path)


def test_what_a_dead_owner_left_is_removed(tmp_path):
    path = tmp_path / "dead"
    path.touch()
    assert not is_alive(path)
    assert not path.exists()


def test_one_at_a_time_is_in_a_block(tmp_path):
    inside, most = [], []

    def enter():
        with alone(tmp_path / "new" / "lock"):
            inside.append(1)
            most.append(len(inside))
            inside.pop()

    threads = [threading.Thread(target=enter) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 16


def test_a_system_without_flock_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "sys", SimpleNamespace(platform="win32"))
    with pytest.raises(ServiceError, match="need flock, which Windows hasn't"):
        Owner(tmp_path / "one")
