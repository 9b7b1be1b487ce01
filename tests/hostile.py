"""What tests of hostile stores share: an order among others' files, that can be set back."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import shutil
import urllib.request
from urllib.parse import quote

from exported import BUCKET, FOLDER, tracker_of
from orders import COLLECTION, LANDSAT, MAY, real_tracker

from cedar.emulator import Emulator
from cedar.emulator.settings import Settings
from cedar.engines.earthengine import EarthEngine

TRACKING, IMAGES = "CEDAR_TRACKING", "CEDAR_PREARD"
#: One file an image: what counts here isn't how many there are.
#: Names that cedar takes for none: each leads elsewhere, or would on some file system.
HOSTILE = ("../../x", "/etc/x", "../x.json", "a//x.json", "./x.json", "a\\x.json", "\x01x.json")
ONE_FILE = {"shardSize": 256, "fileDimensions": 512}


class Stage:
    """A store with an order in it, and much that isn't the order's.

    The order has one item that was made and brought home, and one that is still to be made.

    Attributes
    ----------
    name, key : str
        The order's name, and its record's key.
    record, image : dict
        The record, and the metadata document of the item that is to be made.
    home, dest : Path
        Where its files were brought, and where they are brought again.
    """

    def __init__(self, directory):
        self.directory = directory
        self.home, self.dest = directory / "home", directory / "dest"

    def fill(self):
        """Make the order; then what isn't its, some of it called almost alike."""
        tracker = self.tracker()
        self.name, self.key = tracker.submit(COLLECTION, (0, 0), *MAY)
        assert tracker.watch(self.name, interval=0.05).complete
        tracker.download(tracker.read(self.name), self.home)
        self.record = tracker.read(self.name).document
        (made,) = self.record["orders"]
        planned = copy.deepcopy(made) | {"name": f"{made['name']}_B", "outputs": []}
        planned |= {"request_id": made["request_id"][::-1], "downloads": []}
        planned["status"] = self.planned(planned)
        self.record["orders"].append(planned)
        self.image_key = f"{IMAGES}/{planned['name']}.json"
        self.record["metadata"].append(self.image_key)
        self.image = json.loads(tracker.store.read(f"{IMAGES}/{made['name']}.json"))
        self.image["task"] |= {"name": planned["name"], "request_id": planned["request_id"]}
        tracker.store.write(self.image_key, json.dumps(self.image).encode())
        tracker.store.write(self.key, json.dumps(self.record).encode())
        own = {info.key for info in tracker.store.objects()}
        for key in self.alike(made["name"]):
            tracker.store.write(key, key.encode())
        self.foreign = self.versions().keys() - own
        (self.directory / "x").write_text("at home")

    @staticmethod
    def planned(entry):
        """Status of the item that is still to be made."""
        return {"state": "UNSUBMITTED", "prepared": True}

    @staticmethod
    def alike(name):
        """Keys of what isn't the order's."""
        first = f"{IMAGES}/{name}"
        yield from (f"{first}_.tif", f"{first}-0000000000-0000000001.tif", f"{first}.json.bak")
        yield from (f"{IMAGES}/OTHER.tif", f"{IMAGES}/OTHER.json", "OTHERS/x.tif", "OTHERS/x.json")

    def own(self):
        """Keys of what is the order's: its record, and what that names."""
        yield self.key
        yield from self.record["metadata"]
        for entry in self.record["orders"]:
            yield from (f"{entry['prefix']}/{output['name']}" for output in entry["outputs"])

    def versions(self):
        """Every object's version, as the store says."""
        return {info.key: info.version for info in self.tracker().store.objects()}

    def around(self):
        """What lies around the store and the directory that files are brought to."""
        return {
            path: path.stat().st_mtime_ns
            for path in self.directory.rglob("*")
            if not {self.dest, self.inside} & {path, *path.parents}
        }


class LocalStage(Stage):
    """A directory, into which cedar pulls."""

    kind = "local"

    @property
    def inside(self):
        return self.directory / "store"

    @contextlib.contextmanager
    def set_up(self):
        self.engine = EarthEngine(url="emulator", catalog=LANDSAT)
        self.fill()
        shutil.copytree(self.inside, self.directory.parent / "kept")
        yield self

    def tracker(self):
        return real_tracker(self.inside, engine=self.engine)

    @staticmethod
    def planned(entry):
        return {"state": "READY", "id": entry["request_id"]}

    def place(self, key, data):
        path = self.inside / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def grow(self, key, size):
        """Make an object of so many bytes, none of which is anywhere."""
        self.place(key, b"")
        os.truncate(self.inside / key, size)

    def place_hostile(self):
        """Put in what has no name that cedar takes, and what leads elsewhere."""
        for folder in (TRACKING, IMAGES):
            for name in ("a\\\\x.json", "\x01.json", "..\\\\x.tif"):
                self.place(f"{folder}/{name}", b"hostile")
            (self.inside / folder / "linked.json").symlink_to(self.directory / "x")
            (self.inside / folder / "elsewhere").symlink_to(self.directory)

    def has_hostile(self):
        """Whether all of that is still there."""
        return sum(path.name != "x" for path in self.inside.rglob("*x*")) >= 4 and all(
            (self.inside / folder / "linked.json").is_symlink() for folder in (TRACKING, IMAGES)
        )

    def look(self):
        """Every object, and what tells that it is as it was."""
        return {
            str(path.relative_to(self.inside)): (path.stat().st_mtime_ns, path.stat().st_size)
            for path in self.inside.rglob("*")
            if path.is_file() and ".cedar" not in path.parts
        }

    def reset(self):
        shutil.rmtree(self.dest, ignore_errors=True)
        shutil.rmtree(self.inside)
        shutil.copytree(self.directory.parent / "kept", self.inside)


