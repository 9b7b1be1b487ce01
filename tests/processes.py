"""Processes of cedar's that tests start, and end whenever they like; what one may not do."""

from __future__ import annotations

import contextlib
import resource
from pathlib import Path

from forked import Forked
from orders import COLLECTION, MAY

TILES = [(row, col) for row in range(3) for col in range(3)]
PROGRAM = """
import sys
sys.path.insert(0, {tests!r})
from orders import COLLECTION, MAY, real_tracker
from cedar import defaults
from cedar.engines.earthengine import EarthEngine, blocks, pull

# Small blocks, few at a time: many moments to be killed at.
blocks.BLOCK_BYTES, pull.AT_ONCE, defaults.PULL_WORKERS = {block_bytes}, {at_once}, 2
tracker = real_tracker({store!r}{engine})
print("ready", flush=True)
sys.stdin.readline()
{action}
"""
SUBMIT = f"tracker.submit({COLLECTION!r}, {TILES}, *{MAY}, '7D')"
WATCH = "tracker.watch(tracker.list()[0], interval=0.05)"


def start(store, action, url=None, block_bytes=9 * 256**2, at_once=4):
    """A process that has imported everything and waits for a line before it acts.

    Its emulator is its own, or what listens at `url`.
    """
    engine = f", engine=EarthEngine(url={url!r})" if url else ""
    program = PROGRAM.format(
        tests=str(Path(__file__).parent),
        store=str(store),
        engine=engine,
        action=action,
        block_bytes=block_bytes,
        at_once=at_once,
    )
    process = Forked(program)
    assert process.stdout.readline() == "ready\n"
    return process


def go(process):
    process.stdin.write("\n")
    process.stdin.flush()


@contextlib.contextmanager
def limited_files(size):
    """Let no file of this process grow past so many bytes, which is an error as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
