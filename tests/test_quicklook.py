"""Pictures of pixels."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio

from cedar.quicklook import colours, draw


def drawn(pixels, path):
    draw(np.asarray(pixels, "float32"), path)
    with pytest.warns(rasterio.errors.NotGeoreferencedWarning):
        picture = rasterio.open(path)
    with picture:
        assert picture.driver == "PNG"
        return picture.read()


def test_plants_are_green_where_there_are_bands_for_it():
    assert colours(["blue", "green", "red", "nir", "swir1"]) == ("swir1", "nir", "red")
    assert colours(["blue", "green", "red", "nir"]) == ("red", "green", "blue")
    assert colours(["vv", "vh"]) == ("vv",)


def test_a_picture_goes_from_the_darkest_to_the_brightest(tmp_path):
    pixels = drawn(np.linspace(0.1, 0.4, 300).reshape(3, 10, 10), tmp_path / "x.png")
    assert pixels.shape == (3, 10, 10)
    assert (pixels.min(), pixels.max()) == (0, 255)
    assert [*tmp_path.iterdir()] == [tmp_path / "x.png"]


def test_where_there_is_nothing_a_picture_is_clear(tmp_path):
    pixels = drawn([[[np.nan, 1.0], [2.0, 3.0]]], tmp_path / "x.png")
    assert pixels[1].tolist() == [[0, 255], [255, 255]]
    assert pixels[0, 1, 1] == 255


@pytest.mark.parametrize("value", [np.nan, 7.0])
def test_a_picture_of_one_value_or_none_is_drawn(tmp_path, value):
    pixels = drawn(np.full((3, 2, 2), value), tmp_path / "x.png")
    assert (pixels == 0).all()
