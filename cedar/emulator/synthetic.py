"""Synthetic scenes of the collections that cedar knows: everywhere, made when looked at.

They are what real ones are where that bites; how, each module of :mod:`.scenery` says. Every image
has the property ``cedar:synthetic``. Dates of service and bands are those of :mod:`cedar.sensors`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from .catalog import time_order
from .landscape import DAY_MS
from .scenery import Source, sources
from .scenery.base import milliseconds
from .values import Image, Query


class SyntheticCatalog:
    """The collections that cedar knows, made up.

    Parameters
    ----------
    now : callable
        The time in seconds since 1970: no image is younger.
    """

    def __init__(self, now: Callable[[], float] = time.time):
        self._now = now

    def has(self, collection: str) -> bool:
        """Whether it is one of them."""
        return collection in sources()

    def collections(self) -> Sequence[str]:
        """Their ids, sorted."""
        return sorted(sources())

    def search(self, collection: str, query: Query) -> Sequence[Image]:
        """Scenes of the collection that the query leaves, by time, then system:index.

        Raises
        ------
        ServiceError
            The query's bounding boxes and dates leave more than :data:`.scenery.MAX_IMAGES`.
        """
        source = sources()[collection]
        return sorted(source.search(query, *self._span(source, query)), key=time_order)

    def image(self, image_id: str) -> Image | None:
        """The scene ``<collection>/<system:index>``, if a satellite took it then."""
        collection, _, index = image_id.rpartition("/")
        source = sources().get(collection)
        return source.image(index, *self._span(source, Query())) if source else None

    def _span(self, source: Source, query: Query) -> tuple[int, int]:
        """Milliseconds, half-open, in which the query, the mission and the clock leave images."""
        first, last = source.collection.service_start, source.collection.service_end
        starts = [query.start, milliseconds(first) if first else 0]
        ends = [query.end, milliseconds(last) + DAY_MS if last else None, int(self._now() * 1000)]
        return (
            max(start for start in starts if start is not None),
            min(end for end in ends if end is not None),
        )
