"""image:computePixels: what may be asked for, and the formats that pixels come in."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from affine import Affine
from rasterio.io import MemoryFile

from .evaluate import evaluate, render
from .limits import BANDS, PIXEL_BYTES, SIDE, are_in_force
from .shapes import parse_crs
from .transport import Reply
from .values import Catalog, Grid, Image, Pixels, ServiceError

# A workload tag only labels bills, so it changes nothing here.
_FIELDS: Final = frozenset({"expression", "fileFormat", "grid", "bandIds", "workloadTag"})
_COEFFICIENTS: Final = ("scaleX", "shearX", "translateX", "shearY", "scaleY", "translateY")


def compute_pixels(body: Mapping[str, Any], catalog: Catalog) -> Reply:
    """Answer a computePixels request.

    Masked pixels come as 0, as in the service's NPY. While limits are in force images are
    read no coarser than 1.5 × their own pixels: there are no pyramids.

    Parameters
    ----------
    body : mapping
        expression, fileFormat (``NPY`` or ``GEO_TIFF``), grid, and bandIds if not all.
    catalog : Catalog
        Where images come from.

    Raises
    ------
    ServiceError
        What the service refuses, and what the emulator doesn't have.
    """
    if unknown := sorted(body.keys() - _FIELDS):
        raise ServiceError(f"The emulator's computePixels has no field {unknown[0]!r}.")
    encode = _FORMATS.get(str(body.get("fileFormat")))
    if encode is None:
        raise ServiceError(
            f"The emulator has no file format {body.get('fileFormat')!r}, only NPY and GEO_TIFF."
        )
    band_ids = body.get("bandIds") or []
    if not isinstance(band_ids, list) or not all(isinstance(band, str) for band in band_ids):
        raise ServiceError("bandIds must be a list of bands' names.")
    grid = parse_grid(body.get("grid"))
    SIDE.check(max(grid.width, grid.height), width=grid.width, height=grid.height)
    image = evaluate(body.get("expression"), catalog)
    if not isinstance(image, Image):
        raise ServiceError("The expression does not evaluate to an image.")
    _check_size(image, grid, band_ids)
    return encode(render(image, grid, band_ids, strict_scale=are_in_force()), grid)


def parse_grid(given: Any) -> Grid:
    """Read the grid of a request; every part of it is needed.

    Raises
    ------
    ServiceError
        It is none that has pixels.
    """
    if not isinstance(given, Mapping):
        raise ServiceError("The emulator needs a grid, as an object.")
    names = [given[key] for key in ("crsCode", "crsWkt") if given.get(key)]
    if len(names) != 1 or not isinstance(names[0], str):
        raise ServiceError("The grid needs either crsCode or crsWkt.")
    parse_crs(names[0])
    dimensions, affine = given.get("dimensions") or {}, given.get("affineTransform") or {}
    try:
        width, height = int(dimensions["width"]), int(dimensions["height"])
        # Fields of a message that aren't sent are 0, as in every proto3 message.
        a, b, c, d, e, f = (float(affine.get(name, 0)) for name in _COEFFICIENTS)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise ServiceError(
            "The grid needs dimensions {width, height} and an affineTransform of numbers."
        ) from None
    far = (a * width + b * height + c, d * width + e * height + f)
    if a * e == b * d or not all(map(math.isfinite, far)):
        raise ServiceError("The grid's affineTransform can't be inverted.")
    if width < 1 or height < 1:
        raise ServiceError(f"Pixel grid dimensions ({width}x{height}) must be positive.")
    return Grid(names[0], (a, b, c, d, e, f), width, height)


def _check_size(image: Image, grid: Grid, band_ids: Sequence[str]) -> None:
    bands = [band for band in image.bands if not band_ids or band.name in band_ids]
    if not image.bands:
        raise ServiceError("The image has no bands.")
    BANDS.check(len(bands))
    # The mask counts: a byte a band and pixel.
    a_pixel = sum(np.dtype(band.dtype).itemsize + 1 for band in bands)
    PIXEL_BYTES.check(a_pixel * grid.width * grid.height)


def _npy(bands: Sequence[tuple[str, Pixels]], grid: Grid) -> Reply:
    """A structured array (height, width), a field a band."""
    fields = [(name, pixels.values.dtype) for name, pixels in bands]
    array = np.empty((grid.height, grid.width), fields)
    for name, pixels in bands:
        array[name] = pixels.values
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return Reply(200, "application/octet-stream", file.getvalue())


def _geotiff(bands: Sequence[tuple[str, Pixels]], grid: Grid) -> Reply:
    """A GeoTIFF of the smallest type that holds all bands, without nodata."""
    profile = {
        "driver": "GTiff",
        "count": len(bands),
        "dtype": np.result_type(*(pixels.values.dtype for _, pixels in bands)),
        "crs": grid.crs,
        "transform": Affine(*grid.transform),
        "width": grid.width,
        "height": grid.height,
    }
    with MemoryFile() as file:
        with file.open(**profile) as dataset:
            dataset.update_tags(EMULATED="cedar.emulator")
            for i, (name, pixels) in enumerate(bands, 1):
                dataset.write(pixels.values, i)
                dataset.set_band_description(i, name)
        return Reply(200, "image/tiff", file.read())


_FORMATS: Final = {"NPY": _npy, "GEO_TIFF": _geotiff}
