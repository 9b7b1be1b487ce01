"""Defaults and limits: constants only."""

from __future__ import annotations

import datetime as dt
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

#: Tasks started at once: as many interactive requests as the service allows.
START_WORKERS: Final = 40

#: Items that are marked as sent together, before the first of them is.
START_BATCH: Final = 500

#: Seconds between two writes of the record while tasks are started: nobody can, meanwhile. What a
#: crash keeps from it was marked before, and is found at the service.
START_INTERVAL: Final = 5.0

#: Tasks that may wait at the service: developers.google.com/earth-engine/guides/usage.
QUEUED_TASKS: Final = 3000

#: Tasks that the service runs at once where it doesn't say: about two (the same guide).
TASKS_AT_ONCE: Final = 2

#: Seconds that a store may be late to show what an export has written.
LATE_OUTPUTS: Final = 300.0

#: How far this machine's clock may be from the service's.
SKEW: Final = dt.timedelta(minutes=10)

#: Days after which scratch that no order needs is removed by `prune`.
OLDER_THAN: Final = 7.0

#: Bytes of the largest document that is read.
MAX_DOCUMENT: Final = 256 * 2**20

#: Attempts at an item at the most, the first one counted, that are made without being asked.
RETRY_ATTEMPTS: Final = 5

#: Seconds before the second of them, where the failure may pass by itself, and at the most.
RETRY_FIRST: Final = 30.0
RETRY_LONGEST: Final = 1800.0

#: Minutes until an item is tried again that failed for a quota which isn't a day's.
RETRY_LATER_MINUTES: Final = 60.0
