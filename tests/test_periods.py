from __future__ import annotations

import datetime as dt
import itertools
import time

import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cedar.exceptions import InputError
from cedar.periods import MAX_PERIODS, Period, coverage, parse_date, periods

FREQUENCIES = [
    *["YS", "5YS", "YS-OCT", "YE", "2YE-JUN", "QS", "3QS-FEB", "QE", "MS", "7MS", "ME", "5ME"],
    *["SMS", "3SME", "W", "W-SUN", "3W-WED", "WOM-3FRI", "D", "16D", "37h", "1D12h", "900min"],
]
HOURS = st.integers(0, 24 * 33_000).map(
    lambda hours: dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=hours)
)
SPANS = st.timedeltas(dt.timedelta(hours=1), dt.timedelta(days=600))


def utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)


def years(slices: list[Period]) -> list[tuple[str, str]]:
    return [(str(start.date()), str(end.date())) for start, end in slices]


@st.composite
def ranges(draw: st.DrawFn) -> tuple[dt.datetime, dt.datetime, str]:
    """Starts, and ends that often are an anchor of the frequency."""
    start, freq = draw(HOURS), draw(st.sampled_from(FREQUENCIES))
    end = start + draw(SPANS)
    if draw(st.booleans()):
        end = pd.tseries.frequencies.to_offset(freq).rollforward(pd.Timestamp(end))
        end = end.to_pydatetime()
    return start, end, freq


@given(ranges(), st.sampled_from(["both", "left"]))
def test_every_instant_from_start_to_end_is_in_exactly_one_period(spans, closed):
    start, end, freq = spans
    slices = periods(start, end, freq, closed)
    assert slices[0].start == start
    assert all(period.start < period.end for period in slices)
    assert all(one.end == other.start for one, other in itertools.pairwise(slices))
    assert slices[-1].start <= end <= slices[-1].end
    if closed == "both":
        assert end < slices[-1].end
    else:
        assert slices[-1].start < end


@given(ranges())
def test_from_an_anchor_on_periods_are_those_of_pandas(spans):
    start, end, freq = spans
    offset = pd.tseries.frequencies.to_offset(freq)
    start = offset.rollforward(pd.Timestamp(start)).to_pydatetime()
    # Of two times of day pandas loses the period with the end: 09:00 anchors, an end at 00:00.
    end = end.replace(hour=start.hour)
    assume(start < end)
    expected = pd.date_range(start, pd.Timestamp(end) + offset, freq=freq).to_pydatetime()
    assert periods(start, end, freq) == list(itertools.pairwise(expected))


@given(ranges())
def test_an_unaligned_start_adds_one_leading_part(spans):
    start, end, freq = spans
    offset = pd.tseries.frequencies.to_offset(freq)
    anchor = offset.rollforward(pd.Timestamp(start)).to_pydatetime()
    assume(start < anchor < end)
    assert periods(start, end, freq) == [(start, anchor), *periods(anchor, end, freq)]


@given(ranges())
def test_left_leaves_out_only_a_period_that_starts_at_the_end(spans):
    both, left = periods(*spans), periods(*spans, closed="left")
    assert left == [period for period in both if period.start < spans[1]]


def test_five_years_at_a_time_as_the_ancestor_did():
    assert years(periods("1997-01-01", "2020-01-01", "5YS")) == [
        ("1997-01-01", "2002-01-01"),
        ("2002-01-01", "2007-01-01"),
        ("2007-01-01", "2012-01-01"),
        ("2012-01-01", "2017-01-01"),
        ("2017-01-01", "2022-01-01"),
    ]


def test_ancestor_06_no_month_asked_for_is_lost():
    assert years(periods("2000-03-01", "2002-01-01", "1YS")) == [
        ("2000-03-01", "2001-01-01"),
        ("2001-01-01", "2002-01-01"),
        ("2002-01-01", "2003-01-01"),
    ]
    assert years(periods("2000-03-01", "2000-10-01", "YS")) == [("2000-03-01", "2001-01-01")]


def test_without_a_frequency_there_is_one_period_and_end_is_exclusive():
    assert periods("2020-05-01", "2020-06-01") == [Period(utc(2020, 5, 1), utc(2020, 6, 1))]


def test_coverage_is_from_the_first_start_to_the_last_end():
    assert coverage(periods("2020-02-15", "2020-12-31", "YS")) == (
        utc(2020, 2, 15),
        utc(2021, 1, 1),
    )


