"""Sentinel-2 Level-2A, harmonized: surface reflectance.

Bands, their types and scale, the dates of service and the names of properties are those of Earth
Engine's catalog, ``Collection.source``.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from cedar.sensors.base import Band, Collection

_BANDS: Final = {
    "blue": "B2",
    "green": "B3",
    "red": "B4",
    "nir": "B8",
    "swir1": "B11",
    "swir2": "B12",
}

COLLECTIONS: Final = (
    Collection(
        id="COPERNICUS/S2_SR_HARMONIZED",
        title="Sentinel-2 surface reflectance, Level-2A, harmonized",
        bands=(
            *(Band(name, native, "uint16", scale=0.0001) for name, native in _BANDS.items()),
            # Classes: the nearest pixel's, never a mean.
            Band("scl", "SCL", "uint8", (1, 11), qa=True),
        ),
        chosen=(*_BANDS, "scl"),
        nodata=0,
        # Seven bands of 13 bytes in all become seven of 14: SCL is stored with two.
        allow_widening=True,
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
        service_start=dt.date(2017, 3, 28),
        # Of the first band. Where the grid's pixels are finer than another band's, that is nearest.
        resolution=10,
        source="https://developers.google.com/earth-engine/datasets/catalog/"
        "COPERNICUS_S2_SR_HARMONIZED",
    ),
)
