"""MODIS land surface temperature by day, of every day.

Bands, their types, fill and scale are those of the product's user guide, which Earth Engine's
catalog repeats: ``Collection.source``.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from cedar.sensors.base import Band, Collection

COLLECTIONS: Final = (
    Collection(
        id="MODIS/061/MOD11A1",
        title="MODIS land surface temperature, Terra, daily",
        bands=(
            Band("lst", "LST_Day_1km", "uint16", (7500, 65535), scale=0.02, units="K"),
            # Bits: the nearest pixel's, never a mean. 0 is "good", so a file that has it has to
            # tell by `lst` where it holds nothing.
            Band("qc", "QC_Day", "uint8", (0, 255), default=False, qa=True),
            Band("emissivity", "Emis_31", "uint8", (1, 255), 0.002, 0.49, default=False),
        ),
        chosen=("lst",),
        nodata=0,
        # A pixel without a temperature has nothing else that is worth keeping.
        validity="LST_Day_1km",
        # One image is the whole earth on one day: there is nothing to put together.
        group_by="none",
        service_start=dt.date(2000, 2, 24),
        qa_bits={"QC_Day": {"0-1": "mandatory QA", "2-3": "data quality",
                            "4-5": "emissivity error", "6-7": "LST error"}},
        # Of the sinusoidal grid; its "1 km" is this.
        resolution=926.625433056,
        source="https://developers.google.com/earth-engine/datasets/catalog/MODIS_061_MOD11A1",
    ),
)  # fmt: skip
