"""Trying again: delays that grow, with jitter."""

from __future__ import annotations

import random
from collections.abc import Iterator


def delays(first: float = 1.0, factor: float = 2.0, longest: float = 60.0) -> Iterator[float]:
    """Seconds to wait before each further try, without end.

    Each is drawn between half of and the whole of a bound that grows up to `longest`, so that many
    who failed together don't come back together.
    """
    bound = first
    while True:
        yield random.uniform(bound / 2, bound)  # noqa: S311  (spread, not secrecy)
        bound = min(longest, bound * factor)
