"""What tests of tasks share: the batch half of Earth Engine, at hand."""

from __future__ import annotations

import datetime as dt
import json
from urllib.parse import parse_qs, urlsplit

import httplib2

PROJECT = "projects/mine/operations"
#: When the first of the operations was created; each is a second later than the one before.
START = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


def operation(number, state="SUCCEEDED", prefix="OURS", **metadata):
    """An operation as the service has it."""
    created = (START + dt.timedelta(seconds=number)).isoformat().replace("+00:00", "Z")
    described = {"description": f"{prefix}-{number}-a1", "createTime": created, "state": state}
    return {"name": f"{PROJECT}/{prefix}{number}", "metadata": described | metadata}


class BatchService:
    """The batch half of Earth Engine; what connects to it is an emulator's.

    Attributes
    ----------
    operations, unlisted
        Operations that there are; and more of them, which are left out of lists.
    asked
        (verb, end of the path) of each request.
    refusals
        (verb, end of the path) → status that it is refused with, and perhaps the words.
    bodies
        Of the exports that were asked for.
    """

    emulated = True

    def __init__(self, emulator):
        self.url, self.transport, self._emulator = emulator.url, self, emulator
        self.operations, self.unlisted, self.asked = [], [], []
        self.refusals, self.bodies = {}, []

    def request(self, uri, method="GET", body=None, headers=None, *_, **__):
        url = urlsplit(uri)
        if "/operations" not in url.path and not url.path.endswith("image:export"):
            return self._emulator.transport.request(uri, method, body, headers)
        name = url.path.removeprefix("/v1/").removeprefix(PROJECT).removeprefix("/")
        name = name.rpartition("/")[2] if "image:" in name else name
        self.asked.append((method, name))
        if name == "image:export":
            self.bodies.append(json.loads(body))
        status, answer = self._answer(method, name, parse_qs(url.query))
        info = httplib2.Response({"status": status, "content-type": "application/json"})
        return info, json.dumps(answer).encode()

    def _answer(self, verb, name, query):
        if refusal := self.refusals.get((verb, name)):
            status, words = refusal if isinstance(refusal, tuple) else (refusal, "It will not be.")
            return status, {"error": {"code": status, "message": words}}
        known = {each["name"].rpartition("/")[2]: each for each in self.operations + self.unlisted}
        if name == "image:export":
            started = operation(len(known), "PENDING", description=self.bodies[-1]["description"])
            self.operations.append(started)
            return 200, started
        if name == "":
            first = int(query.get("pageToken", ["0"])[0])
            last = first + min(500, int(query["pageSize"][0]))
            more = {"nextPageToken": str(last)} if last < len(self.operations) else {}
            return 200, {"operations": self.operations[first:last]} | more
        if name.removesuffix(":cancel") not in known:
            return 404, {"error": {"code": 404, "message": "Not found."}}
        return 200, {} if verb == "POST" else known[name]
