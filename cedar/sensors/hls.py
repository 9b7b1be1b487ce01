"""Harmonized Landsat Sentinel-2, version 2.0: NBAR of both on one grid of 30 m.

Bands, bits, dates of service and names of properties are those of Earth Engine's catalog,
``Collection.source``.

Not documented: types and scales. The catalog shows reflectance from 0.01 to 0.18 and gives no
scale, so the bands are taken for reflectance itself, in float32, where LP DAAC's files have int16
of 0.0001; temperature for degrees Celsius and angles for degrees, which LP DAAC has in hundredths.
Nor is a range, so none is here: reflectance may well be negative.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Final

from .base import Band, Collection, catalog_page

_FMASK: Final = {
    "0": "reserved",
    "1": "cloud",
    "2": "adjacent to cloud or shadow",
    "3": "cloud shadow",
    "4": "snow or ice",
    "5": "water",
    "6-7": "aerosol: 0 climatology, 1 low, 2 moderate, 3 high",
}
#: HLS User Guide 2.0, on Fmask: clouds, what is beside them, and their shadows.
_UNCLEAR: Final = ("cloud", "adjacent to cloud or shadow", "cloud shadow")
_ANGLES: Final = {
    "sun_zenith": "SZA",
    "sun_azimuth": "SAA",
    "view_zenith": "VZA",
    "view_azimuth": "VAA",
}
#: B8A, and not B8, is what B5 of L30 compares with (HLS User Guide 2.0, table of band names).
_S30: Final = {
    "blue": "B2",
    "green": "B3",
    "red": "B4",
    "nir": "B8A",
    "swir1": "B11",
    "swir2": "B12",
}
_S30_OTHERS: Final = {
    "coastal": "B1",
    "rededge1": "B5",
    "rededge2": "B6",
    "rededge3": "B7",
    "nir_broad": "B8",
    "water_vapour": "B9",
    "cirrus": "B10",
}
_L30: Final = {
    "blue": "B2",
    "green": "B3",
    "red": "B4",
    "nir": "B5",
    "swir1": "B6",
    "swir2": "B7",
}
_L30_OTHERS: Final = {"coastal": "B1", "cirrus": "B9"}
_L30_THERMAL: Final = (
    Band("thermal", "B10", "float32", units="°C"),
    Band("thermal2", "B11", "float32", units="°C", default=False),
)


def _collection(
    name: str,
    what: str,
    start: dt.date,
    reflectances: Mapping[str, str],
    others: Mapping[str, str],
    properties: tuple[str, ...],
    thermal: tuple[Band, ...] = (),
) -> Collection:
    bands = (
        *(Band(*names, "float32") for names in reflectances.items()),
        *thermal[:1],
        Band("qa", "Fmask", "uint8", (0, 255), qa=True),
        *(Band(*names, "float32", default=False) for names in others.items()),
        *thermal[1:],
        *(Band(*names, "float32", units="degree", default=False) for names in _ANGLES.items()),
    )
    collection_id = f"NASA/HLS/{name}/v002"
    return Collection(
        id=collection_id,
        bands=bands,
        chosen=tuple(band.name for band in bands if band.default),
        # LP DAAC's of reflectance; no sum of Fmask's bits, which are exact in a float32.
        nodata=-9999,
        dtype="float32",
        # Fmask, of one byte, is a float beside the others.
        allow_widening=True,
        # No property tells one orbit from another; granules of one pass lie in several tiles.
        group_by="solar_day",
        properties=(
            "CLOUD_COVERAGE",
            "MEAN_SUN_AZIMUTH_ANGLE",
            "MEAN_SUN_ZENITH_ANGLE",
            "SPATIAL_COVERAGE",
            *properties,
        ),
        cloud_property="CLOUD_COVERAGE",
        service_start=start,
        resolution=30,
        qa_bits={"Fmask": _FMASK},
        unclear=_UNCLEAR,
        source=catalog_page(collection_id),
        title=f"Harmonized Landsat Sentinel-2 (HLS) 2.0, {what}",
    )


COLLECTIONS: Final = (
    _collection(
        "HLSL30",
        "Landsat 8 and 9",
        dt.date(2013, 4, 11),
        _L30,
        _L30_OTHERS,
        ("LANDSAT_PRODUCT_ID",),
        _L30_THERMAL,
    ),
    _collection(
        "HLSS30",
        "Sentinel-2",
        dt.date(2015, 11, 28),
        _S30,
        _S30_OTHERS,
        ("PRODUCT_URI", "MGRS_TILE_ID"),
    ),
)
