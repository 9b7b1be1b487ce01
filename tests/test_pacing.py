"""How many requests are made at once."""

import threading
import time

import pytest

from cedar import pacing
from cedar.pacing import Pace


def test_no_more_turns_at_once_than_the_limit():
    pace, at_once, most, lock = Pace(3), 0, 0, threading.Lock()

    def work():
        nonlocal at_once, most
        for _ in range(20):
            with pace.turn():
                with lock:
                    at_once += 1
                    most = max(most, at_once)
                time.sleep(0.001)
                with lock:
                    at_once -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 3


def test_it_halves_at_a_refusal_but_once_for_those_that_come_together(monkeypatch):
    now = 100.0
    monkeypatch.setattr(pacing.time, "monotonic", lambda: now)
    pace = Pace(32)
    for _ in range(20):
        pace.slow_down()
    assert pace.limit == 16
    now += 1.1
    pace.slow_down()
    assert pace.limit == 8


def test_it_never_stops(monkeypatch):
    times = iter(range(0, 1000, 2))
    monkeypatch.setattr(pacing.time, "monotonic", lambda: next(times))
    pace = Pace(2)
    for _ in range(50):
        pace.slow_down()
    assert pace.limit == 1
    with pace.turn():
        pass


def test_it_grows_by_one_as_often_as_all_went_well_and_no_further():
    pace = Pace(4)
    pace.limit = 2.0
    for _ in range(2):
        pace.went_well()
    assert pace.limit == pytest.approx(2.9)
    for _ in range(50):
        pace.went_well()
    assert pace.limit == 4


def test_who_waits_goes_on_when_the_limit_grows():
    pace = Pace(2)
    pace.limit = 1.0
    went = threading.Event()

    def work():
        with pace.turn():
            went.set()

    with pace.turn():
        thread = threading.Thread(target=work)
        thread.start()
        assert not went.wait(0.05)
        pace.went_well()
        assert went.wait(10)
    thread.join()


@pytest.mark.parametrize(("rate", "pauses"), [(None, []), (1000.0, [0.5, 1.0, 1.5])])
def test_bytes_wait_for_the_line(rate, pauses, monkeypatch):
    slept = []
    monkeypatch.setattr(pacing.time, "monotonic", lambda: 0.0)
    monkeypatch.setattr(pacing.time, "sleep", slept.append)
    pace = Pace(1, rate)
    for _ in range(3):
        pace.spend(500)
    assert slept == pauses
