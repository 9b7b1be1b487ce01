"""YAML → validated, frozen Config."""

from __future__ import annotations

import copy
import importlib
import os
import pkgutil
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any, Final, NamedTuple, Self, cast

import yaml

from . import defaults, engines
from .budget import Budget
from .causes import Policy
from .engines.base import Engine
from .engines.earthengine import EMULATOR, EarthEngine
from .exceptions import ConfigError, InputError
from .grids import TileGrid, named_grid
from .metadata.validation import explain, load_schema
from .pacing import parse_rate
from .sensors import resolve
from .stores import Store, kinds, open_store, store_module
from .templates import NAME, PREFIX, TRACKING, TRACKING_PREFIX, Template, layout_folder

#: Names a file; an empty value counts as none.
ENVIRONMENT_VARIABLE: Final = "CEDAR_CONFIG_FILE"
FILENAME: Final = "cedar.yaml"

_START: Final = f"`cedar config template > {FILENAME}` writes one to start from"
_DEFAULT_ENGINE: Final = "earthengine"
_TEMPLATES: Final = {
    NAME: defaults.NAME_TEMPLATE,
    PREFIX: defaults.PREFIX_TEMPLATE,
    TRACKING: defaults.TRACKING_TEMPLATE,
    TRACKING_PREFIX: defaults.TRACKING_PREFIX,
}
#: Settings of the tracker that have no default.
_OPTIONAL: Final = ("group_by", "max_tasks", "max_gigabytes")


