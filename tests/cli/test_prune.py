"""`cedar prune`."""

import os
import time
import uuid

import pytest


@pytest.fixture
def left(order, here, monkeypatch):
    """An order, and a scratch directory that no order needs."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(here / "cache"))
    order()
    path = here / "store" / ".cedar" / "scratch" / str(uuid.uuid4())
    path.mkdir(parents=True)
    moment = time.time() - 30 * 86_400
    os.utime(path, (moment, moment))
    return path


def test_a_dry_run_shows_and_deletes_nothing(left, cedar):
    done = cedar("prune", "--dry-run")
    assert done.code == 0
    shown, total = done.out.splitlines()
    assert shown.startswith("scratch  ")
    assert shown.endswith(str(left))
    assert total == "1 remnant of 0 bytes would be deleted"
    assert left.exists()
    assert cedar("prune", "--dry-run", "--older-than", 40).out.startswith("0 remnants")


def test_prune_deletes_remnants_and_no_order(left, cedar):
    names = cedar("list").out
    (found,) = cedar("prune", "--yes", "--json").json
    assert (found["kind"], found["where"]) == ("scratch", str(left))
    assert not left.exists()
    assert cedar("list").out == names
    assert cedar("prune").out == "0 remnants of 0 bytes deleted\n"


@pytest.mark.parametrize(("answer", "code"), [(b"n\n", 1), (b"y\n", 0)])
def test_on_a_terminal_it_asks(left, on_a_terminal, answer, code):
    ended, seen = on_a_terminal(("prune",), answer)
    assert ended == code
    assert "Delete 1 remnant of 0 bytes? [y/N]" in seen
    assert left.exists() == bool(code)
