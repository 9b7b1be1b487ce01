"""Order tracker for Earth Engine exports.

Scientists ask for satellite images over a tile grid, sensor by sensor, year by year. cedar builds
the orders, writes each down before it starts it, and later follows, downloads and cleans by that
record.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
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
    "download_tracked": "cedar.tracker",
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
    "download_tracked",
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
