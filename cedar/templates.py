"""Templates of item names, prefixes and tracking names.

A template looks like those of ``str.format``, but is read here and only shows the fields of its
kind: ``str.format`` would follow ``{tile.__class__}`` into the program.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import starmap
from string import Formatter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .defaults import MAX_NAME_LENGTH
from .exceptions import InputError
from .periods import parse_date

if TYPE_CHECKING:
    from .grids import Tile

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_-]")
# Not all that Python takes: a width of a thousand million would be written out in memory.
_WIDTH: Final = re.compile(r"(0?[1-9][0-9]?)?d?", re.ASCII)
_LISTED: Final = 3


def safe(text: str) -> str:
    """Write `text` with letters, digits, ``-`` and ``_``, which every store and service takes.

    Accents are dropped (é → e); anything else becomes ``_``.
    """
    decomposed = unicodedata.normalize("NFKD", text)
    return _UNSAFE.sub("_", "".join(c for c in decomposed if not unicodedata.combining(c)))


def _date(value: str | dt.date) -> str:
    naive = parse_date(value).replace(tzinfo=None)
    return naive.isoformat().replace(":", "").removesuffix("T000000")


def _stamp(value: str | dt.date) -> str:
    return parse_date(value).strftime("%Y%m%dT%H%M%S")


def tile_name(value: Tile) -> str:
    """What a tile is called: ``h003v012``, column before row."""
    return f"h{value.horizontal:03d}v{value.vertical:03d}"


def _index(value: Sequence[int]) -> str:
    return "_".join(map(str, value))


def _several(write: Callable[[Any], str]) -> Callable[[Sequence[Any]], str]:
    def listed(values: Sequence[Any]) -> str:
        return str(len(values)) if len(values) > _LISTED else "-".join(map(write, values))

    return listed


class Field(NamedTuple):
    """A field of templates.

    Attributes
    ----------
    value : str
        Which value it shows.
    write : callable
        Makes the value text, or a whole number.
    number : bool
        It is a whole number, so may have a width: ``{tile.horizontal:03d}``.
    """

    value: str
    write: Callable[[Any], str | int]
    number: bool = False


@dataclass(frozen=True, eq=False)
class Kind:
    """What a template is for.

    Attributes
    ----------
    name : str
        The parameter, or key of the configuration, that gives it.
    fields : mapping of str to Field
        The fields that it may have.
    folders : bool
        A ``/`` in it parts folders.
    """

    name: str
    fields: Mapping[str, Field]
    folders: bool = False


_ITEM: Final = {
    "collection": Field("collection", str),
    "tile.horizontal": Field("tile", lambda tile: int(tile.horizontal), number=True),
    "tile.vertical": Field("tile", lambda tile: int(tile.vertical), number=True),
    "date_start": Field("date_start", _date),
    "date_end": Field("date_end", _date),
    "now": Field("now", _stamp),
}
_ORDER: Final = {
    "collections": Field("collections", _several(str)),
    "tiles": Field("tiles", _several(tile_name)),
    "tile_indices": Field("tile_indices", _several(_index)),
    "period_start": Field("period_start", _date),
    "period_end": Field("period_end", _date),
    "period_freq": Field("period_freq", lambda freq: freq or "none"),
    "now": Field("now", _stamp),
    "date_start": Field("period_start", _date),
    "date_end": Field("period_end", _date),
    "today": Field("now", _stamp),
}

_LAYOUT: Final = {
    **{name: shown for name, shown in _ITEM.items() if name != "now"},
    "year": Field("date_start", lambda date: f"{parse_date(date):%Y}"),
    "month": Field("date_start", lambda date: f"{parse_date(date):%m}"),
    "day": Field("date_start", lambda date: f"{parse_date(date):%d}"),
    "name": Field("name", str),
}

#: Names of items. Values: collection, tile, date_start, date_end, now.
NAME: Final = Kind("name_template", _ITEM)
#: Folders of items. Values: as for names.
PREFIX: Final = Kind("prefix_template", _ITEM, folders=True)
#: Names of orders. Values: collections, tiles, tile_indices, period_start, period_end,
#: period_freq, now.
TRACKING: Final = Kind("tracking_template", _ORDER)
#: The folder of orders: one for all of them, so it has no fields.
TRACKING_PREFIX: Final = Kind("tracking_prefix", {}, folders=True)
#: Where downloaded files of items go. Values: collection, tile, date_start, date_end, name.
LAYOUT: Final = Kind("layout", _LAYOUT, folders=True)


class _Piece(NamedTuple):
    """Literal text, made safe, then perhaps a field with its format."""

    literal: str
    field: str | None
    spec: str


@dataclass(frozen=True)
class Template:
    """A checked template.

    Parameters
    ----------
    text : str
        The template, such as ``{collection}_h{tile.horizontal:03d}_{date_start}``.
    kind : Kind
        What it is for.

    Raises
    ------
    InputError
        If it is empty or broken, or has anything but the fields of its kind.

    Examples
    --------
    >>> Template("{collection}_{date_start}", NAME).fields
    ('collection', 'date_start')
    >>> Template("{collection}_{secret}", NAME)
    Traceback (most recent call last):
        ...
    cedar.exceptions.InputError: ...
    """

    text: str
    kind: Kind
    _pieces: tuple[_Piece, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not {"", ".", ".."}.isdisjoint(self._parts(self.text)):
            raise self._error("has an empty, '.' or '..' part: give it a name")
        try:
            parsed = list(Formatter().parse(self.text))
        except ValueError as error:
            raise self._error(f"is broken, {error}; {self._allowed()}") from error
        object.__setattr__(self, "_pieces", tuple(starmap(self._piece, parsed)))

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields that it has, in the order of its kind."""
        used = {piece.field for piece in self._pieces}
        return tuple(name for name in self.kind.fields if name in used)

    def render(self, **values: Any) -> str:
        """Write one name or prefix.

        Parameters
        ----------
        **values
            The values of the kind; those that no field of the template shows may be left out.

        Returns
        -------
        str
            Letters, digits, ``-`` and ``_``; in a prefix also ``/`` where the template has it.

        Raises
        ------
        InputError
            If it, or a part of a prefix, is empty or longer than 90 characters.
        """
        text = "".join(
            literal + (safe(format(self._shown(name, values), spec)) if name else "")
            for literal, name, spec in self._pieces
        )
        for part in text.split("/"):
            if not part:
                raise self._error(f"gives {text!r}, where a name is empty: add text to it")
            if len(part) > MAX_NAME_LENGTH:
                raise self._error(
                    f"gives {part!r}, {len(part)} characters where {MAX_NAME_LENGTH} are allowed: "
                    "shorten it"
                )
        return text

    def render_unique(self, items: Iterable[Mapping[str, Any]]) -> list[str]:
        """Write the names of items that belong together, all different.

        Parameters
        ----------
        items : iterable of mapping
            The values of each item, as :meth:`render` takes them.

        Returns
        -------
        list of str
            Their names, in the same order.

        Raises
        ------
        InputError
            As :meth:`render` does, and if two items would have one name.
        """
        names = []
        seen: dict[str, Mapping[str, Any]] = {}
        for values in items:
            name = self.render(**values)
            key = name.lower()  # macOS takes names that differ in case alone for one
            if key in seen:
                raise self._error(f"gives {name!r} twice, {self._collision(seen[key], values)}")
            seen[key] = values
            names.append(name)
        return names

    def _parts(self, text: str) -> list[str]:
        return text.split("/") if self.kind.folders else [text]

    def _piece(
        self, literal: str, name: str | None, spec: str | None, conversion: str | None
    ) -> _Piece:
        if name is not None:
            shown = self.kind.fields.get(name)
            takes_spec = shown and shown.number and _WIDTH.fullmatch(spec or "")
            if shown is None or conversion or (spec and not takes_spec):
                asked = (
                    name + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
                )
                raise self._error(f"has {'{' + asked + '}'!r}; {self._allowed()}")
        return _Piece("/".join(map(safe, self._parts(literal))), name, spec or "")

    def _allowed(self) -> str:
        fields = self.kind.fields.items()
        names = [f"{{{name}:03d}}" if shown.number else f"{{{name}}}" for name, shown in fields]
        return f"it may have {', '.join(names)}" if names else "it may have no fields"

    def _shown(self, name: str, values: Mapping[str, Any]) -> str | int:
        shown = self.kind.fields[name]
        return shown.write(values[shown.value])

    def _collision(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
        """Say of two items with one name which they are, and what would tell them apart."""
        given = [name for name, shown in self.kind.fields.items() if shown.value in one]
        differing = [name for name in given if self._shown(name, one) != self._shown(name, other)]
        if not differing:
            return f"for the same item, ({self._described(given, one)}): ask for it once"
        missing = [f"{{{name}}}" for name in differing if name not in self.fields]
        advice = (
            f"add {' or '.join(missing)}"
            if missing
            else "part its fields with '_', give numbers a width, or order these apart"
        )
        return (
            f"for ({self._described(differing, one)}) and ({self._described(differing, other)}): "
            f"{advice}"
        )

    def _described(self, names: Iterable[str], values: Mapping[str, Any]) -> str:
        return ", ".join(f"{name} {self._shown(name, values)}" for name in names)

    def _error(self, problem: str) -> InputError:
        return InputError(f"{self.kind.name} {self.text!r} {problem}")


def layout_folder(layout: str) -> Template | None:
    """Return what a layout says of folders; None: it has none.

    Raises
    ------
    InputError
        It can't be used.
    """
    Template(layout, LAYOUT)
    folder, _, last = layout.rpartition("/")
    if last != "{name}":
        raise InputError(f"layout {layout!r} has to end in '/{{name}}': files keep their names")
    return Template(folder, LAYOUT) if folder else None
