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
    def is_composite(self) -> bool:
        """Whether the groups are reduced to one layer."""
        return self["image"].get("recipe", {}).get("composite") is not None

    @property
    def layers(self) -> Sequence[Mapping[str, Any]]:
        """What the file holds all bands of, in order: a ``date`` and a ``time`` each.

        The groups; or one layer, of the period's start, where they are reduced to a composite.
        """
        if not self.is_composite or not self.groups:
            return self.groups
        start = self["order"]["date_start"]
        return [{"date": start[:10], "time": start}]

    def made_of(self, first: int, last: int) -> Sequence[Mapping[str, Any]]:
        """The groups that some of the layers are made of.

        Parameters
        ----------
        first, last : int
            The first of the layers, and the one after the last.
        """
        return self.groups if self.is_composite else self.groups[first:last]

    @property
    def n_bands(self) -> int:
        """How many bands the file has."""
        return len(self.layers) * len(self.bands)

    @property
    def image_ids(self) -> set[str]:
        """Ids of all images that it is made of, those that are joined among them."""
        images = [image for group in self.groups for image in group["images"]]
        joined = [other for image in images for other in image.get("joined", {}).values()]
        return {image["system:id"] for image in (*images, *joined)}

    @property
    def validity(self) -> str | None:
        """Name of the stack's band that is nodata just where there is no image; None: it has none.

        By it others are masked that have the nodata value for a valid one.
        """
        native = self["image"].get("validity")
        names = [band["name"] for band in self.bands if band["native"] == native]
        return names[0] if native is not None and names else None

    @property
    def band_names(self) -> list[str]:
        """Names of the file's bands, layer by layer: ``YYYY-MM-DD_band``.

        Layers that share a date are told apart by their time, ``YYYY-MM-DDTHHMMSS_band``, and
        those that share that too by a number, ``…-2_band``.
        """
        dates = Counter(layer["date"] for layer in self.layers)
        labels = [
            layer["date"]
            if dates[layer["date"]] == 1
            else layer["date"] + layer["time"][10:19].replace(":", "")
            for layer in self.layers
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

    def _repr_html_(self) -> str:
        from .face import of_image

        return of_image(self)
