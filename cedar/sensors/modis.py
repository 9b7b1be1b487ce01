"""MODIS, version 6.1: daily and 8-day surface reflectance, and NBAR.

Bands, scales, ranges, bits and dates of service are those of Earth Engine's catalog,
``Collection.source``; the nodata values are the products' own fill values (``_FillValue`` of the
bands in LP DAAC's files), as is the range of the state's bits, 0 to 57343, whose fill is 65535.

Not documented: types in Earth Engine, which are taken for the products'; and that what is fill in
the product is masked.

The state is unsigned and the reflectance signed, so that one file of both takes twice the bytes:
it is in no stack by default. With reflectance it needs ``allow_widening: true``, alone
``nodata: 65535``.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from .base import Band, Collection, catalog_page

#: Metres a pixel of what is called 500 m: 2400 of them in a tile of 10° of the sinusoidal grid.
PIXEL: Final = 463.312716528

#: Numbers of MODIS's bands.
_BANDS: Final = {"blue": 3, "green": 4, "red": 1, "nir": 2, "swir1": 6, "swir2": 7}
_ALL_BANDS: Final = _BANDS | {"nir2": 5}

_STATE: Final = {
    "0-1": "cloud state: 0 clear, 1 cloudy, 2 mixed, 3 not set, assumed clear",
    "2": "cloud shadow",
    "3-5": "land or water: 0 shallow ocean, 1 land, 2 coastline or shoreline, 3 shallow inland "
    "water, 4 ephemeral water, 5 deep inland water, 6 moderate ocean, 7 deep ocean",
    "6-7": "aerosol: 0 climatology, 1 low, 2 average, 3 high",
    "8-9": "cirrus: 0 none, 1 small, 2 average, 3 high",
    "10": "cloud, by the internal algorithm",
    "11": "fire, by the internal algorithm",
    "12": "snow or ice, by MOD35",
    "13": "adjacent to cloud",
    "14": "corrected for BRDF",
    "15": "snow, by the internal mask",
}
#: Clear are the states 0 and 3, assumed clear (MOD09 User's Guide 6.1, state QA), without shadow,
#: cirrus above a small one, what the internal algorithm calls cloud, and what is beside clouds.
_UNCLEAR: Final = (
    "cloud state=cloudy",
    "cloud state=mixed",
    "cloud shadow",
    "cirrus=average",
    "cirrus=high",
    "cloud, by the internal algorithm",
    "adjacent to cloud",
)
_NBAR_QUALITY: Final = {"0": "0 full BRDF inversion, 1 magnitude inversion"}


def _reflectances(prefix: str, valid_range: tuple[float, float]) -> tuple[Band, ...]:
    return tuple(
        Band(
            name,
            f"{prefix}{number}",
            "int16",
            valid_range,
            scale=0.0001,
            default=name in _BANDS,
        )
        for name, number in _ALL_BANDS.items()
    )


def _angle(name: str, native: str, low: float, high: float) -> Band:
    units = "degree"
    return Band(name, native, "int16", (low, high), scale=0.01, units=units, default=False)


def _state(native: str) -> Band:
    return Band("qa", native, "uint16", (0, 57343), default=False, qa=True)


def _collection(
    product: str,
    title: str,
    start: dt.date,
    bands: tuple[Band, ...],
    nodata: int,
    qa_bits: dict[str, dict[str, str]],
    dtype: str | None = None,
) -> Collection:
    collection_id = f"MODIS/061/{product}"
    return Collection(
        id=collection_id,
        bands=bands,
        chosen=tuple(_BANDS),
        nodata=nodata,
        dtype=dtype,
        # An image is the whole globe, and its time midnight UTC of its (first) day.
        group_by="none",
        service_start=start,
        resolution=PIXEL,
        qa_bits=qa_bits,
        # Of NBAR, which is made of clear observations, it isn't said.
        unclear=() if product == "MCD43A4" else _UNCLEAR,
        source=catalog_page(collection_id),
        title=title,
    )


_DAILY: Final = (
    *_reflectances("sur_refl_b0", (-100, 16000)),
    _state("state_1km"),
    _angle("sun_zenith", "SolarZenith", 0, 18000),
    _angle("sun_azimuth", "SolarAzimuth", -18000, 18000),
    _angle("view_zenith", "SensorZenith", 0, 18000),
    _angle("view_azimuth", "SensorAzimuth", -18000, 18000),
)
_COMPOSITE: Final = (
    *_reflectances("sur_refl_b0", (-100, 16000)),
    _state("StateQA"),
    Band("day_of_year", "DayOfYear", "uint16", (1, 366), default=False, qa=True),
    _angle("sun_zenith", "SolarZenith", 0, 18000),
    _angle("view_zenith", "ViewZenith", 0, 18000),
    _angle("relative_azimuth", "RelativeAzimuth", -18000, 18000),
)
_QUALITIES: Final = {
    f"{name}_qa": f"BRDF_Albedo_Band_Mandatory_Quality_Band{number}"
    for name, number in _ALL_BANDS.items()
}
_NBAR: Final = (
    *_reflectances("Nadir_Reflectance_Band", (0, 32766)),
    *(
        Band(name, native, "uint8", (0, 1), default=False, qa=True)
        for name, native in _QUALITIES.items()
    ),
)
_FILL: Final = -28672

COLLECTIONS: Final = (
    _collection(
        "MOD09GA",
        "MODIS Terra surface reflectance, daily, 6.1",
        dt.date(2000, 2, 24),
        _DAILY,
        _FILL,
        {"state_1km": _STATE},
    ),
    _collection(
        "MYD09GA",
        "MODIS Aqua surface reflectance, daily, 6.1",
        dt.date(2002, 7, 4),
        _DAILY,
        _FILL,
        {"state_1km": _STATE},
    ),
    _collection(
        "MOD09A1",
        "MODIS Terra surface reflectance, 8 days, 6.1",
        dt.date(2000, 2, 18),
        _COMPOSITE,
        _FILL,
        {"StateQA": _STATE},
    ),
    _collection(
        "MCD43A4",
        "MODIS Terra and Aqua NBAR, daily, 6.1",
        dt.date(2000, 2, 24),
        _NBAR,
        32767,
        dict.fromkeys(_QUALITIES.values(), _NBAR_QUALITY),
        # Its classes, of one byte, would be refused beside the others, or alone with this nodata.
        dtype="int16",
    ),
)
