"""`cedar emulator`."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from .base import Group, Settings
from .compare import compare
from .errors import DONE
from .output import note, write


@click.group(cls=Group, invoke_without_command=True)
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
@click.option(
    "--profile",
    metavar="FILE",
    help="How to answer what isn't documented: what `cedar emulator compare` found out.",
)
@click.option(
    "--bucket",
    "buckets",
    multiple=True,
    metavar="NAME",
    help="Make a bucket in Cloud Storage, if there is none of that name; may be repeated.",
)
@click.pass_context
def emulator(
    context: click.Context,
    port: int,
    catalog: str | None,
    faults: str | None,
    seed: int,
    strict: bool,
    cache: int,
    profile: str | None,
    buckets: tuple[str, ...],
) -> int:
    """Serve an Earth Engine, a Cloud Storage and a Drive of this machine, until Ctrl-C.

    They need no account. What is written is their addresses, and where to put them.
    """
    if context.invoked_subcommand is not None:
        _refuse_options(context)
        return DONE
    from cedar.emulator import Emulator
    from cedar.emulator.questions import LIKELIEST, Answers

    settings: Settings = context.obj
    settings.interrupted = "the emulator has stopped"
    with Emulator(
        catalog,
        faults=[] if faults is None else _read(Path(faults)),
        seed=seed,
        strict=strict,
        cache_bytes=cache * 2**20,
        answers=LIKELIEST if profile is None else Answers.load(profile),
    ) as served:
        for bucket in buckets:
            served.make_bucket(bucket)
        urls = served.listen(port)
        write(settings, dict(urls), _lines(urls, buckets))
        note(settings, "Ctrl-C stops it")
        threading.Event().wait()
    return DONE


def _lines(urls: Mapping[str, str], buckets: Sequence[str]) -> Iterator[str]:
    """What to write where."""
    url = urls["earthengine"]
    yield from (url, "in cedar.yaml:", "  earthengine:", f"    url: {url}")
    if buckets:
        yield from ("  gcs:", f"    url: {urls['gcs']}", f"    bucket: {buckets[0]}")
    yield from ("in Python:", f'  ee.Initialize(None, project="any", url="{url}")')


emulator.add_command(compare)


def _refuse_options(context: click.Context) -> None:
    """Refuse options of the server where another command is asked for.

    Raises
    ------
    click.UsageError
        There is one.
    """
    for parameter in context.command.params:
        given = context.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE
        if given and parameter.expose_value:
            raise click.UsageError(
                f"{parameter.opts[0]} doesn't go with `{context.invoked_subcommand}`"
            )


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
