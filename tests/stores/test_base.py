"""What the base class of all stores makes of a store that changes under its hands."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from cedar.exceptions import Conflict
from cedar.stores.local import LocalStore


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    store = LocalStore(tmp_path / "store")
    store.write("P/a.json", b"first")
    return store


def written_after_reads(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch, contents: Iterator[bytes]
) -> None:
    """Have another write one of the contents after each read, until there are no more."""
    read = store.read

    def read_and_written(*args: object) -> bytes:
        data = read(*args)
        if (content := next(contents, None)) is not None:
            LocalStore(store.root).write("P/a.json", content)
        return data

    monkeypatch.setattr(store, "read", read_and_written)


def test_a_checksum_is_of_one_version(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    written_after_reads(store, monkeypatch, iter([b"second"]))
    with pytest.raises(Conflict, match="was replaced while it was read") as caught:
        store.checksum("P/a.json")
    assert caught.value.key == "P/a.json"
    assert store.checksum("P/a.json") == store.checksum("P/a.json", "sha256")


def test_what_is_replaced_while_it_is_loaded_is_loaded_again(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    written_after_reads(store, monkeypatch, iter([b"second", b"the third"]))
    data, info = store.load("P/a.json")
    assert data == b"the third"
    assert info == store.stat("P/a.json")


def test_what_is_replaced_again_and_again_is_not_loaded(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = itertools.count()
    written_after_reads(store, monkeypatch, (b"%d" % number for number in numbers))
    with pytest.raises(Conflict, match="was replaced while it was read") as caught:
        store.load("P/a.json")
    assert caught.value.key == "P/a.json"
    assert next(numbers) < 100
