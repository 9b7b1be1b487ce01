"""Trying again: on what is transient, for a while, and on nothing else."""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import islice
from types import SimpleNamespace

import pytest

from cedar import retry
from cedar.retry import FIRST_DELAY, PATIENCE, delays, persist


class Clock:
    """Time that passes while somebody sleeps; it notes how long."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(retry, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


def answering(*answers: object) -> Callable[[], object]:
    """Give one answer a call, the last for ever; errors are raised."""
    left = list(answers)

    def call() -> object:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, BaseException):
            raise answer
        return answer

    return call


def is_lost(error: Exception) -> bool:
    return isinstance(error, ConnectionError)


def test_what_succeeds_is_called_once(clock: Clock) -> None:
    assert persist(answering(1, 2), is_lost, "read a", sleep=clock.sleep) == 1
    assert clock.slept == []


def test_what_is_transient_is_tried_again(clock: Clock) -> None:
    call = answering(ConnectionError(), ConnectionResetError(), "answer")
    assert persist(call, is_lost, "read a", sleep=clock.sleep) == "answer"
    assert len(clock.slept) == 2


@pytest.mark.parametrize("error", [ValueError("bad"), KeyboardInterrupt(), LookupError()])
def test_what_is_not_transient_is_the_callers_at_once(clock: Clock, error: BaseException) -> None:
    with pytest.raises(type(error)) as caught:
        persist(answering(error, "answer"), is_lost, "read a", sleep=clock.sleep)
    assert caught.value is error
    assert clock.slept == []


def test_what_ends_for_good_ends_after_what_did_not(clock: Clock) -> None:
    call = answering(ConnectionError(), ValueError("bad"), "answer")
    with pytest.raises(ValueError, match="bad"):
        persist(call, is_lost, "read a", sleep=clock.sleep)
    assert len(clock.slept) == 1


@pytest.mark.parametrize("patience", [None, 0.0, 3.0, 1000.0])
def test_patience_has_an_end(clock: Clock, patience: float | None) -> None:
    last = ConnectionError("the last")
    with pytest.raises(ConnectionError, match="the last"):
        persist(answering(last), is_lost, "read a", patience=patience, sleep=clock.sleep)
    most = PATIENCE if patience is None else patience
    assert clock.now <= most
    # It was used: no more than the longest delay is left of it.
    assert clock.now >= most - 16


def test_the_time_that_a_call_takes_counts(clock: Clock) -> None:
    def call() -> None:
        clock.now += 50
        raise ConnectionError

    with pytest.raises(ConnectionError):
        persist(call, is_lost, "read a", patience=120, sleep=clock.sleep)
    assert 100 <= clock.now <= 200
    assert len(clock.slept) == 2


def test_delays_between_tries_grow_to_a_bound(clock: Clock) -> None:
    with pytest.raises(ConnectionError):
        persist(answering(ConnectionError()), is_lost, "read a", patience=900, sleep=clock.sleep)
    bounds = [min(16, FIRST_DELAY * 2**number) for number in range(len(clock.slept))]
    assert len(bounds) > 50
    assert all(b / 2 <= slept <= b for b, slept in zip(bounds, clock.slept, strict=True))


def test_what_is_logged_tells_no_more_than_it_must(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "https://host/?sig=SECRET" + "x" * 5000
    call = answering(ConnectionResetError(secret), "answer")
    persist(call, is_lost, "read a", sleep=clock.sleep)
    (record,) = caplog.records
    assert record.getMessage().startswith("read a: ConnectionResetError; trying again in ")
    assert "SECRET" not in caplog.text
    assert record.exc_info is None


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]


def test_whoever_waits_long_is_told_once_what_for(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    told_at = []
    secret = ConnectionError("https://host/?sig=SECRET")

    def sleep(seconds: float) -> None:
        told_at.extend([clock.now] * (len(warnings(caplog)) - len(told_at)))
        clock.sleep(seconds)

    with pytest.raises(ConnectionError):
        persist(answering(secret), is_lost, "list gs://a", patience=100, sleep=sleep)
    (told,) = warnings(caplog)
    assert told_at[0] <= 5
    left = round(100 - told_at[0])
    assert told == f"list gs://a: ConnectionError; trying again for {left} s more"
    # The next call is another's to wait for.
    with pytest.raises(ConnectionError):
        persist(answering(secret), is_lost, "list gs://b", patience=100, sleep=clock.sleep)
    assert [text[:11] for text in warnings(caplog)] == ["list gs://a", "list gs://b"]


def test_whoever_waits_for_a_moment_is_told_nothing(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    lost = [ConnectionError()] * 3
    assert persist(answering(*lost, "answer"), is_lost, "read a", sleep=clock.sleep) == "answer"
    with pytest.raises(ConnectionError):
        persist(answering(ConnectionError()), is_lost, "read a", patience=5, sleep=clock.sleep)
    assert warnings(caplog) == []


@pytest.mark.parametrize(("first", "factor", "longest"), [(1, 2, 60), (0.5, 2, 16), (3, 1, 10)])
def test_delays_are_drawn_from_the_upper_half_of_a_bound(
    first: float, factor: float, longest: float
) -> None:
    for number, delay in enumerate(islice(delays(first, factor, longest), 40)):
        bound = min(longest, first * factor**number)
        assert bound / 2 <= delay <= bound


def test_those_who_failed_together_do_not_come_back_together() -> None:
    assert len({next(delays()) for _ in range(50)}) > 40
