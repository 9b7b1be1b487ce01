"""Processes of cedar's that are killed: each is forked by one that has imported everything."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import signal
import sys
import threading
import time
import traceback
from fnmatch import fnmatchcase
from pathlib import Path
from types import SimpleNamespace

import googleapiclient.http
from exported import tracker_of
from forked import Forked
from orders import COLLECTION, real_tracker

from cedar import defaults, placing, retry
from cedar.causes import Policy
from cedar.engines.earthengine import EarthEngine
from cedar.exceptions import CedarError
from cedar.stores import leases, store_module
from cedar.stores.base import Store

#: The one that forks: it reads what to do, a line of JSON each.
PROGRAM = """
import json, os, sys
sys.path.insert(0, {tests!r})
os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
from killing import serve
serve(*json.loads(sys.argv[1]))
"""
#: All that have an image.
TILES = [(row, col) for row in range(3) for col in range(2)]
#: What has failed is tried again in tenths of a second, and twice as often as by itself.
POLICY = Policy(attempts=3, later_minutes=0.001)


def tracker_at(kind, urls, directory):
    """A tracker whose service is at an emulator's addresses, as another process has it."""
    engine = EarthEngine(url=urls["earthengine"])
    if kind == "local":
        return real_tracker(directory, engine=engine, retry=POLICY)
    there = SimpleNamespace(urls=urls)
    return tracker_of(kind, directory, there, engine=engine, retry=POLICY)


def hurry(patch=setattr):
    """Let pauses be short, and write as often as there is something to write.

    Parameters
    ----------
    patch : callable
        Sets an attribute.
    """
    patch(googleapiclient.http, "random", SimpleNamespace(random=lambda: random.random() / 1000))
    patch(retry, "FIRST_DELAY", 0.001)
    # What a store fails at is for the next one to do again.
    patch(retry, "PATIENCE", 0.5)
    patch(leases, "TERM", 0.5)
    patch(placing, "_POLL", (0.01, 1.5, 0.1))
    patch(defaults, "RECORD_INTERVAL", 0.05)
    patch(defaults, "RETRY_FIRST", 0.05)
    patch(defaults, "LATE_OUTPUTS", 1.0)
    for made in vars(store_module("gcs")).values():
        if isinstance(made, type) and issubclass(made, Store) and made is not Store:
            patch(made, "write_interval", 0.0)


class Log(list):
    """An emulator's log that kills a process at a request which was chosen."""

    def __init__(self):
        super().__init__()
        self._lock = threading.Lock()
        self._trap = None

    def trap(self, victim, glob, nth, after):
        """Kill a process at the nth request from now on of the methods that a glob matches.

        Parameters
        ----------
        after : float
            Seconds; 0: before the request is answered.
        """
        with self._lock:
            self._trap = [victim, glob, nth, after]

    def append(self, request):
        """Note a request that was carried out; its answer is sent after that."""
        super().append(request)
        with self._lock:
            if self._trap is None or not fnmatchcase(request.method, self._trap[1]):
                return
            self._trap[2] -= 1
            if self._trap[2] > 0:
                return
            (victim, _, _, after), self._trap = self._trap, None
        if after == 0:
            victim.kill()
        else:
            threading.Timer(after, victim.kill).start()


class Victim:
    """A process that acts until it is killed."""

    def __init__(self, nursery, action, number, writes=None):
        self._nursery, self._lock = nursery, threading.Lock()
        self._pid = int(nursery.ask(json.dumps([action, number, writes])))

    def kill(self):
        """Kill it, if it isn't dead."""
        with self._lock:
            if self._pid is not None:
                os.kill(self._pid, signal.SIGKILL)

    def wait(self, most):
        """Return when it is dead, killed now if so many seconds are over; whether it was before."""
        late = threading.Event()
        timer = threading.Timer(most, lambda: (late.set(), self.kill()))
        timer.start()
        self._nursery.ask("")
        with self._lock:
            self._pid = None
        timer.cancel()
        timer.join()
        return not late.is_set()


class Nursery:
    """Forks processes.

    Parameters
    ----------
    kind : str
        Of the store: gcs or local.
    urls : mapping
        The emulator's.
    directory : path
        Of the store, and of what is said of errors that no process should have.
    """

    def __init__(self, kind, urls, directory):
        self.kind, self._errors = kind, Path(directory, "errors")
        self._errors.mkdir()
        arguments = json.dumps([kind, dict(urls), str(directory), str(self._errors)])
        self._process = Forked(PROGRAM.format(tests=str(Path(__file__).parent)), arguments)

    def __enter__(self):
        assert self._process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *error):
        self._process.kill()
        self._process.communicate()

    def ask(self, line):
        """Have it do a line; its answer."""
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()

    def errors(self):
        """What processes died of, but for being killed."""
        return [path.read_text() for path in self._errors.iterdir()]


def serve(kind, urls, directory, errors):
    """Fork a process for each line, and wait for its end at each empty one."""
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    child = 0
    for line in sys.stdin:
        if not line.strip():
            os.waitpid(child, 0)
            answer = ""
        elif (child := os.fork()) == 0:
            live(kind, urls, directory, errors, *json.loads(line))
        else:
            answer = str(child)
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


def live(kind, urls, directory, errors, action, number, writes):
    """Act until killed: from outside, or after so many writes."""
    try:
        hurry()
        tracker = tracker_at(kind, urls, Path(directory, "store"))
        if writes is not None:
            die_after(tracker.store, writes)
        # What a tick starts, it doesn't wait for; what is to be pulled, only a watch pulls.
        then = "watch" if kind == "local" else "tick"
        rest = [then] if action == "submit" else [then, action]
        for each in itertools.chain([action], itertools.cycle(rest)):
            with contextlib.suppress(CedarError):
                act(tracker, each, number)
            time.sleep(0.01)
    except BaseException:  # noqa: BLE001
        Path(errors, str(os.getpid())).write_text(traceback.format_exc(), "utf-8")
        signal.pause()


def act(tracker, action, number):
    """Do one thing, with all orders there are."""
    if action == "submit":
        # No two orders have a name in common, and the day that has images is in all of them.
        period = f"2020-05-{1 + number % 17:02d}", f"2020-06-{1 + number // 17:02d}"
        tracker.submit(COLLECTION, TILES, *period)
    elif action == "tick":
        tracker.tick()
    for name in tracker.list():
        with contextlib.suppress(CedarError):
            if action == "update":
                tracker.update(name)
            elif action == "watch":
                tracker.watch(name, interval=0.01, timeout=0.2)
            elif action == "retry":
                tracker.retry(name, split=number % 2 == 0)


def die_after(store, writes):
    """Kill this process at once when the store has written so often."""
    left = itertools.count(writes - 1, -1)

    def dying(call):
        def wrote(*args, **kwds):
            try:
                return call(*args, **kwds)
            finally:
                if next(left) == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        return wrote

    for name in ("write", "put", "delete"):
        setattr(store, name, dying(getattr(store, name)))
