"""Conversions that are killed: each in a process that is forked by one that has imported all."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path

from forked import Forked

#: The one that forks: it reads what to do, a line of JSON each.
PROGRAM = """
import sys
sys.path.insert(0, {tests!r})
from killing_converts import serve
serve()
"""
#: What Python tells of changes to files: each may be the last thing that a process does.
_CHANGES = frozenset(
    {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "shutil.copyfile", "open"}
)


class Nursery:
    """Forks processes that convert."""

    def __enter__(self):
        self._process = Forked(PROGRAM.format(tests=str(Path(__file__).parent)))
        assert self._process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *error):
        self._process.kill()
        self._process.communicate()

    def convert(self, directory, changes, **how):
        """Convert an order in a process that is killed after so many changes; whether it was."""
        said = json.dumps([str(directory), changes, how])
        self._process.stdin.write(f"{said}\n")
        self._process.stdin.flush()
        status = int(self._process.stdout.readline())
        assert status in (0, signal.SIGKILL), status
        return status == signal.SIGKILL


def serve():
    """Fork a process for each line, and say how it has ended."""
    import cedar.cubes.making  # noqa: F401 - so that none has to

    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        if (child := os.fork()) == 0:
            live(*json.loads(line))
        sys.stdout.write(f"{os.waitpid(child, 0)[1]}\n")
        sys.stdout.flush()


def live(directory, changes, how):
    """Convert, until there were so many changes to files, or blocks read."""
    from cedar.cubes import convert, filling

    lock, left = threading.Lock(), [changes]

    def count():
        with lock:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def told(event, arguments):
        if event in _CHANGES and (event != "open" or "w" in str(arguments[1])):
            count()

    read = filling.read

    def reading(layers, cell):
        count()
        return read(layers, cell)

    filling.read = reading
    code = 1
    try:
        sys.addaudithook(told)
        convert.convert(convert.read_record(Path(directory)), directory, **how)
        code = 0
    finally:
        os._exit(code)
