"""`cedar emulator`."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from .base import Command, Settings
from .errors import DONE
from .output import note, write


@click.command(cls=Command)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    metavar="N",
    help="Port to serve on, of this machine only; by default any that is free.",
)
@click.option(
    "--catalog",
    metavar="DIR",
    help="Directory of STAC Items to serve; synthetic scenes where it is left out.",
)
@click.option(
    "--faults", metavar="FILE", help="What is to go wrong: a list of faults, as YAML or JSON."
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    metavar="N",
    help="Of the dice of faults that have a probability.",
)
@click.option(
    "--strict/--no-strict",
    default=True,
    help="Whether to refuse what the service refuses for its size.",
)
@click.option(
    "--cache",
    type=click.IntRange(0),
    default=0,
    metavar="MB",
    help="How much of the pixels to keep for when they are asked for again; by default none.",
)
@click.pass_obj
def emulator(
    settings: Settings,
    port: int,
    catalog: str | None,
    faults: str | None,
    seed: int,
    strict: bool,
    cache: int,
) -> int:
    """Serve an Earth Engine of this machine, until Ctrl-C.

    It needs no account. What is written is its address, and where to put it.
    """
    from cedar.emulator import Emulator

    settings.interrupted = "the emulator has stopped"
    with Emulator(
        catalog,
        faults=[] if faults is None else _read(Path(faults)),
        seed=seed,
        strict=strict,
        cache_bytes=cache * 2**20,
    ) as served:
        urls = served.listen(port)
        url = urls["earthengine"]
        lines = [
            url,
            "in cedar.yaml:",
            "  earthengine:",
            f"    url: {url}",
            "in Python:",
            f'  ee.Initialize(None, project="any", url="{url}")',
        ]
        write(settings, dict(urls), lines)
        note(settings, "Ctrl-C stops it")
        threading.Event().wait()
    return DONE


def _read(path: Path) -> list[Mapping[str, Any]]:
    """The faults that a file lists."""
    import yaml

    from cedar.exceptions import InputError

    try:
        faults = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"{path}: can't be read: {error}") from error
    if not isinstance(faults, list):
        raise InputError(f"{path}: is no list of faults")
    return faults
