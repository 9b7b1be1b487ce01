"""`cedar grids`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from .base import Command, Settings, config_if_any
from .errors import DONE
from .output import note, number, table, write
from .where import tile_options, which_tiles

if TYPE_CHECKING:
    from cedar.grids import Tile, TileGrid
    from cedar.where import Where

_NAMELESS: Final = "(no name)"


@click.command(cls=Command)
@click.argument("name", metavar="[NAME]", required=False)
@tile_options
@click.option("--like", metavar="FILE", help="The grid of a raster's pixels, in place of NAME.")
@click.option(
    "--size", metavar="COLS ROWS", nargs=2, type=int,
    help="With --like: pixels of a tile; without it the raster is the one tile.",
)  # fmt: skip
@click.option(
    "--yaml", "as_yaml", is_flag=True,
    help="Write the grid for a configuration; with --like that is done in any case.",
)  # fmt: skip
@click.option(
    "--output", metavar="FILE",
    help="Write the tiles, by default all, to FILE.geojson, in longitude and latitude, or to "
    "FILE.gpkg, in the grid's own system.",
)  # fmt: skip
@click.option("--overwrite", is_flag=True, help="Replace FILE.")
@click.pass_obj
def grids(settings: Settings, /, name: str | None, **options: Any) -> int:
    """List tile grids, show one, or find its tiles.

    NAME is that of a grid that comes with cedar, or of the configuration's; where tiles are asked
    for without it, they are those of the configuration's. All ways to say which tiles can be used
    at once, as with `cedar submit`.
    """
    where = which_tiles(options)
    _check(name, where, options)
    if options["like"] is not None:
        from cedar.grids import grid_like

        grid = grid_like(options["like"], options["size"])
    elif name is None and where is None and not (options["as_yaml"] or options["output"]):
        return _list(settings)
    else:
        grid = _named(settings, name)
    if options["output"] is not None:
        return _export(settings, grid, where, options["output"], options["overwrite"])
    if where is not None:
        tiles = _tiles(grid, where)
        write(settings, *_described(tiles))
    elif options["as_yaml"] or options["like"] is not None:
        _write_yaml(settings, grid)
    else:
        _show(settings, grid)
    return DONE


def _check(name: str | None, where: Where | None, options: Mapping[str, Any]) -> None:
    """Refuse options that don't go together."""
    like, as_yaml, output = options["like"], options["as_yaml"], options["output"]
    if name is not None and like is not None:
        raise click.UsageError("NAME and --like exclude each other")
    if options["size"] is not None and like is None:
        raise click.UsageError("--size goes with --like")
    if as_yaml and (where is not None or output is not None):
        raise click.UsageError("--yaml is of a grid, not of its tiles")
    if options["overwrite"] and output is None:
        raise click.UsageError("--overwrite goes with --output")


def _configured(settings: Settings) -> TileGrid | None:
    config = config_if_any(settings)
    return None if config is None else config.tile_grid


def _named(settings: Settings, name: str | None) -> TileGrid:
    """Return the grid of a name; without one, that of the configuration."""
    from cedar.exceptions import InputError
    from cedar.grids import named_grid

    configured = _configured(settings)
    if configured is not None and name in (None, configured.name):
        return configured
    if name is None:
        raise click.UsageError("say which grid: NAME or --like, as there is no configuration")
    try:
        return named_grid(name)
    except InputError as error:
        ours = configured.name if configured is not None else None
        more = f"; the configuration's is {ours!r}" if ours is not None else ""
        raise InputError(f"{error}{more}") from error


def _list(settings: Settings) -> int:
    from cedar.grids import named_grids

    configured = _configured(settings)
    listed = [*named_grids().values()]
    if configured is not None:
        # What `submit` orders on comes first; under its name no other can be shown.
        listed = [configured, *(grid for grid in listed if grid.name != configured.name)]
    data = [_summary(grid) | {"configured": grid is configured} for grid in listed]
    write(settings, data, table(("grid", "crs", "pixel", "tile", "rows × columns", ""), (
        (
            each["name"] or _NAMELESS,
            each["crs"],
            each["pixel"],
            _pair(each["size"]),
            "no limits" if each["rows"] is None else _pair((each["rows"], each["columns"])),
            "configured" if each["configured"] else "",
        )
        for each in data
    )))  # fmt: skip
    return DONE


def _summary(grid: TileGrid) -> dict[str, Any]:
    from cedar.gridexport import crs_title, pixel

    limited = grid.limits is not None
    return {
        "name": grid.name,
        "crs": crs_title(grid),
        "pixel": pixel(grid),
        "size": list(grid.size),
        "rows": grid.nrow if limited else None,
        "columns": grid.ncol if limited else None,
    }


def _pair(values: Sequence[int]) -> str:
    return " × ".join(map(str, values))


def _show(settings: Settings, grid: TileGrid) -> None:
    from cedar.gridexport import crs_title, lonlat_bounds, pixel
    from cedar.grids import grid_source, named_grids

    bounds = lonlat_bounds(grid)
    data = grid.to_dict() | {"tiles": None, "lonlat_bounds": bounds, "source": None}
    facts = {
        "crs": crs_title(grid),
        "upper left": ", ".join(f"{value:.12g}" for value in grid.ul),
        "pixel": pixel(grid),
        "tile": f"{_pair(grid.size)} pixels",
        "tiles": "no limits",
    }
    if grid.limits is not None:
        (top, bottom), (left, right) = grid.limits
        data["tiles"] = len(grid)
        facts["tiles"] = f"{len(grid):,}: rows {top} to {bottom}, columns {left} to {right}"
    if bounds is not None:
        west, south, east, north = bounds
        facts["extent"] = f"longitude {west:.4f} to {east:.4f}, latitude {south:.4f} to {north:.4f}"
    if grid.name is not None and grid == named_grids().get(grid.name):
        facts["source"] = data["source"] = grid_source(grid.name)
    title = grid.name or _NAMELESS
    write(settings, data, [title, *(f"{key}: {fact}" for key, fact in facts.items())])


def _write_yaml(settings: Settings, grid: TileGrid) -> None:
    from cedar.gridexport import config_section, config_yaml

    text = config_yaml(grid).rstrip("\n")
    # Bytes, since a configuration is UTF-8 whatever the terminal speaks.
    write(settings, {"tile_grid": config_section(grid)}, [text.encode()])


def _tiles(grid: TileGrid, where: Where) -> list[Tile]:
    return [grid[index] for index in sorted({*where.tiles(grid)})]


def _described(tiles: Sequence[Tile]) -> tuple[list[dict[str, Any]], Iterator[str]]:
    """Put tiles as JSON has them, and as a table."""
    from cedar.templates import tile_name

    data = [
        {
            "row": tile.vertical,
            "col": tile.horizontal,
            "name": tile_name(tile),
            "km2": tile.km2,
            "bounds": list(tile.bounds),
        }
        for tile in tiles
    ]
    rows = ((each["row"], each["col"], each["name"], f"{each['km2']:,.1f}") for each in data)
    return data, iter(table(("row", "col", "tile", "km²"), rows))


def _export(
    settings: Settings, grid: TileGrid, where: Where | None, output: str, overwrite: bool
) -> int:
    from cedar.gridexport import checked_path, write_tiles

    checked_path(output, overwrite)
    tiles = [*grid.values()] if where is None else _tiles(grid, where)
    write_tiles(output, tiles, overwrite)
    note(settings, f"{number(len(tiles), 'tile')} of {grid.name or 'the grid'}")
    write(settings, {"path": output, "tiles": len(tiles)}, [output])
    return DONE
