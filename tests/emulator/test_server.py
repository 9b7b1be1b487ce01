"""The emulator on sockets: what clients of HTTP can rely on, whatever they send."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import os
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cedar.emulator import Emulator
from cedar.emulator.limits import PAYLOAD
from cedar.exceptions import InputError

ID_77 = "EXAMPLE/LC08/DN/LC08_224077_20200518"
VALUE = "/v1/projects/any/value:compute"
PIXELS = "/v1/projects/any/image:computePixels"
SEVEN = json.dumps({"expression": {"result": "0", "values": {"0": {"constantValue": 7}}}}).encode()
TOO_MANY = (
    "Too Many Requests: Request was rejected because the request rate or concurrency limit was "
    "exceeded."
)


def address(emulator):
    host, port = emulator.urls["earthengine"].removeprefix("http://").split(":")
    return host, int(port)


@pytest.fixture
def connection(emulator):
    """One connection to :func:`emulator`."""
    with contextlib.closing(http.client.HTTPConnection(*address(emulator), timeout=60)) as made:
        yield made


def ask(connection, verb="POST", path=VALUE, body=SEVEN, **headers):
    connection.request(verb, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
    response = connection.getresponse()
    return response, response.read()


def send(emulator, *pieces):
    """All that comes back for some bytes."""
    with socket.create_connection(address(emulator), timeout=60) as raw:
        for piece in pieces:
            raw.sendall(piece)
        raw.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: raw.recv(65536), b""))


def is_alive(emulator):
    with contextlib.closing(http.client.HTTPConnection(*address(emulator), timeout=60)) as another:
        response, content = ask(another)
    return (response.status, content) == (200, b'{"result": 7}')


# ---- the official client


def test_the_official_client_computes_over_loopback(emulator, connect):
    ee = connect(emulator, by_loopback=True)
    assert ee.Number(40).add(2).getInfo() == 42
    assert ee.data.getAsset(ID_77)["properties"]["WRS_ROW"] == 77
    with pytest.raises(ee.EEException, match=r"^ImageCollection\.load: .*'NO/SUCH' not found"):
        ee.ImageCollection("NO/SUCH").size().getInfo()
    # The client asks for the algorithms once a process.
    made = [request.method for request in emulator.requests if request.method != "algorithms"]
    assert made == ["discovery", "discovery", "value:compute", "assets", "value:compute"]


@pytest.mark.parametrize("threads", [1, 8, 40])
def test_the_official_client_gets_the_right_pixels_with_many_threads(
    emulator, connect, landsat, threads
):
    ee = connect(emulator, by_loopback=True)

    def block(column):
        affine = {"scaleX": 30, "scaleY": -30, "translateY": -2778015}
        affine["translateX"] = 730005 + 30 * column
        grid = {"dimensions": {"width": 32, "height": 384}, "affineTransform": affine}
        request = {
            "expression": ee.Image(ID_77),
            "fileFormat": "NUMPY_NDARRAY",
            "grid": {**grid, "crsCode": "EPSG:32621"},
        }
        return ee.data.computePixels(request)["B3"]

    columns = list(range(0, 352, 4))
    with ThreadPoolExecutor(threads) as pool:
        blocks = list(pool.map(block, columns))
    with rasterio.open(landsat / "LC08_224077_20200518.tif") as file:
        whole = file.read(2)
    for column, got in zip(columns, blocks, strict=True):
        assert np.array_equal(got, whole[:, column : column + 32])
    assert {request.status for request in emulator.requests} == {200}


# ---- HTTP


def test_a_connection_is_kept_alive(emulator, connection):
    ask(connection)
    kept = connection.sock
    for _ in range(3):
        response, content = ask(connection)
        assert (response.status, content) == (200, b'{"result": 7}')
    assert connection.sock is kept
    assert len(emulator.requests) == 4


@pytest.mark.parametrize("request_line", [b"GET /x HTTP/1.0\r\n", b"GET /x HTTP/1.1\r\n"])
def test_a_connection_ends_when_the_client_wants(emulator, request_line):
    headers = b"Connection: close\r\n" if b"1.1" in request_line else b""
    answer = send(emulator, request_line, headers, b"\r\n")
    assert answer.startswith(b"HTTP/1.1 404 Not Found\r\n")
    assert b"Connection: close\r\n" in answer


def test_requests_in_one_write_are_answered_in_turn(emulator):
    one = b"GET /$discovery/rest HTTP/1.1\r\n\r\n"
    two = b"POST %s HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (VALUE.encode(), len(SEVEN), SEVEN)
    answer = send(emulator, one + two + two)
    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert answer.endswith(b'{"result": 7}')


def test_a_small_request_in_single_bytes_is_understood(emulator):
    text = b"GET /x HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
    assert send(emulator, *(text[i : i + 1] for i in range(len(text)))).startswith(b"HTTP/1.1 404")


def test_a_client_may_wait_to_be_asked_for_its_body(emulator):
    head = f"POST {VALUE} HTTP/1.1\r\nContent-Length: {len(SEVEN)}\r\nExpect: 100-continue\r\n\r\n"
    with socket.create_connection(address(emulator), timeout=60) as raw:
        raw.sendall(head.encode())
        assert raw.recv(100).startswith(b"HTTP/1.1 100 ")
        raw.sendall(SEVEN)
        assert raw.recv(1000).endswith(b'{"result": 7}')


@pytest.mark.parametrize("verb", ["HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "GET"])
def test_verbs_that_no_method_has_are_not_found(connection, verb):
    response, content = ask(connection, verb, body=None)
    assert response.status == 404
    if verb == "HEAD":
        assert content == b""
        assert int(response.headers["Content-Length"]) > 0
    else:
        assert json.loads(content)["error"]["status"] == "NOT_FOUND"
    assert ask(connection)[0].status == 200


def test_large_answers_are_compressed_for_those_who_take_it(connection):
    path = "/v1/projects/any/algorithms"
    plain, content = ask(connection, "GET", path, None)
    assert "Content-Encoding" not in plain.headers
    for takes in ("gzip, deflate", "br;q=1.0, gzip;q=0.8", "deflate,gzip"):
        packed, small = ask(connection, "GET", path, None, Accept_Encoding=takes)
        assert packed.headers["Content-Encoding"] == "gzip"
        assert len(small) < len(content) / 4
        assert gzip.decompress(small) == content
    refused, same = ask(connection, "GET", path, None, Accept_Encoding="gzip;q=0, identity")
    assert (refused.headers["Content-Encoding"], same) == (None, content)
    tiny, _ = ask(connection, Accept_Encoding="gzip")
    assert "Content-Encoding" not in tiny.headers


def test_a_request_may_be_compressed(connection):
    response, content = ask(connection, body=gzip.compress(SEVEN, mtime=0), Content_Encoding="gzip")
    assert (response.status, content) == (200, b'{"result": 7}')


def test_a_payload_past_the_limit_is_refused_and_the_connection_goes_on(connection):
    words = f"Request payload size exceeds the limit: {PAYLOAD.most} bytes."
    large = b" " * (PAYLOAD.most + 1)
    packed = {"Content_Encoding": "gzip"}
    for body, headers in ((large, {}), (gzip.compress(large * 20, 1), packed), (large * 3, {})):
        response, content = ask(connection, body=body, **headers)
        assert response.status == 400
        assert json.loads(content)["error"]["message"] == words
    assert ask(connection, body=SEVEN + b" " * (PAYLOAD.most - len(SEVEN)))[0].status == 200


def test_a_payload_of_any_size_is_taken_where_it_isn_t_strict(landsat):
    with Emulator(landsat, strict=False) as emulator:
        body = SEVEN + b" " * PAYLOAD.most
        with contextlib.closing(http.client.HTTPConnection(*address(emulator))) as connection:
            assert ask(connection, body=body)[0].status == 200
            packed = gzip.compress(body, 1)
            assert ask(connection, body=packed, Content_Encoding="gzip")[0].status == 200


# ---- what isn't a request


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"\r\n\r\n", None),
        (b"nonsense\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n", 400),  # what TLS begins with
        (b"GET /x HTTP/9.9\r\n\r\n", 505),
        (b"GET /x ICQ/1.0\r\n\r\n", 400),
        (b"BREW /pot HTTP/1.1\r\n\r\n", 501),
        (b"GET http://[ HTTP/1.1\r\n\r\n", 400),
        (b"GET /%ff%00%zz?%ff#\xff HTTP/1.1\r\n\r\n", 404),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET /x HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", 431),
        (b"POST /x HTTP/1.1\r\nContent-Length: many\r\n\r\n", 400),
        (b"POST /x HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /x HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
        (b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"POST /x HTTP/1.1\r\nContent-Encoding: br\r\nContent-Length: 1\r\n\r\n1", 415),
        (b"POST /x HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnone", 400),
        (
            b"POST /x HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: 12\r\n\r\n"
            + gzip.compress(SEVEN, mtime=0)[:12],
            400,
        ),
    ],
)
def test_what_is_malformed_is_refused_as_json_and_harms_nobody(emulator, text, code):
    answer = send(emulator, text)
    if code is None:
        assert answer == b""
    else:
        head, _, content = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 %d " % code)
        assert json.loads(content)["error"]["code"] == code
    assert is_alive(emulator)


@pytest.mark.parametrize("text", [b"", b"POST", b"POST /x HTTP/1.1\r\nContent-Le"])
def test_a_client_that_leaves_in_the_middle_harms_nobody(emulator, text):
    send(emulator, text)
    assert is_alive(emulator)


def test_half_a_request_is_not_carried_out(emulator):
    head = b"POST %s HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (VALUE.encode(), len(SEVEN) + 1)
    assert send(emulator, head + SEVEN) == b""
    assert emulator.requests == []
    assert is_alive(emulator)


def test_a_client_that_leaves_before_its_answer_harms_nobody(landsat):
    late = {"service": "earthengine", "method": "algorithms", "action": "delay", "value": 1}
    with Emulator(landsat, faults=[{**late, "nth": 1}], clock="stepped") as emulator:
        with socket.create_connection(address(emulator)) as raw:
            raw.sendall(b"GET /v1/projects/any/algorithms HTTP/1.1\r\n\r\n")
            emulator.clock.wait_for_sleepers(1)
        emulator.clock.advance(1)
        assert is_alive(emulator)


BODIES = [
    (
        VALUE,
        "EXAMPLE/LC08/DN",
        lambda ee, scenes: (
            scenes.filterDate("2020-05-01", "2020-06-01")
            .filter(ee.Filter.lte("CLOUD_COVER", 80))
            .filterBounds(ee.Geometry.Rectangle([-54.8, -25.3, -54.5, -25.1], None, geodesic=False))
            .reduceColumns(ee.Reducer.toList(2, 1), ["system:index", "CLOUD_COVER"])
        ),
    ),
    (
        VALUE,
        "EXAMPLE/LC08/DN",
        lambda ee, scenes: scenes.map(
            lambda image: image.select([0]).set("day", image.date().format("YYYY-MM-dd"))
        ).aggregate_array("day"),
    ),
    (
        PIXELS,
        "EXAMPLE/LC08/DN",
        lambda ee, scenes: (
            scenes.mosaic()
            .select(["B2", "B3"], ["blue", "green"])
            .unmask(0, sameFootprint=False)
            .toUint16()
            .reproject("EPSG:32621", [30, 0, 730005, 0, -30, -2778015])
        ),
    ),
]
GRID = {
    "dimensions": {"width": 4, "height": 3},
    "affineTransform": {"scaleX": 30, "translateX": 733005, "scaleY": -30, "translateY": -2784015},
    "crsCode": "EPSG:32621",
}


@pytest.fixture(scope="module")
def served(landsat):
    """An emulator, and requests that it answers with 200."""
    import ee
    import ee.deprecation

    ee.deprecation.deprecated_assets = {"": None}
    with Emulator(landsat) as emulator:
        ee.Initialize(None, project="any", url=emulator.url, http_transport=emulator.transport)
        bodies = []
        for path, collection, build in BODIES:
            expression = build(ee, ee.ImageCollection(collection))
            graph = ee.serializer.encode(expression, for_cloud_api=True)
            extras = {"fileFormat": "NPY", "grid": GRID} if path == PIXELS else {}
            bodies.append((path, json.dumps({"expression": graph, **extras})))
        ee.Reset()
        yield emulator, bodies


def places(value, path=()):
    """Paths to all parts of a JSON value but itself."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in items:
        yield (*path, key)
        if isinstance(part, dict | list):
            yield from places(part, (*path, key))


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "0", "é\ud800", "Image.load", "EPSG:4326", 1e308, 10**400, 2**63])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["constantValue", "valueReference", "x"]), inner, max_size=2
        )
    ),
    max_leaves=5,
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_mutation_of_a_request_is_answered_or_refused_as_json(served, data):
    emulator, bodies = served
    path, text = data.draw(st.sampled_from(bodies))
    body = json.loads(text)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from(list(places(body)) or [None]))
        if place is None:
            break
        *outer, key = place
        part = body
        for each in outer:
            part = part[each]
        if data.draw(st.booleans()):
            part[key] = data.draw(JSON)
        else:
            del part[key]
    with contextlib.closing(http.client.HTTPConnection(*address(emulator), timeout=60)) as made:
        response, content = ask(made, path=path, body=json.dumps(body).encode())
    if response.status != 200:
        assert 400 <= response.status < 500
        assert json.loads(content)["error"]["code"] == response.status
    elif path == VALUE:
        assert "result" in json.loads(content)
    assert is_alive(emulator)


