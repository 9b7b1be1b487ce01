"""The command `cedar`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from cedar._version import __version__

from .auth import auth
from .base import Group, Settings
from .cancel import cancel
from .clean import clean
from .collections import collections
from .config import config
from .convert import convert
from .demo import demo
from .download import download
from .emulator import emulator
from .errors import failed, logged, terminable
from .extend import extend
from .grids import grids
from .import_tasks import import_tasks
from .list import list_orders
from .log import log
from .prune import prune
from .resume import resume
from .retry import retry
from .run import run_file
from .show import show
from .submit import submit
from .tick import tick
from .update import update
from .verify import verify
from .watch import watch


@click.group(
    cls=Group,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "token_normalize_func": lambda name: name.replace("_", "-"),
    },
)
@click.version_option(__version__, message="cedar %(version)s")
def group() -> None:
    """Order stacks of satellite images from Earth Engine, by tile, collection and period.

    Every order is on record before anything of it is started: whatever is interrupted, the record
    tells what was ordered, what exists, and what is still to do.
    """


for command in (
    submit, extend, resume, import_tasks, list_orders, show, log, update, watch, tick, download,
    verify, convert, clean, prune, cancel, retry, run_file, collections, grids, config, auth,
    emulator, demo,
):  # fmt: skip
    group.add_command(command)


def run(words: Sequence[str], settings: Settings) -> int:
    """Run one command, given as its words after ``cedar``, and return its exit code."""
    with group.make_context("cedar", list(words) or ["--help"], obj=settings) as context:
        code: int = group.invoke(context)
    return code


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line, and return its exit code; no exception leaves it."""
    settings = Settings()
    with logged(settings):
        try:
            with terminable():
                return run(sys.argv[1:] if words is None else words, settings)
        except BaseException as error:  # noqa: BLE001 - the one place that ends them all
            return failed(error, settings)
