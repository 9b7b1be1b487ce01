"""What has to be so before an order is placed: it is within the limits, and it is wanted."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from .earlier import nothing_new
from .exceptions import EngineError, InputError, StoreError
from .preview import Limits, Preview

if TYPE_CHECKING:
    from .engines.base import Engine
    from .ordering import Order
    from .stores.base import Store

_log = logging.getLogger(__name__)

#: Decides whether an order is placed.
Consent = Callable[[Preview], bool]


def look(order: Order, store: Store, engine: Engine, limits: Limits) -> Preview:
    """Preview an order: ask what room there is for it. Nothing is searched, or written.

    What can't be asked isn't known: an order doesn't fail for it.
    """
    exported = order.n_shards is not None
    return Preview(
        order,
        limits,
        room=_told(engine.room) if exported else None,
        concurrency=_told(engine.concurrency) if exported else None,
        free=_told(store.free),
    )


def agreed(
    order: Order | Preview, store: Store, engine: Engine, limits: Limits, consent: Consent | None
) -> Order:
    """Return an order that may be placed.

    Raises
    ------
    NameTakenError
        Earlier orders have all of its items.
    InputError
        It isn't wanted, has no items, or more than the limits allow.
    """
    placed = order.order if isinstance(order, Preview) else order
    if not placed.items and placed.earlier:
        raise nothing_new(placed.earlier)
    if not placed.items:
        raise InputError("there is nothing to order: every item exists already")
    # By the limits of who places it, whoever made the preview.
    Preview(placed, limits).check()
    if consent is not None:
        preview = order if isinstance(order, Preview) else look(order, store, engine, limits)
        if not consent(preview):
            raise InputError("the order is not wanted, says `consent`: nothing was written")
    return placed


def _told(ask: Callable[[], int | None]) -> int | None:
    try:
        return ask()
    except (EngineError, StoreError) as error:
        _log.info("for the preview: %s", error)
        return None
