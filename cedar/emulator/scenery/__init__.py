"""Synthetic scenes, a module a sensor.

A sensor is a module here, found by its name, with ``SOURCES``: one for each of its collections.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType

from .base import MAX_IMAGES, VERSION, Source

__all__ = ["MAX_IMAGES", "VERSION", "Source", "sources"]


@cache
def sources() -> Mapping[str, Source]:
    """Return the collections that have synthetic scenes, by id."""
    modules = [import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__)]
    found = [each for module in modules for each in getattr(module, "SOURCES", ())]
    return MappingProxyType({each.collection.id: each for each in found})
