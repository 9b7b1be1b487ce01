"""`cedar convert`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .base import Command, Settings, config_if_any
from .errors import DONE, FAILED, INCOMPLETE, TOLD, outcome
from .output import note, number, progress, write

if TYPE_CHECKING:
    from cedar.cubes.convert import Conversion
    from cedar.cubes.options import Converting
    from cedar.metadata import TrackingMetadata


@click.command(cls=Command)
@click.argument("name")
@click.option(
    "--dest", metavar="DIR", default=".", help="What `cedar download --dest` was told; else here."
)
@click.option(
    "--format", type=click.Choice(["netcdf", "zarr", "cog"]), help="What cubes are; else netcdf."
)
@click.option(
    "--by", type=click.Choice(["item", "tile"]),
    help="A cube an item, or one a tile that grows from order to order; else an item.",
)  # fmt: skip
@click.option(
    "--item", "items", metavar="GLOB", multiple=True, help="Items whose names match; else all."
)
@click.option("--overwrite", is_flag=True, help="Make again what is there already.")
@click.option(
    "--stac", is_flag=True, default=None, help="Write a STAC catalog of the cubes, with quicklooks."
)
@click.option(
    "--scheduler", metavar="ADDRESS", help="Let the workers of a dask.distributed cluster read."
)
@click.pass_obj
def convert(
    settings: Settings, /, name: str, dest: str, items: Sequence[str], overwrite: bool,
    scheduler: str | None, **how: Any,
) -> int:  # fmt: skip
    """Make cubes of what was downloaded of an order: NetCDF, Zarr, or a GeoTIFF a date.

    They are made of DIR/NAME; neither the store nor a configuration is needed. What is there
    already, made of the same files, is left alone. Exit code 1: a cube could not be made; 3: not
    all items are here yet.
    """
    from cedar.cubes.convert import carry_out, read_record

    name = name.removesuffix(".json")
    directory = Path(dest, name)
    tracking = read_record(directory)
    settings.interrupted = "what is there of cubes is whole; the same command makes the rest"
    with progress(settings, "converting") as report:
        done = carry_out(
            tracking, directory, _options(settings, how), items, overwrite, scheduler,
            lambda cube, part: report(part, cube),
        )  # fmt: skip
    write(settings, _shown(tracking, done), [*map(str, done.cubes)])
    return _outcome(settings, tracking, done)


def _options(settings: Settings, how: dict[str, Any]) -> Converting:
    """Put what was typed in the place of what is configured."""
    from cedar.cubes.options import Converting

    config = config_if_any(settings)
    configured = (
        Converting() if config is None else Converting.from_config(config.ard, config.directory)
    )
    given: dict[str, Any] = {key: value for key, value in how.items() if value is not None}
    return replace(configured, **given)


def _outcome(settings: Settings, tracking: TrackingMetadata, done: Conversion) -> int:
    """Tell what was made and what wasn't, and return the exit code."""
    cubes = f"{number(len(done.written), 'cube')} written"
    left = len(done.cubes) - len(done.written)
    note(settings, f"{cubes}, {left:,} {'was' if left == 1 else 'were'} there" if left else cubes)
    if done.catalog is not None:
        note(settings, f"catalog: {done.catalog}")
    if done.empty:
        note(settings, f"{number(len(done.empty), 'item')} without images: no cube")
    for what, why in [*done.absent.items()][:TOLD]:
        note(settings, f"not here: {what}: {why}")
    if len(done.absent) > TOLD:
        note(settings, f"and {len(done.absent) - TOLD:,} more")
    for error in [*done.failures.values()][:TOLD]:
        click.echo(f"Error: {error}", err=True)
    if len(done.failures) > TOLD:
        click.echo(f"and {len(done.failures) - TOLD:,} more", err=True)
    if done.failures:
        return FAILED
    if done.absent:
        return outcome(settings, tracking) or INCOMPLETE
    return DONE


def _shown(tracking: TrackingMetadata, done: Conversion) -> dict[str, Any]:
    return {
        "name": tracking.name,
        "cubes": [*map(str, done.cubes)],
        "written": sorted(map(str, done.written)),
        "empty": [*done.empty],
        "absent": dict(done.absent),
        **({} if done.catalog is None else {"catalog": str(done.catalog)}),
        "failed": {what: str(error) for what, error in done.failures.items()},
    }
