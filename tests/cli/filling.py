"""A program for test_full_disk, where it may mount: watches an order on larger and larger disks.

It writes a line of JSON for each: its size in kB, how `watch` ended on it, and how another did when
there was room; both as exit code and standard error.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from test_full_disk import check_images, record

from cedar.cli.main import main
from cedar.engines.earthengine import blocks, pull

STEP = 16
HERE = Path()
#: The program's own standard output, and the file that standard error goes to, GDAL's too.
TOLD, ERRORS = os.dup(1), os.open("errors", os.O_RDWR | os.O_CREAT | os.O_APPEND)


def watch(name):
    os.ftruncate(ERRORS, 0)
    code = main(["watch", name])
    sys.stderr.flush()
    check_images(HERE, record(HERE, name))
    return code, Path("errors").read_text()


def mount(*options):
    subprocess.run(["mount", *options, "store"], check=True)


def run(name):
    blocks.BLOCK_BYTES, pull._check_room = 1, lambda scratch, needed: None
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(ERRORS, 2)
    Path("store").rename("before")
    Path("store").mkdir()
    size, roomy = 0, 0
    while roomy < 3:
        mount("-t", "tmpfs", "-o", "size=1g", "tmpfs")
        shutil.copytree("before", "store", dirs_exist_ok=True)
        usage = shutil.disk_usage("store")
        size = max(size + STEP, usage.used // 1024 + 4)
        mount("-o", f"remount,size={size}k")
        first = watch(name)
        mount("-o", "remount,size=1g")
        second = watch(name)
        subprocess.run(["umount", "store"], check=True)
        os.write(TOLD, json.dumps([size, first, second]).encode() + b"\n")
        roomy += first[0] == 0


if __name__ == "__main__":
    run(sys.argv[1])
