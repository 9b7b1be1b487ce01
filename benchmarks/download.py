"""How fast files come home from Cloud Storage: cedar beside its peers, on one server, in one run.

The server is another process on this machine. It makes its bytes on the fly, waits before the first
of them, and sends each stream at a pace of its own, as a service far away does; or as fast as it
can. All write to a tmpfs where there is one, since a disk would measure its fsync; the largest
download goes to the disk, and its memory is measured.

Run it alone on the machine: the figures to read are ratios.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

MB = 1 << 20
BUCKET = "a-bucket"
#: Seconds to the first byte, and MB/s of a stream.
FIRST, RATE = 0.05, 40
MANY = {f"shard-{n:02}.tif": 8 * MB for n in range(40)}
BIG = {"big.tif": 1024 * MB}
HUGE = {f"huge-{n:02}.tif": 800 * MB for n in range(25)}
REPEATS = 5


def cedar(url: str, files: dict[str, int], to: Path, workers: int | None = None) -> None:
    """cedar, as `cedar download` has it."""
    from cedar.fetching import Fetcher
    from cedar.stores.gcs import GCSStore
    from cedar.wanted import Fetching, FileState, Wanted

    store = GCSStore(BUCKET, url=url)
    infos = {info.key: info for info in store.objects()}
    wanted = [Wanted(to / key, infos[key]) for key in files]
    for event in Fetcher(store, Fetching(workers=workers)).run(wanted):
        if event.state == FileState.FAILED:
            raise SystemExit(str(event.error))


def google(url: str, files: dict[str, int], to: Path, workers: int) -> None:
    """google-cloud-storage's transfer_manager; it verifies whole files, and no ranges."""
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage
    from google.cloud.storage import transfer_manager

    client = storage.Client(
        project="p", credentials=AnonymousCredentials(), client_options={"api_endpoint": url}
    )
    bucket = client.bucket(BUCKET)
    if len(files) == 1:
        (key,) = files
        transfer_manager.download_chunks_concurrently(
            bucket.get_blob(key), to / key, worker_type=transfer_manager.THREAD, max_workers=workers
        )
        return
    pairs = [(bucket.blob(key), str(to / key)) for key in files]
    results = transfer_manager.download_many(
        pairs, worker_type=transfer_manager.THREAD, max_workers=workers
    )
    if any(isinstance(result, Exception) for result in results):
        raise SystemExit(str(results))


def gcsfs(url: str, files: dict[str, int], to: Path, workers: int) -> None:
    """gcsfs; it verifies nothing by default."""
    # Else it asks what kind of bucket it is, of another service.
    os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"
    import gcsfs as module

    system = module.GCSFileSystem(
        token="anon", endpoint_url=url, skip_instance_cache=True, use_listings_cache=False
    )
    keys = [f"{BUCKET}/{key}" for key in files]
    system.get(keys, [str(to / key) for key in files], batch_size=workers)


def obstore(url: str, files: dict[str, int], to: Path, workers: int) -> None:
    """obstore in threads; it verifies nothing. A large file is taken in ranges by hand."""
    from obstore.store import GCSStore

    store = GCSStore(
        BUCKET,
        config={"base_url": url, "skip_signature": True},
        client_options={"allow_http": True},
    )

    def whole(key: str) -> None:
        (to / key).write_bytes(store.get(key).bytes())

    def part(descriptor: int, key: str, start: int, end: int) -> None:
        os.pwrite(descriptor, store.get_range(key, start=start, end=end), start)

    with ThreadPoolExecutor(workers) as pool:
        if len(files) > 1:
            list(pool.map(whole, files))
            return
        ((key, size),) = files.items()
        with (to / key).open("wb") as file:
            parts = [
                pool.submit(part, file.fileno(), key, start, min(start + 32 * MB, size))
                for start in range(0, size, 32 * MB)
            ]
            for each in parts:
                each.result()


PEERS: dict[str, tuple[Callable[..., None], tuple[int, ...], bool]] = {
    "google-cloud-storage": (google, (8, 16, 32), True),
    "gcsfs": (gcsfs, (8, 16, 32), False),
    "obstore": (obstore, (16, 32, 40), False),
}


