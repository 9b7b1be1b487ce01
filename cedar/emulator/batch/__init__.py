"""The batch half of Earth Engine: exports of images, as tasks that are queued, run and recorded."""

from __future__ import annotations

from .service import METHODS, Batch

__all__ = ["METHODS", "Batch"]
