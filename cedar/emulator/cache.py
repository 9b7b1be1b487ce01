"""Answers kept, so that the same pixels asked for again cost nothing but sending them."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable

from .transport import Reply


class ReplyCache:
    """The answers last used, by the body of their request. Safe to use from many threads.

    Parameters
    ----------
    most : int
        Bytes of answers to keep; 0 keeps none.
    """

    def __init__(self, most: int):
        self._most = most
        self._size = 0
        self._replies: OrderedDict[bytes, Reply] = OrderedDict()
        self._lock = threading.Lock()

    def reply(self, body: bytes, answer: Callable[[], Reply]) -> Reply:
        """The answer that is kept for a body, else a new one."""
        if not self._most:
            return answer()
        key = hashlib.sha256(body).digest()
        with self._lock:
            if key in self._replies:
                self._replies.move_to_end(key)
                return self._replies[key]
        reply = answer()
        with self._lock:
            self._keep(key, reply)
        return reply

    def _keep(self, key: bytes, reply: Reply) -> None:
        if key in self._replies or len(reply.content) > self._most:
            return
        self._replies[key] = reply
        self._size += len(reply.content)
        while self._size > self._most:
            _, oldest = self._replies.popitem(last=False)
            self._size -= len(oldest.content)
