"""Errors that cedar raises on purpose.

Every one derives from :class:`CedarError`, reads as one line that says what was wrong,
where, and what to do, and carries the ids it is about as attributes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path


class CedarError(Exception):
    """Root of every error that cedar raises on purpose."""


class InputError(CedarError, ValueError):
    """Something that the caller gave can't be used: an argument, a template, a grid."""


class ConfigError(InputError):
    """The configuration can't be used.

    Attributes
    ----------
    path : str or None
        The file it came from.
    """

    def __init__(self, message: str, path: str | None = None):
        super().__init__(message)
        self.path = path


class UnknownCollectionError(InputError):
    """A collection that cedar doesn't know, or that was retired.

    Attributes
    ----------
    collection : str
        The id asked for.
    nearest : str or None
        The nearest known id.
    """

    def __init__(self, message: str, collection: str, nearest: str | None = None):
        super().__init__(message)
        self.collection = collection
        self.nearest = nearest


class NameTakenError(InputError):
    """Names of items that exist already, at the destination or in another order.

    Attributes
    ----------
    names : tuple of str
        The items' names.
    order : str or None
        The order that has the first of them, if one has.
    """

    def __init__(self, message: str, names: Sequence[str], order: str | None = None):
        super().__init__(message)
        self.names = tuple(names)
        self.order = order


class EmptyCollectionError(CedarError):
    """An item has no images, and the caller asked for that to be an error.

    Attributes
    ----------
    names : tuple of str
        The items' names.
    """

    def __init__(self, message: str, names: Sequence[str]):
        super().__init__(message)
        self.names = tuple(names)


class DocumentError(CedarError):
    """A JSON document (a record, an image's metadata) is damaged or of a later version.

    Attributes
    ----------
    name : str or None
        The document's name.
    """

    def __init__(self, message: str, name: str | None = None):
        super().__init__(message)
        self.name = name


class StoreError(CedarError):
    """A store could not do what was asked.

    Attributes
    ----------
    key : str or None
        The object it is about.
    """

    def __init__(self, message: str, key: str | None = None):
        super().__init__(message)
        self.key = key


class NotFoundError(StoreError, LookupError):
    """The object isn't in the store."""


class OversizedError(DocumentError, StoreError):
    """An object that should be a document has more bytes than any; it wasn't read."""

    def __init__(self, message: str, key: str):
        super().__init__(message)
        self.key = key


class Conflict(StoreError):
    """A conditional write lost: the object isn't at the version the writer expected."""


class Interrupted(StoreError):
    """Bytes didn't all arrive: the rest may be had a moment later.

    Attributes
    ----------
    slow_down : bool
        The service asks for fewer requests.
    """

    def __init__(self, message: str, key: str, *, slow_down: bool = False):
        super().__init__(message, key)
        self.slow_down = slow_down


class DownloadError(CedarError):
    """Files of an order could not be downloaded; all others were.

    Attributes
    ----------
    failures : dict of Path to CedarError
        Why each could not.
    files : dict of str to list of Path
        The files that are here, as `Tracker.download` returns them.
    """

    def __init__(self, failures: Mapping[Path, CedarError], files: Mapping[str, Sequence[Path]]):
        self.failures, self.files = (
            dict(failures),
            {task: [*paths] for task, paths in files.items()},
        )
        more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        super().__init__(f"{next(iter(failures.values()))}{more}")


class ConversionError(CedarError):
    """Cubes of an order could not be made; all others were.

    Attributes
    ----------
    failures : dict of str to CedarError
        Why each item, or cube by its path, could not.
    cubes : tuple of Path
        The cubes that are there.
    """

    def __init__(self, failures: Mapping[str, CedarError], cubes: Sequence[Path]):
        self.failures, self.cubes = dict(failures), tuple(cubes)
        more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        super().__init__(f"{next(iter(failures.values()))}{more}")


class EngineError(CedarError):
    """The engine could not do what was asked.

    Attributes
    ----------
    transient : bool
        The same request may succeed later: a lost connection, a rate limit, a server's fault.
    too_large : bool
        The service said that the request asks for too much at once; a smaller one may do.
    full : bool
        The service's queue takes no more tasks now.
    """

    def __init__(
        self,
        message: str,
        *,
        transient: bool = False,
        too_large: bool = False,
        full: bool = False,
    ):
        super().__init__(message)
        self.transient = transient
        self.too_large = too_large
        self.full = full


class IncompleteError(CedarError):
    """An order isn't complete, so what was asked can't be done wholly yet.

    Attributes
    ----------
    names : tuple of str
        The items that aren't complete.
    """

    def __init__(self, message: str, names: Sequence[str]):
        super().__init__(message)
        self.names = tuple(names)
