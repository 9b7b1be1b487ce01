"""Stores are found by their kind."""

from __future__ import annotations

from pathlib import Path

import pytest

import cedar.stores
from cedar.exceptions import InputError
from cedar.stores import kinds, open_store
from cedar.stores.local import LocalStore


def test_a_store_is_found_by_its_kind(tmp_path: Path) -> None:
    store = open_store("local", {"directory": "store"}, tmp_path)
    assert isinstance(store, LocalStore)
    assert store.kind == "local"
    assert store.root == tmp_path / "store"


@pytest.mark.parametrize("kind", ["s3", "base", "files", "../local", ""])
def test_an_unknown_kind_is_told_the_known_ones(kind: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no store is called .*: there is .*local"):
        open_store(kind, {}, tmp_path)


def test_ancestor_30_a_missing_package_stops_only_the_store_that_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "moon.py").write_text("import a_package_that_nobody_has\n")
    monkeypatch.setattr(cedar.stores, "__path__", [*cedar.stores.__path__, str(tmp_path)])
    assert "moon" in kinds()
    with pytest.raises(InputError, match=r"needs a_package_that_nobody_has.*cedar-eo\[moon\]"):
        open_store("moon", {}, tmp_path)
    assert open_store("local", {"directory": "store"}, tmp_path).kind == "local"
