"""Which credential is used, where it was found, and where it may be sent."""

from __future__ import annotations

import json
import os
import re
import shlex
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from .exceptions import ConfigError, InputError

#: google-auth's variable for a key file.
VARIABLE: Final = "GOOGLE_APPLICATION_CREDENTIALS"
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_URL: Final = re.compile(
    r"https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(?::[0-9]{1,5})?(?:/[a-z0-9_./:-]*)?"
)
#: ``type`` of a credential file → its kind in words.
_KINDS: Final = {
    "authorized_user": "user",
    "service_account": "service account",
    "external_account": "workload identity",
    "external_account_authorized_user": "workforce user",
    "impersonated_service_account": "impersonated service account",
}
_SECRETS: Final = ("private_key", "refresh_token", "client_secret")
#: The client that ``earthengine authenticate`` asks with where the user has none of their own. Its
#: secret is in the client's public source (ee/oauth.py), as that of any installed program: it
#: proves nothing.
_EARTHENGINE_ID: Final = "517222506229-vsmmajv00ul0bs7p89v5m89qs8eb9359.apps.googleusercontent.com"
_EARTHENGINE_SECRET: Final = "RUP0RZ6e0pPhDzsqIJ7KlNd1"  # noqa: S105  (see above)
_TOKEN_URL: Final = "https://oauth2.googleapis.com/token"  # noqa: S105  (an address)
#: Where google-auth sends a secret to, for a token.
_TOKEN_URLS: Final = frozenset({"token_uri", "token_url", "service_account_impersonation_url"})


@dataclass(frozen=True)
class Credential:
    """A credential, and what may be said about it.

    Attributes
    ----------
    credentials : google.auth.credentials.Credentials
        Never shown: it holds a secret.
    kind : str
        ``user``, ``service account`` …
    source : str
        Where it was found.
    path : Path or None
        The file that it is from.
    project : str or None
        The Cloud project that it names, if it names one.
    account : str or None
        A service account's address.
    """

    credentials: Any = field(repr=False)
    kind: str
    source: str
    path: Path | None = None
    project: str | None = None
    account: str | None = None


def for_google(
    path: Path | None, scopes: Sequence[str], section: str, ask: bool = True
) -> Credential:
    """Find the credential for one of Google's services. Nothing is sent but to find it.

    It is the file's; else what ``earthengine authenticate`` wrote; else application default
    credentials: so that Earth Engine and the store that it exports to know the user by one account.

    Parameters
    ----------
    path : Path or None
        A credential file that nobody else can read.
    scopes
        What it is for.
    section : str
        Where the configuration names it.
    ask : bool
        Whether the machine's metadata server may be asked, where no file is found.

    Raises
    ------
    ConfigError
        There is none, or it can't be used.
    """
    if path is not None:
        check_private(path)
        return read(path, scopes)
    own, project = of_earthengine()
    found = own or find(scopes, ask)
    if found is None:
        raise ConfigError(
            "no Google credential: run `earthengine authenticate` or `gcloud auth "
            "application-default login`, or name a key file as `credentials` in section "
            f"`{section}` (or try `url: emulator`, which needs none)"
        )
    return replace(found, project=project or found.project)


def of_earthengine() -> tuple[Credential | None, str | None]:
    """Read what ``earthengine authenticate`` wrote, and ``earthengine set_project``.

    None where it hasn't. Nothing is sent.

    Raises
    ------
    ConfigError
        It can't be used.
    """
    from google.oauth2.credentials import Credentials

    path = Path("~/.config/earthengine/credentials").expanduser()
    if not path.is_file():
        return None, None
    info = read_object(path)
    scopes, project = info.get("scopes", []), info.get("project")
    texts = scopes if isinstance(scopes, list) else [None]
    texts = [*texts, info.get("client_id", ""), project or ""]
    if not all(isinstance(text, str) for text in texts):
        raise ConfigError(
            f"credentials {path}: can't be used; run `earthengine authenticate --force`", str(path)
        )
    if not info.get("refresh_token"):
        return None, project
    credentials = Credentials(
        None,
        refresh_token=info["refresh_token"],
        token_uri=_TOKEN_URL,
        client_id=info.get("client_id", _EARTHENGINE_ID),
        client_secret=info.get("client_secret", _EARTHENGINE_SECRET),
        scopes=scopes or None,
        quota_project_id=project,
    )
    return Credential(credentials, "user", str(path), path), project


def lacks_scopes(credential: Credential, scopes: Iterable[str]) -> bool:
    """Whether a credential is surely for something else than each of some scopes.

    What gcloud writes, and a machine, don't say what they are for.
    """
    agreed = credential.credentials.scopes
    return bool(agreed) and set(scopes).isdisjoint(agreed)


def default_file() -> Path | None:
    """The file of application default credentials, if there is one.

    It is what $GOOGLE_APPLICATION_CREDENTIALS names, else what gcloud wrote.
    """
    from google.auth import _cloud_sdk

    if named := os.environ.get(VARIABLE):
        return Path(named)
    path = Path(_cloud_sdk.get_application_default_credentials_path())
    return path if path.is_file() else None


