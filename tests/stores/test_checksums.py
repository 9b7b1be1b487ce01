"""Checksums are those of the algorithms, whatever they are computed of and in whatever pieces."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cedar.exceptions import StoreError
from cedar.stores.checksums import CHUNK, algorithm_of, checksum_of, file_checksum, summing

ALGORITHMS = ("sha256", "md5", "crc32c")
#: Published: FIPS 180-4's examples, RFC 1321's test suite, RFC 3720 (iSCSI) B.4.
KNOWN = (
    (b"", "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    (b"abc", "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (b"", "md5:d41d8cd98f00b204e9800998ecf8427e"),
    (b"abc", "md5:900150983cd24fb0d6963f7d28e17f72"),
    (b"", "crc32c:" + base64.b64encode(bytes.fromhex("00000000")).decode()),
    (b"\x00" * 32, "crc32c:" + base64.b64encode(bytes.fromhex("8a9136aa")).decode()),
    (b"\xff" * 32, "crc32c:" + base64.b64encode(bytes.fromhex("62a8ab43")).decode()),
    (bytes(range(32)), "crc32c:" + base64.b64encode(bytes.fromhex("46dd794e")).decode()),
)


@pytest.mark.parametrize(("data", "checksum"), KNOWN, ids=range(len(KNOWN)))
def test_published_checksums_are_met(data: bytes, checksum: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    assert checksum_of(data, algorithm_of(checksum)) == checksum
    assert file_checksum(path, algorithm_of(checksum)) == checksum


@given(pieces=st.lists(st.binary()), algorithm=st.sampled_from(ALGORITHMS))
def test_pieces_sum_up_to_the_whole(pieces: list[bytes], algorithm: str) -> None:
    total = summing(algorithm)
    for piece in pieces:
        total.update(piece)
        total.text()  # A look at it changes nothing.
    assert total.text() == checksum_of(b"".join(pieces), algorithm)


@pytest.mark.parametrize("size", [CHUNK - 1, CHUNK, 2 * CHUNK + 1])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_file_is_summed_piecewise(tmp_path: Path, size: int, algorithm: str) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    path = tmp_path / "file"
    path.write_bytes(data[:size])
    assert file_checksum(path, algorithm) == checksum_of(data[:size], algorithm)
    assert checksum_of(data[:size], algorithm) != checksum_of(data[: size - 1], algorithm)


def test_sha256_is_meant_where_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    expected = f"sha256:{hashlib.sha256(b'abc').hexdigest()}"
    assert checksum_of(b"abc") == file_checksum(str(path)) == expected


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_checksum_names_its_algorithm(algorithm: str) -> None:
    assert algorithm_of(checksum_of(b"", algorithm)) == algorithm


@pytest.mark.parametrize("text", ["", ":", "00", "sha1:00", "SHA256:00", "sha256", ":00", " md5:0"])
def test_what_is_no_checksum_is_refused(text: str) -> None:
    with pytest.raises(StoreError, match="is no checksum: cedar knows sha256, md5, crc32c"):
        algorithm_of(text)
