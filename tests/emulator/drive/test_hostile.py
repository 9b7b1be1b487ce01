"""Whatever is asked, the answer is an answer, and never that the emulator has failed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cedar.emulator import Emulator
from cedar.emulator.transport import Call

KEYS = (
    "id", "title", "mimeType", "description", "labels", "trashed", "starred", "parents",
    "properties", "key", "value", "visibility", "modifiedDate", "type", "role",
)  # fmt: skip
PARAMETERS = (
    "q", "orderBy", "maxResults", "pageToken", "addParents", "removeParents", "setModifiedDate",
    "uploadType", "upload_id", "alt", "fields", "other",
)  # fmt: skip
HEADERS = (
    "authorization", "content-range", "content-type", "host", "if-match", "range",
    "x-http-method-override", "x-upload-content-length", "x-upload-content-type",
)  # fmt: skip
VALUES = (
    "true", "media", "multipart", "resumable", "root", "title", "*", "bytes=0-", "bytes */*",
    "PATCH", "GET", "multipart/mixed; boundary=b", "application/x-www-form-urlencoded", "9" * 30,
)  # fmt: skip
PATHS = (
    "/drive/v2/about", "/drive/v2/files", "/drive/v2/files/root", "/drive/v2/files/{}",
    "/drive/v2/files/{}/trash", "/drive/v2/files/{}/untrash", "/drive/v2/files/{}/permissions",
    "/drive/v2/files/generateIds", "/upload/drive/v2/files", "/upload/drive/v2/files/{}",
    "/batch", "/", "//", "/drive/v2/files/%ff",
)  # fmt: skip

text = st.text(max_size=8) | st.sampled_from(VALUES)
bodies = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def drive():
    from .conftest import Wire

    with Emulator() as emulator:
        yield Wire(emulator)


@given(
    verb=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE"]),
    path=st.sampled_from(PATHS),
    query=st.dictionaries(st.sampled_from(PARAMETERS), text, max_size=3),
    headers=st.dictionaries(st.sampled_from(HEADERS), text, max_size=3),
    body=bodies.map(lambda body: json.dumps(body).encode())
    | st.binary(max_size=20)
    | st.just(b"--b\n\nGET //x HTTP/1.1\n\n\n--b--"),
)
def test_no_request_is_too_much(drive, verb, path, query, headers, body):
    file = drive.insert("a")
    reply = drive.ask(verb, path.format(file["id"]), body, headers, **query)
    assert reply.status < 500, bytes(reply.content)
    if reply.status >= 400 and reply.status != 416:
        assert json.loads(bytes(reply.content))["error"]["errors"][0]["reason"]
    assert drive.json("GET", "about")["kind"] == "drive#about"


@pytest.mark.parametrize("address", ["//[", "/drive/v2/files?q=%ff", "/drive/v2/files/\x00"])
def test_no_address_is_too_much(drive, address):
    reply = drive.emulator._handle("gdrive", Call("GET", address))
    assert reply.status < 500
