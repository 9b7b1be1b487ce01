"""Claims in a store that has no locks: small objects that their owner writes again and again.

A lease is the object ``<key>.lease``, made with a write that takes ABSENT only, and deleted at the
end. Its owner writes it again every third of :data:`TERM`. One that isn't written again has lost
its owner: whoever has seen it unchanged for a whole term takes it over, by a write under the
condition that it still is. So the clocks of machines need not agree; but of a lease whose time of
writing lies three terms back nobody waits for more.

What is written differs each time: for some stores the same bytes are the same version.

A process that is held up for longer than a term may lose its lease and not know: a lease keeps two
from doing the same work, and what they do must be right if they do.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import logging
import platform
import threading
import time
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from ..exceptions import CedarError, Conflict, NotFoundError, StoreError
from .versions import ABSENT

if TYPE_CHECKING:
    from ..items import ObjectInfo
    from .base import Store

_log = logging.getLogger(__name__)

#: What the key of a lease ends with, after the key that is claimed.
SUFFIX: Final = ".lease"
#: Seconds after which a lease that wasn't written again is anybody's.
TERM: Final = 60.0
#: Terms after which the time of writing alone tells that a lease has lost its owner.
LONG_AGO: Final = 3
#: Bytes that no lease has.
SIZE: Final = 10_000


class _Lease:
    """A lease that we have, or try to get.

    Attributes
    ----------
    name : str
        Its object.
    version : str or None
        What we wrote last; None where we haven't got it, have given it back or have lost it.
    lock : threading.Lock
        Held while it is written or given back.
    """

    def __init__(self, name: str):
        self.name = name
        self.version: str | None = None
        self.lock = threading.Lock()
        self._owner = uuid.uuid4().hex
        self._written = 0

    def data(self) -> bytes:
        """What to write next."""
        self._written += 1
        content = {"owner": self._owner, "host": platform.node(), "written": self._written}
        return json.dumps(content).encode()

    def wrote(self, data: bytes) -> bool:
        """Whether we wrote what is there: the answer to a write may be lost."""
        return self._owner.encode() in data


class Leases:
    """The leases of one store that this process has, or has seen others have."""

    def __init__(self, store: Store):
        self._store = store
        self._held: dict[str, _Lease] = {}
        #: Of each lease of another owner, the version seen first and when.
        self._seen: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._keeper: threading.Thread | None = None

    @contextlib.contextmanager
    def claim(self, key: str) -> Iterator[bool]:
        """Have a key's lease for the block; give False where someone else has it."""
        lease = _Lease(f"{key}{SUFFIX}")
        ours = self._take(lease)
        try:
            yield ours
        finally:
            if ours:
                self._release(lease)

    def _take(self, lease: _Lease) -> bool:
        with self._lock:
            if lease.name in self._held:
                return False
        try:
            lease.version = self._store.write(lease.name, lease.data(), ABSENT).version
        except Conflict:
            lease.version = self._take_over(lease)
        if lease.version is None:
            return False
        with self._lock:
            # Unless another thread has taken it over from this one, which was held up until now.
            if self._held.setdefault(lease.name, lease) is not lease:
                return False
            if self._keeper is None:
                self._keeper = threading.Thread(target=self._keep, name="cedar-leases", daemon=True)
                self._keeper.start()
        return True

    def _take_over(self, lease: _Lease) -> str | None:
        """Return the lease's version if it is ours after all, or has lost its owner."""
        try:
            info, is_ours = self._look(lease)
            if is_ours:
                return info.version
            if not self._is_lost(info):
                return None
            return self._store.write(lease.name, lease.data(), info.version).version
        except (Conflict, NotFoundError):
            return None  # It changed hands just now: whoever asks again finds out.

    def _look(self, lease: _Lease) -> tuple[ObjectInfo, bool]:
        """Return what is there, and whether we wrote it."""
        info = self._store.stat(lease.name)
        return info, info.size <= SIZE and lease.wrote(self._store.read(lease.name))

    def _is_lost(self, info: ObjectInfo) -> bool:
        now = time.monotonic()
        with self._lock:
            version, first = self._seen.setdefault(info.key, (info.version, now))
            if version != info.version:
                self._seen[info.key] = info.version, now
                first = now
        if info.updated is not None:
            age = (dt.datetime.now(dt.UTC) - info.updated).total_seconds()
            if age > LONG_AGO * TERM:
                return True
        return now - first > TERM

    def _release(self, lease: _Lease) -> None:
        with self._lock:
            del self._held[lease.name]
            self._seen.pop(lease.name, None)
            self._changed.notify_all()
        # If it is just being written, there is another version to delete in a moment.
        with lease.lock:
            version, lease.version = lease.version, None
            if version is None:
                return
            try:
                self._store.delete(lease.name, if_version=version)
            except StoreError as error:
                _log.info("lease %s was not given back: %s", lease.name, error)

    def _keep(self) -> None:
        """Write the leases again, as long as there are any. Runs in a thread."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: not self._held, TERM / 3)
                if not self._held:
                    self._keeper = None
                    return
                held = list(self._held.values())
            for lease in held:
                with lease.lock:
                    self._renew(lease)

    def _renew(self, lease: _Lease) -> None:
        if lease.version is None:
            return
        try:
            lease.version = self._store.write(lease.name, lease.data(), lease.version).version
        except Conflict:
            lease.version = self._last_written(lease)
        except CedarError as error:
            _log.info("lease %s was not renewed: %s", lease.name, error)

    def _last_written(self, lease: _Lease) -> str | None:
        """Return the version of a lease that isn't what we know of, if we wrote it."""
        try:
            info, is_ours = self._look(lease)
            if is_ours:
                return info.version
        except NotFoundError:
            pass
        except CedarError as error:
            _log.info("lease %s was not renewed: %s", lease.name, error)
            return lease.version
        _log.warning("lease %s was taken over: this process was held up", lease.name)
        return None
