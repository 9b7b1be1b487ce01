"""Processes that begin with everything imported: one imports it once, and forks the others.

To import cedar and all that it uses takes a second of a core and more; most of what tests have a
process do takes less.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from multiprocessing.connection import Connection, wait

#: What processes of the tests use sooner or later. pytest: of the main module, that each child has.
_PRELOAD = [
    "cedar.cli.main",
    "cedar.emulator",
    "cedar.engines.earthengine",
    "cedar.engines.earthengine.pull",
    "cedar.record",
    "cedar.stores.gcs",
    "cedar.stores.gdrive",
    "cedar.tracker",
    "ee",
    "googleapiclient.http",
    "pytest",
    "rasterio",
]
#: The program that `cedar` is.
COMMAND = "import sys; from cedar.cli.main import main; sys.exit(main())"
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(_PRELOAD)


class Forked:
    """A process that runs a program as ``python -c`` does; the part of Popen that tests use.

    Parameters
    ----------
    program : str
    *words : str
        Its arguments.
    """

    def __init__(self, program: str, *words: str):
        theirs_in, ours_in = _context.Pipe(duplex=False)
        ours_out, theirs_out = _context.Pipe(duplex=False)
        ours_err, theirs_err = _context.Pipe(duplex=False)
        streams = theirs_in, theirs_out, theirs_err
        self._process = _context.Process(
            target=_run, args=(program, words, dict(os.environ), *streams), daemon=True
        )
        self._process.start()
        self._asking = threading.Lock()
        for stream in streams:
            stream.close()
        self.stdin = _opened(ours_in, "w")
        self.stdout, self.stderr = _opened(ours_out, "r"), _opened(ours_err, "r")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for stream in (self.stdin, self.stdout, self.stderr):
            with contextlib.suppress(BrokenPipeError):
                stream.close()
        self.wait()

    @property
    def returncode(self):
        """As Popen's: minus the signal's number, if one has ended it; None while it runs."""
        # What two threads read at once, only one would learn.
        with self._asking:
            return self._process.exitcode

    def poll(self):
        return self.returncode

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number):
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    def wait(self, timeout=60):
        wait([self._process.sentinel], timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("a forked process", timeout)
        return self.returncode

    def communicate(self, timeout=60):
        """What it writes until its end, to each of its streams."""
        with contextlib.suppress(BrokenPipeError):
            self.stdin.close()
        said = {}
        readers = [
            threading.Thread(target=lambda stream=stream: said.update({stream: stream.read()}))
            for stream in (self.stdout, self.stderr)
        ]
        for reader in readers:
            reader.start()
        try:
            self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        finally:
            for reader in readers:
                reader.join()
            self.stdout.close()
            self.stderr.close()
        return said[self.stdout], said[self.stderr]


def _opened(connection: Connection, mode):
    """A pipe's end as a file of text."""
    try:
        return open(os.dup(connection.fileno()), mode, encoding="utf-8")  # noqa: PTH123
    finally:
        connection.close()


def _run(program, words, environment, *streams):
    """Be the process: its own streams, arguments and environment, then the program."""
    for number, stream in enumerate(streams):
        os.dup2(stream.fileno(), number)
        stream.close()
    # Whoever puts another in its place leaves the stream open.
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.argv = ["-c", *words]
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    exec(compile(program, "<program>", "exec"), {"__name__": "__main__"})
