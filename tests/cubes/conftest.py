"""A cluster on this machine, for what is spread over several processes."""

from __future__ import annotations

import distributed
import pytest


@pytest.fixture(scope="module")
def cluster():
    """Address of the scheduler of two processes on this machine.

    Its silence is everybody's, so it doesn't last.
    """
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50
    ) as cluster:
        yield cluster.scheduler_address
