"""What bands of bits and classes say of a pixel, by the words of their collection.

A bit has a name, ``cloud``; of a field of several bits each value has one, ``cloud
confidence=high`` or ``cloud confidence=3``; and so has a class, ``cloud shadow``.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from cedar.exceptions import InputError

#: Of QA bands, by their native names: bit, ``first-last`` or class → meaning.
Bits = Mapping[str, Mapping[str, str]]

#: A number and what it stands for, among others: ``0 none, 1 low``.
_VALUE: Final = re.compile(r"(?:^|, )(\d+) (.*?)(?=, \d+ |$)")


class Test(NamedTuple):
    """What is asked of the number in a QA band.

    Attributes
    ----------
    native : str
        The band.
    bits : str or None
        Which of its bits, ``first-last`` or one; None: the number as it is, a class.
    values : tuple of int
        It holds where they have one of these.
    """

    native: str
    bits: str | None
    values: tuple[int, ...]


def tests(meanings: Iterable[str], qa_bits: Bits, classes: Container[str]) -> tuple[Test, ...]:
    """Return what tells of a pixel that it has one of some meanings.

    Parameters
    ----------
    meanings
        As the collection's words, or a field and one of its values: ``cloud confidence=high``.
    qa_bits
        What the collection's QA bands say.
    classes
        Native names of those whose numbers are classes, not bits.

    Raises
    ------
    InputError
        No band says that.
    """
    known = named(qa_bits, classes)
    found: dict[tuple[str, str | None], set[int]] = {}
    for meaning in meanings:
        if not known:
            raise InputError(f"{meaning!r}: cedar knows no bits or classes of it: set `qa_bits`")
        if meaning not in known:
            (nearest,) = difflib.get_close_matches(meaning, known, n=1, cutoff=0)
            raise InputError(f"no pixel is said to be {meaning!r}; the nearest is {nearest!r}")
        for native, bits, value in known[meaning]:
            found.setdefault((native, bits), set()).add(value)
    return tuple(Test(*place, tuple(sorted(values))) for place, values in found.items())


def named(qa_bits: Bits, classes: Container[str]) -> dict[str, list[tuple[str, str | None, int]]]:
    """Return all that can be said of a pixel: meaning → band, bits, value of each that says it."""
    known: dict[str, list[tuple[str, str | None, int]]] = {}
    for native, meanings in qa_bits.items():
        for bits, text in meanings.items():
            if native in classes:
                known.setdefault(text, []).append((native, None, int(bits)))
                continue
            for name, value in _names(bits, text):
                known.setdefault(name, []).append((native, bits, value))
    return known


def span(bits: str) -> tuple[int, int]:
    """Return the first and the last of some bits: ``8-9`` or ``3``."""
    first, _, last = bits.partition("-")
    return int(first), int(last or first)


def _names(bits: str, text: str) -> Iterator[tuple[str, int]]:
    """Names of what bits may say, each with their value then."""
    first, last = span(bits)
    head, colon, tail = text.partition(": ")
    values = _VALUE.findall(tail if colon else text)
    if values:
        for number, word in values:
            yield (f"{head}={word}" if colon else word), int(number)
            if colon:
                yield f"{head}={number}", int(number)
    elif first == last:
        yield text, 1
        if colon:
            yield head, 1
    else:
        for number in range(2 ** (last - first + 1)):
            yield f"{text}={number}", number