class Section(NamedTuple):
    """A section of a store or of an engine: its kind, which is its name, and what it says."""

    kind: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class Config:
    """A configuration that has been checked.

    Attributes
    ----------
    tile_grid : TileGrid
        The grid to order on.
    store, engine : Section
        Where images are kept, and what makes them.
    name_template, prefix_template, tracking_template, tracking_prefix : str
        As Tracker takes them.
    filters : mapping
        Filters by collection id, as given.
    export_image_kwds : mapping
        As given; the engine checks them.
    group_by : str or None
        The rule for all collections; None: each its own.
    max_tasks : int or None
        Most images of an order; None: any number.
    max_gigabytes : float or None
        Most gigabytes of an order's images, uncompressed; likewise.
    max_eecu_hours : Budget
        What exports may cost.
    retry : Policy
        How often what has failed is tried again by itself.
    collections : mapping
        Settings by collection id, as ``sensors.resolve`` takes them.
    download : mapping
        How orders are brought home, as ``Download.from_config`` takes it.
    ard : mapping
        How cubes are written, as ``Converting.from_config`` takes it.
    directory : Path
        What paths in it are relative to.
    path : Path or None
        The file it came from.
    """

    tile_grid: TileGrid
    store: Section
    engine: Section
    name_template: str
    prefix_template: str
    tracking_template: str
    tracking_prefix: str
    filters: Mapping[str, Any]
    export_image_kwds: Mapping[str, Any]
    group_by: str | None
    max_tasks: int | None
    max_gigabytes: float | None
    max_eecu_hours: Budget
    retry: Policy
    collections: Mapping[str, Mapping[str, Any]]
    download: Mapping[str, Any]
    ard: Mapping[str, Any]
    directory: Path
    path: Path | None = field(default=None, compare=False)

    @classmethod
    def from_dict(cls, document: Any, directory: Path, path: Path | None = None) -> Self:
        """Check a document as YAML gives it.

        Parameters
        ----------
        document
            Plain values. It is copied.
        directory : Path
            What paths in it are relative to.
        path : Path, optional
            The file it came from, for messages.

        Raises
        ------
        ConfigError
            It can't be used.
        """
        try:
            if wrong := explain(document, _schema(document)):
                raise InputError(wrong)
            document = copy.deepcopy(document)
            tracker = document["tracker"]
            collections = document.get("collections", {})
            filters = tracker.get("filters", {})
            for collection_id in (*collections, *filters):
                resolve(collection_id, collections).filters(filters.get(collection_id, ()))
            settings: dict[str, Any] = {key: tracker.get(key) for key in _OPTIONAL}
            settings |= {
                kind.name: Template(tracker.get(kind.name, default), kind).text
                for kind, default in _TEMPLATES.items()
            }
            return cls(
                tile_grid=_grid(document["tile_grid"], directory),
                store=_store(document),
                engine=_engine(document),
                **settings,
                filters=filters,
                export_image_kwds=tracker.get("export_image_kwds", {}),
                max_eecu_hours=Budget(**tracker.get("max_eecu_hours", {})),
                retry=Policy(**tracker.get("retry", {})),
                collections=collections,
                download=_download(document.get("download", {})),
                ard=document.get("ard", {}),
                directory=directory,
                path=path,
            )
        except InputError as error:
            named = None if path is None else str(path)
            raise ConfigError(f"{named or 'configuration'}: {error}", named) from error

    def open_store(self) -> Store:
        """Make the store.

        Raises
        ------
        InputError
            Its section can't be used here.
        """
        kind, settings = self.store
        if settings.get("url") == EMULATOR:
            settings = {**settings, "url": self._emulator_url(kind)}
        return open_store(kind, settings, self.directory)

    def _emulator_url(self, kind: str) -> str:
        """Address of the store that the engine's emulator has, in this process."""
        engine = self.open_engine()
        if not isinstance(engine, EarthEngine) or self.engine.settings.get("url") != EMULATOR:
            raise ConfigError(f"{kind}: `url: emulator` goes with the same in section earthengine")
        if "state" not in self.engine.settings:
            raise ConfigError(
                f"earthengine: {kind} at the emulator needs `state: DIRECTORY`, where the emulator "
                "keeps it for the next command"
            )
        if "bucket" in self.store.settings:
            engine.emulator.make_bucket(self.store.settings["bucket"])
        return engine.emulator.urls[kind]

    def open_engine(self) -> Engine:
        """Return the engine, always the same; it connects when it is first needed.

        Raises
        ------
        InputError
            Its section can't be used.
        """
        return self._opened_engine

    @cached_property
    def _opened_engine(self) -> Engine:
        engine = _engine_module(self.engine.kind).from_config(self.engine.settings, self.directory)
        return cast(Engine, engine)

    def show(self) -> dict[str, Any]:
        """Say what is in effect, defaults and all, as a document that makes the same Config."""
        tracker = {
            "store": self.store.kind,
            "engine": self.engine.kind,
            **{kind.name: getattr(self, kind.name) for kind in _TEMPLATES},
            "filters": self.filters,
            "export_image_kwds": self.export_image_kwds,
            "retry": asdict(self.retry),
        }
        tracker |= {key: value for key in _OPTIONAL if (value := getattr(self, key)) is not None}
        if self.max_eecu_hours != Budget():
            given = asdict(self.max_eecu_hours)
            tracker["max_eecu_hours"] = {span: h for span, h in given.items() if h is not None}
        document = {
            "tile_grid": self.tile_grid.to_dict(),
            "tracker": tracker,
            self.store.kind: self.store.settings,
            self.engine.kind: self.engine.settings,
            "collections": self.collections,
        }
        sections = {"download": self.download, "ard": self.ard}
        document |= {name: section for name, section in sections.items() if section}
        return copy.deepcopy(document)


