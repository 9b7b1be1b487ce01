"""Files fetched by the workers of a dask.distributed cluster."""

import os
import random
import sys
from collections import Counter

import dask
import distributed
import pytest
from buckets import BUCKET, FAST

from cedar import LocalStore
from cedar.cluster import fetch
from cedar.emulator import Emulator
from cedar.exceptions import InputError, StoreError
from cedar.stores import open_store
from cedar.wanted import Fetching, FileState, Wanted

PIECE = 1 << 20


def local_cluster(n_workers):
    return distributed.LocalCluster(
        n_workers=n_workers, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50
    )


@pytest.fixture(scope="module")
def scheduler():
    """A cluster of four processes on this machine; its address."""
    with local_cluster(4) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def emulator():
    with Emulator(settings=FAST) as emulator:
        emulator.make_bucket(BUCKET)
        yield emulator


@pytest.fixture
def store(emulator, tmp_path):
    return open_store("gcs", {"bucket": BUCKET, "url": emulator.urls["gcs"]}, tmp_path)


@pytest.fixture
def contents(store):
    """Objects: one of several pieces, and many small ones."""
    dice = random.Random(1)
    sizes = {"large.tif": 3 * PIECE + 5} | {f"{n:03}.tif": 1000 + n for n in range(150)}
    made = {f"images/{name}": dice.randbytes(size) for name, size in sizes.items()}
    for key, data in made.items():
        store.write(key, data)
    return made


def wanted(store, directory):
    infos = store.objects("images/")
    return [Wanted(directory / info.key.rpartition("/")[2], info) for info in infos]


def test_workers_of_a_cluster_fetch_with_the_same_checks(
    scheduler, store, contents, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "home"
    files = [*wanted(store, home.relative_to(tmp_path))]
    (damaged,) = (each for each in files if each.path.name == "007.tif")
    home.mkdir()
    (home / "001.tif").write_bytes(contents["images/001.tif"])
    (home / "007.tif").write_bytes(b"x" * damaged.info.size)
    store.write("images/009.tif", b"another's")
    events = [*fetch(scheduler, store, Fetching(piece=PIECE), files)]
    assert sorted(event.path for event in events) == sorted(each.path for each in files)
    assert Counter(event.state for event in events) == {
        FileState.DONE: len(files) - 2, FileState.HERE: 1, FileState.FAILED: 1,
    }  # fmt: skip
    (failed,) = (event for event in events if event.state == FileState.FAILED)
    assert str(failed.error) == ("images/009.tif isn't what the order made: it was replaced since")
    for key, data in contents.items():
        path = home / key.rpartition("/")[2]
        assert path.exists() == (key != "images/009.tif")
        assert not path.exists() or path.read_bytes() == data


def test_several_workers_take_part(scheduler, store, tmp_path):
    for n in range(6):
        store.write(f"images/{n}.tif", bytes(40 << 20))  # Each is worth a task of its own.
    with distributed.Client(scheduler, set_as_default=False) as client:
        before = client.run(_handled)
        files = wanted(store, tmp_path / "home")
        assert len([*fetch(scheduler, store, Fetching(), files)]) == 6
        after = client.run(_handled)
    assert sum(after.values()) - sum(before.values()) == 6
    assert sum(after[each] > before[each] for each in after) > 1


def _handled(dask_worker):
    return dask_worker.state.executed_count


def test_an_order_comes_home_by_a_cluster(scheduler, tmp_path):
    from exported import exporting, tracker_of
    from orders import COLLECTION, MAY

    from cedar.downloading import Download

    with exporting("gcs", tmp_path) as (emulator, tracker):
        name, _ = tracker.submit(COLLECTION, (0, 0), *MAY)
        tracking = tracker.watch(name, interval=0.05)
        assert tracking.complete
        options = Download(scheduler=scheduler)
        files = tracker.download(tracking, tmp_path / "home", options=options)
        assert sum(map(len, files.values())) == 7
        fresh = tracker_of("gcs", tmp_path, emulator)
        fresh.clean(fresh.read(name), name)  # It is on record that all of it is here.
        assert fresh.list() == []


def test_a_store_made_by_hand_cannot_be_made_by_workers(tmp_path):
    store = LocalStore(tmp_path)
    with pytest.raises(InputError, match=r"was made by hand, so no worker of a cluster can make"):
        next(fetch("tcp://127.0.0.1:1", store, Fetching(), []))


def test_a_scheduler_that_is_not_there_is_named(store):
    with pytest.raises(StoreError, match=r"the scheduler tcp://127.0.0.1:1 can't be reached"):
        next(fetch("tcp://127.0.0.1:1", store, Fetching(timeout=0.2), []))


def test_a_cluster_without_workers_is_refused(store):
    with (
        local_cluster(0) as cluster,
        pytest.raises(StoreError, match="has no workers: start some"),
    ):
        next(fetch(cluster.scheduler_address, store, Fetching(), []))


def test_without_the_package_the_extra_is_named(store, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"pip install 'cedar-eo\[dask\]'"):
        next(fetch("tcp://127.0.0.1:1", store, Fetching(), []))


def test_work_that_kills_its_worker_is_told(store, contents, tmp_path):
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        local_cluster(1) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        client.run(_die_at_work)
        with pytest.raises(StoreError, match=r"workers of the scheduler .* died"):
            list(fetch(cluster.scheduler_address, store, Fetching(), wanted(store, tmp_path)))


def _die_at_work():
    from cedar.fetching import Fetcher

    Fetcher.run = lambda *_: os._exit(1)
