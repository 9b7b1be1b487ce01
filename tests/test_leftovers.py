"""What earlier attempts left: deleted where it is still theirs, whoever has been there since."""

import pytest

from cedar import LocalStore
from cedar.exceptions import StoreError
from cedar.leftovers import delete_former


def entry(*versions):
    """An item whose attempts each made a file of one name."""
    attempts = [
        {"attempt": number, "outputs": [{"name": "a.tif", "version": version}]}
        for number, version in enumerate(versions, 1)
    ]
    return {"name": "a", "prefix": "P", "outputs": [], "attempts": attempts}


@pytest.fixture
def store(tmp_path):
    return LocalStore(tmp_path)


def test_of_attempts_that_made_one_name_each_is_looked_at(store):
    version = store.write("P/a.tif", b"the second's").version
    item = entry("gone", version, "gone, too")
    assert list(delete_former([item], store)) == [(item, "a.tif")]
    assert not list(store.objects("P/"))


def test_what_a_store_cant_delete_is_an_error(store, monkeypatch):
    error = StoreError("no right to delete", "P/a.tif")
    monkeypatch.setattr(store, "delete_many", lambda objects: dict.fromkeys(objects, error))
    with pytest.raises(StoreError, match="no right"):
        list(delete_former([entry("1")], store))
