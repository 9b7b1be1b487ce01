"""Sentinel-2 Level-1C, harmonized: reflectance at the top of the atmosphere.

Bands, their types and scale, the dates of service and the names of properties are those of Earth
Engine's catalog, ``Collection.source``.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from cedar.sensors.base import Band, Collection, catalog_page

_ID: Final = "COPERNICUS/S2_HARMONIZED"
_BANDS: Final = {
    "blue": "B2",
    "green": "B3",
    "red": "B4",
    "nir": "B8",
    "cirrus": "B10",
    "swir1": "B11",
    "swir2": "B12",
}

COLLECTIONS: Final = (
    Collection(
        id=_ID,
        title="Sentinel-2 TOA reflectance, Level-1C, harmonized",
        bands=tuple(Band(name, native, "uint16", scale=0.0001) for name, native in _BANDS.items()),
        chosen=tuple(_BANDS),
        nodata=0,
        group_by="pass",
        # One pass is one datatake; tiles of it that overlap differ in their granules only.
        pass_properties=("SPACECRAFT_NAME", "SENSING_ORBIT_NUMBER"),
        properties=(
            "CLOUDY_PIXEL_PERCENTAGE",
            "MGRS_TILE",
            "PRODUCT_ID",
            "SENSING_ORBIT_NUMBER",
            "SPACECRAFT_NAME",
        ),
        service_start=dt.date(2015, 6, 27),
        # Of the first band. Where the grid's pixels are finer than another band's, that is nearest.
        resolution=10,
        source=catalog_page(_ID),
    ),
)
