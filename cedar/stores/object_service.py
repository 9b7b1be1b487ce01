"""Where an object store is, and how obstore reaches it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError

from ..credentials import is_loopback
from ..exceptions import InputError
from ..retry import PATIENCE
from .object_errors import first_line

if TYPE_CHECKING:
    from obstore.store import AzureStore, S3Store

#: obstore's word for a url's service → variables of the environment that could lead elsewhere.
SERVICES: Final[Mapping[str, tuple[str, ...]]] = {
    "s3": ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    "azure": (
        *("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT"),
        *("AZURE_STORAGE_USE_EMULATOR", "AZURE_USE_EMULATOR"),
    ),
}
#: obstore's word for a url's service → why it isn't one of these.
OTHERS: Final[Mapping[str, str]] = {
    "gcs": "use the store gcs (a listing by obstore lacks the generations that versions are)",
    "local": "use the store local",
}
#: Options of obstore's connections rather than of a service (its ClientConfig).
CLIENT_OPTIONS: Final = frozenset(
    {
        *("allow_http", "allow_invalid_certificates", "connect_timeout", "default_content_type"),
        *("http1_only", "http2_only", "http2_keep_alive_interval", "http2_keep_alive_timeout"),
        *("http2_keep_alive_while_idle", "pool_idle_timeout", "pool_max_idle_per_host"),
        *("proxy_ca_certificate", "proxy_excludes", "proxy_url", "randomize_addresses"),
        *("read_timeout", "root_certificate", "timeout", "user_agent"),
    }
)
#: A request may take long, as a slow line does, but not say nothing for long.
TIMEOUTS: Final = {"connect_timeout": "10s", "read_timeout": "60s", "timeout": "600s"}
RETRIES: Final = 8
#: For a service on this machine. A proxy that is given is one for which the environment's isn't
#: looked at (reqwest, ClientBuilder.proxy); this one, where nobody is, is never used.
_DIRECT: Final = {"proxy_url": "http://127.0.0.1:9", "proxy_excludes": "localhost,127.0.0.1,::1"}


@dataclass(frozen=True)
class Service:
    """A bucket or container, a folder in it, and how to reach it.

    Attributes
    ----------
    url : str
        As it was given.
    name : str
        The url in one spelling, for people.
    identity : str
        What tells it from all others.
    config, client : mapping
        What obstore is told of the service, and of connections to it. May hold secrets.
    """

    url: str
    name: str
    identity: str
    config: Mapping[str, str]
    client: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Service({self.name!r})"

    @classmethod
    def at(cls, url: str, options: Mapping[str, str | float | bool]) -> Service:
        """Find out what a url and options mean; nothing is sent.

        Raises
        ------
        InputError
            They can't be used.
        """
        scheme = _scheme(url)
        texts = {name.lower(): _text(value) for name, value in options.items()}
        client = {name: value for name, value in texts.items() if name in CLIENT_OPTIONS}
        config = {name: value for name, value in texts.items() if name not in CLIENT_OPTIONS}
        store = _connect(url, config, client)
        endpoint = _endpoint(store.config)
        for variable in SERVICES[scheme]:
            if variable in os.environ and os.environ[variable].rstrip("/") != endpoint:
                raise InputError(
                    f"${variable} says where the object store is, object.options.endpoint doesn't "
                    "say the same: unset the one, or set the other"
                )
        name = _name(scheme, store)
        if scheme == "s3":
            # The one way that S3 has to copy onto nothing only.
            config = {"copy_if_not_exists": "multipart", **config}
        if endpoint is None:
            return cls(url, name, name, config, client)
        if is_loopback(endpoint):
            proxy = {} if "proxy_url" in client else _DIRECT
            client = {**client, **proxy, "allow_http": "true"}
            return cls(url, name, f"emulator:{name}", config, client)
        if not endpoint.startswith("https:") and client.get("allow_http") != "true":
            raise InputError(
                f"object.options.endpoint {endpoint} would be sent images and requests in the "
                "clear: use https, or say allow_http: true"
            )
        return cls(url, name, f"{name} at {endpoint}", config, client)

    def connect(self, patient: bool) -> S3Store | AzureStore:
        """Make obstore's store. A patient one sends again what failed, for a while."""
        return _connect(self.url, self.config, {**TIMEOUTS, **self.client}, RETRIES * patient)


def _scheme(url: str) -> str:
    """Return obstore's word for a url's service."""
    try:
        parts = urlsplit(url)
        scheme = str(obstore.parse_scheme(url))
    except (BaseError, ValueError):
        raise InputError(
            "object.url is no url of an object store: say s3://bucket/folder"
        ) from None
    # abfss://container@account… has no secret before its @.
    user = parts.password or (parts.username and not parts.scheme.startswith("abfs"))
    if user or parts.query or parts.fragment:
        raise InputError(
            "object.url has a user, a query or a fragment, which may be a secret: leave it out "
            "(obstore reads secrets from the environment), or write ? as %3F and # as %23"
        )
    if scheme not in SERVICES:
        hint = OTHERS.get(scheme, "say s3://bucket/folder")
        raise InputError(f"object.url {url!r} is neither of S3 nor of Azure: {hint}")
    return scheme


def _text(value: str | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _connect(
    url: str, config: Mapping[str, str], client: Mapping[str, str], retries: int = 0
) -> S3Store | AzureStore:
    retry = {"max_retries": retries, "retry_timeout": timedelta(seconds=PATIENCE)}
    # What the names and values may be is obstore's to know, and checked by it.
    options: Any = {"config": dict(config), "client_options": dict(client), "retry_config": retry}
    try:
        store: Any = obstore.store.from_url(url, **options)
    except BaseError as error:
        raise InputError(f"object.url and object.options: {first_line(error)}") from None
    connected: S3Store | AzureStore = store
    return connected


def _endpoint(config: Mapping[str, Any]) -> str | None:
    """Return the service's url, where it isn't the usual one."""
    if config.get("use_emulator") == "true":
        return "http://127.0.0.1:10000"
    if "endpoint" not in config:
        return None
    endpoint = str(config["endpoint"]).rstrip("/")
    if not re.fullmatch(r"https?://[\w.:\[\]-]+(/[\w./-]*)?", endpoint):
        raise InputError("object.options.endpoint is no url of a service: say https://host")
    return endpoint


def _name(scheme: str, store: S3Store | AzureStore) -> str:
    config: Mapping[str, Any] = store.config
    folder = f"/{store.prefix}" if store.prefix else ""
    if scheme == "s3":
        return f"s3://{config['bucket']}{folder}"
    if "account_name" not in config:
        raise InputError(
            "object.url doesn't say whose container it is: write "
            "abfss://container@account.dfs.core.windows.net/folder"
        )
    host = f"{config['account_name']}.dfs.core.windows.net"
    return f"abfss://{config['container_name']}@{host}{folder}"
