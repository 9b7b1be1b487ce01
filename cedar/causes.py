"""Why an item failed, by the service's words, and what helps: data, with where it is known from.

Words that aren't here are taken for a reason that stays: trying the same again blindly costs quota,
and hides what is wrong.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import islice
from typing import Final

from . import defaults
from .retry import delays


class Help(StrEnum):
    """What helps against a failure."""

    #: The same again, a little later.
    AGAIN = "again"
    #: The same again, when a quota has room.
    LATER = "later"
    #: The same again tomorrow: the quota is a day's.
    TOMORROW = "tomorrow"
    #: Less at once.
    SMALLER = "smaller"
    #: Another search: an image is gone.
    SEARCH = "search"
    #: Nothing that can be done without a person.
    NOTHING = "nothing"


#: What a user may do about each, in a line.
ADVICE: Final[dict[Help, str]] = {
    Help.AGAIN: "may pass by itself: `cedar watch` and `cedar tick` try it some times, `cedar "
    "retry` once more, at once",
    Help.LATER: "a quota: `cedar watch` and `cedar tick` try it some times, each later, `cedar "
    "retry` once more, at once",
    Help.TOMORROW: "a day's quota: `cedar watch` and `cedar tick` try it some times, a day apart, "
    "`cedar retry` once more, at once",
    Help.SMALLER: "too much at once: `cedar retry --split` makes it in two parts; or order fewer "
    "bands, or shorter periods",
    Help.SEARCH: "an image is gone: `cedar retry` searches again, and shows what changed",
    Help.NOTHING: "doesn't pass by itself: mend what it says, then `cedar retry`",
}


@dataclass(frozen=True)
class Cause:
    """Why something failed.

    Attributes
    ----------
    help : Help
        What helps.
    words : str
        The service's own, with what differs from item to item taken out, so that failures of one
        cause can be counted together.
    """

    help: Help
    words: str


#: developers.google.com/earth-engine/guides/debugging and /guides/usage, unless another is named;
#: the first that is found counts.
_WORDS: Final[tuple[tuple[Help, str], ...]] = (
    # cloud.google.com/docs/quotas: a quota's name says its time.
    (Help.TOMORROW, r"daily_eecu_usage_time|quota.*\bper day\b|\bdaily\b.*\b(limit|quota)\b"),
    # support.google.com/drive/answer/6374270: it is a person who has to make room.
    (Help.NOTHING, r"drive.*storage quota|storage quota.*exceeded|storageQuotaExceeded"),
    # A shorter period has as many pixels.
    (Help.NOTHING, r"maxPixels|pixel grid dimensions"),
    (
        Help.LATER,
        r"quota exceeded|exceeded.*quota|too many tasks|too many requests|rate limit"
        r"|too many concurrent",
    ),
    (Help.SMALLER, r"memory limit exceeded|out of memory|memory capacity exceeded"),
    (Help.SMALLER, r"(computation|execution|task).*timed? ?out|ran for too long|is too large"),
    (Help.SMALLER, r"total request size|payload size exceeds|accumulating over \d+ elements"),
    # Not a collection: another search couldn't find one either.
    (Help.SEARCH, r"\bImage(\.load:| asset\b).*(not found|does not exist)"),
    (
        Help.AGAIN,
        r"internal (server )?error|backend error|service (is )?(currently )?unavailable"
        r"|deadline (expired|exceeded)|try again|connection reset|can't be reached"
        r"|answer can't be read|capacity exceeded",
    ),
)
_KNOWN: Final = tuple((help_, re.compile(words, re.IGNORECASE)) for help_, words in _WORDS)
#: What differs from item to item: quoted names, paths and ids of assets, names and codes with
#: digits in them, numbers.
_PARTICULAR: Final = re.compile(
    r"'[^']*'|\"[^\"]*\"|[\w.-]+(?:/[\w.-]+)+|\b(?=[\w-]*\d)[\w-]{8,}\b|\b\d[\d.,]*\b"
)


@lru_cache(maxsize=1024)
def cause_of(message: str | None) -> Cause:
    """Sort a failure by the service's words."""
    words = " ".join((message or "no reason was given").split())
    found = next((help_ for help_, known in _KNOWN if known.search(words)), Help.NOTHING)
    return Cause(found, _PARTICULAR.sub("…", words))


#: Google's daily quotas begin anew at midnight Pacific time (cloud.google.com/docs/quotas). Winter
#: time all year round is at most an hour late, and needs no database of time zones.
PACIFIC: Final = dt.timezone(dt.timedelta(hours=-8))


@dataclass(frozen=True)
class Policy:
    """How often, and when, what has failed is made again without being asked.

    Attributes
    ----------
    attempts : int
        Attempts at an item at the most, the first one counted; 1: none is made by itself.
    later_minutes : float
        How long a quota that isn't a day's is waited for.
    """

    attempts: int = defaults.RETRY_ATTEMPTS
    later_minutes: float = defaults.RETRY_LATER_MINUTES

    def next_try(self, found: Help, attempt: int, now: dt.datetime) -> dt.datetime | None:
        """When an item is to be made again by itself; None: never.

        Parameters
        ----------
        found : Help
            What helps against its failure.
        attempt : int
            The one that failed, from 1.
        now : datetime.datetime
            The time, with an offset.
        """
        if attempt >= self.attempts:
            return None
        match found:
            case Help.AGAIN:
                return now + dt.timedelta(seconds=_backoff(attempt))
            case Help.LATER:
                return now + dt.timedelta(minutes=self.later_minutes)
            case Help.TOMORROW:
                midnight = now.astimezone(PACIFIC).replace(hour=0, minute=0, second=0)
                return midnight.replace(microsecond=0) + dt.timedelta(days=1)
        return None


def _backoff(attempt: int) -> float:
    waits = delays(defaults.RETRY_FIRST, 3.0, defaults.RETRY_LONGEST)
    return next(islice(waits, attempt - 1, None))
