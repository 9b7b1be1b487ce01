"""Order tracker for Earth Engine exports.

Scientists ask for satellite images over a tile grid, sensor by sensor, year by year. cedar builds
the orders, writes each down before it starts it, and later follows, downloads and cleans by that
record.

Examples
--------
An order of one tile and two months, on the emulator, into a directory:

>>> from cedar import LocalStore, TileGrid, Tracker
>>> from cedar.engines.earthengine import EarthEngine
>>> grid = TileGrid((730005, -2778015), "EPSG:32621", res=(30, 30), size=(64, 64))
>>> low = {"LANDSAT/LC08/C02/T1_L2": [{"function": "lte", "name": "CLOUD_COVER_LAND", "value": 80}]}
>>> tracker = Tracker(grid, LocalStore("store"), filters=low, engine=EarthEngine(url="emulator"))
>>> preview = tracker.preview(
...     "LANDSAT/LC08/C02/T1_L2", [(0, 0)], "2020-01-01", "2020-03-01", "MS", period_closed="left"
... )
>>> [each.item.name for each in preview.items]
['LANDSAT_LC08_C02_T1_L2_h000v000_2020-01-01_2020-02-01',
 'LANDSAT_LC08_C02_T1_L2_h000v000_2020-02-01_2020-03-01']
>>> name, _ = tracker.place(preview)

From here on the record in the store is all that is needed, by any process:

>>> record = tracker.watch(name)
>>> record.states, record.complete
({'COMPLETED': 2}, True)
>>> files = tracker.download(record, "data")
>>> sorted(path.name for paths in files.values() for path in paths if path.suffix == ".tif")
['LANDSAT_LC08_C02_T1_L2_h000v000_2020-01-01_2020-02-01.tif',
 'LANDSAT_LC08_C02_T1_L2_h000v000_2020-02-01_2020-03-01.tif']
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .cubes.convert import convert
    from .cubes.opening import open_order
    from .emulator import Emulator
    from .exceptions import CedarError
    from .grids import Tile, TileGrid
    from .metadata import ImageMetadata, TrackingMetadata
    from .stores.gcs import GCSStore
    from .stores.gdrive import GDriveStore
    from .stores.local import LocalStore
    from .stores.object import ObjectStore
    from .tracker import Tracker, clean_tracked, download_tracked
    from .verifying import Verification, verify

#: Where each public name lives. They load when first used: `cedar --help` needs none of them.
_HOMES = {
    "CedarError": "cedar.exceptions",
    "Emulator": "cedar.emulator",
    "GCSStore": "cedar.stores.gcs",
    "GDriveStore": "cedar.stores.gdrive",
    "ImageMetadata": "cedar.metadata",
    "LocalStore": "cedar.stores.local",
    "ObjectStore": "cedar.stores.object",
    "Tile": "cedar.grids",
    "TileGrid": "cedar.grids",
    "Tracker": "cedar.tracker",
    "TrackingMetadata": "cedar.metadata",
    "Verification": "cedar.verifying",
    "clean_tracked": "cedar.tracker",
    "convert": "cedar.cubes.convert",
    "download_tracked": "cedar.tracker",
    "open_order": "cedar.cubes.opening",
    "verify": "cedar.verifying",
}

__all__ = [
    "CedarError",
    "Emulator",
    "GCSStore",
    "GDriveStore",
    "ImageMetadata",
    "LocalStore",
    "ObjectStore",
    "Tile",
    "TileGrid",
    "Tracker",
    "TrackingMetadata",
    "Verification",
    "__version__",
    "clean_tracked",
    "convert",
    "download_tracked",
    "open_order",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    package, _, kind = _HOMES[name].rpartition(".")
    if package == "cedar.stores":
        from .stores import store_module

        # Which says what to install, where its packages aren't there.
        return getattr(store_module(kind), name)
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
