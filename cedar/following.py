"""Following an order: one way for what cedar pulls, one for what the engine's service exports."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import TYPE_CHECKING, Final

from . import settling
from .causes import Policy
from .changes import is_held, released
from .placing import finish
from .pump import Pump
from .retrying import again
from .tasks import Tasks

if TYPE_CHECKING:
    from .engines.base import Engine
    from .ledger import Ledger
    from .record import Record

_POLICY: Final = Policy()

#: Called with the record after each write of it.
Notify = Callable[["Record"], None]


def exports(record: Record) -> bool:
    """Whether the items of an order are tasks of the engine's service."""
    metadata = record.view
    return metadata.file_dimensions is not None or any(
        entry.get("imported") and entry["status"].get("id") is not None for entry in metadata.orders
    )


def update(record: Record, engine: Engine) -> None:
    """Bring a record to the truth without making anything."""
    if exports(record):
        Tasks(record, engine).refresh()
    else:
        settling.update(record)


def watch(
    record: Record,
    engine: Engine,
    interval: float,
    timeout: float | None,
    callback: Notify | None = None,
    policy: Policy = _POLICY,
    ledger: Ledger | None = None,
) -> None:
    """Bring an order forward until no item of it is active, whatever state it was left in.

    Parameters
    ----------
    interval, timeout : float
        Seconds: between two looks, and until it stops at the latest.
    policy : Policy, optional
        What is tried again by itself.
    ledger : Ledger, optional
        Keeps the budget; by default there is none.
    """
    settling.settle_older(record)
    if not finish(record, engine, timeout):
        return
    work = (
        Tasks(record, engine, callback, ledger)
        if exports(record)
        else Pump(record, engine, callback)
    )
    work.run(interval, timeout, lambda: again(record, engine, policy))


def resume(
    record: Record, engine: Engine, ledger: Ledger | None = None, go_on: bool = False
) -> None:
    """Bring an order to where its submit would have left it, and its record to the truth.

    Parameters
    ----------
    ledger : Ledger, optional
        Keeps the budget; by default there is none.
    go_on : bool, optional
        Start what was held until somebody has seen what the order's pilot cost, too.
    """
    settling.settle_older(record)
    finish(record, engine)
    if go_on:
        for entry in record.metadata.orders:
            if is_held(entry):
                record.change(entry["name"], released)
        record.flush()
    if exports(record):
        tasks = Tasks(record, engine, ledger=ledger)
        tasks.starter.start()
        tasks.refresh()
    else:
        settling.update(record)


def cancel(record: Record, engine: Engine, names: Container[str] | None = None) -> None:
    """Cancel what hasn't ended, of all items or some. What is finished stays, with its outputs."""
    if exports(record):
        Tasks(record, engine).cancel(names)
    else:
        settling.cancel(record, names)
