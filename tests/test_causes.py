"""Failures sorted by the service's words: what helps, and when something is tried again."""

import datetime as dt

import pytest

from cedar import defaults
from cedar.causes import ADVICE, Help, Policy, cause_of
from cedar.emulator.faults import ERRORS

NOON = dt.datetime(2026, 7, 1, 12, tzinfo=dt.UTC)
WORDS = [
    (Help.AGAIN, "Internal error encountered."),
    (Help.AGAIN, "An internal server error has occurred (5b6de3fa5e5f0e9d)."),
    (Help.AGAIN, "The service is currently unavailable."),
    (Help.AGAIN, "Deadline expired before operation could complete."),
    (Help.AGAIN, "Earth Engine can't be reached: [Errno 104] Connection reset by peer"),
    (Help.AGAIN, "Earth Engine capacity exceeded."),
    (Help.LATER, "Quota exceeded for quota metric 'x' and limit 'y per minute' of service 'z'."),
    (Help.LATER, "User Rate Limit Exceeded"),
    (Help.LATER, "Too many concurrent aggregations."),
    (
        Help.TOMORROW,
        "Your usage exceeded the custom quota for "
        "'earthengine.googleapis.com/daily_eecu_usage_time'",
    ),
    (Help.TOMORROW, "Quota exceeded for quota metric 'Exports' and limit 'Exports per day'."),
    (Help.SMALLER, "User memory limit exceeded."),
    (Help.SMALLER, "Execution failed; out of memory."),
    (Help.SMALLER, "Computation timed out."),
    (Help.SMALLER, "Output of image computation is too large (20 bands for 851968 pixels)."),
    (Help.SMALLER, "Request payload size exceeds the limit: 10485760 bytes."),
    (Help.SMALLER, "Collection query aborted after accumulating over 5000 elements."),
    (
        Help.SEARCH,
        "Image.load: Image asset 'LANDSAT/LC08/C02/T1_L2/LC08_224077_20200518' not found (does "
        "not exist or caller does not have access).",
    ),
    (Help.NOTHING, "ImageCollection.load: ImageCollection asset 'LANDSAT/X' not found."),
    (Help.NOTHING, "The user has exceeded their Drive storage quota"),
    (
        Help.NOTHING,
        "Export too large: specified 121000000 pixels (max: 100000000). Specify higher maxPixels "
        "value if you intend to export a large area.",
    ),
    (Help.NOTHING, "Exported bands must have compatible data types"),
    (Help.NOTHING, "The caller does not have permission"),
    (Help.NOTHING, "Something that nobody has ever read."),
    (Help.NOTHING, None),
]


@pytest.mark.parametrize(("helps", "words"), WORDS)
def test_the_services_words_say_what_helps(helps, words):
    assert cause_of(words).help == helps


def test_every_fault_of_the_emulator_that_passes_by_itself_is_known_as_such():
    found = {name: cause_of(words).help for name, (_, _, words) in ERRORS.items()}
    assert {name for name, helps in found.items() if helps == Help.AGAIN} == {500, 503, 504}
    assert {name for name, helps in found.items() if helps == Help.LATER} >= {"quota", "rate-limit"}
    assert {name for name, helps in found.items() if helps == Help.SMALLER} == {
        "memory",
        "timeout",
        "too-large",
    }
    assert found["drive-quota"] == Help.NOTHING


def test_every_kind_of_help_has_its_advice():
    assert ADVICE.keys() == set(Help)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Image asset 'A/B/C1' not found.", "Image asset 'A/B/C22' not found."),
        ("An internal server error (5b6de3fa5e5f0e9d).", "An internal server error (00aa11bb)."),
        ("It has 5001 bands.", "It has 12,345.6 bands."),
        (
            "X_h000v001_2020-05-01: can't be read",
            "X_h000v002_2020-05-01: can't be read",
        ),
        ("CEDAR_PREARD/a.json is gone", "CEDAR_PREARD/b.json is gone"),
    ],
)
def test_failures_that_differ_in_particulars_only_are_one_cause(one, other):
    assert cause_of(one) == cause_of(other)
    assert cause_of(one) != cause_of("Something else.")


@pytest.mark.parametrize("helps", [Help.SMALLER, Help.SEARCH, Help.NOTHING])
def test_what_doesnt_pass_is_never_tried_again_by_itself(helps):
    assert Policy().next_try(helps, 1, NOON) is None


def test_what_may_pass_is_tried_again_after_longer_and_longer_waits():
    waits = [
        (Policy(99).next_try(Help.AGAIN, attempt, NOON) - NOON).total_seconds()
        for attempt in range(1, 20)
    ]
    assert defaults.RETRY_FIRST / 2 <= waits[0] <= defaults.RETRY_FIRST
    assert defaults.RETRY_LONGEST / 2 <= waits[-1] <= defaults.RETRY_LONGEST


def test_there_is_a_limit_to_the_attempts():
    policy = Policy(attempts=3)
    tries = [policy.next_try(Help.AGAIN, attempt, NOON) is not None for attempt in (1, 2, 3)]
    assert tries == [True, True, False]
    assert Policy(attempts=1).next_try(Help.TOMORROW, 1, NOON) is None


def test_a_quota_is_waited_for_as_long_as_is_set():
    assert Policy(later_minutes=5).next_try(Help.LATER, 1, NOON) == NOON + dt.timedelta(minutes=5)


@pytest.mark.parametrize(
    ("now", "then"),
    [
        ("2026-01-05T07:59:59", "2026-01-05T08:00"),
        ("2026-01-05T08:00:00", "2026-01-06T08:00"),
        ("2026-01-05T23:30:00", "2026-01-06T08:00"),
    ],
)
def test_a_days_quota_is_waited_for_until_midnight_pacific_time(now, then):
    moment = Policy().next_try(Help.TOMORROW, 1, dt.datetime.fromisoformat(f"{now}+00:00"))
    assert moment == dt.datetime.fromisoformat(f"{then}+00:00")
