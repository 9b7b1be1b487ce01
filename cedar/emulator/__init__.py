"""A local Earth Engine: real expressions on real rasters, with no account and no network."""

from __future__ import annotations

from .service import Emulator

__all__ = ["Emulator"]
