"""What the emulator knows of Earth Engine's functions: a module a family, which registers them."""

from . import (
    collections,
    dates,
    elements,
    filter_expressions,
    filters,
    geometry,
    images,
    operators,
    projections,
    reducers,
)
from .base import Closure, call, implemented

__all__ = [
    "Closure",
    "call",
    "collections",
    "dates",
    "elements",
    "filter_expressions",
    "filters",
    "geometry",
    "images",
    "implemented",
    "operators",
    "projections",
    "reducers",
]