def test_a_fault_of_the_emulator_itself_is_an_answer_and_in_the_log(
    emulator, connection, monkeypatch, caplog
):
    monkeypatch.setattr("cedar.emulator.earthengine.evaluate", lambda *_: 1 / 0)
    response, content = ask(connection)
    assert response.status == 500
    assert "ZeroDivisionError" in json.loads(content)["error"]["message"]
    assert "ZeroDivisionError" in caplog.text
    assert emulator.requests[-1].status == 500


# ---- limits


@pytest.mark.parametrize("strict", [True, False])
def test_a_project_has_40_interactive_requests_at_once(landsat, strict):
    late = {"service": "earthengine", "method": "value:*", "nth": 1, "count": 40}
    late |= {"action": "delay", "value": 1}

    def one(emulator, path=VALUE, body=SEVEN, verb="POST"):
        with contextlib.closing(http.client.HTTPConnection(*address(emulator))) as connection:
            response, content = ask(connection, verb, path, body)
        return response.status, json.loads(content)

    with (
        Emulator(landsat, faults=[late], clock="stepped", strict=strict) as emulator,
        ThreadPoolExecutor(40) as pool,
    ):
        waiting = [pool.submit(one, emulator) for _ in range(40)]
        emulator.clock.wait_for_sleepers(40)
        status, content = one(emulator)
        assert status == (429 if strict else 200)
        if strict:
            error = {"code": 429, "message": TOO_MANY, "status": "RESOURCE_EXHAUSTED"}
            assert content == {"error": error}
        assert one(emulator, VALUE.replace("any", "other"))[0] == 200
        assert one(emulator, "/$discovery/rest", None, "GET")[0] == 200
        emulator.clock.advance(1)
        assert {future.result()[0] for future in waiting} == {200}
        assert one(emulator)[0] == 200


