"""Projections, and how an image is read in another than its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from shapely import box

from ..bands import Constant, is_composite
from ..sampling import bilinear, covering, mean, nominal_scale, reprojected
from ..shapes import parse_crs
from ..values import IDENTITY, AffineCoefficients, Geometry, Image, Projection, ServiceError
from .base import WrongKindError, function, kind
from .images import clipped
from .reducers import STATISTICS, Reducer


def transform_of(numbers: list[Any]) -> AffineCoefficients:
    """The coefficients of six numbers, which stand for a transform that can be inverted."""
    if len(numbers) != 6 or not all(isinstance(each, int | float) for each in numbers):
        raise ServiceError("Projection: The transform must be 6 numbers.")
    a, b, _, d, e, _ = numbers
    if a * e == b * d:
        raise ServiceError("Projection: The transform can't be inverted.")
    return cast(AffineCoefficients, tuple(map(float, numbers)))


@kind("Projection")
def as_projection(value: Any) -> Projection:
    """A projection of itself, of a CRS's code or WKT, or as a signature's default has it."""
    if isinstance(value, Projection):
        return value
    if isinstance(value, str):
        parse_crs(value)
        return Projection(value)
    if isinstance(value, Mapping) and value.get("type") == "Projection":
        return Projection(value["crs"], transform_of(value["transform"]))
    raise WrongKindError("Projection")


@function("Projection", takes="crs transform")
def _projection(crs: Any, transform: list[Any] | None) -> Projection:
    try:
        base = as_projection(crs)
    except WrongKindError:
        raise ServiceError("Projection: The CRS must be a code or WKT.") from None
    return base if transform is None else Projection(base.crs, transform_of(transform))


@function("Projection.nominalScale")
def _nominal_scale(projection: Projection) -> float:
    return nominal_scale(projection.crs, projection.transform)


@function("Image.projection")
def _image_projection(image: Image) -> Projection:
    projections = {band.projection for band in image.bands}
    if not projections:
        raise ServiceError("Image.projection: The image has no bands.")
    if len(projections) > 1:
        raise ServiceError(
            "Image.projection: The bands of the specified image contains different projections. "
            "Use Image.select to pick a single band."
        )
    return projections.pop()


@function("Image.reproject")
def _reproject(
    image: Image, crs: Projection, transform: list[Any] | None, scale: float | None
) -> Image:
    if transform is not None and scale is not None:
        raise ServiceError("Image.reproject: give either 'crsTransform' or 'scale'.")
    projection = crs
    if transform is not None:
        projection = Projection(crs.crs, transform_of(transform))
    elif scale is not None:
        if crs.transform != IDENTITY:
            raise ServiceError(
                "Image.reproject: the emulator takes a scale for a projection without transform."
            )
        size = scale / nominal_scale(crs.crs, IDENTITY)
        projection = Projection(crs.crs, (size, 0.0, 0.0, 0.0, -size, 0.0))
    bands = tuple(reprojected(band, projection) for band in image.bands)
    grid = covering(image.footprint, projection) if image.footprint else None
    return replace(image, bands=bands, grid=grid)


@function("Image.clipToBoundsAndScale", takes="input geometry")
def _clip_to_bounds(image: Image, geometry: Geometry | None) -> Image:
    """To the whole pixels of the image's projection that cover the geometry's bounding box."""
    if geometry is None:
        raise ServiceError("Image.clipToBoundsAndScale: the emulator needs a geometry.")
    grid = covering(geometry, _image_projection(image))
    outline = box(0, 0, grid.width, grid.height)
    pixels = Geometry(outline, Projection(grid.crs, grid.transform))
    return replace(clipped(image, pixels), grid=grid)


def _check_resolution(name: str, image: Image) -> None:
    if any(map(is_composite, image.bands)):
        raise ServiceError(
            f"{name}: can't be used on composites, which have no resolution of their own: use it "
            "on the images that are used to create the composite."
        )


@function("Image.resample")
def _resample(image: Image, mode: str) -> Image:
    if mode != "bilinear":
        raise ServiceError(f"Image.resample: the emulator does not implement mode '{mode}'.")
    _check_resolution("Image.resample", image)
    bands = [b if isinstance(b.read, Constant) else bilinear(b) for b in image.bands]
    return image.with_bands(bands)


@function("Image.reduceResolution", takes="image reducer maxPixels")
def _reduce_resolution(image: Image, reducer: Reducer, max_pixels: int) -> Image:
    if reducer.statistics != (STATISTICS["mean"],):
        raise ServiceError("Image.reduceResolution: the emulator has Reducer.mean only.")
    _check_resolution("Image.reduceResolution", image)
    return image.with_bands([mean(band, max_pixels) for band in image.bands])