@contextlib.contextmanager
def server(files: dict[str, int], first: float, rate: float) -> Iterator[str]:
    """Serve some files from another process; its address."""
    command = [sys.executable, str(Path(__file__).with_name("paced_server.py"))]
    sizes = [f"{key}={size}" for key, size in files.items()]
    process = subprocess.Popen(
        [*command, str(first), str(rate), *sizes], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def seconds(run: Callable[..., None], url: str, files: dict[str, int], *args: int | None) -> float:
    """How long it takes, into an empty directory in memory."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as directory:
        began = time.perf_counter()
        run(url, files, Path(directory), *args)
        return time.perf_counter() - began


def compare(title: str, files: dict[str, int], first: float, rate: float, repeats: int) -> None:
    """Print a table: everybody in turn, several times, the median of each."""
    contenders: dict[str, tuple[Callable[..., None], int | None, bool]] = {
        "cedar, by default": (cedar, None, True),
        "cedar, 1 stream": (cedar, 1, True),
    }
    for name, (run, counts, verifies) in PEERS.items():
        contenders |= {f"{name}, {n} threads": (run, n, verifies) for n in counts}
    times: dict[str, list[float]] = {name: [] for name in contenders}
    with server(files, first, rate) as url:
        for turn in range(repeats):
            for name, (run, count, _) in contenders.items():
                if name == "cedar, 1 stream" and turn:
                    continue  # It takes long, and varies little.
                try:
                    times[name].append(seconds(run, url, files, count))
                except ImportError as error:
                    print(f"{name}: not installed ({error.name})")
    total = sum(files.values()) / MB
    median = {name: statistics.median(found) for name, found in times.items() if found}
    ours = median["cedar, by default"]
    print(f"\n{title}")
    for name, found in sorted(median.items(), key=lambda pair: pair[1]):
        verifies = "verifies" if contenders[name][2] else ""
        print(f"  {name:34} {found:7.2f} s  {total / found:6.0f} MB/s  {verifies}")
    peers = {name: found for name, found in median.items() if not name.startswith("cedar")}
    verifying = {name: found for name, found in peers.items() if contenders[name][2]}
    for what, group in (("the fastest peer", peers), ("the fastest that verifies", verifying)):
        name = min(group, key=lambda each: group[each])
        print(f"  cedar is {group[name] / ours:.2f} × {what} ({name})")
    print(f"  cedar is {median['cedar, 1 stream'] / ours:.1f} × one stream of its own")


def huge() -> None:
    """Print how much memory 20 GB take, on their way to the disk."""
    with server(HUGE, FIRST, RATE) as url, tempfile.TemporaryDirectory(dir=".") as directory:
        free = shutil.disk_usage(directory).free
        if free < sum(HUGE.values()) * 1.1:
            print(f"\n20 GB to the disk: not run, it has only {free / 1e9:.0f} GB")
            return
        first = dict([next(iter(HUGE.items()))])
        cedar(url, first, Path(directory))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.perf_counter()
        cedar(url, HUGE, Path(directory))
        taken = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rate = sum(HUGE.values()) / MB / taken
    print(f"\n20 GB in 25 files to the disk: {taken:.0f} s, {rate:.0f} MB/s")
    print(
        f"  peak memory {after / 1024:.0f} MB; after the first file it was {before / 1024:.0f} MB"
    )


def main() -> None:
    """Run all of it, or what is named: many, big, loopback, huge."""
    wanted = sys.argv[1:] or ["huge", "many", "big", "loopback"]
    far = f"{1000 * FIRST:.0f} ms to the first byte, {RATE} MB/s a stream"
    if "huge" in wanted:  # First: what others leave in memory would be counted.
        huge()
    if "many" in wanted:
        compare(f"40 files of 8 MB, {far}", MANY, FIRST, RATE, REPEATS)
    if "big" in wanted:
        compare(f"one file of 1 GB, {far}", BIG, FIRST, RATE, 3)
    if "loopback" in wanted:
        compare("40 files of 8 MB, as fast as this machine can", MANY, 0, 0, REPEATS)


if __name__ == "__main__":
    main()
