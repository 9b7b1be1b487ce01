"""Sending the small requests of a comparison, and keeping what was sent."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

import ee
import numpy as np
import numpy.typing as npt
from pyproj import Transformer

from cedar.exceptions import EngineError

from ..session import ask, translated

if TYPE_CHECKING:
    from .tasks import Exports

T = TypeVar("T")

#: A collection that everybody has, and the emulator too.
LANDSAT: Final = "LANDSAT/LC08/C02/T1_L2"
BAND: Final = "SR_B4"
#: Fields by the Mississippi: no two neighbouring pixels look alike for long.
PLACE: Final = (-90.5, 35.5)
DATES: Final = ("2020-06-01", "2020-09-01")
#: Pixels of a window, along a side: cut in two and in three without a rest.
SIDE: Final = 60
#: Of the array's header, which thousands of bands make long.
_MAX_HEADER: Final = 2**20

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Grid:
    """The pixels that are asked for.

    Attributes
    ----------
    crs : str
        Code, or WKT.
    transform : tuple of float
        Affine coefficients a, b, c, d, e, f, of an image that isn't turned.
    width, height : int
        Columns and rows.
    """

    crs: str
    transform: tuple[float, float, float, float, float, float]
    width: int = 1
    height: int = 1

    def part(self, column: float, row: float, width: int, height: int, pixel: int = 1) -> Grid:
        """Return pixels from a column and row of this grid on, `pixel` times as large."""
        a, b, c, d, e, f = self.transform
        moved = (a * pixel, b, c + a * column, d, e * pixel, f + e * row)
        return replace(self, transform=moved, width=width, height=height)

    def fields(self) -> dict[str, Any]:
        """Put it as a request has it."""
        names = ("scaleX", "shearX", "translateX", "shearY", "scaleY", "translateY")
        return {
            "dimensions": {"width": self.width, "height": self.height},
            "affineTransform": dict(zip(names, self.transform, strict=True)),
            "crsCode" if self.crs.startswith("EPSG:") else "crsWkt": self.crs,
        }


#: One pixel, where it doesn't matter which.
ANYWHERE: Final = Grid("EPSG:32615", (30.0, 0.0, 500_000.0, 0.0, -30.0, 4_000_000.0))


@dataclass(frozen=True)
class Scene:
    """A Landsat scene that the service has.

    Attributes
    ----------
    id, index : str
        Its system:id and system:index.
    version : int or None
        Its system:version, if it has one.
    time_start : int
        Its system:time_start.
    grid : Grid
        Of its own pixels, SIDE + 1 columns and rows of them from an even column and row on.
    native : ndarray
        BAND at these pixels.
    """

    id: str
    index: str
    version: int | None
    time_start: int
    grid: Grid
    native: Array

    @property
    def image(self) -> ee.Image:
        """The scene, one band of it."""
        return ee.Image(self.id).select([BAND])


class Asking:
    """Sends requests, one after the other, and keeps them.

    Parameters
    ----------
    exports : Exports, optional
        Where tasks may write.

    Attributes
    ----------
    sent : list
        The requests since :meth:`begin`, as they were sent.
    received : object
        The last answer.
    """

    def __init__(self, exports: Exports | None = None):
        self.exports = exports
        self.sent: list[Any] = []
        self.received: Any = None
        self._scene: Scene | EngineError | None = None

    def begin(self) -> None:
        """Forget what was sent and received."""
        self.sent, self.received = [], None

    def value(self, built: Any) -> Any:
        """Ask for a value."""
        request = {"method": "value:compute", "expression": ee.serializer.encode(built)}
        return self.send(request, built.getInfo)

    def pixels(self, image: ee.Image, grid: Grid) -> Array:
        """Ask for pixels: a structured array (rows, columns), a field a band.

        Raises
        ------
        EngineError
            The service refuses, or can't be asked.
        ValueError
            The answer is something else.
        """
        fields = {"fileFormat": "NPY", "grid": grid.fields()}
        request = {"method": "image:computePixels", **fields}
        request["expression"] = ee.serializer.encode(image)
        data = self.send(request, ee.data.computePixels, {**fields, "expression": image})
        array: Array = np.lib.format.read_array(
            io.BytesIO(data), allow_pickle=False, max_header_size=_MAX_HEADER
        )
        names = array.dtype.names or ()
        self.received = f"{array.shape} pixels of {array.dtype}"
        if array.shape != (grid.height, grid.width) or not names:
            raise ValueError("other pixels than were asked for")
        if any(array.dtype[name].kind not in "biuf" for name in names):
            raise ValueError("pixels that are no numbers")
        return array

    def send(self, request: Mapping[str, Any], send: Callable[..., T], *args: Any) -> T:
        """Call what sends a request of the client's, and keep the request.

        Raises
        ------
        EngineError
            The service refuses, or can't be asked.
        """
        self.sent.append(request)
        answer = ask(send, *args)
        self.received = answer
        return answer

    def scene(self) -> Scene:
        """Return a scene with its pixels, which the first who needs it asks for.

        Raises
        ------
        EngineError
            There is none; each who needs it hears of it.
        """
        if self._scene is None:
            sent, self.sent = self.sent, []
            try:
                self._scene = self._found()
            except EngineError as error:
                self._scene = EngineError(f"no scene to ask about: {error}", transient=True)
            self.sent = sent
        if isinstance(self._scene, EngineError):
            raise self._scene
        return self._scene

    def _found(self) -> Scene:
        with translated():
            images = (
                ee.ImageCollection(LANDSAT)
                .filterBounds(ee.Geometry.Point(PLACE))
                .filterDate(*DATES)
                .limit(1, "CLOUD_COVER")
            )
            names = ["system:index", "system:time_start", "system:version"]
            rows = images.reduceColumns(ee.Reducer.toList(3, 1), names).get("list")
            projection = ee.Image(images.first()).select([BAND]).projection()
            described = ee.List([rows, projection])
        try:
            (((index, start, version),), projected) = self.value(described)
            version = None if version is None else int(version)
            grid = _around(projected["crs"], tuple(projected["transform"]))
            scene = Scene(f"{LANDSAT}/{index}", index, version, int(start), grid, np.empty(0))
            return replace(scene, native=self.pixels(scene.image, grid)[BAND])
        except (LookupError, TypeError, ValueError) as error:
            raise EngineError(f"it was described as {self.received!r:.200}") from error


def _around(crs: str, transform: Any) -> Grid:
    """Return the native pixels around the place, from even ones on: pyramids begin with those."""
    x, y = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(*PLACE)
    a, _, c, _, e, f = transform
    column, row = int((x - c) / a) // 2 * 2, int((y - f) / e) // 2 * 2
    return Grid(crs, transform).part(column, row, SIDE + 1, SIDE + 1)


def fitting(found: Array, candidates: Mapping[str, Array]) -> Any:
    """Return the name of the candidate that an array equals; else how much of it each is."""
    fits = [name for name, wanted in candidates.items() if np.array_equal(found, wanted)]
    if len(fits) == 1:
        return fits[0]
    if fits:
        return fits
    return {name: round(float((found == each).mean()), 4) for name, each in candidates.items()}


def first_pixel(array: Array) -> dict[str, Any]:
    """Return the bands' values at an array's first pixel; as text what JSON has no number for."""
    values = {name: array[name][0, 0].item() for name in array.dtype.names or ()}
    return {name: value if np.isfinite(value) else str(value) for name, value in values.items()}


def types(array: Array) -> dict[str, str]:
    """Return the bands' types, as numpy names them."""
    return {name: array.dtype[name].name for name in array.dtype.names or ()}
