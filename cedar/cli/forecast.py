"""What an order is going to cost, in lines: where the rest of it waits for somebody to see that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cedar.changes import is_held

from .base import Settings
from .output import number

if TYPE_CHECKING:
    from cedar.forecast import Forecast
    from cedar.metadata import TrackingMetadata
    from cedar.tracker import Tracker


def foreseen(tracker: Tracker, tracking: TrackingMetadata) -> Forecast | None:
    """Forecast an order whose pilot holds items; of any other, None."""
    held = any(map(is_held, tracking.orders))
    return tracker.forecast(tracking.name) if held else None


def shown(tracking: TrackingMetadata, forecast: Forecast | None) -> dict[str, Any]:
    """Put an order as JSON has it, with its forecast."""
    return tracking.show() | ({} if forecast is None else {"forecast": forecast.to_dict()})


def lines(settings: Settings, tracking: TrackingMetadata, forecast: Forecast | None) -> list[str]:
    """Say what is to be known before an order goes on, and how it does; nothing of any other."""
    if forecast is None:
        return []
    held = number(sum(map(is_held, tracking.orders)), "item")
    go_on = settings.command("resume", tracking.name, "--go-on")
    cancel = settings.command("cancel", tracking.name)
    return [*forecast.lines(), f"{held} held; next: {go_on}, or {cancel}"]
