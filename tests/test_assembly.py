"""An item's files put together: once, whole, and nothing removed that wasn't asked."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import rasterio
import rasterio.mask
import shapely
from cutting import CUTS, SCENE, SIZE, check_same, cut, scene

from cedar import assembly
from cedar.assembly import (
    MADE_OF,
    PutTogether,
    is_put_together,
    product_names,
    put_together,
)
from cedar.clipping import Region
from cedar.exceptions import CedarError
from cedar.rasters import Writing
from cedar.stores.local import lock_if_free

with rasterio.open(SCENE) as _scene:
    OUTLINE = shapely.Point(_scene.xy(200, 200)).buffer(3000)
    REGION = Region.of(OUTLINE, _scene.crs)
    AWAY = Region.of(shapely.Point(_scene.xy(-5000, 0)), _scene.crs)
PLAIN = Writing("GTiff", "zstd", overviews=False)


def of(files):
    """The entry of an item that has some outputs."""
    outputs = [
        {"name": path.name, "size": path.stat().st_size, "checksum": "md5:0", "version": "1"}
        for path in files
    ]
    return {"name": "item", "outputs": outputs}


@pytest.fixture
def shards(tmp_path):
    (tmp_path / "order").mkdir()
    return cut(tmp_path / "order", CUTS["2x3"])


@pytest.fixture
def single(tmp_path):
    (tmp_path / "order").mkdir()
    return cut(tmp_path / "order", SIZE)


def names(files):
    """What is in the directory beside the files."""
    directory = files[0].parent
    return sorted({path.name for path in directory.iterdir()} - {path.name for path in files})


def remembered(directory):
    """What would change if anything was written or made again."""
    return {
        path.name: (path.stat().st_mtime_ns, path.stat().st_ino) for path in directory.iterdir()
    }


CHOICES = {
    "vrt": (PutTogether(), ["item.vrt"]),
    "mosaic": (PutTogether(mosaic=True), ["item_mosaic.tif"]),
    "clip": (PutTogether(clip=REGION), ["item.vrt", "item_clipped.tif"]),
    "clip alone": (PutTogether(vrt=False, clip=REGION), ["item_clipped.tif"]),
    "both": (PutTogether(mosaic=True, clip=REGION), ["item_clipped.tif", "item_mosaic.tif"]),
    "none": (PutTogether(vrt=False), []),
}
choices = pytest.mark.parametrize(("options", "products"), CHOICES.values(), ids=CHOICES)


@choices
def test_what_is_asked_for_is_made(tmp_path, shards, options, products):
    made = put_together(of(shards), shards[::-1], options)
    assert sorted(path.name for path in made) == products == names(shards)
    for path in made:
        if path.name == "item_clipped.tif":
            with rasterio.open(scene(tmp_path)) as image, rasterio.open(path) as clipped:
                pixels, _ = rasterio.mask.mask(image, [OUTLINE], crop=True, all_touched=True)
                assert (clipped.read() == pixels).all()
        else:
            check_same(path, scene(tmp_path))


@choices
def test_what_is_there_is_not_made_again(shards, options, products):
    entry = of(shards)
    made = put_together(entry, shards, options)
    before = remembered(shards[0].parent)
    assert put_together(entry, shards, options) == made
    assert remembered(shards[0].parent) == before
    assert is_put_together(entry, shards[0].parent, options) == bool(products)


@pytest.mark.parametrize(
    ("options", "products"),
    [
        (PutTogether(), []),
        (PutTogether(mosaic=True, keep=False), []),
        (PutTogether(clip=REGION), ["item_clipped.tif"]),
    ],
)
def test_one_file_is_together_already(single, options, products):
    put_together(of(single), single, options)
    assert names(single) == products
    assert single[0].exists()


def test_an_item_without_images_has_nothing_to_put_together():
    assert put_together(of([]), [], PutTogether(mosaic=True, clip=REGION, keep=False)) == []


def test_it_is_written_as_asked(shards):
    options = PutTogether(mosaic=True, clip=REGION, mosaic_as=PLAIN, clip_as=Writing("GTiff"))
    clipped, mosaic = sorted(put_together(of(shards), shards, options))
    with rasterio.open(clipped) as image:
        assert image.compression.name == "deflate"
        assert "LAYOUT" not in image.tags(ns="IMAGE_STRUCTURE")
    with rasterio.open(mosaic) as image:
        assert image.compression.name == "zstd"
        assert not image.overviews(1)


@pytest.mark.parametrize(
    "changed",
    [
        PutTogether(mosaic=True, clip=Region(REGION.outline, REGION.crs, 100.0)),
        PutTogether(mosaic=True, clip=Region(REGION.outline.buffer(50), REGION.crs)),
        PutTogether(mosaic=True, clip=REGION, clip_as=PLAIN),
    ],
    ids=["buffer", "region", "writing"],
)
def test_what_was_made_otherwise_is_made_again(shards, changed):
    entry, directory = of(shards), shards[0].parent
    put_together(entry, shards, PutTogether(mosaic=True, clip=REGION))
    before = remembered(directory)
    assert not is_put_together(entry, directory, changed)
    put_together(entry, shards, changed)
    after = remembered(directory)
    assert {name for name in after if after[name] != before[name]} == {"item_clipped.tif"}


def test_what_was_made_of_other_files_is_made_again(shards):
    options = PutTogether(clip=REGION)
    entry = of(shards)
    put_together(entry, shards, options)
    entry["outputs"][0]["checksum"] = "md5:1"
    assert not is_put_together(entry, shards[0].parent, options)
    before = remembered(shards[0].parent)
    put_together(entry, shards, options)
    after = remembered(shards[0].parent)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"item.vrt", "item_clipped.tif"}


def test_a_region_that_misses_an_item_makes_no_file_and_is_no_error(shards, caplog):
    options = PutTogether(clip=AWAY, keep=False)
    with caplog.at_level(logging.WARNING, "cedar"):
        assert put_together(of(shards), shards, options) == []
    assert "lies outside the region" in caplog.text
    assert names(shards) == []
    assert all(path.exists() for path in shards)
    assert not is_put_together(of(shards), shards[0].parent, options)


@pytest.mark.parametrize("vrt", [True, False])
def test_an_item_outside_the_region_is_not_looked_at_again_for_long(shards, vrt, monkeypatch):
    options = PutTogether(mosaic=True, clip=AWAY, vrt=vrt)
    entry = of(shards)
    made = put_together(entry, shards, options)
    assert [path.name for path in made] == ["item_mosaic.tif"]
    monkeypatch.setattr(assembly, "clip", None)
    assert put_together(entry, shards, options) == made
    assert is_put_together(entry, shards[0].parent, options)


@pytest.mark.parametrize(
    ("options", "products"),
    [
        (PutTogether(mosaic=True, keep=False), ["item_mosaic.tif"]),
        (PutTogether(clip=REGION, keep=False), ["item_clipped.tif"]),
        (
            PutTogether(mosaic=True, clip=REGION, keep=False),
            ["item_clipped.tif", "item_mosaic.tif"],
        ),
        (PutTogether(mosaic=True, clip=AWAY, keep=False), ["item_mosaic.tif"]),
    ],
)
def test_files_that_are_not_to_stay_go_when_their_pixels_are_elsewhere(shards, options, products):
    entry, directory = of(shards), shards[0].parent
    other = directory / "item_2-0000000000-0000000000.tif"
    other.write_bytes(b"another item's")
    put_together(entry, shards, PutTogether())
    made = put_together(entry, shards, options)
    assert sorted(path.name for path in made) == products
    assert sorted(path.name for path in directory.iterdir()) == sorted([other.name, *products])
    assert is_put_together(entry, directory, options)
    assert put_together(entry, shards, options) == made


def test_the_single_file_of_an_item_goes_when_it_was_cut(single):
    entry, options = of(single), PutTogether(clip=REGION, keep=False)
    put_together(entry, single, options)
    assert [path.name for path in single[0].parent.iterdir()] == ["item_clipped.tif"]
    assert is_put_together(entry, single[0].parent, options)


def test_files_that_could_not_be_put_together_stay(shards):
    entry = of(shards)
    os.truncate(shards[3], shards[3].stat().st_size // 2)
    for options in (PutTogether(mosaic=True, keep=False), PutTogether(clip=REGION, keep=False)):
        with pytest.raises(CedarError):
            put_together(entry, shards, options)
        assert names(shards) == []
        assert all(path.exists() for path in shards)


def test_a_vrt_that_cedar_did_not_make_stays(shards):
    vrt = shards[0].parent / "item.vrt"
    vrt.write_text("mine", "utf-8")
    put_together(of(shards), shards, PutTogether(mosaic=True, keep=False))
    assert vrt.read_text("utf-8") == "mine"


@pytest.mark.parametrize("name", ["item.vrt", "item_clipped.tif"])
def test_a_file_that_cedar_did_not_make_is_not_replaced(shards, name):
    path = shards[0].parent / name
    path.write_bytes(b"mine")
    with pytest.raises(CedarError, match=f"{name} is there, and cedar didn't make it"):
        put_together(of(shards), shards, PutTogether(clip=REGION))
    assert path.read_bytes() == b"mine"


def test_files_that_are_not_all_of_the_item_are_not_put_together(shards):
    with pytest.raises(CedarError, match="5 files were given for the 6 that it has"):
        put_together(of(shards), shards[1:], PutTogether())
    assert names(shards) == []


def test_two_at_once_make_it_once(shards, monkeypatch):
    """The one waits for the other, and then finds that all is there."""
    entry, options = of(shards), PutTogether(mosaic=True, keep=False)
    lock = lock_if_free(shards[0].parent / ".cedar-item.lock")
    waits, results = threading.Event(), []
    monkeypatch.setattr(assembly.time, "sleep", lambda _: waits.set())
    other = threading.Thread(target=lambda: results.append(put_together(entry, shards, options)))
    with lock:
        other.start()
        assert waits.wait(30)
        assembly._Plan.of(entry, shards, options).carry_out()
        made = remembered(shards[0].parent)
        (shards[0].parent / ".cedar-item.lock").unlink()
    other.join(30)
    assert results == [[shards[0].parent / "item_mosaic.tif"]]
    made.pop(".cedar-item.lock")
    assert remembered(shards[0].parent) == made


PROGRAM = """
import os, sys
from pathlib import Path
from test_assembly import PutTogether, REGION, assembly, of
from cedar import clipping, mosaics, products

