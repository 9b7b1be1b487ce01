"""`cedar download`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from cedar import defaults
from cedar.exceptions import InputError
from cedar.pacing import parse_rate
from cedar.states import TaskState

from .base import Command, Settings, open_tracker
from .errors import FAILED, TOLD, outcome
from .output import note, number, write

if TYPE_CHECKING:
    from cedar.downloading import Download
    from cedar.metadata import TrackingMetadata


#: Options that section `download` of the configuration has, too.
_CONFIGURED: Final = ("workers", "chunk", "timeout", "rate", "layout")


def _rate(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Refuse what is no rate, as a wrong option."""
    try:
        if value is not None:
            parse_rate(value)
    except InputError as error:
        raise click.BadParameter(str(error), context, parameter) from error
    return value


@click.command(cls=Command)
@click.argument("name")
@click.option(
    "--dest", metavar="DIR", default=".", help="Where the order's directory is put; else here."
)
@click.option("--watch", is_flag=True, help="Go on as `cedar watch`; get items as they complete.")
@click.option(
    "--interval", metavar="SECONDS", type=click.FloatRange(min=0, min_open=True),
    help=f"With --watch: between two looks; else {defaults.WATCH_INTERVAL:g}.",
)  # fmt: skip
@click.option("--clean", is_flag=True, help="Then delete from the store what is here and verified.")
@click.option(
    "--item", "items", metavar="GLOB", multiple=True, help="Items whose names match; else all."
)
@click.option(
    "--state", "states", type=click.Choice(sorted(TaskState)), metavar="STATE", multiple=True,
    help="Items in this state; else in any.",
)  # fmt: skip
@click.option(
    "--layout", metavar="TEMPLATE",
    help="Where files go in the order's directory: {collection}/{year}/{name}.",
)  # fmt: skip
@click.option("--no-overwrite", is_flag=True, help="Fail where a file is there and differs.")
@click.option(
    "--workers", metavar="N", type=click.IntRange(1, 64),
    help="Requests at once; else as many as suit the store.",
)  # fmt: skip
@click.option(
    "--chunk", metavar="MIB", type=click.IntRange(min=1), help="A piece of a large file; else 32."
)
@click.option(
    "--timeout", metavar="SECONDS", type=click.FloatRange(min=0, min_open=True),
    help="Without a byte, until a connection is replaced; else 60.",
)  # fmt: skip
@click.option(
    "--rate", metavar="RATE", callback=_rate, help="Bytes a second, at the most: 500k, 10M."
)
@click.option("--mosaic", is_flag=True, help="Make one file of an item's shards: NAME_mosaic.tif.")
@click.option(
    "--clip", "region", metavar="FILE", help="Cut to the outline in a GeoJSON file: _clipped.tif."
)
@click.option(
    "--buffer", metavar="METRES", type=click.FloatRange(min=0), default=0.0,
    help="With --clip: so much around the outline, too.",
)  # fmt: skip
@click.option(
    "--scheduler", metavar="ADDRESS", help="Let the workers of a dask.distributed cluster fetch."
)
@click.pass_context
def download(
    context: click.Context, /, name: str, dest: str, watch: bool, interval: float | None,
    clean: bool, **how: Any,
) -> int:  # fmt: skip
    """Download what is finished of an order, and verify it.

    The files go into DIR/NAME, and last the record. Interrupted, it goes on where it was; a file
    that is there already and the same is not fetched again. Exit code 1: a file could not be had,
    or an item wasn't made; 3: the order is not complete yet.
    """
    from . import bringing
    from .files import failures_told, showing

    settings: Settings = context.obj
    if interval is not None and not watch:
        raise click.UsageError("--interval goes with --watch")
    if how["buffer"] and how["region"] is None:
        raise click.UsageError("--buffer goes with --clip")
    tracker = open_tracker(settings)
    tracking = tracker.read(name)
    options = _options(tracker.download_options, tracking, how)
    directory = Path(dest, tracking.name)
    again = settings.command("download", tracking.name, *_typed(context))
    settings.interrupted = f"`{again}` goes on"
    with showing(settings) as shown:
        home = bringing.Bringing(tracker, directory, options, shown)
        if watch:
            tracking = home.watch(name, interval or defaults.WATCH_INTERVAL)
        else:
            home.bring(tracking)
    found = {
        "name": tracking.name,
        "directory": str(directory),
        "complete": tracking.complete,
        "states": tracking.states,
        "files": {task: [str(path) for path in paths] for task, paths in home.files.items()},
        "failed": [{"file": str(path), "error": str(e)} for path, e in home.failures.items()],
    }
    if clean:
        deleted = found["deleted"] = bringing.clean(tracker, tracking.name, home)
        files = number(sum(map(len, deleted.values())), "file")
        note(settings, f"{files} deleted from the store")
    write(settings, found, [str(directory)])
    code = outcome(settings, tracking)
    if not home.failures:
        return code
    for line in failures_told(home.failures, TOLD):
        click.echo(line, err=True)
    note(settings, f"next: {again}, which fetches only those")
    return FAILED


def _options(configured: Download, tracking: TrackingMetadata, how: dict[str, Any]) -> Download:
    """Put what was typed in the place of what is configured.

    Raises
    ------
    InputError
        No item is called so, or the layout can't be used.
    """
    section = {key: how[key] for key in _CONFIGURED if how[key] is not None}
    options = configured.configured(section).replacing(not how["no_overwrite"])
    items = how["items"]
    named = replace(options, items=items)
    if items and not any(named.chooses(tracking, entry) for entry in tracking.orders):
        raise InputError(f"no item of order {tracking.name} is called {' or '.join(items)}")
    from cedar.clipping import Region

    region = None if how["region"] is None else Region.read(how["region"], how["buffer"])
    chosen = replace(named, states=how["states"], scheduler=how["scheduler"])
    return chosen.making(how["mosaic"], region)


def _typed(context: click.Context) -> Sequence[str]:
    """Return the options of the command that were given, as they would be typed again."""
    words: list[str] = []
    for option in context.command.params:
        name = str(option.name)
        if context.get_parameter_source(name) != ParameterSource.COMMANDLINE:
            continue
        if not isinstance(option, click.Option) or not option.expose_value:
            continue
        value = context.params[name]
        if option.is_flag:
            words.append(option.opts[-1])
        else:
            for each in value if option.multiple else (value,):
                words += [option.opts[0], f"{each:g}" if isinstance(each, float) else str(each)]
    return words
