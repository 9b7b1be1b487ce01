"""Bits and classes as CF says them: masks, values, and a word for each (CF 1.11, section 3.5)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

#: Numbers and what they mean: ``0 none, 1 low``.
_NUMBERED: Final = re.compile(r"(?:^|[:,;]\s*)(\d+) (.+?)(?=, \d+ |; \d+ |$)")
#: What a word of ``flag_meanings`` may hold.
_OTHERS: Final = re.compile(r"[^A-Za-z0-9_.+@-]+")


@dataclass(frozen=True)
class _Flag:
    mask: int
    value: int
    meaning: str


def flag_attributes(flags: Mapping[str, str], has_classes: bool, dtype: str) -> dict[str, Any]:
    """Say what the bits or classes of a band mean, as attributes.

    Parameters
    ----------
    flags
        Bit (or ``first-last``), or class, → what it means. Of several bits, numbers may be told
        apart: ``cloud: 0 none, 1 low``.
    has_classes
        Whether they are of values rather than of bits.
    dtype
        numpy name of the band's type, which is the attributes' too.
    """
    kind = np.dtype(dtype).type
    if has_classes:
        return {
            "flag_values": np.array([int(key) for key in flags], kind),
            "flag_meanings": " ".join(_word(meaning) for meaning in flags.values()),
        }
    found = [flag for bits, meaning in flags.items() for flag in _flags(bits, meaning)]
    # What a type can't hold, its band doesn't say: numbers of more bits than there are.
    found = [flag for flag in found if flag.mask <= np.iinfo(dtype).max]
    # A value may be in the list once only, and 0 is one of any bits: the comment has them all.
    if sum(flag.value == 0 for flag in found) > 1:
        found = [flag for flag in found if flag.value != 0]
    if not found:
        return {}
    said = {"flag_masks": np.array([flag.mask for flag in found], kind)}
    if any(flag.mask != flag.value for flag in found):
        said["flag_values"] = np.array([flag.value for flag in found], kind)
    comment = "; ".join(f"{bits}: {meaning}" for bits, meaning in flags.items())
    meanings = " ".join(flag.meaning for flag in found)
    return {**said, "flag_meanings": meanings, "comment": f"bits {comment}"}


def _flags(bits: str, meaning: str) -> Iterator[_Flag]:
    first, _, last = bits.partition("-")
    low, high = int(first), int(last or first)
    mask = (1 << high + 1) - (1 << low)
    what, colon, _ = meaning.partition(":")
    numbered = [(int(number), said) for number, said in _NUMBERED.findall(meaning)]
    subject = f"{what} " if colon and not what[0].isdigit() else ""
    if numbered:
        yield from (_Flag(mask, n << low, _word(subject + said)) for n, said in numbered)
    elif low == high:
        yield _Flag(mask, mask, _word(meaning))
    else:
        values = range(1, 1 << high - low + 1)
        yield from (_Flag(mask, n << low, _word(f"{meaning} {n}")) for n in values)


def _word(text: str) -> str:
    return _OTHERS.sub("_", text).strip("_")
