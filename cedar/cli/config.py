"""`cedar config`: template, check, show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from .base import Group, Settings, load_config
from .errors import DONE
from .output import write

if TYPE_CHECKING:
    from cedar.config import Config, Section
    from cedar.grids import TileGrid


@click.group(cls=Group)
def config() -> None:
    """Start, check or show the configuration."""


@config.command()
@click.pass_obj
def template(settings: Settings) -> int:
    """Write a configuration to start from. It explains every setting."""
    import yaml

    from cedar.config import example

    text = example("template")
    # Bytes, since a configuration is UTF-8 whatever the terminal speaks.
    write(settings, yaml.safe_load(text), [text.rstrip("\n").encode()])
    return DONE


@config.command()
@click.pass_obj
def check(settings: Settings) -> int:
    """Check the configuration, and say what it has.

    Nothing is written, and no service is asked.
    """
    checked = load_config(settings)
    engine = checked.open_engine()
    engine.check()
    engine.check_options(checked.export_image_kwds, checked.open_store().kind)
    for filters in checked.filters.values():
        for given in filters:
            engine.record_filter(given)
    shown = checked.show()
    found = {
        "path": str(checked.path),
        "tile_grid": shown["tile_grid"],
        "store": {"kind": checked.store.kind, **checked.store.settings},
        "engine": {"kind": checked.engine.kind, **checked.engine.settings},
        "collections": list(checked.collections),
    }
    write(settings, found, _lines(checked))
    return DONE


@config.command("show")
@click.pass_obj
def show_config(settings: Settings) -> int:
    """Write the configuration in effect, defaults and all."""
    import yaml

    shown = load_config(settings).show()
    text = yaml.safe_dump(shown, sort_keys=False, allow_unicode=True)
    write(settings, shown, [text.rstrip("\n").encode()])
    return DONE


def _lines(checked: Config) -> Iterator[str]:
    yield f"configuration: {checked.path}"
    yield f"tile grid: {_grid(checked.tile_grid)}"
    yield f"store: {_section(checked.store)}"
    yield f"engine: {_section(checked.engine)}"
    if checked.collections:
        yield f"collections: {', '.join(checked.collections)}"


def _grid(grid: TileGrid) -> str:
    from cedar.gridexport import crs_title, pixel

    said = [grid.name] if grid.name else []
    said += [
        crs_title(grid),
        f"tiles of {grid.size[0]} × {grid.size[1]} pixels of {pixel(grid)}",
    ]
    if grid.limits:
        (top, bottom), (left, right) = grid.limits
        said.append(f"rows {top} to {bottom}, columns {left} to {right}")
    return ", ".join(said)


def _section(section: Section) -> str:
    settings = ", ".join(f"{key}: {value}" for key, value in section.settings.items())
    return f"{section.kind} ({settings})" if settings else section.kind
