"""Image.expression: what its texts mean, by the functions that they stand for."""

from __future__ import annotations

import numpy as np
import pytest

from cedar.emulator.evaluate import render
from cedar.emulator.values import ServiceError

X = np.arange(48, dtype="float64").reshape(6, 8) - 20
Y = np.roll(X, 5) * 3 + 1


@pytest.fixture
def pixels(ee, run, image, grid):
    """Values of an expression of the bands x and y, by the names of the bands that come out."""
    a = image("a", x=X, y=Y)

    def pixels(text, **images):
        built = ee.Image("MEMORY/a").expression(text, images)
        return {name: each.values for name, each in render(run(built, a), grid())}

    return pixels


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("b('x') + b('y') * 2", X + Y * 2),
        ("(b('x') + b('y')) * 2", (X + Y) * 2),
        ("b(0) - b(1) - 1", X - Y - 1),
        ("-b(0) ** 2", -(X**2)),
        ("2 ** 3 ** 2 + 0 * b(0)", 512 + 0 * X),
        ("b(0) % 7", np.fmod(X, 7)),
        ("b(0) > 3 && b(1) < 40 || b(0) == -5", (X > 3) & (Y < 40) | (X == -5)),
        ("!(b(0) >= 3) != 0", X < 3),
        ("b(0) > 3 ? 1 : b(0) > 0 ? 2 : 3", np.where(X > 3, 1, np.where(X > 0, 2, 3))),
        ("max(abs(b(0)), sqrt(b(1) * b(1)))", np.maximum(np.abs(X), np.abs(Y))),
        ("int(b(0) / 3)", np.trunc(X / 3)),
        ("1.5e1 + .5 + b(0)", 15.5 + X),
    ],
)
def test_an_expression_means_what_its_signs_say(pixels, text, expected):
    (values,) = pixels(text).values()
    np.testing.assert_allclose(values, expected, rtol=1e-12)


def test_bands_are_those_of_the_image_or_of_those_that_are_given(ee, pixels):
    assert list(pixels("b()")) == ["x", "y"]
    assert list(pixels("b('y', 0)")) == ["y", "x"]
    given = {"other": ee.Image("MEMORY/a").multiply(2)}
    np.testing.assert_array_equal(pixels("other.y", **given)["y"], 2 * Y)
    np.testing.assert_array_equal(pixels("other[1] + b('x')", **given)["y"], 2 * Y + X)
    assert list(pixels("other['y', 'x']", **given)) == ["y", "x"]
    assert list(pixels("other", **given)) == ["x", "y"]


@pytest.mark.parametrize(
    "text", ["", "b(0", "b(0))", "1 +", "b(0) b(1)", "? 1 : 2", "b(0) ? 1", "b(0).", "$", "b[]("]
)
def test_a_text_that_is_no_expression_is_refused(pixels, text):
    with pytest.raises(ServiceError, match=r"Image.parseExpression: "):
        pixels(text)


def test_names_and_functions_that_it_does_not_have_are_refused(pixels):
    with pytest.raises(ServiceError, match="Unknown variable 'nir'"):
        pixels("nir + 1")
    with pytest.raises(ServiceError, match="no function 'foo' of 1"):
        pixels("foo(b(0))")
    with pytest.raises(ServiceError, match="no function 'max' of 1"):
        pixels("max(b(0))")
    with pytest.raises(ServiceError, match="did not match any bands"):
        pixels("b('z')")
    with pytest.raises(ServiceError, match="nested too deeply"):
        pixels("(" * 5000 + "1" + ")" * 5000)
