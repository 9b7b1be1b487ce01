"""``cedar`` and ``python -c`` as a shell finds them, but from a process that has imported cedar.

Importing takes a command longer than most of what a page does with it. So one process imports, and
each command is a fork of it, with its own arguments, directory, environment and standard streams.

As a script this is what the shell finds: it hands its command on, and ends as that ends.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

_STUB = '#!/bin/sh\nexec "{python}" -I -S "{file}" "{address}" {name} "$@"\n'
_LOAD = """
import importlib, pkgutil, sys
import cedar, ee
for info in pkgutil.walk_packages(cedar.__path__, "cedar."):
    if not info.name.endswith("__main__"):
        importlib.import_module(info.name)
sys.path.insert(0, {tests!r})
import warm
warm.serve({address!r})
"""


@contextlib.contextmanager
def commands(directory):
    """A folder for PATH with `cedar` and `python`; they work until the end."""
    address = str(directory / "socket")
    for name in ("cedar", "python"):
        stub = directory / name
        stub.write_text(
            _STUB.format(python=sys.executable, file=__file__, address=address, name=name), "utf-8"
        )
        stub.chmod(0o755)
    program = _LOAD.format(tests=str(Path(__file__).parent), address=address)
    server = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    try:
        assert server.stdout.readline() == b"ready\n"
        yield directory
    finally:
        server.terminate()
        server.wait()
        server.stdout.close()


def serve(address):
    """Run what is asked for, each command in processes of its own."""
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            connection, _ = listener.accept()
            with connection:
                if os.fork() == 0:
                    listener.close()
                    _answer(connection)
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG) != (0, 0):
                    pass


def _answer(connection):
    """Run one command in a child, and say how it ended."""
    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile("rb") as asked:
        name, words, directory, environment = json.load(asked)
    child = os.fork()
    if child == 0:
        connection.close()
        for stream, place in zip(streams, range(3), strict=True):
            os.dup2(stream, place)
            os.close(stream)
        os.chdir(directory)
        os.environ.clear()
        os.environ.update(environment)
        time.tzset()
        sys.exit(_run(name, words))
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    connection.sendall(b"%d" % (code if code >= 0 else 128 - code))
    os._exit(0)


def _run(name, words):
    if name == "cedar":
        from cedar.cli.main import main

        return main(words)
    (_, text) = words
    sys.argv = ["-c"]
    exec(compile(text, "<block>", "exec"), {"__name__": "__main__"})
    return 0


def _hand_on(address, name, *words):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        socket.send_fds(connection, [b"-"], [0, 1, 2])
        asked = [name, words, str(Path.cwd()), dict(os.environ)]
        connection.sendall(json.dumps(asked).encode())
        connection.shutdown(socket.SHUT_WR)
        return int(connection.recv(16) or b"1")


if __name__ == "__main__":
    sys.exit(_hand_on(*sys.argv[1:]))
