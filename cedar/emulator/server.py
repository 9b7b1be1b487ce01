"""The emulator on sockets of this machine: HTTP/1.1, connections kept alive, a thread for each."""

from __future__ import annotations

import gzip
import logging
import os
import re
import selectors
import socket
import socketserver
import struct
import threading
import zlib
from contextlib import suppress
from http import HTTPStatus
from http.client import responses
from http.server import BaseHTTPRequestHandler
from typing import Any, Final

from ..exceptions import InputError
from .transport import JSON, Call, Handler, Reply, refusal
from .values import ServiceError

logger = logging.getLogger(__name__)

HOST: Final = "127.0.0.1"
_VERBS: Final = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_CHUNK: Final = 2**16
#: Bytes of JSON from which an answer is compressed for those who take that.
_WORTH_COMPRESSING: Final = 1024
_LENGTH: Final = re.compile("[0-9]{1,18}")
_TAKES_GZIP: Final = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))")


class Server(socketserver.TCPServer):
    """One service, from when it is made until it is closed.

    Parameters
    ----------
    handle : Handler
        What answers; called from many threads at once.
    port : int
        0: any that is free.
    max_body : int or None
        Bytes from which a request's body isn't kept whole, since it will be refused.

    Attributes
    ----------
    url : str
        Base address for clients.

    Raises
    ------
    InputError
        The port can't be had.
    """

    # Elsewhere the option would let two servers have one port.
    allow_reuse_address = os.name == "posix"
    request_queue_size = 128
    # A client that has gone before it is served isn't waited for.
    timeout = 0

    def __init__(self, handle: Handler, port: int = 0, max_body: int | None = None):
        self.handle, self.max_body = handle, max_body
        # Only the acceptor's while it runs, then only close's.
        self._connections: dict[threading.Thread, socket.socket] = {}
        try:
            super().__init__((HOST, port), _Connection)
        except (OSError, OverflowError) as error:
            raise InputError(f"port {port} can't be had: {error}") from error
        self.url = f"http://{HOST}:{self.server_address[1]}"
        self._end, self._ended = socket.socketpair()
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def _accept(self) -> None:
        """Take connections until the end, which is at once: serve_forever looks now and then."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.socket, selectors.EVENT_READ)
            selector.register(self._ended, selectors.EVENT_READ)
            while self._ended not in [key.fileobj for key, _ in selector.select()]:
                self.handle_request()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a new connection in a thread of its own."""
        living = {t: c for t, c in self._connections.items() if t.is_alive()}
        thread = threading.Thread(target=self._serve, args=(request, client_address), daemon=True)
        thread.start()
        self._connections = {**living, thread: request}

    def _serve(self, connection: socket.socket, address: Any) -> None:
        try:
            self.finish_request(connection, address)
        except OSError as error:
            logger.debug("a client has gone: %s", error)
        finally:
            # Without shutdown_request's FIN, which would come before a reset.
            connection.close()

    def close(self) -> None:
        """End every connection and thread. Requests under way are finished, but not answered."""
        self._end.send(b"\0")
        self._acceptor.join()
        self._end.close()
        self._ended.close()
        self.server_close()
        for connection in self._connections.values():
            with suppress(OSError):  # it may have ended by itself
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._connections:
            thread.join()


class _Connection(BaseHTTPRequestHandler):
    """A client's connection: request after request, each read whole, then answered."""

    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self) -> None:
        """Answer one request."""
        try:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self._body()
            reply = self.server.handle(Call(self.command, self.path, headers, body))
        except ServiceError as error:
            self.close_connection = True  # where the next request begins isn't known
            reply = refusal(error)
        except ConnectionResetError:
            # Closing without lingering is what sends a reset.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        self._send(reply)

    def _body(self) -> bytes:
        """What was sent, unpacked; not all of it where it is too long anyway."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers:
            raise ServiceError("The emulator needs a Content-Length.", 411)
        if not _LENGTH.fullmatch(length):
            raise ServiceError(f"Content-Length {length!r} is no length.")
        body = self._received(int(length))
        encoding = self.headers.get("Content-Encoding", "identity")
        if encoding == "identity":
            return body
        if encoding == "gzip":
            return _unpacked(body, self.server.max_body)
        raise ServiceError(f"The emulator knows no Content-Encoding {encoding!r}.", 415)

    def _received(self, length: int) -> bytes:
        """So many bytes, as they come; not all of them where they are too many anyway."""
        most = self.server.max_body
        try:
            # One more than may be, so that what is too long is seen to be.
            body = self.rfile.read(length if most is None else min(length, most + 1))
        except MemoryError:
            raise ServiceError("The emulator has no memory for such a body.", 413) from None
        missing = length - len(body)
        while missing:
            part = self.rfile.read(min(missing, _CHUNK))
            if not part:
                raise ConnectionAbortedError("it left in the middle of a request")
            missing -= len(part)
        return body

    def _send(self, reply: Reply) -> None:
        content, headers = reply.content, [f"Content-Type: {reply.media_type}"]
        headers += [f"{name}: {value}" for name, value in reply.headers.items()]
        if (
            reply.media_type == JSON
            and reply.is_message
            and len(content) >= _WORTH_COMPRESSING
            and _TAKES_GZIP.search(self.headers.get("Accept-Encoding", ""))
        ):
            content = gzip.compress(content, compresslevel=1)
            headers.append("Content-Encoding: gzip")
        arriving = reply.arriving(len(content))
        self._write(reply.status, headers, content, arriving)

    def _write(
        self, status: int, headers: list[str], content: bytes | memoryview, arriving: int
    ) -> None:
        if arriving < len(content):
            self.close_connection = True
        if self.close_connection:
            headers.append("Connection: close")
        phrase = responses.get(status, "")  # Cloud Storage has one that isn't HTTP's
        headers = [f"HTTP/1.1 {status} {phrase}", *headers, f"Content-Length: {len(content)}"]
        head = "\r\n".join((*headers, "", "")).encode("latin-1")
        body = memoryview(content)[: 0 if self.command == "HEAD" else arriving]
        # A short answer goes out at once, a long one isn't copied.
        self.connection.sendall(head + body[:_CHUNK])
        self.connection.sendall(body[_CHUNK:])

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what isn't HTTP that the server reads, in the services' form."""
        del explain
        word = "INVALID_ARGUMENT" if code < HTTPStatus.INTERNAL_SERVER_ERROR else "UNIMPLEMENTED"
        error = ServiceError(message or HTTPStatus(code).phrase, code, word)
        self.close_connection = True
        content = refusal(error).content
        self._write(code, [f"Content-Type: {JSON}"], content, len(content))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Nothing: the emulator has a log of requests."""


for _verb in _VERBS:
    setattr(_Connection, f"do_{_verb}", _Connection.answer)


def _unpacked(body: bytes, most: int | None) -> bytes:
    """A gzip'd body, but for what is past the most by more than a byte."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        unpacked = unpacker.decompress(body, 0 if most is None else most + 1)
    except zlib.error as error:
        raise ServiceError(f"The body is no gzip: {error}") from None
    if not unpacker.eof and (most is None or len(unpacked) <= most):
        raise ServiceError("The body ends in the middle of its gzip.")
    return unpacked
