"""The file of a run: orders by name, each with what, where, when, and the steps after."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from . import defaults
from .cubes.options import Converting
from .exceptions import InputError
from .metadata.validation import explain, load_schema
from .where import Where

if TYPE_CHECKING:
    from .listed import Images
    from .ordering import Date, Existing


@dataclass(frozen=True)
class Submit:
    """The first step: how an order is placed; see :meth:`cedar.tracker.Tracker.submit`."""

    existing: Existing = "error"
    save_empty_metadata: bool = True
    error_if_empty: bool = False


@dataclass(frozen=True)
class Watch:
    """The step that brings an order to its end: seconds between two looks."""

    interval: float = defaults.WATCH_INTERVAL


@dataclass(frozen=True)
class Download:
    """The step that brings an order home, into the directory `dest`/NAME."""

    dest: Path
    overwrite: bool = True


@dataclass(frozen=True)
class Clean:
    """The step that deletes an order from the store; with its record, or without."""

    keep_tracking: bool = True


@dataclass(frozen=True)
class RunOrder:
    """One order of a run.

    Attributes
    ----------
    name : str
        What the run calls it.
    collections : tuple of str
    where : Where
    periods : tuple
        Start, end, frequency, and which ends are closed.
    after : frozenset of str
        The orders that have to be done before it begins.
    submit : Submit
    watch, download, clean : Watch, Download, Clean, or None
        The steps after; None: that one isn't taken.
    images : sequence of str, Path or None
        The images that it takes, or the file that lists them; None: all that are found.
    convert : Converting or None
        How cubes are made of what was brought home; None: they aren't.
    """

    name: str
    collections: tuple[str, ...]
    where: Where
    periods: tuple[Date, Date, str | None, Literal["both", "left"]]
    after: frozenset[str]
    submit: Submit
    watch: Watch | None
    download: Download | None
    clean: Clean | None
    images: Images | None = None
    convert: Converting | None = None


@dataclass(frozen=True)
class RunFile:
    """A file of a run that has been checked.

    Attributes
    ----------
    name : str
        The run's name: with an order's, what its record is found by.
    orders : mapping of str to RunOrder
        In the order of the file.
    groups : mapping of str to tuple of str
        Names of groups → the orders in each.
    """

    name: str
    orders: Mapping[str, RunOrder]
    groups: Mapping[str, tuple[str, ...]]

    def select(self, names: Sequence[str]) -> list[RunOrder]:
        """Orders by their names, or their groups'; all where none is named.

        Raises
        ------
        InputError
            There is none of that name.
        """
        chosen = {order for name in names for order in _members(name, self.orders, self.groups)}
        return [order for name, order in self.orders.items() if not names or name in chosen]


def parse(document: Any, directory: Path) -> RunFile:
    """Check the document of a run.

    Parameters
    ----------
    document
        Plain values, as YAML gives them.
    directory : Path
        What paths in it are relative to.

    Raises
    ------
    InputError
        It can't be used.
    """
    if wrong := explain(document, load_schema("run")):
        raise InputError(wrong)
    listed = document["orders"]
    groups: dict[str, tuple[str, ...]] = {}
    for name, given in listed.items():
        if (group := given.get("group")) is not None:
            groups[group] = (*groups.get(group, ()), name)
    if both := sorted(groups.keys() & listed.keys()):
        raise InputError(f"{both[0]!r} is the name of an order and of a group: rename one")
    orders = {}
    for name, given in listed.items():
        try:
            orders[name] = _order(name, given, listed, groups, directory)
        except InputError as error:
            raise InputError(f"orders, {name}: {error}") from error
    try:
        TopologicalSorter({name: order.after for name, order in orders.items()}).prepare()
    except CycleError as error:
        # What graphlib found, the first of them again at the end.
        raise InputError(f"orders wait for each other: {' after '.join(error.args[1])}") from error
    return RunFile(document["name"], orders, groups)


def _members(
    name: str, orders: Mapping[str, Any], groups: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    """Return the orders that a name stands for: an order's, or a group's."""
    if name in orders:
        return (name,)
    if name not in groups:
        (nearest,) = difflib.get_close_matches(name, [*orders, *groups], n=1, cutoff=0)
        raise InputError(f"no order or group is called {name!r}; the nearest is {nearest!r}")
    return groups[name]


def _order(
    name: str,
    given: Mapping[str, Any],
    orders: Mapping[str, Any],
    groups: Mapping[str, tuple[str, ...]],
    directory: Path,
) -> RunOrder:
    steps = given.get("steps", {})
    for step, needed in (("download", "watch"), ("convert", "download"), ("clean", "download")):
        if step in steps and needed not in steps:
            raise InputError(f"steps: {step} needs {needed} before it: add `{needed}:`")

    def settings(step: str) -> dict[str, Any]:
        return dict(steps.get(step) or {})

    dest = directory / Path(settings("download").pop("dest", ".")).expanduser()
    return RunOrder(
        name=name,
        collections=tuple(given["collections"]),
        where=_where(given["tiles"], directory),
        periods=(
            given["period_start"],
            given["period_end"],
            given.get("period_freq"),
            given.get("period_closed", "both"),
        ),
        after=frozenset(
            each for named in given.get("after", ()) for each in _members(named, orders, groups)
        ),
        submit=Submit(**settings("submit")),
        watch=Watch(**settings("watch")) if "watch" in steps else None,
        download=Download(**settings("download") | {"dest": dest}) if "download" in steps else None,
        clean=Clean(**settings("clean")) if "clean" in steps else None,
        convert=Converting.from_config(settings("convert"), directory)
        if "convert" in steps
        else None,
        images=_images(given.get("images"), directory),
    )


def _images(given: str | list[str] | None, directory: Path) -> Images | None:
    return directory / Path(given).expanduser() if isinstance(given, str) else given


def _where(given: Mapping[str, Any], directory: Path) -> Where:
    if ("row" in given) != ("col" in given):
        raise InputError("tiles: row and col go together")
    crossed = product(given.get("row", ()), given.get("col", ()))
    return Where(
        tuple((row, col) for row, col in [*given.get("index", ()), *crossed]),
        tuple((west, south, east, north) for west, south, east, north in given.get("bbox", ())),
        tuple((lon, lat) for lon, lat in given.get("point", ())),
        tuple(directory / Path(roi).expanduser() for roi in given.get("roi", ())),
    )
