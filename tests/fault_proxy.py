"""What stands between a client and a server, and has things go wrong as a script says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    """A status, headers and a body."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    verb: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""

    def matches(self, verb: str, part: str) -> bool:
        """Whether it is of a verb, or of any (``*``), and has a part in its path or body."""
        return verb in (self.verb, "*") and (part in self.path or part.encode() in self.body)


@dataclass
class Fault:
    """What happens to requests.

    Attributes
    ----------
    verb, part : str
        Of which requests, see :meth:`Asked.matches`.
    times : int
        To so many of them.
    instead : Answer, optional
        What is answered; the server never sees the request.
    drop : tuple of str
        Names of headers that the server doesn't see.
    hide : str, optional
        Name of a header of the answer that the client doesn't see.
    lost : bool
        Whether the answer gets lost, after the server has done what it was asked.
    cut : int, optional
        How many bytes of the answer's body arrive before the connection breaks.
    then : callable, optional
        Called once the server has answered.
    """

    verb: str = "*"
    part: str = ""
    times: int = 1
    instead: Answer | None = None
    drop: tuple[str, ...] = ()
    hide: str | None = None
    lost: bool = False
    cut: int | None = None
    then: Callable[[], object] = lambda: None


class Proxy:
    """A proxy's url, the requests that it has seen, and the faults that are due."""

    def __init__(self, url: str, behind: str):
        self.url, self.behind = url, behind
        self.asked: list[Asked] = []
        self.faults: list[Fault] = []
        self._lock = threading.Lock()

    def paths(self, verb: str, part: str = "") -> list[str]:
        """Paths of the requests of a verb."""
        return [asked.path for asked in self.asked if asked.matches(verb, part)]

    def next_fault(self, asked: Asked) -> Fault:
        """Note a request; what is to happen to it."""
        with self._lock:
            self.asked.append(asked)
            for fault in self.faults:
                if fault.times and asked.matches(fault.verb, fault.part):
                    fault.times -= 1
                    return fault
        return Fault()

    def answer(self, asked: Asked, drop: tuple[str, ...]) -> Answer:
        """What the server says."""
        headers = {name: text for name, text in asked.headers.items() if name.lower() not in drop}
        with closing(HTTPConnection(urlsplit(self.behind).netloc)) as connection:
            connection.request(asked.verb, asked.path, asked.body, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read(), dict(answer.getheaders()))


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        proxy, body = self.server.proxy, self.rfile.read(int(self.headers.get("Content-Length", 0)))
        asked = Asked(self.command, self.path, dict(self.headers.items()), body)
        fault = proxy.next_fault(asked)
        answer = fault.instead or proxy.answer(asked, fault.drop)
        fault.then()
        if not fault.lost:
            self._tell(answer, fault)
        if fault.lost or fault.cut is not None:
            self.close_connection = True
            self.wfile.flush()
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

    do_DELETE = do_GET = do_HEAD = do_POST = do_PUT = _handle  # noqa: N815 (http.server's)

    def _tell(self, answer: Answer, fault: Fault) -> None:
        self.send_response_only(answer.status)
        hidden = {"connection", "transfer-encoding", "content-length", fault.hide}
        for name, text in answer.headers.items():
            if name.lower() not in hidden:
                self.send_header(name, text)
        # The answer to HEAD has the length of what it would have.
        length = answer.headers.get("Content-Length", len(answer.body))
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[: fault.cut])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base's name)
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, behind: str):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.proxy = Proxy(f"http://127.0.0.1:{self.server_port}", behind)

    def handle_error(self, request: object, client_address: object) -> None:
        """Leave a client that went away alone."""


@contextmanager
def proxied(behind: str) -> Iterator[Proxy]:
    """Stand before a server."""
    with _Server(behind) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.proxy
        finally:
            server.shutdown()
            thread.join()