@pytest.mark.parametrize("freq", [None, "MS"])
@pytest.mark.parametrize("end", ["2020-05-01", "2020-04-30"])
def test_an_end_that_is_not_after_the_start_is_an_error(end, freq):
    with pytest.raises(InputError, match="not after its start 2020-05-01"):
        periods("2020-05-01", end, freq)


def test_a_way_to_close_periods_that_does_not_exist_is_an_error():
    with pytest.raises(InputError, match="'right'"):
        periods("2020", "2021", "MS", closed="right")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1M", "use '1ME' or '1MS'"),
        ("A", "use 'YE' or 'YS'"),
        ("Y", "use 'YE' or 'YS'"),
        ("5AS", "use '5YS'"),
        ("AS-OCT", "use 'YS-OCT'"),
        ("A-DEC", "use 'YE-DEC'"),
        ("2Q", "use '2QE' or '2QS'"),
        ("SM", "use 'SME' or 'SMS'"),
        ("6H", "use '6h'"),
        ("T", "use 'min'"),
        ("S", "use 's'"),
    ],
)
def test_a_frequency_that_pandas_renamed_is_an_error_with_its_new_name(old, new):
    with pytest.raises(InputError, match=f"{old}.*{new}$"):
        periods("2020", "2021", old)


@pytest.mark.parametrize(
    ("freq", "message"),
    [
        *[(freq, "positive") for freq in ("0D", "-1MS", "-6h")],
        *[(freq, "business") for freq in ("B", "2BMS", "BYS", "C", "CBME", "bh", "cbh")],
        *[(freq, "finer than a second") for freq in ("1500ms", "us", "1h1ns")],
        *[(freq, "can't be read") for freq in ("", "x", "5", "1.5MS", "MS-2D", "fortnight", "d")],
        ("99999999999999999999D", "can't be read"),
        ("1s", "more than 100,000 periods"),
        *[(freq, "past the year 9999") for freq in ("9999YS", "999999999D", "999999999999W")],
    ],
)
def test_a_frequency_that_can_not_be_used_is_one_clear_error(freq, message):
    with pytest.raises(InputError, match=message) as caught:
        periods("2000-01-01", "2020-01-01", freq)
    assert repr(freq) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_as_many_periods_as_are_allowed_can_be_made():
    end = utc(2020, 1, 1) + dt.timedelta(minutes=MAX_PERIODS)
    assert len(periods("2020", end, "min", closed="left")) == MAX_PERIODS
    with pytest.raises(InputError, match="more than"):
        periods("2020", end, "min")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2020", utc(2020, 1, 1)),
        ("2020-05", utc(2020, 5, 1)),
        ("2020-05-17", utc(2020, 5, 17)),
        ("20200517", utc(2020, 5, 17)),
        (" 2020-05-17T12:30 ", utc(2020, 5, 17, 12, 30)),
        ("2020-05-17 12:30:01Z", utc(2020, 5, 17, 12, 30, 1)),
        ("2020-05-17T12:30:00+05:30", utc(2020, 5, 17, 7)),
        (dt.date(2020, 5, 17), utc(2020, 5, 17)),
        (dt.datetime.fromisoformat("2020-05-17T03"), utc(2020, 5, 17, 3)),
        (dt.datetime(2020, 5, 17, tzinfo=dt.timezone(dt.timedelta(hours=-3))), utc(2020, 5, 17, 3)),
        (pd.Timestamp("2020-05-17T03:00:00.000001"), utc(2020, 5, 17, 3, 0, 0, 1)),
    ],
)
def test_dates_are_read_as_aware_utc(value, expected):
    date = parse_date(value)
    assert date == expected
    assert date.tzinfo is dt.UTC


@pytest.mark.parametrize(
    "value",
    [
        *["", "soon", "2020-13", "2020-02-30", "202005", "2020-5-1", "05/01/2020", "20-05-01"],
        *["2020-01-01+05:00", "2020-01-01T25:00", "0001-01-01T00:00+05:00", "٢٠٢٠", None, pd.NaT],
    ],
)
def test_what_is_not_a_date_is_an_error_that_shows_what_is(value):
    with pytest.raises(InputError, match="is not a date: give 2020, 2020-05") as caught:
        parse_date(value)
    assert repr(str(value)) in str(caught.value)


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/Los_Angeles"])
def test_ancestor_11_dates_do_not_depend_on_the_machines_time_zone(monkeypatch, zone):
    with monkeypatch.context() as context:
        context.setenv("TZ", zone)
        time.tzset()
        assert time.timezone != 0
        assert parse_date("2020-05-01T00:00") == utc(2020, 5, 1)
        assert parse_date(dt.datetime.fromisoformat("2020-05-01")) == utc(2020, 5, 1)
    time.tzset()
