"""What tests of exports share: requests for them, and what is in the stores they write to."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import numpy as np
from rasterio.io import MemoryFile

from cedar.emulator import Emulator
from cedar.emulator.transport import Call

BUCKET = "a-bucket"
IMAGE = "EXAMPLE/LC08/DN/LC08_224077_20200518"
JSON = {"content-type": "application/json"}


def ask(emulator: Emulator, service: str, verb: str, address: str, body: Any = None) -> bytes:
    """What a service of the emulator answers."""
    content = b"" if body is None else json.dumps(body).encode()
    call = Call(verb, address, JSON, content)
    return bytes(emulator._handle(service, call).content)


def make_bucket(emulator: Emulator, name: str = BUCKET) -> None:
    ask(emulator, "gcs", "POST", "/storage/v1/b?project=any", {"name": name})


def objects(emulator: Emulator, bucket: str = BUCKET) -> dict[str, bytes]:
    """Name → bytes of all objects of a bucket."""
    listed = json.loads(ask(emulator, "gcs", "GET", f"/storage/v1/b/{bucket}/o"))
    return {
        item["name"]: ask(emulator, "gcs", "GET", f"/{bucket}/{item['name']}")
        for item in listed.get("items", [])
    }


def drive(emulator: Emulator, query: str = "trashed = false") -> list[dict[str, Any]]:
    """All files and folders of the Drive, the oldest first."""
    parameters = urlencode({"q": query, "orderBy": "createdDate", "maxResults": "1000"})
    items = json.loads(ask(emulator, "gdrive", "GET", f"/drive/v2/files?{parameters}"))["items"]
    return list(items)


def make_folder(emulator: Emulator, title: str) -> str:
    """Make a folder in the root; its id."""
    mime = "application/vnd.google-apps.folder"
    made = ask(emulator, "gdrive", "POST", "/drive/v2/files", {"title": title, "mimeType": mime})
    return str(json.loads(made)["id"])


def content(emulator: Emulator, file_id: str) -> bytes:
    """The bytes of a file in Drive."""
    return ask(emulator, "gdrive", "GET", f"/drive/v2/files/{file_id}?alt=media")


def grid(width: int = 300, height: int = 250, column: int = 0, row: int = 0) -> dict[str, Any]:
    """A grid on the pixels of row 77's clip."""
    return {
        "dimensions": {"width": width, "height": height},
        "affineTransform": {
            "scaleX": 30,
            "translateX": 730005 + 30 * column,
            "scaleY": -30,
            "translateY": -2778015 - 30 * row,
        },
        "crsCode": "EPSG:32621",
    }


def cloud(prefix: str = "folder/image", bucket: str = BUCKET, **options: Any) -> dict[str, Any]:
    """fileExportOptions towards Cloud Storage."""
    return {
        "fileFormat": "GEO_TIFF",
        "cloudStorageDestination": {"bucket": bucket, "filenamePrefix": prefix},
        "geoTiffOptions": options,
    }


def to_drive(prefix: str = "image", folder: str | None = "A folder", **options: Any) -> Any:
    """fileExportOptions towards Drive."""
    place = {"folder": folder} if folder is not None else {}
    return {
        "fileFormat": "GEO_TIFF",
        "driveDestination": {**place, "filenamePrefix": prefix},
        "geoTiffOptions": options,
    }


def request(files: Any = None, **changes: Any) -> dict[str, Any]:
    """An export of the clip's first pixels; its expression is one that the raw wire takes."""
    node = {"functionName": "Image.load", "arguments": {"id": {"constantValue": IMAGE}}}
    return {
        "expression": {"result": "0", "values": {"0": {"functionInvocationValue": node}}},
        "description": "an-export",
        "fileExportOptions": files or cloud(),
        "grid": grid(),
        **changes,
    }


def tiles(side: int = 64, width: int = 128, height: int = 128) -> dict[str, Any]:
    """geoTiffOptions that cut the clip's 300 × 250 first pixels into 3 × 2 files."""
    return {"tileSize": side, "tileDimensions": {"width": width, "height": height}}


def pixels(tiff: bytes) -> np.ndarray:
    """(bands, rows, columns) of a GeoTIFF."""
    with MemoryFile(tiff) as memory, memory.open() as file:
        return np.asarray(file.read())
