"""Recipes: what is made of a collection's layers before they are a file, as data.

How it is computed is the engine's business; docs/recipes.rst says what comes out.
"""

from __future__ import annotations

from .flags import Test, tests
from .indices import REFLECTIVE, Index
from .recipe import COUNT, Recipe, facts, parse

__all__ = ["COUNT", "REFLECTIVE", "Index", "Recipe", "Test", "facts", "parse", "tests"]
