"""What `cedar download` leaves of an order, made by hand: any bands, dates, files and pixels."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import rasterio

from cedar import Tile, TrackingMetadata
from cedar.documents import image_document, with_bands
from cedar.grouping import group_images, in_period
from cedar.items import ImageInfo, Item
from cedar.periods import parse_date
from cedar.sensors import definition, resolve
from cedar.shards import file_names, offsets

NAME, PREFIX = "ORDER", "CEDAR_PREARD"
COLLECTION = "EXAMPLE/SENSOR/V1"
#: Of numbers whose nodata value is no number of theirs.
PLAIN = {
    "bands": {"red": "B1", "nir": "B2", "qa": "QA"},
    "dtype": "uint16",
    "nodata": 0,
    "valid_range": {"red": [1, 60000], "nir": [1, 60000]},
    "scale": {"red": 2.75e-5, "nir": 2.75e-5},
    "offset": {"red": -0.2, "nir": -0.2},
    "qa": {"qa": True},
    "validity": "QA",
}
UTM = {"crs": "EPSG:32621", "res": (30, 30), "size": (96, 80)}


def tile_at(index=(0, 0), ul=(730005, -2778015), *, crs, res, size):
    """The tile of a grid."""
    left = ul[0] + index[1] * size[0] * res[0]
    top = ul[1] - index[0] * size[1] * res[1]
    bounds = (left, top - size[1] * res[1], left + size[0] * res[0], top)
    return Tile(index, crs, bounds, res, size)


def images(dates, collection_id=COLLECTION):
    """An image a date, which says in its index when it is of; versions and orbits count."""
    found = []
    for number, date in enumerate(dates):
        index = date.replace(":", "").replace("-", "")
        time = int(parse_date(date).timestamp() * 1000)
        found.append(
            ImageInfo(f"{collection_id}/{index}", index, time, number, properties={"ORBIT": number})
        )
    return found


@dataclass
class Downloaded:
    """An order's directory in the making.

    Attributes
    ----------
    directory : Path
        ``DIR/NAME``.
    definitions : dict
        Collections, as settings.
    pixels : dict
        Of each item, by name: (bands, rows, columns).
    """

    directory: Path
    definitions: dict = field(default_factory=lambda: {COLLECTION: PLAIN})
    name: str = NAME
    entries: list = field(default_factory=list)
    tiles: list = field(default_factory=list)
    pixels: dict = field(default_factory=dict)
    submitted: str = "2026-11-22T00:00:00+00:00"

    def __post_init__(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        self.collections = {
            key: replace(resolve(key, self.definitions), pass_properties=("ORBIT",))
            for key in self.definitions
        }

    def by_pass(self):
        """Have each image in a layer by itself from here on."""
        self.collections = {
            key: replace(each, group_by="pass") for key, each in self.collections.items()
        }

    @property
    def record(self):
        """The record of what was put in so far."""
        grid = {"name": None, "crs": "EPSG:32621", "ul": [0, 0], "res": [30, 30],
                "size": [96, 80], "limits": None}  # fmt: skip
        said = {"submitted": self.submitted, "collections": [*self.collections]}
        submission = {
            **said, "tile_grid": grid, "tile_indices": [], "period_start": None,
            "period_end": None, "period_freq": None, "coverage": None, "filters": {},
            "group_by": {},
            "definitions": {key: definition(each) for key, each in self.collections.items()},
        }  # fmt: skip
        tracking = {
            **said, "name": self.name, "prefix": "CEDAR_TRACKING", "tiles": self.tiles,
            "name_template": "", "prefix_template": "", "export_image_kwds": {},
        }  # fmt: skip
        keys = [f"{entry['prefix']}/{entry['name']}.json" for entry in self.entries]
        return TrackingMetadata(
            {
                "schema_version": 1, "revision": 1, "writer": None,
                "program": {"name": "cedar", "version": "0.1.0", "ee": None},
                "store": {"kind": "local", "identity": "x"},
                "engine": {"name": "earthengine", "url": None, "project": None, "emulated": False},
                "submission": submission, "tracking": tracking, "orders": self.entries,
                "metadata": keys,
            },
            self.name,
        )  # fmt: skip

    def add(
        self,
        dates=("2020-05-18T13:36:02",),
        period=("2020-05-01", "2020-06-01"),
        *,
        collection=COLLECTION,
        tile=None,
        pixels=None,
        folder="",
        bands=None,
        part=None,
        **writing,
    ):
        """Put an item in: its entry, its document, its files; its name."""
        tile = tile or tile_at(**UTM)
        definition_ = self.collections[collection]
        longitude = tile.longitude
        start, end = map(parse_date, period)
        stem = collection.replace("/", "_")
        family = f"{stem}_h{tile.horizontal:03d}v{tile.vertical:03d}_{period[0]}_{period[1]}"
        name = f"{family}-p{part:02d}" if part else family
        groups = group_images(images(dates, collection), definition_, longitude)
        groups = in_period(groups, start, end)
        item = Item(name, PREFIX, collection, tile, start, end, groups, family if part else None)
        chosen = bands or [*definition_.chosen]
        entry = self._entry(item, definition_, len(chosen) * len(groups))
        if bands:
            entry["bands"] = bands
        self.entries.append(entry)
        if tile.to_dict() not in self.tiles:
            self.tiles.append(tile.to_dict())
        document = image_document(self.record, entry, item, definition_, "LocalStore")
        document["image"] = with_bands(document["image"], bands)
        home = self.directory / folder
        home.mkdir(parents=True, exist_ok=True)
        (home / f"{name}.json").write_text(json.dumps(document))
        if pixels is None:
            pixels = numbers(len(chosen) * len(groups), tile, definition_, seed=len(self.entries))
        self.pixels[name] = pixels
        names = [f"{self._label(groups, group)}_{band}" for group in groups for band in chosen]
        entry["outputs"] = write(home, name, tile, pixels, definition_.nodata, names, **writing)
        entry["shards"] = len(entry["outputs"])
        return name

    @staticmethod
    def _label(groups, group):
        date = group.date.isoformat()
        is_alone = sum(each.date == group.date for each in groups) == 1
        return date if is_alone else f"{date}T{group.time:%H%M%S}"

    def _entry(self, item, collection, n_bands):
        return {
            "name": item.name, "prefix": PREFIX, "collection": item.collection,
            "tile": list(item.tile.index), "date_start": item.date_start.isoformat(),
            "date_end": item.date_end.isoformat(), "n_images": item.n_images,
            "n_groups": len(item.groups), "n_bands": n_bands, "dtype": collection.stack_dtype,
            "nodata": collection.nodata,
            "request_id": hashlib.sha256(item.name.encode()).hexdigest()[:32], "attempt": 1,
            "attempts": [], "status": {"state": "COMPLETED"}, "outputs": [],
            "family": item.family, "downloads": [],
        }  # fmt: skip


def edit(order, name, **said):
    """Have an item's document say something else in its section `image`."""
    path = order.directory / f"{name}.json"
    document = json.loads(path.read_text())
    document["image"] |= said
    path.write_text(json.dumps(document))


