"""What holds for every test: no network, nothing of the user's, no time zone to lean on."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import settings

# A machine under load is slow, not wrong: no deadlines. `make test` tries the same examples each
# time, `make stress` others, and more.
settings.register_profile("short", max_examples=50, deadline=None, derandomize=True)
settings.register_profile("stress", max_examples=2000, deadline=None, print_blob=True)
_PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "short")
settings.load_profile(_PROFILE)

_USERS = ("AWS_", "AZURE_", "CEDAR_", "CLOUDSDK_", "EARTHENGINE_", "GOOGLE_", "XDG_")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
# No test asks the machine for a credential. google-auth reads it once, when it is imported.
os.environ["NO_GCE_CHECK"] = "true"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Under the long profile, properties are stress tests too."""
    for item in items:
        if _PROFILE == "stress" and getattr(getattr(item, "obj", None), "hypothesis", None):
            item.add_marker(pytest.mark.stress)


@pytest.fixture(scope="session", autouse=True)
def _environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give every test, and every process it starts, an empty home and an odd time zone."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.upper().startswith(_USERS) or name.upper() in _PROXIES:
                patch.delenv(name)
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        # What stores and the emulator keep for later is no test's to find in the home.
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        # Not a whole hour from UTC, so that no local time passes for one. The form needs no tzdata.
        patch.setenv("TZ", "NPT-5:45")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture(scope="session", autouse=True)
def _loopback_only() -> Iterator[None]:
    """Fail whatever looks further than this machine."""
    connect, getaddrinfo = socket.socket.connect, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX:
            _check_host(address[0])
        connect(self, address)

    def guarded_getaddrinfo(host: Any, *args: Any, **kwds: Any) -> Any:
        _check_host(host)
        return getaddrinfo(host, *args, **kwds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)
        yield


def _check_host(host: str | bytes | None) -> None:
    name = host.decode() if isinstance(host, bytes) else host or "localhost"
    try:
        inside = ip_address(name).is_loopback
    except ValueError:
        inside = name == "localhost"
    if not inside:
        # Not an OSError: that would be taken for a network that is down, and tried again.
        pytest.fail(f"a test looked for {name} on the network")