# ---- starting and stopping


def test_it_listens_on_this_machine_only(emulator):
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", emulator.urls["earthengine"])
    assert emulator.urls == emulator.urls


def test_no_server_runs_before_it_is_asked_for(landsat):
    before = threading.active_count()
    with Emulator(landsat) as emulator:
        emulator.transport.request(emulator.url + "/$discovery/rest")
        assert threading.active_count() == before


def test_it_leaves_no_thread_and_no_connection(landsat):
    before = set(threading.enumerate())
    with Emulator(landsat) as emulator:
        there = address(emulator)
        idle = [socket.create_connection(there, timeout=60) for _ in range(5)]
        with contextlib.closing(http.client.HTTPConnection(*there)) as used:
            ask(used)
            assert len(set(threading.enumerate()) - before) >= 6
    assert set(threading.enumerate()) == before
    for each in idle:
        assert each.recv(1) == b""
        each.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(there)


def test_leaving_wakes_what_is_delayed(landsat):
    late = {"service": "earthengine", "method": "*", "nth": 1, "action": "delay", "value": 1e6}
    for clock in ("stepped", "real"):
        with Emulator(landsat, faults=[late], clock=clock) as emulator:
            raw = socket.create_connection(address(emulator), timeout=60)
            raw.sendall(b"GET /$discovery/rest HTTP/1.1\r\n\r\n")
            if clock == "stepped":
                emulator.clock.wait_for_sleepers(1)
        raw.close()