def numbers(count, tile, collection, seed=0):
    """Any pixels: numbers of all sizes that the type has, some of them nodata."""
    dtype = np.dtype(collection.stack_dtype)
    random = np.random.default_rng(seed)
    shape = (count, tile.height, tile.width)
    pixels = random.normal(size=shape) if dtype.kind == "f" else random.integers(1, 250, shape)
    pixels = pixels.astype(dtype)
    pixels[random.random(shape) < 0.2] = collection.nodata
    return pixels


def write(home, name, tile, pixels, nodata, names, *, dimensions=None, side=16, **profile):
    """Write an item's files: at most so many columns and rows each; the record's outputs."""
    at = offsets(tile.size, dimensions or tile.size)
    outputs = []
    for (row, col), file in zip(at, file_names(name, at), strict=True):
        width, height = dimensions or tile.size
        part = pixels[:, row : row + height, col : col + width]
        said = {
            "driver": "GTiff", "height": part.shape[1], "width": part.shape[2],
            "count": len(part), "dtype": part.dtype, "nodata": nodata, "crs": tile.crs,
            "transform": tile.transform * tile.transform.translation(col, row), "tiled": True,
            "blockxsize": side, "blockysize": side, "compress": "deflate", "interleave": "pixel",
        }  # fmt: skip
        with rasterio.open(home / file, "w", **said | profile) as target:
            target.descriptions = names
            target.write(part)
        data = (home / file).read_bytes()
        checksum = f"sha256:{hashlib.sha256(data).hexdigest()}"
        outputs.append({"name": file, "size": len(data), "checksum": checksum, "version": "1"})
    return outputs


def day(text):
    """A moment, UTC."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)
