"""A directory with a configuration, and the command line as a user has it."""

from __future__ import annotations

import json
import os
import pty
import select
from typing import NamedTuple

import pytest
import yaml
from forked import Forked
from orders import COLLECTION, COLLECTIONS, LANDSAT, utm_grid

from cedar.cli.main import main

MAY = ("--period-start", "2020-05-01", "--period-end", "2020-06-01")


class Done(NamedTuple):
    """What a command left: its exit code, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def configure(here):
    """Write cedar.yaml: the real scenes on a grid in UTM, a local store; sections can differ."""

    def configure(**sections):
        document = {
            "tile_grid": utm_grid().to_dict() | {"crs": "EPSG:32621"},
            "tracker": {"store": "local"},
            "local": {"directory": "store"},
            "earthengine": {"url": "emulator", "catalog": str(LANDSAT)},
            "collections": COLLECTIONS,
        }
        for name, section in sections.items():
            document[name] = {**document.get(name, {}), **section}
        (here / "cedar.yaml").write_text(yaml.safe_dump(document), "utf-8")
        return document

    return configure


@pytest.fixture
def cedar(here, capfd):
    """Run a command in this process; what it left. capfd: what libraries write is seen too."""

    def run(*words):
        capfd.readouterr()
        code = main([str(word) for word in words])
        return Done(code, *capfd.readouterr())

    return run


@pytest.fixture
def order(configure, cedar):
    """Submit, and return the order's name: by default one item of two real scenes."""
    configure()

    def submit(*words, tiles=("--index", 0, 0)):
        done = cedar("submit", COLLECTION, *tiles, *MAY, *words)
        assert done.code == 0, done.err
        return done.out.strip()

    return submit


#: Makes the terminal that its first argument names the process's own, so that Ctrl-C reaches it.
PROGRAM = """
import fcntl, os, sys, termios
os.setsid()
terminal = os.open(sys.argv.pop(1), os.O_RDWR)
fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
for stream in range(3):
    os.dup2(terminal, stream)
os.close(terminal)
sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")
from cedar.cli.main import main
sys.exit(main())
"""


@pytest.fixture
def on_a_terminal(here):
    """Run a command on a terminal, and answer it once; its exit code and what was to be seen."""

    def run(words, answer):
        master, terminal = pty.openpty()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("COLUMNS", "200")
            patch.setenv("TERM", "xterm")
            process = Forked(PROGRAM, os.ttyname(terminal), *map(str, words))
        # It has opened the terminal, or has ended, when it has closed the pipe.
        assert process.stdout.read() == ""
        os.close(terminal)
        seen = b""
        while select.select([master], [], [], 60)[0]:
            try:
                read = os.read(master, 65536)
            except OSError:  # How Linux says that nobody has the terminal open any more.
                break
            if not read:  # How others do.
                break
            seen += read
            if answer and b"[y/N]" in seen:
                os.write(master, answer)
                answer = None
        # A terminal that goes away ends whom it belongs to, be it at his last breath.
        process.communicate()
        os.close(master)
        return process.returncode, seen.decode()

    return run
