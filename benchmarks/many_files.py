"""What a download of very many files costs beside their transfer: 1,000 items of 25 shards each.

The store makes its bytes in memory, so that the transfer is what the disk and the threads take. The
same files are fetched once by themselves and once as an order, with its record, its documents and
its notes of what is home; the difference is the listing and the bookkeeping. The order's memory is
measured in a process of its own.
"""

from __future__ import annotations

import copy
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

ITEMS, SHARDS, SIZE, ROUNDS = 1000, 25, 1000, 3
#: What was promised: seconds of bookkeeping, and MB of memory.
SECONDS, MEGABYTES = 2.0, 300


def make_store(directory: Path) -> Any:
    """Make a store whose images and documents are all the same bytes, and which counts lists."""
    from cedar import LocalStore
    from cedar.items import ObjectInfo
    from cedar.stores.checksums import checksum_of

    data = bytes(SIZE)
    checksum = checksum_of(data, "crc32c")

    class InMemory(LocalStore):
        """Images in memory; the record in a directory, as ever."""

        workers = 32
        lists = 0

        def objects(self, prefix: str = "") -> Iterator[ObjectInfo]:
            if not prefix.startswith("CEDAR_PREARD"):
                yield from super().objects(prefix)
                return
            self.lists += 1
            for number in range(ITEMS):
                yield ObjectInfo(f"CEDAR_PREARD/item{number:04}.json", SIZE, "1", checksum)

        def stream(
            self, key: str, start: int, end: int, *_: object
        ) -> Generator[bytes, None, None]:
            assert key.startswith("CEDAR_PREARD/")
            yield data[start:end]

    return InMemory(directory), checksum


def order(store: Any, checksum: str) -> Any:
    """Record an order of all those items, all complete."""
    from cedar.record import Record

    example = Path(__file__).parents[1] / "tests/metadata/examples/tracking/valid/exported.json"
    document = json.loads(example.read_text("utf-8"))
    model = document["orders"][0]
    document["orders"] = []
    for number in range(ITEMS):
        entry = copy.deepcopy(model)
        entry |= {"name": f"item{number:04}", "prefix": "CEDAR_PREARD", "downloads": []}
        entry["status"] |= {"id": f"TASK{number}", "state": "COMPLETED"}
        entry["outputs"] = [
            {"name": f"item{number:04}-{row:010}-{column:010}.tif", "size": SIZE,
             "checksum": checksum, "version": "1"}
            for row in range(5) for column in range(5)
        ]  # fmt: skip
        document["orders"].append(entry)
    document["metadata"] = [f"CEDAR_PREARD/{entry['name']}.json" for entry in document["orders"]]
    document["store"] = store.identity()
    return Record.create(store, "CEDAR_TRACKING", document)


def by_themselves(store: Any, record: Any, home: Path) -> None:
    """Fetch the images and documents, and no more."""
    from cedar.fetching import Fetcher
    from cedar.items import Output
    from cedar.wanted import Wanted

    wanted = [Wanted(home / info.key[13:], info) for info in store.objects("CEDAR_PREARD/")]
    for entry in record.view.orders:
        for output in entry["outputs"]:
            image = Output.listed(output).at(f"CEDAR_PREARD/{output['name']}")
            wanted.append(Wanted(home / output["name"], image))
    assert sum(event.state == "done" for event in Fetcher(store).run(wanted)) == len(wanted)


def as_order(store: Any, record: Any, home: Path) -> None:
    """Bring the order home."""
    from cedar.assembly import PutTogether
    from cedar.downloading import Download, download

    # The files are no images, so nothing can be put together.
    options = Download(together=PutTogether(vrt=False))
    files = download(record.view, record, store, home, options)
    assert sum(map(len, files.values())) == ITEMS * (SHARDS + 1)


def run(way: str) -> None:
    """Download in one way; print seconds, those of this thread, lists, and the peak of memory."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as directory:
        store, checksum = make_store(Path(directory, "store"))
        record = order(store, checksum)
        import cedar.downloading  # noqa: F401  (not a part of either)

        began, thread = time.perf_counter(), time.thread_time()
        {"by themselves": by_themselves, "as an order": as_order}[way](
            store, record, Path(directory, "home")
        )
        seconds, thread = time.perf_counter() - began, time.thread_time() - thread
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([seconds, thread, store.lists, peak]))


def main() -> None:
    """Print the table."""
    found: dict[str, list[list[float]]] = {"by themselves": [], "as an order": []}
    for _ in range(ROUNDS):
        for way, results in found.items():
            out = subprocess.run(
                [sys.executable, __file__, way], check=True, capture_output=True, text=True
            )
            results.append(json.loads(out.stdout))
    (alone, idle, *_), (ours, busy, lists, peak) = (
        [statistics.median(column) for column in zip(*results, strict=True)]
        for results in found.values()
    )
    print(f"{ITEMS} items of {SHARDS} files and a document, {SIZE} bytes each")
    print(f"  the files by themselves  {alone:6.2f} s")
    print(f"  as an order              {ours:6.2f} s, {lists:.0f} list, peak memory {peak:.0f} MB")
    print(f"  listing and bookkeeping  {ours - alone:6.2f} s, of the processor's time "
          f"{busy - idle:.2f} s (at most {SECONDS:g}); memory at most {MEGABYTES} MB")  # fmt: skip


if __name__ == "__main__":
    run(sys.argv[1]) if len(sys.argv) > 1 else main()
