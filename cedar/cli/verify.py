"""`cedar verify`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .base import Command, Settings
from .errors import DONE, FAILED, INCOMPLETE
from .output import counts, note, number, progress, write

if TYPE_CHECKING:
    from cedar.verifying import Verification


@click.command(cls=Command)
@click.argument("name")
@click.argument("directory", metavar="[DIR]", default=".")
@click.pass_obj
def verify(settings: Settings, name: str, directory: str) -> int:
    """Hold what was downloaded of an order, in DIR/NAME, against its record there.

    DIR is what `cedar download --dest` was told; by default here. Every byte is read; neither the
    store nor a configuration is needed. Exit code 1: a file is missing or changed; 3: all are
    right, but the order was not complete yet.
    """
    from cedar.verifying import verify as hold

    settings.interrupted = "nothing was changed"
    name = name.removesuffix(".json")
    with progress(settings, "reading") as report:
        found = hold(Path(directory, name), name, report)
    write(settings, _shown(found), _lines(found))
    if found.replaced:
        files = number(len(found.replaced), "file")
        note(settings, f"{files} not kept, but what was made of them: that can't be verified")
    if not found.is_right:
        download = settings.command("download", name, "--dest", directory)
        note(settings, f"next: {download}, which fetches only those")
        return FAILED
    if not found.complete:
        note(settings, f"the order was not complete when it was downloaded: {counts(found.states)}")
        return INCOMPLETE
    return DONE


def _lines(found: Verification) -> Iterator[str]:
    from cedar.preview import size

    yield from (f"missing: {path}" for path in found.missing)
    yield from (f"changed: {path} {why}" for path, why in found.changed.items())
    yield from (f"extra: {path}" for path in found.extra)
    yield from (f"unfinished: {path}" for path in found.unfinished)
    said = [f"{number(len(found.right), 'file')} right, {size(found.n_bytes)} of images"]
    others = {
        "missing": found.missing, "changed": found.changed, "not kept": found.replaced,
        "extra": found.extra, "unfinished": found.unfinished,
    }  # fmt: skip
    said += [f"{len(paths):,} {word}" for word, paths in others.items() if paths]
    yield f"{found.name}: {'; '.join(said)}"


def _shown(found: Verification) -> dict[str, Any]:
    return {
        "name": found.name,
        "directory": str(found.directory),
        "complete": found.complete,
        "states": dict(found.states),
        "right": len(found.right),
        "bytes": found.n_bytes,
        "missing": [*map(str, found.missing)],
        "changed": [{"file": str(path), "error": why} for path, why in found.changed.items()],
        "replaced": [*map(str, found.replaced)],
        "extra": [*map(str, found.extra)],
        "unfinished": [*map(str, found.unfinished)],
    }
