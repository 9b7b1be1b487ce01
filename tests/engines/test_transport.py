"""HTTP for the client: connections kept, deadlines, whole answers, and no credential astray."""

from __future__ import annotations

import gzip
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cedar.emulator import Emulator
from cedar.emulator.server import Server
from cedar.engines.earthengine.limiter import AT_ONCE, Limiter
from cedar.engines.earthengine.transport import Transport

BODY = b'{"result": 7}'


class Answering(ThreadingHTTPServer):
    """A server that gives everybody the same answer, and keeps what it was asked."""

    daemon_threads = True

    def __init__(self, status=200, body=BODY, length=None, **headers):
        super().__init__(("127.0.0.1", 0), _Handler)
        headers.setdefault("Content-Length", len(body) if length is None else length)
        self.status, self.body, self.headers = status, body, headers
        self.asked = []
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))

    def __enter__(self):
        self._thread.start()
        return super().__enter__()

    def __exit__(self, *error):
        self.shutdown()
        self._thread.join()
        super().__exit__(*error)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append((self.path, dict(self.headers)))
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *args):
        pass


@pytest.fixture
def limiter():
    return Limiter(per_second=1e6)


@pytest.fixture
def make(limiter):
    """Transports that are closed at the end."""
    made = []

    def make(**settings):
        made.append(Transport(limiter, **{"proxies": False, **settings}))
        return made[-1]

    yield make
    for transport in made:
        transport.close()


def test_an_answer_comes_as_the_client_has_it_from_httplib2(make):
    with Answering(203, Content_Type="text/plain") as server:
        answer, content = make().request(f"{server.url}/path?query", headers={"X-Given": "it"})
    assert (answer.status, answer["content-type"], content) == (203, "text/plain", BODY)
    ((path, headers),) = server.asked
    assert path == "/path?query"
    assert headers["X-Given"] == "it"


def test_forty_threads_open_no_more_than_forty_connections_and_use_them_again(
    make, limiter, monkeypatch
):
    accepted = []
    accept = Server.process_request

    def counted(self, request, address):
        accepted.append(address)
        accept(self, request, address)

    monkeypatch.setattr(Server, "process_request", counted)
    # Each is answered only when all forty have asked.
    slow = {"service": "earthengine", "method": "*", "probability": 1.0, "action": "delay"}
    with (
        Emulator(clock="stepped", faults=[{**slow, "value": 1}]) as emulator,
        ThreadPoolExecutor(50) as pool,
    ):
        url, transport = f"{emulator.urls['earthengine']}/$discovery/rest", make()

        def ask():
            with limiter.request():
                return transport.request(url)[0].status

        for _ in range(3):
            statuses = [pool.submit(ask) for _ in range(AT_ONCE)]
            emulator.clock.wait_for_sleepers(AT_ONCE)
            emulator.clock.advance(1)
            assert [status.result() for status in statuses] == [200] * AT_ONCE
    assert len(accepted) == AT_ONCE


def test_a_server_that_never_answers_is_given_up_on(make):
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(TimeoutError):
        make(read_timeout=0.05).request(f"http://127.0.0.1:{silent.getsockname()[1]}")


def test_a_server_that_stops_in_the_middle_of_its_answer_is_given_up_on(make):
    def stop_in_the_middle(server):
        connection, _ = server.accept()
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        connections.append(connection)

    connections = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=stop_in_the_middle, args=(server,))
        thread.start()
        with pytest.raises((TimeoutError, ConnectionError)):
            make(read_timeout=0.05).request(f"http://127.0.0.1:{server.getsockname()[1]}")
        thread.join(10)
    connections[0].close()


def test_nobody_there_is_an_error_that_the_client_tries_again(make):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ConnectionError):
        make().request(f"http://127.0.0.1:{port}")


@pytest.mark.parametrize(
    "answer",
    [
        {"length": len(BODY) + 1},
        {"body": b"", "length": 1},
        {"body": gzip.compress(BODY)[:-9], "length": 100, "Content_Encoding": "gzip"},
        {"body": BODY, "Content_Encoding": "gzip"},
    ],
)
def test_an_answer_that_came_in_part_is_an_error_that_the_client_tries_again(make, answer):
    with Answering(**answer) as server, pytest.raises(ConnectionError):
        make().request(server.url)


def test_every_429_is_noted_and_nothing_else_is(make, limiter):
    for status, allowed in ((200, 40), (500, 40), (429, 20)):
        with Answering(status) as server:
            make().request(server.url)
        assert limiter.allowed == allowed


def test_a_redirection_is_not_followed_so_the_credential_goes_nowhere_else(make):
    with Answering() as elsewhere, Answering(302, Location=elsewhere.url) as server:
        answer, _ = make().request(server.url, headers={"Authorization": "Bearer secret"})
    assert answer.status == 302
    assert elsewhere.asked == []


def test_a_netrc_takes_no_credentials_place(make, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("default login other password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    transport = make(proxies=True)
    with Answering() as server:
        transport.request(server.url, headers={"Authorization": "Bearer mine"})
        transport.request(server.url)
    assert [headers.get("Authorization") for _, headers in server.asked] == ["Bearer mine", None]


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_is_used_but_not_for_this_machine(make, monkeypatch, variable):
    with Answering() as proxy, Answering() as server:
        monkeypatch.setenv(variable, proxy.url)
        make(proxies=True).request("http://elsewhere.invalid/asked")
        assert [path for path, _ in proxy.asked] == ["http://elsewhere.invalid/asked"]
        make(proxies=False).request(server.url)
        assert len(server.asked) == len(proxy.asked) == 1
