"""Landsat Collection 2, Level 2, Tier 1: surface reflectance and surface temperature.

Bands, bits, dates of service (the first and the last image that each collection lists) and the
range of SR are those of Earth Engine's catalog, ``Collection.source``. The range of ST is from
USGS, "How do I use a scale factor with Landsat Level-2 science products?": 293–65535, i.e. from
150 K. (That page gives SR 7273–43636 too: reflectance from 0 to 1. What lies outside is in the
product and is kept, so the catalog's range is the one here.)
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Final

from .base import Band, Collection

#: Metres by which edges of pixels are off the multiples of 30 m in UTM, where their centres are: as
#: such the products' metadata gives the corners. All scenes are in northern zones (usgs.gov/faqs,
#: "Why do Landsat scenes in the Southern Hemisphere display negative UTM values?").
EDGE_OFFSET: Final = 15

_CONFIDENCE: Final = "0 none, 1 low, 2 medium, 3 high"
_QA_PIXEL_OLI: Final = {
    "0": "fill",
    "1": "dilated cloud",
    "2": "cirrus, high confidence",
    "3": "cloud",
    "4": "cloud shadow",
    "5": "snow",
    "6": "clear: neither cloud nor dilated cloud",
    "7": "water",
    "8-9": f"cloud confidence: {_CONFIDENCE}",
    "10-11": f"cloud shadow confidence: {_CONFIDENCE}",
    "12-13": f"snow and ice confidence: {_CONFIDENCE}",
    "14-15": f"cirrus confidence: {_CONFIDENCE}",
}
_QA_PIXEL_TM: Final = {
    bits: meaning for bits, meaning in _QA_PIXEL_OLI.items() if "cirrus" not in meaning
}
_SATURATED: Final = {str(bit): f"band {bit + 1} saturated" for bit in range(7)}
_QA_RADSAT_OLI: Final = _SATURATED | {"8": "band 9 saturated", "11": "terrain occlusion"}
_QA_RADSAT_TM: Final = _SATURATED | {
    "5": "band 6L saturated",
    "8": "band 6H saturated",
    "9": "dropped pixel",
}

_TM: Final = {
    "blue": "SR_B1",
    "green": "SR_B2",
    "red": "SR_B3",
    "nir": "SR_B4",
    "swir1": "SR_B5",
    "swir2": "SR_B7",
}
_OLI: Final = {
    "blue": "SR_B2",
    "green": "SR_B3",
    "red": "SR_B4",
    "nir": "SR_B5",
    "swir1": "SR_B6",
    "swir2": "SR_B7",
}


def _reflectance(name: str, native: str, *, default: bool = True) -> Band:
    return Band(name, native, "uint16", (1, 65455), scale=2.75e-05, offset=-0.2, default=default)


def _collection(
    sensor: str,
    start: dt.date,
    end: dt.date | None,
    optical: Mapping[str, str],
    thermal: str,
    extra: tuple[Band, ...],
    qa_bits: Mapping[str, Mapping[str, str]],
) -> Collection:
    radsat_max = 2 ** (1 + max(map(int, qa_bits["QA_RADSAT"]))) - 1
    bands = (
        *(_reflectance(name, native) for name, native in optical.items()),
        Band("thermal", thermal, "uint16", (293, 65535), 0.00341802, 149.0, "K"),
        # No range: a pixel that is not fill has a confidence or `clear` set, so is never 0.
        Band("qa", "QA_PIXEL", "uint16", qa=True),
        *extra,
        Band("radsat", "QA_RADSAT", "uint16", (0, radsat_max), default=False, qa=True),
    )
    return Collection(
        id=f"LANDSAT/{sensor}/C02/T1_L2",
        bands=bands,
        chosen=tuple(band.name for band in bands if band.default),
        nodata=0,
        # Masked at fill and nowhere else. SR is masked also where its retrieval failed, and ST
        # everywhere in a scene without a temperature (PROCESSING_LEVEL L2SR).
        validity="QA_PIXEL",
        group_by="pass",
        pass_properties=("SPACECRAFT_ID", "WRS_PATH"),
        properties=(
            "CLOUD_COVER",
            "CLOUD_COVER_LAND",
            "SUN_AZIMUTH",
            "SUN_ELEVATION",
            "WRS_PATH",
            "WRS_ROW",
            "LANDSAT_PRODUCT_ID",
            "SPACECRAFT_ID",
        ),
        service_start=start,
        service_end=end,
        resolution=30,
        # WRS-2 has 248 rows; from 122 on the satellite ascends, on the night side.
        night_rule=("WRS_ROW", 122),
        qa_bits=qa_bits,
        source="https://developers.google.com/earth-engine/datasets/catalog/"
        f"LANDSAT_{sensor}_C02_T1_L2",
        title=f"Landsat {int(sensor[2:])} surface reflectance and temperature, Collection 2 Tier 1",
    )


def _tm(sensor: str, start: dt.date, end: dt.date | None) -> Collection:
    bits = {"QA_PIXEL": _QA_PIXEL_TM, "QA_RADSAT": _QA_RADSAT_TM}
    return _collection(sensor, start, end, _TM, "ST_B6", (), bits)


def _oli(sensor: str, start: dt.date, end: dt.date | None) -> Collection:
    coastal = _reflectance("coastal", "SR_B1", default=False)
    bits = {"QA_PIXEL": _QA_PIXEL_OLI, "QA_RADSAT": _QA_RADSAT_OLI}
    return _collection(sensor, start, end, _OLI, "ST_B10", (coastal,), bits)


COLLECTIONS: Final = (
    _tm("LT04", dt.date(1982, 8, 22), dt.date(1993, 6, 24)),
    _tm("LT05", dt.date(1984, 3, 16), dt.date(2012, 5, 5)),
    _tm("LE07", dt.date(1999, 5, 28), dt.date(2024, 1, 19)),
    _oli("LC08", dt.date(2013, 3, 18), None),
    _oli("LC09", dt.date(2021, 10, 31), None),
)