def find(scopes: Sequence[str], ask: bool = True) -> Credential | None:
    """Find application default credentials. The current directory is never looked at.

    Parameters
    ----------
    scopes
        What they are for.
    ask : bool
        Where there is no file of them, whether google-auth may ask the machine's metadata server.

    Raises
    ------
    ConfigError
        The file can't be used.
    """
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    path = default_file()
    if path is not None:
        named = f"${VARIABLE}: " if os.environ.get(VARIABLE) else ""
        return read(path, scopes, f"{named}{path}")
    if not ask:
        return None
    try:
        found, project = google.auth.default(scopes=scopes)
    except DefaultCredentialsError:
        return None
    return Credential(
        found, "the machine's service account", "the machine's metadata server", project=project
    )


def read(path: Path, scopes: Sequence[str], source: str | None = None) -> Credential:
    """Read a credential from a file.

    Nothing is sent.

    Parameters
    ----------
    path : Path
        Key file of a service account, a user's credentials, or a workload identity.
    scopes
        What it is for. A user's are those that the user agreed to.
    source : str, optional
        What to say of where it was found; by default its path.

    Raises
    ------
    ConfigError
        It can't be read, or would send its secret elsewhere than to Google.
    """
    import google.auth
    from google.auth.credentials import with_scopes_if_required
    from google.auth.exceptions import GoogleAuthError

    info = read_object(path)
    kind = _KINDS.get(str(info.get("type")))
    if kind is None:
        known = ", ".join(_KINDS)
        raise ConfigError(f"credentials {path}: type is {info.get('type')!r}, none of {known}")
    for url in _token_urls(info):
        if not _is_googles(url):
            raise ConfigError(f"credentials {path}: would be sent to {url!r}, which isn't Google's")
    try:
        with warnings.catch_warnings():
            # That a file may be anybody's: what is in it was checked.
            warnings.simplefilter("ignore")
            loaded, project = google.auth.load_credentials_from_dict(info)
    except (GoogleAuthError, AttributeError, KeyError, TypeError, ValueError) as error:
        why = " ".join(str(error.args[-1] if error.args else error).split())
        raise ConfigError(f"credentials {path}: google-auth can't use it: {why}") from error
    # With scopes from the start, it would ask Google for a workload identity's project.
    found = with_scopes_if_required(loaded, scopes)
    return Credential(
        found,
        kind,
        source or str(path),
        path,
        found.quota_project_id or project,
        getattr(found, "service_account_email", None),
    )


def read_object(path: Path) -> dict[str, Any]:
    """Read the JSON object that a credential file is.

    Raises
    ------
    ConfigError
        It isn't one.
    """
    try:
        found = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"credentials {path}: {error.strerror}") from error
    except ValueError:
        # Without the cause, which holds the text, and so a secret.
        raise ConfigError(f"credentials {path}: is not JSON") from None
    if not isinstance(found, dict):
        raise ConfigError(f"credentials {path}: is no JSON object")
    for key in _SECRETS:
        # google-auth's complaint about it would show it.
        if not isinstance(found.get(key, ""), str):
            raise ConfigError(f"credentials {path}: {key} is no text")
    return found


def check_private(path: Path) -> None:
    """Refuse a file with a secret that others can read, or that is a link.

    Raises
    ------
    ConfigError
        It is.
    """
    if path.is_symlink():
        raise ConfigError(f"credentials {path}: is a link; name the file itself")
    if is_open_to_others(path):
        raise ConfigError(
            f"credentials {path}: can be read by others; run `chmod 600 {shlex.quote(str(path))}`",
            str(path),
        )


def is_open_to_others(path: Path) -> bool:
    """Whether others than its owner may read or change a file."""
    return path.is_file() and bool(path.stat().st_mode & 0o077)


def is_loopback(url: str) -> bool:
    """Whether a url's host is this machine."""
    return _host(url) in _LOOPBACK


def check_url(url: str) -> None:
    """Refuse a url that nothing may be sent to: neither Google's, by https, nor of this machine.

    Raises
    ------
    InputError
        It is such a one.
    """
    if not is_loopback(url) and not _is_googles(url):
        raise InputError(
            f"url {url!r} is neither Google's, https://….googleapis.com, nor on this machine: "
            "credentials are sent nowhere else"
        )


def _is_googles(url: str) -> bool:
    host = _host(url)
    # accounts.google.com gives tokens for older keys.
    known = host == "accounts.google.com" or f".{host}".endswith(".googleapis.com")
    return known and url.lower().startswith("https:")


def _host(url: str) -> str | None:
    """A url's host; None where programs may differ on what it is, as with a user or a backslash."""
    found = _URL.fullmatch(url.lower())
    return found and found[1].strip("[]")


def _token_urls(info: Mapping[str, Any]) -> Iterator[str]:
    for key, value in info.items():
        if isinstance(value, Mapping):
            yield from _token_urls(value)
        elif key in _TOKEN_URLS:
            yield str(value)
