"""Trackers whose images the emulated Earth Engine exports, into its Cloud Storage or its Drive."""

from __future__ import annotations

import contextlib
from collections import Counter

import pytest
import rasterio
from orders import COLLECTIONS, LANDSAT, reference, utm_grid
from rasterio.windows import Window

from cedar import Tracker, placing, retry
from cedar.emulator import Emulator
from cedar.emulator.settings import Settings
from cedar.engines.earthengine import EarthEngine
from cedar.shards import offsets
from cedar.stores import open_store, store_module
from cedar.stores.base import Store

BUCKET, FOLDER = "a-bucket", "cedar"
KINDS = ("gcs", "gdrive")
#: Two rows of three files an image of 300 × 250 pixels.
SHARDS = {"shardSize": 64, "fileDimensions": 128}
HASTE = 20.0
_SECTIONS = {"gcs": {"bucket": BUCKET}, "gdrive": {"folder": FOLDER}}


def store_of(kind, urls, directory):
    """A store at an emulator's addresses; another one each time."""
    return open_store(kind, {**_SECTIONS[kind], "url": urls[kind]}, directory)


def tracker_of(kind, directory, emulator, **settings):
    """A tracker of the real scenes that exports; its engine is in the emulator's process."""
    settings.setdefault("engine", EarthEngine(emulator=emulator))
    settings.setdefault("collections", COLLECTIONS)
    settings.setdefault("export_image_kwds", SHARDS)
    return Tracker(utm_grid(), store_of(kind, emulator.urls, directory), **settings)


@contextlib.contextmanager
def exporting(kind, directory, *, emulator=None, **settings):
    """An emulator of the real scenes, with a bucket, and a tracker that exports into it.

    Unless the emulator's settings are given, twenty writes a second are as one is in the service.
    """
    with contextlib.ExitStack() as stack:
        if "settings" not in (emulator or {}):
            hasten(stack.enter_context(pytest.MonkeyPatch.context()), HASTE)
        made = {"catalog": LANDSAT, "settings": Settings(object_writes=HASTE), **(emulator or {})}
        there = stack.enter_context(Emulator(**made))
        there.make_bucket(BUCKET)
        yield there, tracker_of(kind, directory, there, **settings)


def hasten(patch, haste):
    """Where so many writes of an object a second are allowed, wait as long as is due then.

    Parameters
    ----------
    patch : pytest.MonkeyPatch
    haste : float
        Every wait between two writes, or two tries, is so much shorter.
    """
    first, growth, longest = placing._POLL
    patch.setattr(placing, "_POLL", (first / haste, growth, longest / haste))
    patch.setattr(retry, "FIRST_DELAY", retry.FIRST_DELAY / haste)
    for kind in KINDS:
        for made in vars(store_module(kind)).values():
            if isinstance(made, type) and issubclass(made, Store) and made.write_interval:
                patch.setattr(made, "write_interval", made.write_interval / haste)


def inventory(emulator):
    """Everything in the emulator's buckets and Drive: what each is, and its content."""
    with emulator._state.transaction() as rows:
        tables = [
            name
            for (name,) in rows.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            if name.startswith(("gcs_objects", "drive_files"))
        ]
        assert tables
        return {
            table: sorted(map(tuple, rows.execute(f"SELECT * FROM {table}"))) for table in tables
        }


def asked(emulator, service):
    """How often each method of a service was asked for."""
    return Counter(request.method for request in emulator.requests if request.service == service)


def wrong_pixels(tracking, directory, grid=None):
    """How many pixels of an order's downloaded files differ from the reference."""
    grid = grid or utm_grid()
    assert tracking.complete, tracking.states
    columns, rows = tracking.file_dimensions
    wrong = 0
    for entry in tracking.orders:
        tile = grid[entry["tile"]]
        expected = reference(tile)
        at = offsets(tile.size, (columns, rows))
        assert len(at) == len(entry["outputs"])
        for (row, col), output in zip(at, entry["outputs"], strict=True):
            with rasterio.open(directory / output["name"]) as image:
                window = Window(col, row, image.width, image.height)
                assert image.crs == tile.crs
                assert image.transform == rasterio.windows.transform(window, tile.transform)
                assert image.nodata == entry["nodata"] == 0
                assert image.descriptions[0] == "2020-05-18_blue"
                part = expected[:, row : row + rows, col : col + columns]
                wrong += (image.read() != part).sum()
    return wrong
