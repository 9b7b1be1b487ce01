"""What tests/conftest.py promises of every test."""

from __future__ import annotations

import datetime as dt
import os
import socket
from pathlib import Path

import pytest


@pytest.mark.parametrize("host", ["example.org", "192.0.2.1", "2001:db8::1"])
def test_no_test_reaches_the_network(host):
    with pytest.raises(pytest.fail.Exception, match=host):
        socket.create_connection((host, 443), timeout=1)


def test_a_socket_of_its_own_reaches_no_network_either():
    with socket.socket() as client, pytest.raises(pytest.fail.Exception, match=r"192\.0\.2\.1"):
        client.connect(("192.0.2.1", 443))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_loopback_is_reached(host):
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection((host, server.getsockname()[1]), timeout=10).close()


def test_nothing_of_the_users_is_seen():
    assert not list(Path.home().iterdir())
    assert not [name for name in os.environ if name.startswith(("GOOGLE_", "CEDAR_"))]


def test_local_time_is_not_utc():
    """ancestor_11: image times depended on the machine's time zone."""
    offset = dt.datetime(2020, 1, 1).astimezone().utcoffset()
    assert offset == dt.timedelta(hours=5, minutes=45)
