"""verify: what was downloaded is held against its record, file by file, and nothing is missed."""

from __future__ import annotations

import json
import os

import pytest
import rasterio
from orders import COLLECTION, MAY, real_tracker

import cedar
from cedar import TrackingMetadata
from cedar.downloading import Download
from cedar.exceptions import DocumentError, NotFoundError, StoreError

TILES = [(0, 0), (0, 1), (3, 3)]


def item(tile):
    return "EXAMPLE_LC08_DN_h{1:03d}v{0:03d}_2020-05-01_2020-06-01".format(*tile)


@pytest.fixture
def tracker(tmp_path):
    return real_tracker(tmp_path / "store")


@pytest.fixture
def home(tracker, tmp_path):
    """Where an order of two images and an item without any was brought home."""
    return bring(tracker, tmp_path)


def bring(tracker, directory, **options):
    name, _ = tracker.submit(COLLECTION, TILES, *MAY)
    tracker.download(tracker.watch(name), directory / name, options=Download(**options))
    return directory / name


def change(home, edit):
    """Edit the record's copy."""
    path = home / f"{home.name}.json"
    document = json.loads(path.read_bytes())
    edit(document)
    path.write_text(json.dumps(document), "utf-8")


def found(home):
    """What isn't as it has to be."""
    done = cedar.verify(home)
    return {
        "missing": {path.name for path in done.missing},
        "changed": {path.name: why for path, why in done.changed.items()},
        "extra": {path.name for path in done.extra},
        "unfinished": {path.name for path in done.unfinished},
    }


def nothing(**others):
    return {"missing": set(), "changed": {}, "extra": set(), "unfinished": set(), **others}


def test_what_was_downloaded_is_right(home):
    done = cedar.verify(home)
    assert found(home) == nothing()
    assert (done.is_right, done.complete, done.name) == (True, True, home.name)
    assert done.states == {"COMPLETED": 2, "EMPTY": 1}
    assert {path.name for path in done.right} == {path.name for path in home.iterdir()} - {
        f"{home.name}.json"
    }
    assert done.n_bytes == sum(path.stat().st_size for path in home.glob("*.tif"))


def test_it_says_how_far_it_is(home):
    told = []
    cedar.verify(home, callback=lambda *each: told.append(each))
    assert [part for part, _ in told] == sorted(part for part, _ in told)
    assert told[-1][0] == 1.0
    assert {name for _, name in told} == {f"{item(tile)}.tif" for tile in TILES[:2]}


def test_a_bit_that_changed_is_seen(home):
    path = home / f"{item((0, 1))}.tif"
    data = path.read_bytes()
    path.write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])
    why = "has another sha256 than the record says"
    assert found(home) == nothing(changed={path.name: why})


def test_a_file_of_another_length_is_seen_without_being_read(home, monkeypatch):
    path = home / f"{item((0, 1))}.tif"
    path.write_bytes(path.read_bytes() + b"x")
    (why,) = found(home)["changed"].values()
    assert why.startswith("has ")


def test_files_that_were_swapped_are_seen(home):
    one, other = (home / f"{item(tile)}.json" for tile in TILES[:2])
    text = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(text)
    assert found(home) == nothing(changed=dict.fromkeys((one.name, other.name), "isn't the item's"))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"task": {"name": 1}}', "\x00", "[" * 99999])
def test_a_document_that_is_damaged_is_seen(home, text):
    path = home / f"{item((3, 3))}.json"
    path.write_text(text, "utf-8")
    assert found(home) == nothing(changed={path.name: "isn't the item's"})


def test_a_document_of_another_order_is_seen(home):
    path = home / f"{item((0, 0))}.json"
    document = json.loads(path.read_bytes())
    document["order"]["tracking"] = "ANOTHER"
    path.write_text(json.dumps(document), "utf-8")
    assert found(home)["changed"] == {path.name: "isn't the item's"}


def test_what_is_gone_is_missing(home):
    names = {f"{item((0, 0))}.tif", f"{item((0, 1))}.json", f"{item((3, 3))}.json"}
    for name in names:
        (home / name).unlink()
    assert found(home) == nothing(missing=names)
    assert not cedar.verify(home).is_right


def test_a_directory_in_the_place_of_a_file_is_no_file(home):
    path = home / f"{item((0, 0))}.tif"
    path.unlink()
    path.mkdir()
    assert [*found(home)["changed"]] == [path.name]


def test_what_can_not_be_read_is_not_right(home, monkeypatch):
    def broken(algorithm):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("cedar.verifying.summing", broken)
    assert set(found(home)["changed"].values()) == {"can't be read: Input/output error"}


