"""An engine whose service is in memory, so that tests choose what it does and when."""

from __future__ import annotations

import datetime as dt
import itertools
import threading
import time

from orders import COLLECTIONS, LANDSAT, utm_grid

from cedar import LocalStore, Tracker
from cedar.engines.earthengine import EarthEngine
from cedar.items import Destination, TaskStatus
from cedar.shards import file_names, offsets
from cedar.states import TaskState


class Bucket(LocalStore):
    """A directory that passes for a bucket: the engine exports into it by itself."""

    kind = "gcs"
    emulated = True

    def destination(self, prefix):
        return Destination("gcs", "bucket", prefix)


class Exporter(EarthEngine):
    """Starts tasks that stay as they are until a test says how they go on."""

    def __init__(self, store, catalog=LANDSAT):
        super().__init__(url="emulator", catalog=catalog)
        self.store = store
        self.tasks = {}
        self.requests = []
        self.by_request = {}
        self.log = []
        self.refusals = []
        self._ids = itertools.count(1)
        self._lock = threading.Lock()

    def start(self, request):
        with self._lock:
            self.log.append("start")
            self.requests.append(request)
            refusal = self.refusals.pop(0) if self.refusals else None
            if isinstance(refusal, tuple):  # The task is started; its answer is lost.
                self._begin(request)
                raise refusal[0]
            if refusal is not None:
                raise refusal
            return self._begin(request)

    def _begin(self, request):
        if request.request_id not in self.by_request:
            name = f"projects/p/operations/TASK{next(self._ids)}"
            self.tasks[name.rpartition("/")[2]] = TaskStatus(
                name, TaskState.READY, request.description, created=int(time.time() * 1000)
            )
            self.by_request[request.request_id] = name
        return self.by_request[request.request_id]

    def find(self, descriptions, since):
        self.log.append("find")
        found = {description: [] for description in descriptions}
        for task in reversed(self.tasks.values()):
            made = dt.datetime.fromtimestamp(task.created / 1000, dt.UTC)
            if task.description in descriptions and made >= since:
                found[task.description].append(task)
        return found

    def list_tasks(self, since=None):
        self.log.append("list")
        first = 0 if since is None else since.timestamp() * 1000
        return iter([task for task in self.tasks.values() if task.created >= first])

    def poll(self, ids):
        self.log.append("poll")
        return {each: self.tasks[each] for each in ids if each in self.tasks}

    def cancel(self, task_id):
        self.log.append(f"cancel {self.tasks[task_id].description}")
        if self.tasks[task_id].state in (TaskState.READY, TaskState.RUNNING):
            self.become(self.tasks[task_id], TaskState.CANCELLED)

    def become(self, task, state, **fields):
        self.tasks[task.id] = TaskStatus(task.name, state, task.description, task.created, **fields)

    def write(self, request, parts=slice(None), dash=True):
        """Write some of the files that a request asks for."""
        size = request.metadata["tile"]["size"]
        at = offsets((size[0], size[1]), tuple(request.options["fileDimensions"]))
        for file in file_names(request.name, at, dash)[parts]:
            self.store.write(f"{request.prefix}/{file}", file.encode())

    def finish(self, state=TaskState.COMPLETED, **writing):
        """End all tasks that haven't ended."""
        for request in self.requests:
            task = self.tasks.get(self.by_request[request.request_id].rpartition("/")[2])
            if task is not None and task.state in (TaskState.READY, TaskState.RUNNING):
                if state == TaskState.COMPLETED:
                    self.write(request, **writing)
                self.become(task, state)


def exporting_tracker(directory, engine=None, grid=None, **settings):
    """A tracker of the real scenes whose items the service exports; its engine is an Exporter."""
    store = Bucket(directory)
    settings.setdefault("collections", COLLECTIONS)
    settings.setdefault("export_image_kwds", {"shardSize": 64, "fileDimensions": 128})
    return Tracker(grid or utm_grid(), store, engine=engine or Exporter(store), **settings)