directory, moment = Path(sys.argv[1]), sys.argv[2]
files = sorted(directory.glob("item-*.tif"))
entry = of(files)

def die(*_, **__):
    os.kill(os.getpid(), 9)

match moment:
    case "mosaic": mosaics.deliver = die
    case "clip": clipping.deliver = die
    case "cutting": clipping.write_like = die
    case "removing": Path.unlink = die
assembly.put_together(entry, files, PutTogether(mosaic=True, clip=REGION, keep=False))
"""


@pytest.mark.parametrize("moment", ["mosaic", "cutting", "clip", "removing"])
def test_after_a_kill_the_next_goes_on_and_leaves_nothing_behind(tmp_path, shards, moment):
    entry, directory = of(shards), shards[0].parent
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    program = [sys.executable, "-c", PROGRAM, directory, moment]
    killed = subprocess.run(program, env=environment, check=False)
    assert killed.returncode == -9
    assert names(shards) != []
    made = put_together(entry, shards, PutTogether(mosaic=True, clip=REGION, keep=False))
    assert sorted(directory.iterdir()) == sorted(made)
    check_same(directory / "item_mosaic.tif", scene(tmp_path))


@pytest.mark.parametrize(
    ("mosaic", "clip", "kept"),
    [(True, None, False), (False, REGION, True), (True, REGION, False), (False, None, True)],
)
def test_options_come_from_the_configuration(mosaic, clip, kept):
    section = {
        "mosaic": {"format": "GTiff", "compress": "zstd", "overviews": False, "keep": False},
        "clip": {"compress": "lzw"},
    }
    options = PutTogether.from_config(section, mosaic, clip)
    assert options == PutTogether(
        mosaic=mosaic, clip=clip, keep=kept, mosaic_as=PLAIN, clip_as=Writing(compress="lzw")
    )


def test_without_a_configuration_all_is_kept():
    assert PutTogether.from_config({}, mosaic=True, clip=REGION) == PutTogether(
        mosaic=True, clip=REGION
    )


def test_the_tag_is_in_the_file(shards):
    (made,) = put_together(of(shards), shards, PutTogether())
    with rasterio.open(made) as image:
        assert len(image.tags()[MADE_OF]) == 64


def test_products_are_called_by_the_item(shards):
    made = {
        path.name
        for options in (PutTogether(clip=REGION), PutTogether(mosaic=True))
        for path in put_together(of(shards), shards, options)
    }
    assert {*product_names("item")} == made
