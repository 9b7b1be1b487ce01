"""`cedar demo`."""

from __future__ import annotations

import time

import numpy as np
import pytest
import rasterio

from cedar.tracker import Tracker


def pictures(here):
    return sorted((here / "demo").rglob("*.tif"))


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_the_demo_orders_follows_downloads_and_cleans(cedar, here):
    start = time.monotonic()
    done = cedar("demo")
    assert done.code == 0, done.err
    assert time.monotonic() - start < 20
    assert "SYNTHETIC" in done.out
    typed = [line.split()[2] for line in done.out.splitlines() if line.startswith("$ cedar ")]
    assert typed == ["submit", "watch", "show", "download", "clean"]
    assert done.out.count(" COMPLETED ") >= 8
    images = pictures(here)
    assert len(images) == 8
    left = [line.split()[-1] for line in done.out.splitlines() if line.startswith("image ")]
    assert [here / path for path in left] == images
    with rasterio.open(images[0]) as image:
        assert (image.width, image.height) == (256, 256)
        assert image.read().any()
    with rasterio.open(here / "demo" / "quicklook.png") as picture:
        assert (picture.count, picture.width, picture.height) == (3, 512, 256)
        assert len(np.unique(picture.read())) > 100
    assert "demo/quicklook.png" in done.out
    assert not list((here / "demo" / "cedar-store").glob("CEDAR_*/*"))
    assert not list(here.rglob("*.aux.xml"))


@pytest.mark.parametrize("store", ["gcs", "gdrive"])
def test_it_is_the_same_story_over_a_bucket_and_over_drive(cedar, here, store):
    done = cedar("demo", "--store", store)
    assert done.code == 0
    assert ": 8 COMPLETED" in done.out
    assert len(list((here / "demo").rglob("*.tif"))) == 8
    assert f"store: {store}" in (here / "demo" / "cedar.yaml").read_text("utf-8")
    # What is left can be tried further: the emulator keeps its state.
    assert cedar("list", "-C", "demo/cedar.yaml").out == ""


def test_what_it_types_works_for_the_user_too(cedar):
    done = cedar("demo")
    (submit,) = (line for line in done.out.splitlines() if line.startswith("$ cedar submit"))
    assert cedar(*submit.split()[2:]).code == 0


def test_it_works_again_and_after_it_was_interrupted(cedar, here, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Tracker, "watch", interrupted)
        done = cedar("demo", "--dest", "demo")
    assert done.code == 130
    assert "`cedar demo --dest demo --store local` begins again" in done.err
    assert cedar("demo").code == 0
    assert not list((here / "demo" / "cedar-store").glob("CEDAR_*/*"))


def test_it_ends_where_a_command_of_it_fails(cedar, monkeypatch):
    monkeypatch.setattr(Tracker, "watch", lambda self, name, *_: self.read(name))
    done = cedar("demo")
    assert done.code == 3
    assert done.out.splitlines()[-2].endswith(": 8 READY")


def test_as_json_it_says_what_is_left(cedar, here):
    done = cedar("demo", "--json", "--dest", "elsewhere")
    left = done.json
    assert left["synthetic"] is True
    assert len(left["images"]) == 8
    assert all((here / path).is_file() for path in [*left["images"], left["quicklook"]])
    assert "$ cedar submit" in done.err


def test_a_directory_of_something_else_is_left_alone(cedar, here):
    (here / "demo").mkdir()
    (here / "demo" / "cedar.yaml").write_text("mine", "utf-8")
    done = cedar("demo")
    assert done.code == 2
    assert "demo is there, and not of a demo: name another with --dest" in done.err
    assert [path.name for path in (here / "demo").iterdir()] == ["cedar.yaml"]