class EmulatedStage(Stage):
    """A bucket, or a Drive, into which the emulated Earth Engine exports."""

    def __init__(self, directory, kind):
        super().__init__(directory)
        self.kind = kind

    @property
    def inside(self):
        return self.directory / "state"

    @contextlib.contextmanager
    def set_up(self):
        fast = Settings(object_writes=0)
        # Once there is an order, no task runs any more: it would go on while it is all set back.
        still = Settings(object_writes=0, concurrent_tasks=0)
        with Emulator(LANDSAT, state=self.inside, settings=fast) as self.emulator:
            self.emulator.make_bucket(BUCKET)
            self.engine = EarthEngine(emulator=self.emulator)
            self.fill()
        with Emulator(LANDSAT, state=self.inside, settings=still) as self.emulator:
            self.engine = EarthEngine(emulator=self.emulator)
            self.keep()
            yield self

    def tracker(self):
        return tracker_of(
            self.kind, self.directory, self.emulator, engine=self.engine, export_image_kwds=ONE_FILE
        )

    def place(self, key, data):
        self.tracker().store.write(key, data)

    def grow(self, key, size):
        """Make an object of so many bytes, none of which is anywhere."""
        self.place(key, b"{}")
        table, name = {
            "gcs": ("gcs_objects", ("name", key.encode())),
            "gdrive": ("drive_files", ("title", key.rpartition("/")[2])),
        }[self.kind]
        with self.emulator._state.transaction() as rows:
            changed = f"UPDATE {table} SET size = ? WHERE {name[0]} = ? RETURNING blob"
            ((blob,),) = rows.execute(changed, (size, name[1])).fetchall()
        os.truncate(self.inside / "blobs" / blob, size)

    def place_hostile(self):
        """Put in what has no name that cedar takes."""
        if self.kind == "gcs":
            for folder in ("", f"{TRACKING}/", f"{IMAGES}/"):
                for name in HOSTILE:
                    query = f"uploadType=media&name={quote(folder + name, safe='')}"
                    self._post(f"/upload/storage/v1/b/{BUCKET}/o?{query}", b"hostile")
            return
        for title in (FOLDER, TRACKING, IMAGES):
            with self.emulator._state.transaction() as rows:
                ((parent,),) = rows.execute(
                    "SELECT id FROM drive_files WHERE title = ? AND NOT trashed", (title,)
                )
            for name in HOSTILE:
                body = {"title": name, "parents": [{"id": parent}]}
                self._post("/drive/v2/files", json.dumps(body).encode())

    def _post(self, address, data):
        url = f"{self.emulator.urls[self.kind]}{address}"
        headers = {"Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(url, data, headers)) as answer:
            answer.read()

    def has_hostile(self):
        """Whether all of that is still there."""
        names = {
            "gcs": "SELECT name FROM gcs_objects",
            "gdrive": "SELECT title FROM drive_files WHERE NOT trashed",
        }
        with self.emulator._state.transaction() as rows:
            found = [
                row[0] if isinstance(row[0], str) else row[0].decode()
                for row in rows.execute(names[self.kind])
            ]
        return all(sum(each.endswith(name) for each in found) >= 3 for name in HOSTILE)

    def look(self):
        """Every object that isn't in the trash, and what tells that it is as it was."""
        found = {
            "gcs": "SELECT name, generation, metageneration FROM gcs_objects",
            "gdrive": "SELECT id, title, parent, revision FROM drive_files WHERE NOT trashed",
        }
        with self.emulator._state.transaction() as rows:
            return {row[0]: tuple(row) for row in rows.execute(found[self.kind])}

    def keep(self):
        """Remember all of the emulator's state."""
        with self.emulator._state.transaction() as rows:
            of_kind = (
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%_seq%'"
            )
            self._kept = {
                table: [tuple(row) for row in rows.execute(f"SELECT * FROM {table}")]
                for (table,) in rows.execute(of_kind).fetchall()
            }
        shutil.copytree(
            self.inside / "blobs", self.directory.parent / "kept", copy_function=os.link
        )

    def reset(self):
        shutil.rmtree(self.dest, ignore_errors=True)
        with self.emulator._state.transaction() as rows:
            for table, kept in self._kept.items():
                rows.execute(f"DELETE FROM {table}")
                for row in kept:
                    marks = ", ".join("?" * len(row))
                    rows.execute(f"INSERT INTO {table} VALUES ({marks})", row)
        for path in (self.directory.parent / "kept").iterdir():
            if not (self.inside / "blobs" / path.name).exists():
                os.link(path, self.inside / "blobs" / path.name)


def stage_of(kind, directory):
    """A stage in a directory of its own."""
    inside = directory / "all"
    inside.mkdir()
    return LocalStage(inside) if kind == "local" else EmulatedStage(inside, kind)
