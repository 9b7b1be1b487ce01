"""What tests of comparisons share: services that answer otherwise, and a bucket for exports."""

from __future__ import annotations

import json
import re
import urllib.request
from collections import Counter
from functools import partial

import httplib2

from cedar.emulator import Emulator
from cedar.engines.earthengine import EarthEngine
from cedar.engines.earthengine.compare import QUESTIONS, Exports, compare
from cedar.stores.gcs import GCSStore

NAMED = {question.name: question for question in QUESTIONS}
ENGINE = EarthEngine(url="emulator").identity()
BUCKET = "users-own-bucket"
#: Objects in it that aren't a comparison's.
FOREIGN = ["cedar-compare-of-another/sharded.tif", "mine.tif"]


def found(questions, **given):
    """Findings by name, of an emulator with these settings."""
    with Emulator(**given) as emulator:
        return by_name(compare(EarthEngine(emulator=emulator), questions))


def by_name(findings):
    return {finding.question.name: finding for finding in findings}


class Odd:
    """An emulator in front of which answers of a method are made by `change` of their bodies;
    `method` is a pattern of what an address ends in.

    The first `spare` of them are left alone.
    """

    emulated = True

    def __init__(self, emulator, method, change, *, spare=0):
        self.url, self.transport = emulator.url, self
        self._transport, self._method = emulator.transport, method
        self.change, self.spare = change, spare

    @property
    def engine(self):
        return EarthEngine(emulator=self)

    def request(self, uri, method="GET", body=None, headers=None, **kwds):
        ask = partial(self._transport.request, uri, method, body, headers)
        if not re.search(f"{self._method}$", uri.partition("?")[0]):
            return ask()
        if self.spare:
            self.spare -= 1
            return ask()
        return httplib2.Response({"status": 200}), self.change(lambda: ask()[1])


def make_bucket(emulator):
    """Make the bucket, with what is in it, and return its store."""
    url = emulator.urls["gcs"]
    body, headers = json.dumps({"name": BUCKET}).encode(), {"Content-Type": "application/json"}
    made = urllib.request.Request(f"{url}/storage/v1/b?project=any", body, headers)
    urllib.request.urlopen(made).close()
    store = GCSStore(BUCKET, url=url)
    for key in FOREIGN:
        store.write(key, b"not ours")
    return store


class Exporting:
    """An emulator with a bucket; by its clock, seconds pass as soon as they are waited for."""

    def __init__(self, **given):
        self._given = given
        self.slept = 0.0

    def __enter__(self):
        self.emulator = Emulator(**self._given).__enter__()
        self.store = make_bucket(self.emulator)
        self.exports = Exports(self.store, sleep=self._sleep)
        return self

    def __exit__(self, *error):
        self.emulator.__exit__(*error)

    def _sleep(self, seconds):
        self.slept += seconds
        self.emulator.settle()

    def ask(self, questions, engine=None):
        engine = engine or EarthEngine(emulator=self.emulator)
        return by_name(compare(engine, questions, self.exports))

    @property
    def keys(self):
        return [info.key for info in self.store.objects("")]

    def count(self, method):
        return Counter(request.method for request in self.emulator.requests)[method]
