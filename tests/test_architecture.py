"""Data goes one way: a module imports only what stands above it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

CEDAR = Path(__file__).resolve().parents[1] / "cedar"
MAX_LINES = 400
#: Modules and packages of cedar; each imports from those before it, whatever the import is for.
ORDER = (
    "_version",
    "exceptions",
    "defaults",
    "states",
    "retry",
    "pacing",
    "causes",
    "credentials",
    "access",
    "geometry",
    "regions",
    "lattice",
    "graticule",
    "drawing",
    "faces",
    "tiles",
    "tilegrid",
    "grids",
    "where",
    "periods",
    "templates",
    "items",
    "changes",
    "budget",
    "shards",
    "metadata",
    "results",
    "history",
    "recipes",
    "sensors",
    "grouping",
    "rasters",
    "stores",
    "gridexport",
    "products",
    "quicklook",
    "mosaics",
    "clipping",
    "assembly",
    "emulator",
    "engines",
    "config",
    "earlier",
    "listed",
    "ordering",
    "documents",
    "finding",
    "cautions",
    "previewed",
    "preview",
    "consent",
    "record",
    "pump",
    "settling",
    "ledger",
    "forecast",
    "starting",
    "tasks",
    "splitting",
    "recovering",
    "comparing",
    "planning",
    "placing",
    "extending",
    "retrying",
    "feeding",
    "following",
    "evidence",
    "importing",
    "pruning",
    "leftovers",
    "copies",
    "outputs",
    "wanted",
    "room",
    "fetching",
    "cluster",
    "downloading",
    "cleaning",
    "tracked",
    "verifying",
    "cubes",
    "steering",
    "tracker",
    "runfile",
    "recorded",
    "running",
    "runs",
    "cli",
    "__main__",
)


def modules() -> dict[str, Path]:
    """Dotted name of every module → its file; of a package, its `__init__`."""
    return {
        ".".join(("cedar", *path.relative_to(CEDAR).with_suffix("").parts)): path
        for path in sorted(CEDAR.rglob("*.py"))
    }


def imports(module: str, path: Path) -> Iterator[str]:
    """Absolute names of all that a module imports: at its top, in functions, for typing only."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = module.split(".")[: -node.level] if node.level else []
            base = ".".join([*package, *filter(None, [node.module])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def layer(name: str) -> str:
    """The part of cedar that a dotted name is in."""
    return name.partition(".")[2].partition(".")[0]


def importers(*packages: str) -> set[str]:
    """The parts of cedar that import one of some packages."""
    return {
        layer(module)
        for module, path in modules().items()
        for name in imports(module, path)
        if name.split(".")[0] in packages
    }


def test_the_order_is_of_what_is_there():
    assert {layer(module) for module in modules()} - {"__init__"} == set(ORDER)


def test_a_module_imports_only_what_stands_above_it():
    wrong = [
        f"{module} imports {name}"
        for module, path in modules().items()
        if layer(module) in ORDER
        for name in imports(module, path)
        if name.split(".")[0] == "cedar"
        and layer(name) not in ORDER[: ORDER.index(layer(module)) + 1]
    ]
    assert not wrong


def test_only_engines_import_the_client_of_earth_engine():
    assert importers("ee") == {"engines"}


def test_grids_of_stems_are_taken_without_it():
    assert not importers("stems")


def test_only_the_command_line_imports_click_and_rich():
    assert importers("click", "rich") == {"cli"}


def test_a_module_is_short_enough_to_be_read_at_once():
    lengths = {
        module: len(path.read_text("utf-8").splitlines()) for module, path in modules().items()
    }
    assert {module: n for module, n in lengths.items() if n > MAX_LINES} == {}
