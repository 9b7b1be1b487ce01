"""Sentinel-1 GRD: backscatter in decibels.

Bands, units, the date of service and the names of properties are those of Earth Engine's catalog,
``Collection.source``.

Not documented: types, and the range of backscatter (-50 to 1 dB is called an estimate, and is
exceeded). float32 holds decibels to better than a millionth.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from .base import Band, Collection, catalog_page

_ID: Final = "COPERNICUS/S1_GRD"


def _backscatter(polarization: str, *, default: bool) -> Band:
    name = polarization.lower()
    return Band(name, polarization, "float32", units="dB", default=default)


COLLECTIONS: Final = (
    Collection(
        id=_ID,
        bands=(
            _backscatter("VV", default=True),
            _backscatter("VH", default=True),
            _backscatter("HH", default=False),
            _backscatter("HV", default=False),
            # Of every scene. In the stack by default it would bring in those that have HH alone.
            Band("angle", "angle", "float32", (0, 90), units="degree", default=False),
        ),
        chosen=("vv", "vh"),
        # JSON and many readers have no NaN. This is neither a decibel nor an angle, and exact.
        nodata=-9999,
        dtype="float32",
        group_by="pass",
        # An ascending and a descending pass of one day look from two sides.
        pass_properties=(
            "platform_number",
            "relativeOrbitNumber_start",
            "orbitProperties_pass",
        ),
        properties=(
            "instrumentMode",
            "orbitProperties_pass",
            "platform_number",
            "relativeOrbitNumber_start",
            "resolution_meters",
            "sliceNumber",
            "transmitterReceiverPolarisation",
        ),
        service_start=dt.date(2014, 10, 3),
        # Of Interferometric Wide swath. The catalog's others are 25 and 40 m.
        resolution=10,
        source=catalog_page(_ID),
        title="Sentinel-1 GRD, backscatter in decibels",
    ),
)
