"""The request of one attempt at an item, checked before anything of it is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from cedar.exceptions import InputError
from cedar.items import ExportRequest

from . import EarthEngine
from .options import check, check_pixels, complete

if TYPE_CHECKING:
    from cedar.items import Destination
    from cedar.metadata import ImageMetadata

#: What the service takes as request ids and, whatever the destination, as descriptions of tasks
#: (REST reference, projects.image.export; apidocs, Export.image.toDrive).
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9-]{1,60}")
_DESCRIPTION: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")


def prepare(
    metadata: ImageMetadata,
    destination: Destination,
    options: Mapping[str, Any],
    attempt: int = 1,
) -> ExportRequest:
    """Make the request of one attempt at an item; see :meth:`Engine.prepare`.

    Raises
    ------
    InputError
        The service can't take it: too many pixels or bands, or a name that it doesn't.
    """
    width, height = metadata["tile"]["size"]
    task, n_bands = metadata["task"], metadata.n_bands
    description = f"{task['name']}-a{attempt}"
    if destination.kind in EarthEngine.exports_to:
        _check_task(metadata, description, n_bands)
        # The options come from a document, which may be anybody's.
        checked = check(options, destination.kind)
        options = complete(checked, (width, height), n_bands, metadata["image"]["dtype"])
    else:
        check_pixels(options, (width, height))
    return ExportRequest(
        name=task["name"],
        prefix=task["prefix"],
        request_id=task["request_id"],
        description=description,
        metadata=metadata,
        destination=destination,
        options=options,
    )


def _check_task(metadata: ImageMetadata, description: str, n_bands: int) -> None:
    name, request_id = metadata["task"]["name"], metadata.request_id
    if not _DESCRIPTION.fullmatch(description):
        raise InputError(
            f"{description!r} can't be the description of a task: Earth Engine takes 1–100 "
            "letters, digits, - and _"
        )
    if request_id is None or not _REQUEST_ID.fullmatch(request_id):
        # Without one, the same request sent again would start a second task.
        raise InputError(
            f"{name}: its request id {request_id!r} isn't one: Earth Engine takes 1–60 letters, "
            "digits and -"
        )
    if EarthEngine.max_bands is not None and n_bands > EarthEngine.max_bands:
        raise InputError(
            f"{name}: {n_bands} bands are more than the {EarthEngine.max_bands} that Earth Engine "
            "exports in one image: order shorter periods, or fewer bands"
        )
