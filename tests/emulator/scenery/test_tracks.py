"""Orbits as arithmetic: when and where a satellite passes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cedar.emulator.landscape import DAY_MS
from cedar.emulator.scenery.tracks import DEGREE, Track

TRACK = Track(143, 10, 0.0, 1_435_401_000_000, 98.62, 145_000)
angles = st.floats(-80, 80)


@given(orbit=st.integers(0, 142), angle=angles, is_ascending=st.booleans())
def test_below_the_satellite_nothing_is_beside_it(orbit, angle, is_ascending):
    angle = 180 - angle if is_ascending else angle
    lat = math.radians(TRACK.latitude(angle))
    lon = TRACK.longitude(orbit, angle)
    assert TRACK.along(math.sin(lat), is_ascending=is_ascending) == pytest.approx(angle, abs=1e-6)
    away = TRACK.beside(orbit, lon, math.sin(lat), is_ascending=is_ascending)
    assert away == pytest.approx(0, abs=1)


def test_beside_is_counted_to_the_east():
    lon = TRACK.longitude(3, 0)
    assert TRACK.beside(3, lon + 0.5, 0.0, is_ascending=False) == pytest.approx(DEGREE / 2)


@given(lon=st.floats(-180, 180), lat=st.floats(-70, 70))
def test_every_place_is_seen_in_a_cycle_and_at_the_same_time_of_its_day(lon, lat):
    start = TRACK.start + 900 * DAY_MS
    found = list(TRACK.passes(lon, lat, 0, start, start + 10 * DAY_MS))
    assert found
    for cycle, orbit, time in found:
        assert start <= time < start + 10 * DAY_MS
        again = TRACK.time(
            cycle, orbit, TRACK.along(math.sin(math.radians(lat)), is_ascending=False)
        )
        assert again == time
        hour = (time / DAY_MS * 24 + lon / 15) % 24
        assert 6 < hour < 15


@given(start=st.integers(0, 10**12), length=st.integers(0, 10**10))
def test_cycles_are_those_of_a_half_open_period(start, length):
    first = TRACK.start
    times = [first + cycle * 10 * DAY_MS for cycle in TRACK.cycles(first, start, start + length)]
    assert all(start <= time < start + length for time in times)
    assert len(times) in {length // (10 * DAY_MS), length // (10 * DAY_MS) + 1}
    assert np.all(np.diff(times) == 10 * DAY_MS)
