"""The JSON documents: the record of an order, and an image's metadata."""

from __future__ import annotations

from .document import program
from .image import ImageMetadata
from .tracking import TrackingMetadata
from .validation import SCHEMA_VERSION, validate

__all__ = ["SCHEMA_VERSION", "ImageMetadata", "TrackingMetadata", "program", "validate"]
