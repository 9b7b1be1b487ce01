"""Stores: where images and tracking JSON live.

A kind of store is a module here, found by its name, with ``CONFIG_SCHEMA`` (of its section in the
configuration) and ``from_config(section, directory)``.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final, cast

from ..exceptions import InputError
from .base import ABSENT, ANY, Store
from .primitives import Origin

__all__ = ["ABSENT", "ANY", "Origin", "Store", "kinds", "open_store", "store_module"]


#: Modules here that all stores share. Those of one kind alone are called after it: ``gcs_upload``.
SHARED: Final = frozenset(
    {
        *("base", "checksums", "files", "keys", "leases", "parts", "primitives", "remnants"),
        *("streams", "versions"),
    }
)


def kinds() -> list[str]:
    """Kinds of stores, sorted; none is imported for it."""
    names = {info.name for info in pkgutil.iter_modules(__path__)}
    return sorted(name for name in names - SHARED if "_" not in name)


def store_module(kind: str) -> ModuleType:
    """Import the module of a kind of store.

    Raises
    ------
    InputError
        There is no such kind, or a package that it needs isn't installed.
    """
    if kind not in kinds():
        raise InputError(f"no store is called {kind!r}: there is {', '.join(kinds())}")
    try:
        return importlib.import_module(f"{__name__}.{kind}")
    except ModuleNotFoundError as error:
        raise InputError(
            f"the store {kind!r} needs {error.name}, which isn't installed: "
            f"pip install 'cedar-eo[{kind}]'"
        ) from error


def open_store(kind: str, section: Mapping[str, Any], directory: Path) -> Store:
    """Make a store from its section in the configuration.

    Parameters
    ----------
    kind : str
        One of :func:`kinds`.
    section : mapping
        The section of that name, which fits the module's CONFIG_SCHEMA.
    directory : Path
        What paths in the section are relative to.

    Raises
    ------
    InputError
        There is no such kind, or a package that it needs isn't installed.
    """
    store = cast(Store, store_module(kind).from_config(section, directory))
    store.origin = Origin(kind, section, directory)
    return store
