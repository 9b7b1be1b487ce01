"""What a store says of its room, and which names it has, with as few listings as will do."""

import shutil

import pytest
from buckets import serving, store_of

from cedar import LocalStore
from cedar.emulator import Emulator
from cedar.emulator.settings import Settings
from cedar.stores.gdrive import GDriveStore

SHARD = "-0000000000-0000000256"


def test_names_that_exist_are_those_of_documents_and_images(store):
    there = ["a.json", "b.tif", f"c{SHARD}.tif", "d.txt", "e_2.tif", "sub/f.json", "g.json.tif"]
    for file in there:
        store.write(f"images/{file}", b"x")
    store.write("h.json", b"x")
    names = ["a", "b.json", "c", "d", "e", "f", "g", "h"]
    assert store.existing(names, "images") == {"a", "b", "c"}
    assert store.existing(["h", "a"]) == {"h"}
    assert store.existing(["a"], "nowhere") == set()
    assert store.existing([], "images") == set()


def test_one_listing_tells_which_names_exist(tmp_path):
    with serving(tmp_path / "state") as emulator:
        store = store_of(emulator)
        for file in ("a_1.json", "a_2.tif", "z.json"):
            store.write(f"images/{file}", b"x")
        emulator.requests.clear()
        assert store.existing(["a_1", "a_2", "a_3"], "images") == {"a_1", "a_2"}
        assert [request.method for request in emulator.requests] == ["objects.list"]


@pytest.mark.parametrize("below", ["", "not/yet"])
def test_a_directory_has_what_its_disk_has(tmp_path, monkeypatch, below):
    asked = []

    def usage(path):
        asked.append(path)
        return shutil._ntuple_diskusage(100, 60, 40)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    assert LocalStore(tmp_path / below).free() == 40
    assert asked == [tmp_path]


def test_a_drive_has_what_its_account_may_still_use():
    with Emulator(settings=Settings(drive_quota=1000)) as emulator:
        store = GDriveStore("cedar", url=emulator.urls["gdrive"])
        assert store.free() == 1000
        store.write("a", b"12345")
        assert store.free() == 995


@pytest.mark.parametrize(("quota", "free"), [((7, None), None), ((9, 7), 0)])
def test_a_drive_without_a_limit_says_none_and_one_over_it_nothing(monkeypatch, quota, free):
    monkeypatch.setattr(GDriveStore, "quota", lambda _: quota)
    assert GDriveStore("cedar", url="http://localhost:1").free() == free


def test_a_bucket_has_no_limit(tmp_path):
    with serving(tmp_path / "state") as emulator:
        assert store_of(emulator).free() is None
