"""An order's files as data: cubes of time, y and x, a variable a band.

Only what was downloaded is needed, no store. What opens and writes cubes needs packages that cedar
has no need of otherwise; what says which files of an order are here doesn't.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from cedar.exceptions import InputError


def load(module: str) -> ModuleType:
    """Import a module here that needs the packages of ``cedar-eo[ard]``.

    Raises
    ------
    InputError
        One isn't installed.
    """
    try:
        return importlib.import_module(f"{__name__}.{module}")
    except ModuleNotFoundError as error:
        raise InputError(
            f"cubes need {error.name}, which isn't installed: pip install 'cedar-eo[ard]'"
        ) from error
