"""`cedar demo`."""

from __future__ import annotations

import io
import shlex
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import click

from .base import Command, Settings, open_tracker
from .errors import DONE
from .output import note, write

_COLLECTIONS: Final = ("LANDSAT/LC08/C02/T1_L2", "LANDSAT/LC09/C02/T1_L2")
_TILES: Final = ("--row", "0", "--col", "0", "--col", "1")
_PERIODS: Final = (
    *("--period-start", "2022-09-01", "--period-end", "2022-11-01"),
    *("--period-freq", "MS", "--period-closed", "left"),
)

#: Of stores that the emulator has: what stands in the configuration instead of the directory.
_SECTIONS: Final = {
    "gcs": "gcs:\n  bucket: cedar-demo\n  url: emulator\n",
    "gdrive": "gdrive:\n  folder: cedar-demo\n  url: emulator\n",
}

_OPENING: Final = """\
cedar orders a small data cube: two collections, two tiles, two periods. It needs no account and no
network: the scenes are SYNTHETIC, made up by an emulator of Earth Engine that comes with cedar.
"""


@click.command(cls=Command)
@click.option("--dest", metavar="DIR", default="demo", show_default=True, help="Where to work.")
@click.option(
    "--store",
    type=click.Choice(["local", *_SECTIONS]),
    default="local",
    show_default=True,
    help="Where images and records go: a directory, or an emulated bucket or Drive.",
)
@click.pass_obj
def demo(settings: Settings, dest: str, store: str) -> int:
    """Order, follow, download and clean up a small data cube.

    It needs no account: the scenes are synthetic. Every command is shown as you would type it. What
    is left in DIR is a configuration to try more with, the images, and a picture of them.
    """
    directory = Path(dest)
    again = settings.command("demo", "--dest", dest, "--store", store)
    settings.interrupted = f"`{again}` begins again"
    config = _prepare(directory, store)
    show = _Show(replace(settings, config=str(config), json=False), settings.json)
    show.say(_OPENING)
    name = show.run("submit", *_COLLECTIONS, *_TILES, *_PERIODS, "--yes").strip()
    show.run("watch", name, *(() if store == "local" else ("--interval", "0.5")))
    show.run("show", name)
    show.run("download", name, "--dest", dest)
    images = sorted((directory / name).glob("*.tif"))
    picture = _picture(images, directory / "quicklook.png")
    show.run("clean", name, "--yes")
    left = [f"picture  {picture}", *(f"image    {image}" for image in images)]
    write(
        settings,
        {"synthetic": True, "quicklook": str(picture), "images": [str(image) for image in images]},
        ["What is left, of synthetic scenes:", *left],
    )
    return DONE


@dataclass(frozen=True)
class _Show:
    """Runs commands for all to see."""

    settings: Settings
    aside: bool

    def say(self, text: str) -> None:
        """Say something: a part of the result, unless that is JSON."""
        if self.aside:
            note(self.settings, text)
        else:
            write(self.settings, None, [text])

    def run(self, *words: str) -> str:
        """Run a command as if it were typed, and return what it wrote.

        Raises
        ------
        click.exceptions.Exit
            It wasn't done.
        """
        from .main import run

        settings = replace(self.settings)
        command = settings.command(*words)
        self.say(f"$ {command}")
        with redirect_stdout(io.StringIO()) as written:
            code = run(shlex.split(command)[1:], settings)
        self.say(written.getvalue())
        if code != DONE:
            raise click.exceptions.Exit(code)
        return written.getvalue()


def _configuration(store: str) -> str:
    """Text of the demo's configuration, with this store."""
    from cedar.config import example

    text = example("demo")
    if store in _SECTIONS:
        head, _, rest = text.partition("local:\n  directory: cedar-store\n")
        text = head.replace("store: local", f"store: {store}") + _SECTIONS[store] + rest
        text = text.replace("earthengine:\n", "earthengine:\n  state: emulator-state\n")
    return text


def _prepare(directory: Path, store: str) -> Path:
    """Make the directory ready, and return the configuration in it.

    Raises
    ------
    InputError
        There is something in it that no demo put there.
    """
    from cedar.exceptions import InputError

    config, text = directory / "cedar.yaml", _configuration(store)
    if config.is_file() and config.read_text("utf-8") == text:
        # What an earlier demo was interrupted at is in the way of this one.
        tracker = open_tracker(Settings(config=str(config)))
        for name in tracker.list():
            tracker.cancel(name)
            tracker.clean(tracker.read(name), name, force=True)
    elif directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise InputError(f"{directory} is there, and not of a demo: name another with --dest")
    directory.mkdir(parents=True, exist_ok=True)
    config.write_text(text, "utf-8")
    return config


def _picture(images: list[Path], path: Path) -> Path:
    from cedar.quicklook import quicklook

    tiles = ([image for image in images if f"_h00{col}v000_" in image.name] for col in (0, 1))
    quicklook(list(tiles), path)
    return path