def test_leaving_waits_for_nothing(landsat):
    took = []
    for _ in range(10):
        with Emulator(landsat) as emulator:
            assert emulator.urls
            began = time.monotonic()
        took.append(time.monotonic() - began)
    # The shortest is that of a moment when the machine had nothing else to do.
    assert min(took) < 0.02


def test_it_can_be_entered_again(landsat):
    emulator = Emulator(landsat)
    for _ in range(2):
        with emulator:
            assert is_alive(emulator)


def test_it_can_be_given_its_port(landsat):
    port = 20_000 + os.getpid() % 5_000  # and the next two: below those that systems give away
    with Emulator(landsat) as first:
        urls = first.listen(port)
        with Emulator(landsat) as second, pytest.raises(InputError, match=f"port {port} can't"):
            second.listen(port)
    with Emulator(landsat) as third:  # at once
        assert third.listen(port) == urls
        assert is_alive(third)
    assert next(iter(urls.items())) == ("earthengine", f"http://127.0.0.1:{port}")
    assert urls["gcs"] == f"http://127.0.0.1:{port + 1}"


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_does_not_exist_is_an_error(emulator, port):
    with pytest.raises(InputError, match=f"port {port} can't be had"):
        emulator.listen(port)


def test_outside_of_its_block_there_are_no_addresses(landsat):
    emulator = Emulator(landsat)
    with pytest.raises(InputError, match="with block"):
        emulator.urls  # noqa: B018 - a property that raises
