"""Bytes by HTTP from a server that stops in the middle."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from google.auth.credentials import AnonymousCredentials

from cedar.exceptions import Interrupted, StoreError
from cedar.stores.http_session import Session
from cedar.stores.streams import PIECE

SIZE = 2 * PIECE
HEAD = (
    f"HTTP/1.1 206 Partial Content\r\nContent-Length: {SIZE}\r\n"
    f"Content-Range: bytes 0-{SIZE - 1}/{SIZE}\r\n\r\n"
).encode()


@contextmanager
def saying(*parts: bytes) -> Iterator[str]:
    """Answer one request with so much, and then with nothing, until the client goes; the url."""

    def serve() -> None:
        with listening.accept()[0] as client:
            client.recv(1 << 16)
            for part in parts:
                client.sendall(part)
            client.recv(1)  # The client goes.

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread.join(20)
        assert not thread.is_alive()


def test_a_server_that_falls_silent_in_the_middle_is_left() -> None:
    with saying(HEAD, bytes(PIECE + 1)) as url:
        session = Session(AnonymousCredentials(), url, "The service")
        response = session.request("GET", f"{url}/a", stream=True, timeout=(10, 0.1))
        pieces = session.pieces(response, "P/a.tif", 0, SIZE)
        assert next(pieces) == bytes(PIECE)
        with pytest.raises(Interrupted, match=r"can't read P/a\.tif: it doesn't answer") as caught:
            next(pieces)
        assert not caught.value.slow_down


def test_a_stream_that_is_closed_leaves_the_server() -> None:
    with saying(HEAD, bytes(PIECE)) as url:
        session = Session(AnonymousCredentials(), url, "The service")
        response = session.request("GET", f"{url}/a", stream=True, timeout=20)
        pieces = session.pieces(response, "P/a.tif", 0, SIZE)
        next(pieces)
        pieces.close()


def test_nothing_is_sent_to_another_host() -> None:
    session = Session(AnonymousCredentials(), "https://www.googleapis.com", "Drive")
    with pytest.raises(StoreError, match="Drive named an address that isn't its own"):
        session.request("GET", "https://www.googleapis.com.evil.example/a")
