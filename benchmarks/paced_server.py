"""A bucket of Cloud Storage whose bytes are made on the fly, each stream at a pace of its own.

It speaks what the peers of benchmarks/download.py ask: the JSON API's list, get and media, and the
plain GET of the XML API. ``/sent`` says how many bytes of objects it has sent. Usage:
paced_server.py SECONDS_TO_FIRST_BYTE MB_A_SECOND KEY=SIZE…
"""

from __future__ import annotations

import base64
import json
import random
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import google_crc32c

#: All objects are this, again and again. No power of two, so that no two pieces of one are alike.
BLOCK = memoryview(random.Random(1).randbytes((1 << 24) + 1))
_JSON_API = re.compile(r"/(?:download/)?storage/v1/b/[^/]+/o/?(.*)")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


def crc32c(size: int) -> str:
    """Checksum of an object of so many bytes."""
    total, whole = google_crc32c.Checksum(), bytes(BLOCK)
    for _ in range(size // len(whole)):
        total.update(whole)
    total.update(whole[: size % len(whole)])
    return base64.b64encode(bytes(total.digest())).decode()


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    first, rate = 0.0, 0.0
    objects: dict[str, tuple[int, str]]
    sent = 0
    lock = threading.Lock()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer a request."""
        parts = urlsplit(self.path)
        if parts.path == "/sent":
            self.say(Handler.sent)
            return
        found = _JSON_API.fullmatch(parts.path)
        key = unquote(found[1] if found else parts.path.split("/", 2)[2])
        if found and not key:
            self.say({"items": [self.resource(each) for each in self.objects]})
        elif key not in self.objects:
            self.say({"error": {"code": 404, "message": "No such object"}}, 404)
        elif found and parse_qs(parts.query).get("alt") != ["media"]:
            self.say(self.resource(key))
        else:
            self.send(key)

    def send(self, key: str) -> None:
        """Send an object, or a range of it."""
        size, checksum = self.objects[key]
        start, end = 0, size
        wanted = _RANGE.fullmatch(self.headers.get("Range", ""))
        if wanted:
            start = int(wanted[1])
            end = min(size, int(wanted[2]) + 1) if wanted[2] else size
        time.sleep(self.first)
        self.send_response(206 if wanted else 200)
        for name, value in {
            "Content-Length": str(end - start),
            "Content-Range": f"bytes {start}-{end - 1}/{size}" if wanted else "",
            "Content-Type": "application/octet-stream",
            "ETag": '"1"',
            "Last-Modified": "Sat, 21 Nov 2026 00:00:00 GMT",
            "x-goog-generation": "1",
            "x-goog-metageneration": "1",
            "x-goog-hash": f"crc32c={checksum}",
            "x-goog-stored-content-length": str(size),
        }.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        began, sent = time.monotonic(), 0
        most = 1 << 18 if self.rate else 1 << 20
        while start < end:
            at = start % len(BLOCK)
            count = min(end - start, len(BLOCK) - at, most)
            try:
                self.connection.sendall(BLOCK[at : at + count])
            except OSError:
                self.close_connection = True
                return
            start, sent = start + count, sent + count
            with self.lock:
                Handler.sent += count
            if self.rate:
                time.sleep(max(0.0, began + sent / self.rate - time.monotonic()))

    def resource(self, key: str) -> dict[str, str]:
        """What the JSON API says of an object."""
        size, checksum = self.objects[key]
        return {
            "kind": "storage#object",
            "bucket": "a-bucket",
            "name": key,
            "id": key,
            "size": str(size),
            "generation": "1",
            "metageneration": "1",
            "crc32c": checksum,
            "etag": "1",
            "updated": "2026-11-21T00:00:00Z",
            "timeCreated": "2026-11-21T00:00:00Z",
            "contentType": "application/octet-stream",
        }

    def say(self, answer: object, status: int = 200) -> None:
        """Answer with JSON."""
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


class Server(ThreadingHTTPServer):
    """Takes many connections at once."""

    daemon_threads = True
    request_queue_size = 256


def main() -> None:
    """Serve until killed; the address is the one line that is printed."""
    Handler.first, Handler.rate = float(sys.argv[1]), float(sys.argv[2]) * 1e6
    sizes = {key: int(size) for key, size in (word.split("=") for word in sys.argv[3:])}
    sums = {size: crc32c(size) for size in set(sizes.values())}
    Handler.objects = {key: (size, sums[size]) for key, size in sizes.items()}
    with Server(("127.0.0.1", 0), Handler) as server:
        print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
