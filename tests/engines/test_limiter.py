"""The one limit for all interactive requests: never more, never stuck, fewer after a 429."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from itertools import pairwise

import pytest

from cedar.engines.earthengine.limiter import Limiter


class Time:
    """Time that passes by sleeping only."""

    def __init__(self):
        self.now, self.slept = 100.0, []

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


class Watched(threading.Condition):
    """Tells when somebody begins to wait: whoever then gets its lock finds them waiting."""

    def __init__(self):
        super().__init__()
        self.waits = threading.Semaphore(0)

    def wait(self, timeout=None):
        self.waits.release()
        return super().wait(timeout)


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def make(time):
    def make(at_once=40, per_second=100.0, bytes_in_flight=100):
        limiter = Limiter(at_once, per_second, bytes_in_flight, lambda: time.now, time.sleep)
        limiter._changed = Watched()
        return limiter

    return make


class Asker:
    """A thread with one request, from when it waits for it to when it is told to end."""

    def __init__(self, limiter, size=0):
        self.started, self.finish = threading.Event(), threading.Event()
        self._limiter, self._size = limiter, size
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def _ask(self):
        with self._limiter.request(self._size):
            self.started.set()
            self.finish.wait(10)

    def end(self):
        assert self.started.wait(10)
        self.finish.set()
        self._thread.join(10)
        assert not self._thread.is_alive()


def waiting(limiter, size=0):
    """An asker that there is no room for."""
    asker = Asker(limiter, size)
    assert limiter._changed.waits.acquire(timeout=10)
    with limiter._changed:
        assert not asker.started.is_set()
    return asker


@contextmanager
def held(limiter, *sizes):
    """Requests of this thread, under way."""
    with ExitStack() as stack:
        for size in sizes:
            stack.enter_context(limiter.request(size))
        yield


def test_no_more_than_so_many_are_under_way_at_once(make):
    limiter = make(at_once=3)
    with held(limiter, 0, 0), limiter.request():
        fourth = waiting(limiter)
    fourth.end()


def test_no_more_bytes_are_in_flight_than_fit(make):
    limiter = make(bytes_in_flight=100)
    with held(limiter, 60, 40):
        third = waiting(limiter, 1)
    third.end()


def test_a_request_larger_than_the_whole_limit_goes_alone(make):
    limiter = make(bytes_in_flight=100)
    with held(limiter, 1000):
        second = waiting(limiter, 1)
    second.end()
    with held(limiter, 1):
        large = waiting(limiter, 1000)
    large.end()


def test_a_large_request_is_not_held_up_by_small_ones_that_come_later(make):
    limiter = make(bytes_in_flight=100)
    with held(limiter, 50):
        large = waiting(limiter, 100)
        small = [waiting(limiter, 1) for _ in range(5)]
    assert large.started.wait(10)
    assert not any(each.started.is_set() for each in small)
    large.end()
    for each in small:
        each.end()


def test_whoever_gives_up_waiting_makes_way(make):
    limiter = make(at_once=1)
    waits = limiter._changed.wait

    def interrupted(timeout=None):
        limiter._changed.wait = waits
        raise KeyboardInterrupt

    with held(limiter, 0):
        limiter._changed.wait = interrupted
        with pytest.raises(KeyboardInterrupt), limiter.request():
            pytest.fail("there was no room")
        patient = waiting(limiter)
    patient.end()


def test_a_request_that_fails_leaves_its_room(make):
    limiter = make(at_once=1, bytes_in_flight=10)
    for _ in range(3):
        with pytest.raises(OSError, match="lost"), limiter.request(10):
            raise OSError("lost")
    Asker(limiter, 10).end()


def test_one_interrupted_before_its_turn_of_the_second_leaves_its_room(make, time):
    limiter = make(at_once=1, per_second=1.0)
    with limiter.request():
        pass

    def interrupted(seconds):
        raise KeyboardInterrupt

    limiter._sleep = interrupted
    with pytest.raises(KeyboardInterrupt), limiter.request():
        pytest.fail("it was not its turn")
    limiter._sleep = time.sleep
    Asker(limiter).end()


def test_no_more_than_so_many_start_a_second(make, time):
    limiter = make(per_second=100.0)
    starts = []
    for _ in range(201):
        with limiter.request():
            starts.append(time.now)
    assert starts[99] == pytest.approx(starts[0])
    assert starts[-1] - starts[0] == pytest.approx(1.01)
    assert all(later - first >= 0.0099 for first, later in pairwise(starts[99:]))


def test_idle_time_is_not_saved_up(make, time):
    limiter = make(per_second=10.0)
    with limiter.request():
        pass
    time.now += 60
    for _ in range(12):
        with limiter.request():
            pass
    assert time.slept == pytest.approx([0.1, 0.1])


def test_a_429_halves_what_goes_at_once_but_once_a_burst(make, time):
    limiter = make(at_once=40)
    for _ in range(30):
        limiter.throttled()
    assert limiter.allowed == 20
    time.now += 1
    limiter.throttled()
    assert limiter.allowed == 10


def test_something_always_goes(make, time):
    limiter = make(at_once=4)
    for _ in range(10):
        limiter.throttled()
        time.now += 1
    assert limiter.allowed == 1
    Asker(limiter).end()


def test_fewer_at_once_holds_for_those_that_wait(make):
    limiter = make(at_once=2)
    limiter.throttled()
    with held(limiter, 0):
        second = waiting(limiter)
    second.end()


def test_twenty_calm_answers_let_one_more_through_and_a_429_starts_the_count_again(make, time):
    limiter = make(at_once=4)
    limiter.throttled()
    assert limiter.allowed == 2
    for _ in range(19):
        limiter.answered()
    assert limiter.allowed == 2
    limiter.throttled()
    for _ in range(19):
        limiter.answered()
    assert limiter.allowed == 2
    with held(limiter, 0, 0):
        third = waiting(limiter)
        limiter.answered()
        assert limiter.allowed == 3
        third.end()


def test_calm_never_allows_more_than_the_limit(make):
    limiter = make(at_once=4)
    for _ in range(100):
        limiter.answered()
    assert limiter.allowed == 4


@pytest.mark.parametrize("workers", [1, 8, 60])
def test_from_many_threads_the_limits_hold_and_everybody_comes_through(workers):
    limiter = Limiter(5, 1e6, 100)
    lock, under_way, most, done = threading.Lock(), [], [], []

    def work(seed):
        for n in range(30):
            size = (seed * 31 + n * 17) % 90
            with limiter.request(size):
                with lock:
                    under_way.append(size)
                    most.append((len(under_way), sum(under_way)))
                limiter.throttled() if (seed + n) % 50 == 0 else limiter.answered()
                with lock:
                    under_way.remove(size)
                    done.append(size)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(done) == 30 * workers
    assert max(count for count, _ in most) <= 5
    assert max(held for _, held in most) <= 100
