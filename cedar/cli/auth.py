"""`cedar auth`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from .base import Group, Settings, load_config
from .errors import DONE, FAILED
from .output import write

if TYPE_CHECKING:
    from cedar.access import Access
    from cedar.stores import Store

#: What a service says of itself when it is asked, by name.
Facts = Mapping[str, Any]


@dataclass(frozen=True)
class _Service:
    """A service's name, the command about it, and what only it knows."""

    name: str
    command: str
    unknown: str


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

    config = load_config(settings)
    engine = earthengine.from_config(config.engine.settings, config.directory)
    found = access.describe(engine)
    project = found.project
    about = {"project": project and {"id": project.id, "source": project.source}}
    lines = [] if project is None else [f"project: {project.id}, from {project.source}"]

    def ask() -> Facts:
        session.check(engine)
        return {}

    service = _Service("Earth Engine", "ee", "whether the service can be used")
    return _report(settings, service, found, (about, lines), ask if check else None)


@auth.command()
@click.option("--check", is_flag=True, help="Ask the service, too, whether it can be used.")
@click.pass_obj
def gcs(settings: Settings, check: bool) -> int:
    """Say how Cloud Storage is reached: host, credential, bucket.

    And what is missing, or may be, and how to mend it. No secret is shown, and without --check the
    service isn't asked. Ends with 1 where something is missing, or the service refuses.
    """
    store: Any = _store(settings, "gcs")
    from cedar.exceptions import StoreError
    from cedar.stores import gcs_access as access

    found = access.describe(store)

    def ask() -> Facts:
        reached = access.check(store)
        if reached.lacking:
            raise StoreError(
                f"gs://{found.bucket}: the account lacks {', '.join(reached.lacking)}; give it the "
                f"role {access.ROLE}"
            )
        return {"location": reached.location, "storage_class": reached.storage_class}

    lines = [f"bucket: gs://{found.bucket}"]
    about = {"bucket": found.bucket, "project": found.project}
    service = _Service("Cloud Storage", "gcs", "whether the bucket is there and may be used")
    return _report(settings, service, found, (about, lines), ask if check else None)


@auth.command()
@click.option("--check", is_flag=True, help="Ask the service, too, whether it can be used.")
@click.pass_obj
def gdrive(settings: Settings, check: bool) -> int:
    """Say how Drive is reached: host, credential, folder, quota.

    And what is missing, or may be, and how to mend it. No secret is shown, and without --check the
    service isn't asked. Ends with 1 where something is missing, or the service refuses.
    """
    store: Any = _store(settings, "gdrive")
    from cedar.exceptions import StoreError
    from cedar.stores import gdrive_access as access

    found = access.describe(store)

    def ask() -> Facts:
        reached = access.check(store)
        if reached.lacking:
            raise StoreError(f"Drive: {reached.lacking[0]}")
        facts = {"account": reached.account, "folder_id": reached.folder, "used": reached.used}
        return {**facts, "total": reached.total, "namesakes": reached.namesakes}

    lines = [f"folder: {found.folder}"]
    about = {"folder": found.folder}
    service = _Service("Drive", "gdrive", "whether the folder may be used, and has room")
    return _report(settings, service, found, (about, lines), ask if check else None)


def _store(settings: Settings, kind: str) -> Store:
    """Open the store of the configuration in effect, which has to be of this kind.

    Raises
    ------
    ConfigError
        It is of another.
    """
    from cedar.exceptions import ConfigError

    config = load_config(settings)
    if config.store.kind != kind:
        raise ConfigError(
            f"{config.path}: the store is {config.store.kind!r}, not {kind!r}: write `store: "
            f"{kind}` in section tracker, and a section {kind}"
        )
    return config.open_store()


def _report(
    settings: Settings,
    service: _Service,
    found: Access,
    about: tuple[Facts, Sequence[str]],
    ask: Callable[[], Facts] | None,
) -> int:
    """Write what is known of a service, and what it says if it is asked; the exit code.

    Parameters
    ----------
    about
        What is known of this service alone, as JSON and in lines.
    ask : callable or None
        Asks the service.
    """
    from cedar.exceptions import CedarError

    facts: Facts = {}
    refusal = None
    if ask is not None and not found.missing:
        try:
            facts = ask()
        except CedarError as error:
            refusal = str(error)
    works = not found.missing and refusal is None
    credential = found.credential
    known = {
        "url": found.url,
        "emulated": found.emulated,
        "credential": credential
        and {"kind": credential.kind, "source": credential.source, "account": credential.account},
        **about[0],
        **facts,
        "missing": found.missing,
        "doubts": found.doubts,
        "notes": found.notes,
        "works": works if ask else None,
        "refusal": refusal,
    }
    answer = (works, facts, refusal) if ask else None
    lines = [*_reached(service.name, found), *about[1], *_judged(found, answer)]
    if works and ask is None:
        command = settings.command("auth", service.command, "--check")
        lines.append(f"not known yet: {service.unknown}; `{command}` asks")
    write(settings, known, lines)
    return DONE if works else FAILED


def _reached(service: str, found: Access) -> Iterator[str]:
    if found.emulated:
        yield f"url: {found.url}: the emulator, not {service}"
        yield "credential: none is needed, and none is looked for"
    else:
        yield f"url: {found.url}"
        if found.credential is not None:
            account = f" {found.credential.account}" if found.credential.account else ""
            yield f"credential: {found.credential.kind}{account}, from {found.credential.source}"


def _judged(found: Access, answer: tuple[bool, Facts, str | None] | None) -> Iterator[str]:
    yield from (f"missing: {text}" for text in found.missing)
    yield from (f"note: {text}" for text in found.notes)
    works, facts, refusal = answer or (False, {}, None)
    yield from (f"{name.replace('_', ' ')}: {fact}" for name, fact in facts.items() if fact)
    if works:
        yield "check: it works"
    else:
        yield from (f"perhaps missing: {text}" for text in found.doubts)
    if refusal is not None:
        yield f"check: {refusal}"