def find(
    explicit: str | os.PathLike[str] | None = None, environ: Mapping[str, str] = os.environ
) -> Path:
    """Find the configuration file; `environ` are the variables of the environment.

    It is `explicit`, else what $CEDAR_CONFIG_FILE names, else ``cedar.yaml`` here, else
    ``cedar/cedar.yaml`` in $XDG_CONFIG_HOME (by default ``~/.config``).

    Raises
    ------
    ConfigError
        There is none, or none where it is named.
    """
    named = explicit or environ.get(ENVIRONMENT_VARIABLE)
    if named:
        path = Path(named).expanduser()
        if path.exists():
            return path
        by = "" if explicit else f", which ${ENVIRONMENT_VARIABLE} names"
        raise ConfigError(f"there is no configuration {path}{by}; {_START}", str(path))
    home = Path(environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    places = (Path(FILENAME), home / "cedar" / FILENAME)
    for path in places:
        if path.is_file():
            return path
    raise ConfigError(
        f"there is no configuration: looked for {' and '.join(map(str, places))}; {_START}, and "
        f"-C FILE or ${ENVIRONMENT_VARIABLE} names one elsewhere"
    )


def load(path: str | os.PathLike[str]) -> Config:
    """Read and check the configuration file `path`.

    Raises
    ------
    ConfigError
        It can't be read, or can't be used.
    """
    path = Path(path)
    document = read_yaml(path)
    if document is None:
        raise ConfigError(f"{path}: is empty; {_START}", str(path))
    return Config.from_dict(document, path.absolute().parent, path)


def read_yaml(path: Path) -> Any:
    """Read a YAML file, as plain values; None where it is empty.

    Raises
    ------
    ConfigError
        It can't be read, or isn't YAML; or a key isn't text, or is there twice.
    """
    try:
        # A byte order mark is what some editors begin UTF-8 with.
        return yaml.load(path.read_text("utf-8-sig"), _Loader)  # noqa: S506 (it is a SafeLoader)
    except OSError as error:
        raise ConfigError(f"can't read {path}: {error.strerror}", str(path)) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text ({error.reason})", str(path)) from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: {_explained(error)}", str(path)) from error


def example(name: str) -> str:
    """Text of an example that comes with cedar: ``template``, ``demo``; ``run``, a run's file."""
    return (resources.files("cedar.examples") / f"{name}.yaml").read_text("utf-8")


def _schema(document: Any) -> dict[str, Any]:
    """Compose the schema of a document from the frame and the modules of the sections it has.

    The others aren't imported: what they need may not be installed.
    """
    schema = load_schema("config")
    modules = dict.fromkeys(kinds(), store_module) | dict.fromkeys(_engines(), _engine_module)
    for kind, module in modules.items():
        has_it = isinstance(document, Mapping) and kind in document
        schema["properties"][kind] = module(kind).CONFIG_SCHEMA if has_it else True
    return schema


def _engines() -> list[str]:
    return [info.name for info in pkgutil.iter_modules(engines.__path__) if info.ispkg]


def _engine_module(kind: str) -> Any:
    if kind not in _engines():
        raise InputError(f"no engine is called {kind!r}: there is {', '.join(_engines())}")
    return importlib.import_module(f"{engines.__name__}.{kind}")


def _store(document: Mapping[str, Any]) -> Section:
    kind = document["tracker"]["store"]
    store_module(kind)
    if kind not in document:
        raise InputError(f"tracker, store: {kind!r} needs a section {kind!r}, and there is none")
    return Section(kind, document[kind])


def _engine(document: Mapping[str, Any]) -> Section:
    kind = document["tracker"].get("engine", _DEFAULT_ENGINE)
    _engine_module(kind)
    return Section(kind, document.get(kind, {}))


def _download(section: Mapping[str, Any]) -> Mapping[str, Any]:
    """Check what no schema can say."""
    try:
        if "rate" in section:
            parse_rate(section["rate"])
        if "layout" in section:
            layout_folder(section["layout"])
    except InputError as error:
        raise InputError(f"download: {error}") from error
    return section


def _grid(section: Mapping[str, Any], directory: Path) -> TileGrid:
    if "grid_name" not in section:
        return TileGrid.from_dict(section)
    filename = section.get("grid_filename")
    path = None if filename is None else directory / Path(filename).expanduser()
    try:
        return named_grid(section["grid_name"], path)
    except InputError as error:
        raise InputError(f"tile_grid: {error}") from error


class _Loader(yaml.SafeLoader):
    """YAML whose keys are text, each there once; dates stay text, and 1e-4 is a number."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (PyYAML's own, which it changes)
        first: [(tag, rule) for tag, rule in rules if tag != "tag:yaml.org,2002:timestamp"]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                continue
            problem = None
            if key.tag != "tag:yaml.org,2002:str":
                problem = f"key {key.value} is not text; put it in quotes"
            elif key.value in seen:
                problem = f"key {key.value!r} is there twice"
            if problem:
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


# YAML 1.2 has it so; PyYAML keeps to 1.1, which wants a point and a sign, and makes text of it.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def _explained(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and (mark := error.problem_mark):
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return " ".join(str(error).split())
