"""`cedar auth`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from .base import Group, Settings, load_config
from .errors import DONE, FAILED
from .output import write

if TYPE_CHECKING:
    from cedar.engines.earthengine.access import Access


@click.group(cls=Group)
def auth() -> None:
    """Say with which account services are reached."""


@auth.command()
@click.option("--check", is_flag=True, help="Ask the service, too, whether it can be used.")
@click.pass_obj
def ee(settings: Settings, check: bool) -> int:
    """Say how Earth Engine is reached: host, credential, project.

    And what is missing, or may be, and how to mend it. No secret is shown, and without --check the
    service isn't asked. Ends with 1 where something is missing, or the service refuses.
    """
    from cedar.engines import earthengine
    from cedar.engines.earthengine import access, session
    from cedar.exceptions import CedarError

    config = load_config(settings)
    engine = earthengine.from_config(config.engine.settings, config.directory)
    found = access.describe(engine)
    refusal = None
    if check and not found.missing:
        try:
            session.check(engine)
        except CedarError as error:
            refusal = str(error)
    works = not found.missing and refusal is None
    known = {
        "url": found.url,
        "emulated": found.emulated,
        "credential": found.credential
        and {
            "kind": found.credential.kind,
            "source": found.credential.source,
            "account": found.credential.account,
        },
        "project": found.project and {"id": found.project.id, "source": found.project.source},
        "missing": found.missing,
        "doubts": found.doubts,
        "notes": found.notes,
        "works": works if check else None,
        "refusal": refusal,
    }
    write(settings, known, _lines(found, works if check else None, refusal))
    return DONE if works else FAILED


def _lines(found: Access, works: bool | None, refusal: str | None) -> Iterator[str]:
    if found.emulated:
        yield f"url: {found.url}: the emulator, not Earth Engine"
        yield "credential: none is needed, and none is looked for"
    else:
        yield f"url: {found.url}"
        if found.credential is not None:
            account = f" {found.credential.account}" if found.credential.account else ""
            yield f"credential: {found.credential.kind}{account}, from {found.credential.source}"
    if found.project is not None:
        yield f"project: {found.project.id}, from {found.project.source}"
    yield from (f"missing: {text}" for text in found.missing)
    yield from (f"note: {text}" for text in found.notes)
    if works:
        yield "check: it works"
    else:
        yield from (f"perhaps missing: {text}" for text in found.doubts)
    if refusal is not None:
        yield f"check: {refusal}"
