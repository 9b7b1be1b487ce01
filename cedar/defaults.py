"""Defaults and limits: constants only."""

from __future__ import annotations

from typing import Final

NAME_TEMPLATE: Final = (
    "{collection}_h{tile.horizontal:03d}v{tile.vertical:03d}_{date_start}_{date_end}"
)
PREFIX_TEMPLATE: Final = "CEDAR_PREARD"
TRACKING_TEMPLATE: Final = "TRACKING_PERIOD{date_start}-{date_end}_TASK{today}"
TRACKING_PREFIX: Final = "CEDAR_TRACKING"

#: Longest item name. Earth Engine takes descriptions of 100; the attempt's suffix goes on top.
MAX_NAME_LENGTH: Final = 90

#: Seconds between two writes of one record: Cloud Storage takes one overwrite a second.
RECORD_INTERVAL: Final = 1.0

#: Seconds between two looks at an order that `watch` waits for.
WATCH_INTERVAL: Final = 10.0

#: Interactive requests under way at once (the service allows 40 of a standard account).
PULL_WORKERS: Final = 8

#: Item metadata written to the store at once.
STORE_WORKERS: Final = 8
