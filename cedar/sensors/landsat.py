"""Landsat Collection 2: Level 2 (surface reflectance and temperature) and TOA, in both tiers.

Bands, bits and the range of SR are those of Earth Engine's catalog, ``Collection.source``. The
range of ST is from USGS, "How do I use a scale factor with Landsat Level-2 science products?":
293–65535, i.e. from 150 K. (That page gives SR 7273–43636 too: reflectance from 0 to 1. What lies
outside is in the product and is kept, so the catalog's range is the one here.)

Dates of service of Level 2, Tier 1 are the first and the last image that the collection lists. Of
the others they are the widest that any of the sensor's pages gives: some give dates of ingestion.

Not documented, of TOA: the types of its bands, and that QA_PIXEL is masked at fill and nowhere
else, as it is in Level 2. Reflectance (which may be negative) and kelvin are taken for float32,
which holds the QA bands beside them to the bit; angles for int16 of 0.01°, as in USGS's files.

The panchromatic band is left out: of its 15 m a grid of 30 m would be given means.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from .base import Band, Collection, catalog_page

#: Metres by which edges of pixels are off the multiples of 30 m in UTM, where their centres are: as
#: such the products' metadata gives the corners. All scenes are in northern zones (usgs.gov/faqs,
#: "Why do Landsat scenes in the Southern Hemisphere display negative UTM values?").
EDGE_OFFSET: Final = 15

#: No reflectance, temperature, angle or set of bits.
_TOA_NODATA: Final = -9999

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
#: Bits 0 to 4, as Earth Engine's own example masks (github.com/google/earthengine-api,
#: javascript/src/examples/CloudMasking/Landsat8SurfaceReflectance.js). Saturation, which that masks
#: too, is no cloud.
_UNCLEAR: Final = (
    "fill",
    "dilated cloud",
    "cirrus, high confidence",
    "cloud",
    "cloud shadow",
)
_SATURATED: Final = {str(bit): f"band {bit + 1} saturated" for bit in range(7)}
_QA_RADSAT_OLI: Final = _SATURATED | {"8": "band 9 saturated", "11": "terrain occlusion"}
_QA_RADSAT_TM: Final = _SATURATED | {
    "5": "band 6L saturated",
    "8": "band 6H saturated",
    "9": "dropped pixel",
}
_TM_BITS: Final = {"QA_PIXEL": _QA_PIXEL_TM, "QA_RADSAT": _QA_RADSAT_TM}
_OLI_BITS: Final = {"QA_PIXEL": _QA_PIXEL_OLI, "QA_RADSAT": _QA_RADSAT_OLI}

#: Numbers of the optical bands: SR_B1 in Level 2, B1 in TOA.
_TM: Final = {"blue": 1, "green": 2, "red": 3, "nir": 4, "swir1": 5, "swir2": 7}
_OLI: Final = {"blue": 2, "green": 3, "red": 4, "nir": 5, "swir1": 6, "swir2": 7}

# A pixel that is not fill has a confidence or `clear` set, so is never 0.
_QA: Final = Band("qa", "QA_PIXEL", "uint16", (1, 65535), qa=True)

_ANGLES: Final = tuple(
    Band(name, native, "int16", scale=0.01, units="degree", default=False)
    for name, native in (
        ("sun_azimuth", "SAA"),
        ("sun_zenith", "SZA"),
        ("view_azimuth", "VAA"),
        ("view_zenith", "VZA"),
    )
)


def _kelvin(name: str, native: str, *, default: bool = True) -> Band:
    return Band(name, native, "float32", units="K", default=default)


def _reflectance(name: str, native: str, *, default: bool = True) -> Band:
    return Band(name, native, "uint16", (1, 65455), scale=2.75e-05, offset=-0.2, default=default)


def _toa(name: str, native: str, *, default: bool = True) -> Band:
    return Band(name, native, "float32", default=default)


class _Sensor(NamedTuple):
    """An instrument.

    Attributes
    ----------
    name : str
        As in ids.
    listed, service : (date, date or None)
        Dates of service: of Level 2 in Tier 1, and of the others.
    optical : mapping
        Common name → number of the band.
    coastal : bool
        Whether its band 1 is none of those.
    surface_temperature : str
        Its band in Level 2.
    thermal, others : tuple of Band
        Of TOA: those that measure temperature, and the rest but QA and angles.
    qa_bits : mapping
        As a collection has them.
    """

    name: str
    listed: tuple[dt.date, dt.date | None]
    service: tuple[dt.date, dt.date | None]
    optical: Mapping[str, int]
    coastal: bool
    surface_temperature: str
    thermal: tuple[Band, ...]
    others: tuple[Band, ...]
    qa_bits: Mapping[str, Mapping[str, str]]


def _tm(
    name: str,
    listed: tuple[dt.date, dt.date],
    service: tuple[dt.date, dt.date],
    thermal: tuple[Band, ...],
    others: tuple[Band, ...] = (),
) -> _Sensor:
    return _Sensor(name, listed, service, _TM, False, "ST_B6", thermal, others, _TM_BITS)


def _oli(name: str, start: dt.date) -> _Sensor:
    service = (start, None)
    thermal = (_kelvin("thermal", "B10"), _kelvin("thermal2", "B11", default=False))
    others = (_toa("cirrus", "B9", default=False),)
    return _Sensor(name, service, service, _OLI, True, "ST_B10", thermal, others, _OLI_BITS)


_SENSORS: Final = (
    _tm(
        "LT04",
        (dt.date(1982, 8, 22), dt.date(1993, 6, 24)),
        (dt.date(1982, 8, 22), dt.date(1993, 12, 14)),
        (_kelvin("thermal", "B6"),),
    ),
    _tm(
        "LT05",
        (dt.date(1984, 3, 16), dt.date(2012, 5, 5)),
        (dt.date(1984, 3, 5), dt.date(2012, 5, 5)),
        (_kelvin("thermal", "B6"),),
    ),
    _tm(
        "LE07",
        (dt.date(1999, 5, 28), dt.date(2024, 1, 19)),
        (dt.date(1999, 5, 28), dt.date(2024, 1, 19)),
        # In low gain it saturates later, which is what a series of temperatures needs.
        (
            _kelvin("thermal", "B6_VCID_1"),
            _kelvin("thermal_high_gain", "B6_VCID_2", default=False),
        ),
    ),
    _oli("LC08", dt.date(2013, 3, 18)),
    _oli("LC09", dt.date(2021, 10, 31)),
)


def _surface(sensor: _Sensor) -> Iterator[Band]:
    """Bands of Level 2."""
    for name, number in sensor.optical.items():
        yield _reflectance(name, f"SR_B{number}")
    thermal = sensor.surface_temperature
    yield Band("thermal", thermal, "uint16", (293, 65535), 0.00341802, 149.0, "K")
    yield _QA
    if sensor.coastal:
        yield _reflectance("coastal", "SR_B1", default=False)
    yield _radsat(sensor)


def _top_of_atmosphere(sensor: _Sensor) -> Iterator[Band]:
    """Bands of Level 1, calibrated."""
    for name, number in sensor.optical.items():
        yield _toa(name, f"B{number}")
    yield sensor.thermal[0]
    yield _QA
    if sensor.coastal:
        yield _toa("coastal", "B1", default=False)
    yield from sensor.thermal[1:]
    yield from sensor.others
    yield _radsat(sensor)
    yield from _ANGLES


def _radsat(sensor: _Sensor) -> Band:
    highest = 2 ** (1 + max(map(int, sensor.qa_bits["QA_RADSAT"]))) - 1
    return Band("radsat", "QA_RADSAT", "uint16", (0, highest), default=False, qa=True)


def _collection(sensor: _Sensor, tier: int, *, toa: bool) -> Collection:
    bands = tuple(_top_of_atmosphere(sensor) if toa else _surface(sensor))
    what = "TOA reflectance" if toa else "surface reflectance and temperature"
    start, end = sensor.listed if tier == 1 and not toa else sensor.service
    collection_id = f"LANDSAT/{sensor.name}/C02/T{tier}_{'TOA' if toa else 'L2'}"
    return Collection(
        id=collection_id,
        bands=bands,
        chosen=tuple(band.name for band in bands if band.default),
        nodata=_TOA_NODATA if toa else 0,
        dtype="float32" if toa else None,
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
        cloud_property="CLOUD_COVER",
        service_start=start,
        service_end=end,
        resolution=30,
        # QA_PIXEL, of two bytes, is a float beside the others: 30 bytes a pixel become 32.
        allow_widening=toa,
        # WRS-2 has 248 rows; from 122 on the satellite ascends, on the night side.
        night_rule=("WRS_ROW", 122),
        qa_bits=sensor.qa_bits,
        unclear=tuple(each for each in _UNCLEAR if each in sensor.qa_bits["QA_PIXEL"].values()),
        source=catalog_page(collection_id),
        title=f"Landsat {int(sensor.name[2:])} {what}, Collection 2 Tier {tier}",
    )


COLLECTIONS: Final = tuple(
    _collection(sensor, tier, toa=toa)
    for toa in (False, True)
    for tier in (1, 2)
    for sensor in _SENSORS
)
