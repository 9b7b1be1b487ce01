"""Downloaded images put together: one file of an item's shards, and what is cut of it to a region.

What is made says in a tag of what, and how: the names, sizes and checksums of the item's files, and
the options. It gets its name only when it is whole. So one that is there with the right tag is
right, and needn't be made again, whatever the times of files say.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Self, TypeAlias

from .clipping import Region, clip, touches
from .exceptions import CedarError
from .mosaics import mosaic, write_vrt
from .rasters import Writing, read_tags
from .stores.files import explained
from .stores.local import lock_if_free

#: Tag of what was put together: a digest of what of, and how.
MADE_OF: Final = "CEDAR_MADE_OF"

Product: TypeAlias = Literal["vrt", "mosaic", "clip"]
_NAMES: Final[Mapping[Product, str]] = {
    "vrt": "{}.vrt",
    "mosaic": "{}_mosaic.tif",
    "clip": "{}_clipped.tif",
}
#: What the names of cubes end in that are made of items, by their format.
CUBES: Final[Mapping[str, str]] = {"netcdf": ".nc", "zarr": ".zarr", "cog": "_cogs"}
#: Seconds between two looks at whether another process is done.
_LOOK: Final = 0.2


@dataclass(frozen=True)
class PutTogether:
    """What is made of an item's files when they are here.

    Attributes
    ----------
    vrt : bool
        ``<name>.vrt`` that refers to several shards; with `mosaic` there is no need for it.
    mosaic : bool
        ``<name>_mosaic.tif``, one file of several shards.
    clip : Region or None
        Cut to a region: ``<name>_clipped.tif``.
    keep : bool
        Whether the item's files stay when a mosaic or what was cut of them is there.
    mosaic_as, clip_as : Writing
        How they are written.
    """

    vrt: bool = True
    mosaic: bool = False
    clip: Region | None = None
    keep: bool = True
    mosaic_as: Writing = field(default_factory=Writing)
    clip_as: Writing = field(default_factory=Writing)

    @classmethod
    def from_config(
        cls, section: Mapping[str, Any], mosaic: bool = False, clip: Region | None = None
    ) -> Self:
        """Make them of the `section` ``download`` of a configuration, which has been checked.

        `mosaic` and `clip` say what is asked for. Files stay unless the section of that says that
        they don't.
        """
        mosaics, clips = ({**section.get(part, {})} for part in ("mosaic", "clip"))
        kept = mosaics.pop("keep", True), clips.pop("keep", True)
        return cls(
            mosaic=mosaic,
            clip=clip,
            keep=(kept[0] or not mosaic) and (kept[1] or clip is None),
            mosaic_as=Writing(**mosaics),
            clip_as=Writing(**clips),
        )


def put_together(
    entry: Mapping[str, Any], files: Sequence[Path], options: PutTogether
) -> list[Path]:
    """Make of an item's files what the options ask for, unless it is there already.

    Two processes may do it at once for one item: one does it, the other waits. What a killed one
    left is removed.

    Parameters
    ----------
    entry : mapping
        The item's entry in the record, with its outputs.
    files
        The outputs in one directory, verified, in any order.
    options : PutTogether
        What to make.

    Returns
    -------
    list of Path
        What was asked for and is there. What lies outside the region isn't, and that is logged.

    Raises
    ------
    CedarError
        The files aren't one image, or have no nodata to cut with: the file is named.
    StoreError
        A file can't be read or written.
    """
    plan = _Plan.of(entry, files, options)
    if not plan.is_done():
        with alone(plan.directory / f".cedar-{plan.name}.lock"):
            # Another process may have made it, and even removed the files, while this one waited.
            if not plan.is_done():
                plan.carry_out()
    return plan.made()


def product_names(name: str) -> list[str]:
    """Return what files that are made of an item are called."""
    return [pattern.format(name) for pattern in _NAMES.values()]


def cube_names(name: str) -> list[str]:
    """Return what cubes that are made of an item are called: files, or directories."""
    return [f"{name}{suffix}" for suffix in CUBES.values()]


def is_put_together(entry: Mapping[str, Any], directory: Path, options: PutTogether) -> bool:
    """Whether all that is asked for of an item is in a directory, made of the recorded outputs.

    Where the options don't keep the item's files, these needn't be fetched again then.

    Parameters
    ----------
    entry : mapping
        The item's entry in the record, with its outputs.
    directory : Path
        Where it is downloaded to.
    options : PutTogether
        What is asked for.
    """
    files = [directory / output["name"] for output in entry["outputs"]]
    plan = _Plan.of(entry, files, options)
    return bool(plan.products) and plan.is_made()


@dataclass(frozen=True)
class _Plan:
    """What is to be made of an item's files: of each product its path and its tag."""

    name: str
    files: tuple[Path, ...]
    options: PutTogether
    tags: Mapping[Product, str]

    @classmethod
    def of(cls, entry: Mapping[str, Any], files: Sequence[Path], options: PutTogether) -> Self:
        name, paths = entry["name"], tuple(sorted(files))
        outputs = sorted([o["name"], o["size"], o["checksum"]] for o in entry["outputs"])
        if [path.name for path in paths] != [output[0] for output in outputs]:
            raise CedarError(
                f"{name} can't be put together: {len(paths)} files were given for the "
                f"{len(outputs)} that it has"
            )
        how: dict[Product, Any] = {}
        if len(paths) > 1 and options.mosaic:
            how["mosaic"] = asdict(options.mosaic_as)
        elif len(paths) > 1 and options.vrt and options.keep:
            how["vrt"] = {}
        if paths and (region := options.clip) is not None:
            cut = [region.outline.wkb_hex, region.crs.wkt, region.buffer]
            how["clip"] = [*cut, asdict(options.clip_as)]
        tags = {product: _digest([outputs, product, said]) for product, said in how.items()}
        return cls(name, paths, options, tags)

    @property
    def directory(self) -> Path:
        return self.files[0].parent

    @property
    def products(self) -> dict[Product, Path]:
        return {
            product: self.directory / _NAMES[product].format(self.name) for product in self.tags
        }

    def made(self) -> list[Path]:
        """The products that are there."""
        return [path for product, path in self.products.items() if self._is_right(product)]

    def is_made(self) -> bool:
        """Whether all products are there, but what is cut where there is nothing to cut."""
        missing = [product for product in self.tags if not self._is_right(product)]
        return not missing or (missing == ["clip"] and self._is_missed())

    def is_done(self) -> bool:
        """Whether there is nothing left to make, or to remove."""
        return self.is_made() and not self._to_remove()

    def carry_out(self) -> None:
        """Make what isn't there, then remove what isn't to stay."""
        products = self.products
        for product, path in products.items():
            if not self._is_right(product):
                _check_own(path)
                self._make(product, path)
        for path in self._to_remove():
            with explained(f"can't remove {path}"):
                path.unlink(missing_ok=True)

    def _make(self, product: Product, path: Path) -> None:
        tags, options = {MADE_OF: self.tags[product]}, self.options
        match product:
            case "vrt":
                write_vrt(self.files, path, tags)
            case "mosaic":
                mosaic(self.files, path, options.mosaic_as, tags)
            case "clip" if options.clip is not None:
                with self._image() as image:
                    clip(image, options.clip, path, options.clip_as, tags)

    @contextlib.contextmanager
    def _image(self) -> Iterator[Path]:
        """Give one file that has all pixels of the item."""
        if (whole := self._whole()) is not None:
            yield whole
            return
        passing = self.directory / f".cedar-{self.name}.vrt"
        try:
            yield write_vrt(self.files, passing)
        finally:
            passing.unlink(missing_ok=True)

    def _whole(self) -> Path | None:
        """The file that has all pixels of the item, if there is one."""
        for product in ("mosaic", "vrt"):
            if self._is_right(product):
                return self.products[product]
        return self.files[0] if len(self.files) == 1 and self.files[0].exists() else None

    def _is_missed(self) -> bool:
        whole, region = self._whole(), self.options.clip
        return whole is not None and region is not None and not touches(region, whole)

    def _is_right(self, product: Product) -> bool:
        path = self.products.get(product)
        return path is not None and read_tags(path).get(MADE_OF) == self.tags[product]

    def _to_remove(self) -> list[Path]:
        """The files that don't stay, now that their pixels are in another, and what needs them."""
        if self.options.keep or not (self._is_right("mosaic") or self._is_right("clip")):
            return []
        vrt = self.directory / _NAMES["vrt"].format(self.name)
        dependent = [vrt] if len(self.files) > 1 and MADE_OF in read_tags(vrt) else []
        return [path for path in (*dependent, *self.files) if path.exists()]


def _check_own(path: Path) -> None:
    """Refuse to replace what cedar didn't make.

    Raises
    ------
    CedarError
        It is there, and isn't marked as made by cedar.
    """
    if path.exists() and MADE_OF not in read_tags(path):
        raise CedarError(f"{path} is there, and cedar didn't make it: move it away")


def _digest(values: Any) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep other processes from what this one does. Where one has died, the next goes on.

    Parameters
    ----------
    path : Path
        Of a file that is there as long; its directory has to be there.
    """
    while (lock := lock_if_free(path)) is None:
        time.sleep(_LOOK)
    with lock:
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
