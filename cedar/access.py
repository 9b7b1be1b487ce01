"""With what Google's services are reached: the credential, and what of it is amiss."""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from google.auth.credentials import AnonymousCredentials

from .credentials import VARIABLE, Credential, for_google, is_open_to_others, lacks_scopes
from .exceptions import ConfigError

#: Seconds during which a check is tried again: whoever asks for it waits for the answer.
PATIENCE: Final = 10.0


@dataclass(frozen=True)
class Service:
    """A service that wants a credential.

    Attributes
    ----------
    name : str
    section : str
        Of the configuration.
    scopes : sequence of str
        What a credential is to be for.
    enough : collection of str
        The scopes of which any is enough.
    remedy : str
        What to do where a credential has none of them.
    """

    name: str
    section: str
    scopes: Sequence[str]
    enough: Collection[str]
    remedy: str = "run `earthengine authenticate --force`"

    def credential(self, given: Any, emulated: bool) -> Credential:
        """Find the credential that is sent.

        Parameters
        ----------
        given : path-like, google.auth.credentials.Credentials or None
            A credential file, or what the caller has; None: what is found.
        emulated : bool
            The host is on this machine: none is looked for.

        Raises
        ------
        ConfigError
            There is none, or it can't be used.
        """
        if emulated:
            return Credential(AnonymousCredentials(), "none", "the host is on this machine")
        if given is None or isinstance(given, str | os.PathLike):
            return for_google(None if given is None else Path(given), self.scopes, self.section)
        account = getattr(given, "service_account_email", None)
        return Credential(given, type(given).__name__, "the caller", account=account)

    def look(self, given: Any, emulated: bool) -> tuple[Credential | None, list[str]]:
        """Find the credential, if one is needed, and what it lacks, as :meth:`credential` does."""
        if emulated:
            return None, []
        try:
            found = self.credential(given, emulated)
        except ConfigError as error:
            return None, [str(error)]
        if lacks_scopes(found, self.enough):
            return found, [f"{found.source} is not for {self.name}: {self.remedy}"]
        return found, []

    def notes(self, given: Any, emulated: bool, found: Credential | None) -> Iterator[str]:
        """Say what of a credential may not be as it was meant."""
        if emulated and given is not None:
            yield (
                "the credential is sent nowhere, since the host is on this machine: leave "
                f"`credentials` out of section `{self.section}`"
            )
        if found is None or found.path is None:
            return
        if is_open_to_others(found.path):
            yield f"others can read {found.path}: run `chmod 600 {shlex.quote(str(found.path))}`"
        named = os.environ.get(VARIABLE)
        if named and found.path != Path(named):
            yield (
                f"${VARIABLE} is not used, since {found.source} goes first: give its path as "
                f"`credentials` in section `{self.section}`"
            )


@dataclass(frozen=True)
class Access:
    """With what a service would be reached.

    Attributes
    ----------
    url : str
        Its host, or ``emulator``.
    emulated : bool
        It isn't Google's: no credential is looked for.
    credential : Credential or None
    missing : tuple of str
        What can't be done without, and how to mend it.
    doubts : tuple of str
        What may be missing; only the service knows.
    notes : tuple of str
        What may not be as it was meant.
    """

    url: str
    emulated: bool
    credential: Credential | None
    missing: tuple[str, ...]
    doubts: tuple[str, ...]
    notes: tuple[str, ...]
