"""A service in memory that passes for the real one: its tasks take time, and cost."""

from __future__ import annotations

import time

from exporting import Bucket, Exporter, exporting_tracker

from cedar import TileGrid
from cedar.states import TaskState

HOUR = 3600.0
#: Sixteen small tiles, which all have an image.
GRID = TileGrid(ul=(730005, -2778015), crs="EPSG:32621", res=(30, 30), size=(64, 64))
ALL = [(row, col) for row in range(4) for col in range(4)]


class Service(Exporter):
    """Runs so many tasks at once, each for an EECU-hour."""

    def __init__(self, store, at_once=2):
        super().__init__(store)
        self.at_once, self.cost, self.minutes = at_once, HOUR, 30.0

    def identity(self):
        return super().identity() | {"emulated": False}

    def concurrency(self):
        return self.at_once

    def of(self, state):
        return [task for task in self.tasks.values() if task.state == state]

    @property
    def spent(self):
        """EECU-hours of all tasks."""
        return sum(task.eecu_seconds or 0 for task in self.tasks.values()) / HOUR

    def step(self):
        """End what runs, and begin what waits."""
        now = int(time.time() * 1000)
        started = now - int(self.minutes * 60_000)
        self.of_request = {name.rpartition("/")[2]: id_ for id_, name in self.by_request.items()}
        requests = {request.request_id: request for request in self.requests}
        for task in self.of(TaskState.RUNNING):
            self.write(requests[self.of_request[task.id]])
            self.become(
                task, TaskState.COMPLETED, started=started, updated=now, eecu_seconds=self.cost
            )
        for task in self.of(TaskState.READY)[: self.at_once]:
            self.become(task, TaskState.RUNNING, started=now)


def spending_tracker(directory, engine=None, **settings):
    """A tracker of sixteen small tiles; its engine is a Service."""
    store = Bucket(directory)
    store.emulated = False
    tracker = exporting_tracker(directory, engine or Service(store), GRID, **settings)
    tracker.store.emulated = False
    return tracker
