"""A record of 50,000 items: read, validated, summarised and written, beside json alone."""

from __future__ import annotations

import copy
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cedar.metadata import TrackingMetadata
from cedar.stores.keys import encode_document

ITEMS = 50_000
ROUNDS = 5
EXAMPLE = Path(__file__).parents[1] / "tests/metadata/examples/tracking/valid/exported.json"
#: Times json.loads + json.dumps of the same text: what users were promised.
TIME, MEMORY = 3.0, 2.0


def record() -> bytes:
    """A record of many items like the example's first."""
    document = json.loads(EXAMPLE.read_text("utf-8"))
    first = document["orders"][0]
    document["orders"], document["metadata"] = [], []
    for number in range(ITEMS):
        entry = copy.deepcopy(first) | {"name": f"{first['name']}_{number:05d}"}
        document["orders"].append(entry)
        document["metadata"].append(f"{entry['prefix']}/{entry['name']}.json")
    return encode_document(document, "record")


def with_json(text: bytes) -> bytes:
    """Only the parsing and writing."""
    return json.dumps(json.loads(text)).encode()


def with_cedar(text: bytes) -> bytes:
    """What a command does with a record."""
    document = TrackingMetadata.read(text, "record")
    TrackingMetadata.view(document, "record").summary()
    return encode_document(document, "record")


WAYS = {"json": with_json, "cedar": with_cedar}


def peak(way: str, path: Path) -> float:
    """Megabytes that a process needs at most for one of the ways; as Linux counts them."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import record\n"
        "from pathlib import Path\n"
        "def held(line):\n"
        "    status = Path('/proc/self/status').read_text()\n"
        "    return int(status.partition(line + ':')[2].split()[0])\n"
        "text = Path(sys.argv[3]).read_bytes()\n"
        "Path('/proc/self/clear_refs').write_text('5')\n"
        "before = held('VmRSS')\n"
        "record.WAYS[sys.argv[2]](text)\n"
        "print(held('VmHWM') - before)\n"
    )
    arguments = [sys.executable, "-c", code, str(Path(__file__).parent), way, str(path)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    return int(done.stdout) / 2**10


def main() -> None:
    text = record()
    print(f"{ITEMS:,} items, {len(text) / 1e6:.1f} MB")
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(ROUNDS):
        for way, run in WAYS.items():
            start = time.perf_counter()
            run(text)
            times[way].append(time.perf_counter() - start)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "record.json")
        path.write_bytes(text)
        peaks = {way: peak(way, path) for way in WAYS}
    for way in WAYS:
        print(f"{way:6} {statistics.median(times[way]):6.2f} s  {peaks[way]:6.0f} MB more")
    ratio = statistics.median(times["cedar"]) / statistics.median(times["json"])
    print(f"time {ratio:.2f} × (at most {TIME}), memory "
          f"{peaks['cedar'] / peaks['json']:.2f} × (at most {MEMORY})")  # fmt: skip


if __name__ == "__main__":
    main()
