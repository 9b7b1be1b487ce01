"""What the stack of one item is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from .document import Document


class ImageMetadata(Document):
    """The metadata of one item's image, ``<name>.json`` beside it."""

    kind = "image"
    named_in = "task"

    @property
    def bands(self) -> Sequence[Mapping[str, Any]]:
        """The bands of every group, in order."""
        bands: list[Mapping[str, Any]] = self["image"]["bands"]
        return bands

    @property
    def groups(self) -> Sequence[Mapping[str, Any]]:
        """The groups in the order of the stack, each with its images, the lowest first."""
        groups: list[Mapping[str, Any]] = self["image"]["groups"]
        return groups

    @property
    def band_names(self) -> list[str]:
        """Names of the file's bands, group by group: ``YYYY-MM-DD_band``.

        Groups that share a date are told apart by their time, ``YYYY-MM-DDTHHMMSS_band``, and
        those that share that too by a number, ``…-2_band``.
        """
        dates = Counter(group["date"] for group in self.groups)
        labels = [
            group["date"]
            if dates[group["date"]] == 1
            else group["date"] + group["time"][10:19].replace(":", "")
            for group in self.groups
        ]
        seen: Counter[str] = Counter()
        names = []
        for label in labels:
            seen[label] += 1
            numbered = label if seen[label] == 1 else f"{label}-{seen[label]}"
            names += [f"{numbered}_{band['name']}" for band in self.bands]
        return names

    @property
    def dtype(self) -> str | None:
        """numpy name of the file's type; None where it isn't recorded."""
        dtype: str | None = self["image"]["dtype"]
        return dtype

    @property
    def nodata(self) -> float | None:
        """Value of masked and uncovered pixels."""
        nodata: float | None = self["image"]["nodata"]
        return nodata

    @property
    def request_id(self) -> str | None:
        """Id of the request that made it; None where there was none."""
        request_id: str | None = self["task"]["request_id"]
        return request_id
