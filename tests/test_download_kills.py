"""A download that is killed again and again: every file comes home, and little comes twice."""

import json
import random
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from forked import Forked

from cedar.fetching import Fetcher
from cedar.stores.checksums import file_checksum
from cedar.stores.gcs import GCSStore
from cedar.wanted import Fetching, FileState, Wanted

MB = 1 << 20
#: Streams at once, and MB/s of each: slow enough that no bytes wait in the system's buffers.
WORKERS, RATE = 16, 8
#: Downloads in a process of its own.
PROGRAM = """
import sys
sys.path.insert(0, {tests!r})
from test_download_kills import bring_home
bring_home(*sys.argv[1:])
"""
SERVER = Path(__file__).parents[1] / "benchmarks" / "paced_server.py"


def bring_home(url, directory, piece):
    """Download all that there is; how many files it took."""
    store = GCSStore("a-bucket", url=url)
    wanted = [Wanted(Path(directory, info.key), info) for info in store.objects()]
    options = Fetching(workers=WORKERS, piece=int(piece))
    states = [event.state for event in Fetcher(store, options).run(wanted)]
    assert FileState.FAILED not in states
    return states.count(FileState.DONE)


@pytest.fixture
def serve():
    """Serve some files from another process; the address."""
    processes = []

    def serve(sizes):
        words = [f"{key}={size}" for key, size in sizes.items()]
        process = subprocess.Popen(
            [sys.executable, str(SERVER), "0.01", str(RATE), *words],
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process.stdout.readline().strip()

    yield serve
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def sent(url):
    with urllib.request.urlopen(f"{url}/sent") as response:
        return json.load(response)


@pytest.mark.parametrize(
    ("kills", "n_files", "size", "piece"),
    [
        (5, 5, 12 * MB, 4 * MB),
        pytest.param(
            100, 8, 256 * MB, 32 * MB, marks=[pytest.mark.stress, pytest.mark.timeout(900)]
        ),
    ],
)
def test_a_kill_costs_a_mebibyte_a_stream_at_the_most(
    kills, n_files, size, piece, serve, tmp_path, capsys
):
    sizes = {f"f{n}.tif": size + n for n in range(n_files)}
    url, home, dice = serve(sizes), tmp_path / "home", random.Random(1)
    program = PROGRAM.format(tests=str(Path(__file__).parent))
    done = 0
    # All of it takes this long, without kills.
    share = sum(sizes.values()) / (WORKERS * RATE * 1e6) / (kills + 1)
    while done < kills:
        before = sent(url)
        process = Forked(program, url, str(home), str(piece))
        while process.poll() is None and sent(url) == before:
            time.sleep(0.01)
        time.sleep(dice.uniform(0, 2 * share))
        process.kill()
        process.communicate()
        if process.returncode != -signal.SIGKILL:
            break
        done += 1
    assert bring_home(url, home, piece) > 0 or done < kills
    total, more = sum(sizes.values()), sent(url) - sum(sizes.values())
    with capsys.disabled():
        sys.stdout.write(
            f"\n{done} kills of a download of {total / MB:.0f} MB: {more / MB:.1f} MB came twice, "
            f"{more / MB / max(1, done) / WORKERS:.2f} MB a stream a kill\n"
        )
    assert done >= kills / 2
    assert more <= done * WORKERS * MB
    checksums = {info.key: info.checksum for info in GCSStore("a-bucket", url=url).objects()}
    assert {path.name for path in home.iterdir()} == set(sizes)
    for key, checksum in checksums.items():
        assert file_checksum(home / key, "crc32c") == checksum