def test_a_folder_that_can_not_be_looked_into_is_an_error(home, monkeypatch):
    (home / "more").mkdir()
    scan = os.scandir

    def refused(path):
        if str(path).endswith("more"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr("os.scandir", refused)
    with pytest.raises(StoreError, match="Permission denied"):
        cedar.verify(home)


def test_what_others_put_there_is_extra_and_what_cedar_makes_of_images_is_not(home):
    for name in (
        "notes.txt", f"{item((0, 0))}_2.tif", f"{item((0, 0))}.vrt", f"{item((0, 0))}_mosaic.tif",
        f"{item((0, 1))}_clipped.tif",
    ):  # fmt: skip
        (home / name).touch()
    (home / "more").mkdir()
    (home / "more" / f"{item((0, 0))}.tif").touch()
    extra = {"notes.txt", f"{item((0, 0))}_2.tif", f"{item((0, 0))}.tif"}
    assert found(home) == nothing(extra=extra)


def tagged(path):
    """Write a file as cedar makes them of others."""
    profile = {"driver": "GTiff", "width": 1, "height": 1, "count": 1, "dtype": "uint8"}
    with rasterio.open(path, "w", **profile, transform=rasterio.Affine.scale(30)) as made:
        made.update_tags(CEDAR_MADE_OF="x")


@pytest.mark.parametrize("product", ["mosaic", "clipped"])
def test_what_was_put_together_stands_for_files_that_were_not_kept(home, product):
    tagged(home / f"{item((0, 0))}_{product}.tif")
    assert cedar.verify(home).replaced == ()
    path = home / f"{item((0, 0))}.tif"
    path.unlink()
    assert found(home) == nothing()
    assert cedar.verify(home).replaced == (path,)


def test_a_vrt_and_a_file_that_cedar_did_not_make_stand_for_nothing(home):
    path = home / f"{item((0, 0))}.tif"
    path.rename(home / f"{item((0, 0))}_mosaic.tif")
    tagged(home / f"{item((0, 0))}.vrt")
    assert found(home) == nothing(missing={path.name})


def test_of_an_item_that_is_put_together_a_single_file_may_not_be_missing(home):
    def add(document):
        output = document["orders"][0]["outputs"][0]
        document["orders"][0]["outputs"].append(
            output | {"name": f"{item((0, 0))}-{'0' * 10}-{'0' * 10}.tif"}
        )

    change(home, add)
    tagged(home / f"{item((0, 0))}_mosaic.tif")
    (missing,) = found(home)["missing"]
    assert missing.endswith("-0000000000-0000000000.tif")


def test_what_an_interrupted_download_left_is_unfinished(home):
    work = home / f".cedar-{item((0, 0))}_mosaic.tif.work"
    work.mkdir()
    for path in (home / ".cedar-a.tif.part", home / ".cedar-a.tif.pieces", work / "a.tif"):
        path.touch()
    assert found(home) == nothing(unfinished={".cedar-a.tif.part", ".cedar-a.tif.pieces", "a.tif"})


def test_a_layout_is_found_wherever_the_directory_has_gone(tracker, tmp_path):
    home = bring(tracker, tmp_path, layout="{year}/{tile.horizontal:03d}/{name}")
    assert found(home) == nothing()
    moved = tmp_path / "elsewhere"
    home.rename(moved)
    assert cedar.verify(moved, home.name).is_right
    # The same files in another folder are none of the record's.
    (moved / "2020" / "000").rename(moved / "2020" / "007")
    done = cedar.verify(moved, home.name)
    assert {path.parent.name for path in done.missing} == {"000"}
    assert {path.parent.name for path in done.extra} == {"007"}


def test_of_several_notes_the_one_of_this_directory_counts(tracker, tmp_path):
    home = bring(tracker, tmp_path / "one", layout="{year}/{name}")
    tracking = tracker.read(home.name)
    other = tmp_path / "two" / home.name
    tracker.download(tracking, other, options=Download())
    tracker.download(tracking, home, options=Download(layout="{year}/{name}"))
    assert (found(home), found(other)) == (nothing(), nothing())


def test_an_order_that_was_cleaned_since_is_verified_all_the_same(tracker, home):
    tracker.clean(tracker.read(home.name), home.name)
    assert found(home) == nothing()


def test_an_image_without_a_known_checksum_is_known_by_its_size(home):
    def forget(document):
        for entry in document["orders"]:
            for output in entry["outputs"]:
                output["checksum"] = None

    change(home, forget)
    path = home / f"{item((0, 0))}.tif"
    path.write_bytes(b"x" * path.stat().st_size)
    assert found(home) == nothing()


@pytest.mark.parametrize("folder", ["../else", "/etc"])
def test_a_record_can_not_lead_out_of_the_directory(home, folder):
    def lead(document):
        document["orders"][0]["downloads"][0]["folder"] = folder

    change(home, lead)
    with pytest.raises(DocumentError, match=rf"'{folder}' is not a name that stays in its"):
        cedar.verify(home)


def test_a_record_that_is_not_there_is_said(tmp_path):
    with pytest.raises(NotFoundError, match=r"can't read .*x\.json, the record that"):
        cedar.verify(tmp_path / "x")
    with pytest.raises(NotFoundError, match=r"another\.json"):
        cedar.verify(tmp_path, "another")


def test_the_name_of_the_directory_is_the_orders_wherever_one_stands(home, monkeypatch):
    monkeypatch.chdir(home)
    assert cedar.verify(".").is_right
    assert cedar.verify(home, home.name).directory == home


def test_an_order_that_was_not_complete_is_said(tracker, tmp_path):
    name, _ = tracker.submit(COLLECTION, TILES, *MAY)
    tracker.download(tracker.read(name), tmp_path / name)
    done = cedar.verify(tmp_path / name)
    assert (done.is_right, done.complete, len(done.right)) == (True, False, 3)


def test_items_that_were_not_asked_for_are_missing(tracker, tmp_path):
    home = bring(tracker, tmp_path, items=("*_h001*",))
    assert found(home)["missing"] == {
        f"{item((0, 0))}.tif", f"{item((0, 0))}.json", f"{item((3, 3))}.json",
    }  # fmt: skip


def test_an_interrupt_stops_all_reading(home):
    def stop(part, name):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cedar.verify(home, callback=stop)


def test_a_record_of_many_items_takes_no_time(home, tmp_path):
    """10,000 items: folders and files are found by looking once."""
    document = TrackingMetadata.loads((home / f"{home.name}.json").read_bytes()).document
    entry = document["orders"][2]
    document["orders"] = [{**entry, "name": f"item_{i}"} for i in range(10_000)]
    document["metadata"] = []
    (tmp_path / "many").mkdir()
    (tmp_path / "many" / "many.json").write_text(json.dumps(document), "utf-8")
    done = cedar.verify(tmp_path / "many")
    assert (done.right, done.missing, done.extra) == ((), (), ())
