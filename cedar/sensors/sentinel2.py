"""Sentinel-2 Level-2A, harmonized: surface reflectance; and Cloud Score+, which is joined to it.

Bands, their scales and classes, the date of service and the names of properties are those of Earth
Engine's catalog, ``Collection.source``. That 0 in SCL is masked is from there too.

Not documented: the types of bands but the reflectances, and which values these may have. In the
harmonized collection 0 is a reflectance: that of dark water, less what scenes since 2022-01-25
have on top. 65535 is what Level-1C calls saturated, and no measurement. Scores, from 0 to 1, are
taken for float32. Not every image has scores: "backfill for the entire Sentinel-2 archive is
currently in progress", says their page.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from .base import Band, Collection, Encoding, catalog_page

_ID: Final = "COPERNICUS/S2_SR_HARMONIZED"
#: Of harmonized Level-1C, whose images have the same ``system:index`` as those of Level-2A.
_SCORES_ID: Final = "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED"
_SCORES: Final = ("cs", "cs_cdf")

_REFLECTANCES: Final = {
    "blue": "B2",
    "green": "B3",
    "red": "B4",
    "nir": "B8",
    "swir1": "B11",
    "swir2": "B12",
}
_OTHERS: Final = {
    "coastal": "B1",
    "rededge1": "B5",
    "rededge2": "B6",
    "rededge3": "B7",
    "nir_narrow": "B8A",
    "water_vapour": "B9",
}
_CLASSES: Final = {
    "1": "saturated or defective",
    "2": "dark area",
    "3": "cloud shadow",
    "4": "vegetation",
    "5": "bare soil",
    "6": "water",
    "7": "cloud of low probability, or unclassified",
    "8": "cloud of medium probability",
    "9": "cloud of high probability",
    "10": "cirrus",
    "11": "snow or ice",
}
#: What isn't clear in CloudSEN12 (Aybar et al., Scientific Data 9, 2022, 782, on Sen2Cor), in which
#: class 7, of low probability or not classified, is none of the clear ones.
_UNCLEAR: Final = tuple(_CLASSES[number] for number in ("1", "3", "7", "8", "9", "10"))


def _reflectance(name: str, native: str, *, default: bool) -> Band:
    return Band(name, native, "uint16", (0, 65534), scale=0.0001, default=default)


def _score(name: str) -> Band:
    """As a band of Level-2A: in the type, and by the scale, of its reflectances."""
    encoding = Encoding(scale=0.0001, dtype="uint16")
    return Band(name, name, "float32", (0, 1), default=False, encoding=encoding, joined=_SCORES_ID)


COLLECTIONS: Final = (
    Collection(
        id=_ID,
        bands=(
            *(_reflectance(*names, default=True) for names in _REFLECTANCES.items()),
            Band("scl", "SCL", "uint8", (1, 11), qa=True),
            *(_reflectance(*names, default=False) for names in _OTHERS.items()),
            Band("aot", "AOT", "uint16", scale=0.001, default=False),
            Band("wvp", "WVP", "uint16", scale=0.001, units="cm", default=False),
            *map(_score, _SCORES),
        ),
        chosen=(*_REFLECTANCES, "scl"),
        # Not 0: the products' own nodata is a reflectance here.
        nodata=65535,
        dtype="uint16",
        # SCL, of one byte, has two beside the others: 13 bytes a pixel become 14.
        allow_widening=True,
        validity="SCL",
        group_by="pass",
        # One pass is one datatake; tiles of it that overlap differ in their granules only.
        pass_properties=("SPACECRAFT_NAME", "SENSING_ORBIT_NUMBER"),
        properties=(
            "CLOUDY_PIXEL_PERCENTAGE",
            "MEAN_SOLAR_AZIMUTH_ANGLE",
            "MEAN_SOLAR_ZENITH_ANGLE",
            "MGRS_TILE",
            "PROCESSING_BASELINE",
            "PRODUCT_ID",
            "SENSING_ORBIT_NUMBER",
            "SPACECRAFT_NAME",
        ),
        cloud_property="CLOUDY_PIXEL_PERCENTAGE",
        service_start=dt.date(2017, 3, 28),
        # The finest bands'. The red edge, SWIR and SCL have 20 m, B1 and B9 60 m.
        resolution=10,
        qa_bits={"SCL": _CLASSES},
        qa_classes=("SCL",),
        unclear=_UNCLEAR,
        source=catalog_page(_ID),
        title="Sentinel-2 surface reflectance, Level-2A, harmonized",
    ),
    Collection(
        id=_SCORES_ID,
        bands=tuple(Band(name, name, "float32", (0, 1)) for name in _SCORES),
        chosen=_SCORES,
        # 0 is a score: that of what is seen least.
        nodata=-9999,
        dtype="float32",
        # No property that is documented tells passes apart.
        group_by="solar_day",
        service_start=dt.date(2015, 6, 27),
        resolution=10,
        source=catalog_page(_SCORES_ID),
        title="Cloud Score+ of Sentinel-2, harmonized",
    ),
)
