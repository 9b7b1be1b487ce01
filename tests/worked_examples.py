"""The worked examples of docs/extending.rst, as modules."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Final

EXAMPLES: Final = Path(__file__).resolve().parents[1] / "docs" / "examples"


@cache
def worked_example(path: str) -> ModuleType:
    """Import a file of docs/examples."""
    name = f"worked_{Path(path).stem}"
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Data classes look their module up.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
