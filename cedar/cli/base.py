"""What every command has: common options, and a tracker from the configuration."""

from __future__ import annotations

import logging
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from cedar.config import Config
    from cedar.tracker import Tracker


@dataclass
class Settings:
    """What the options say that every command has, before it or after it.

    Attributes
    ----------
    config : str or None
        The configuration that ``-C`` names.
    json : bool
        Write the result as JSON.
    verbose, quiet, debug : bool
        What goes to standard error besides errors.
    log_file : str or None
        A file that everything logged is appended to.
    interrupted : str
        What to say if the command is interrupted now: what was done, or how to go on.
    """

    config: str | None = None
    json: bool = False
    verbose: bool = False
    quiet: bool = False
    debug: bool = False
    log_file: str | None = None
    interrupted: str = "nothing was changed"

    def command(self, *words: str) -> str:
        """Put a command as the user would type it, with the configuration of this one."""
        return shlex.join(["cedar", *words, *(["-C", self.config] if self.config else [])])


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value:
        setattr(context.ensure_object(Settings), str(parameter.name), value)


def _writable(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    """Make a file to append to, so that one that can't be is an error before anything is done."""
    if value is not None:
        try:
            Path(value).open("a", encoding="utf-8").close()
        except OSError as error:
            raise click.BadParameter(f"{value}: {error.strerror or error}") from error
        _keep(context, parameter, value)


def _common_options() -> list[click.Parameter]:
    def option(*names: str, **settings: Any) -> click.Option:
        return click.Option(names, expose_value=False, callback=_keep, **settings)

    return [
        option(
            "-C", "config", metavar="FILE", help="Configuration; else $CEDAR_CONFIG_FILE or "
            "./cedar.yaml, or cedar/cedar.yaml in the user's configuration directory."
        ),
        option("--json", is_flag=True, help="Write the result as JSON."),
        option("-v", "--verbose", is_flag=True, help="Say more."),
        option("-q", "--quiet", is_flag=True, help="Say errors only."),
        option("--debug", is_flag=True, help="Say everything; show where an error comes from."),
        click.Option(
            ("--log-file", "log_file"), metavar="FILE", expose_value=False, callback=_writable,
            help="Append everything logged to FILE, with time and level."
        ),
    ]  # fmt: skip


class Command(click.Command):
    """A command with the common options. What its function returns is the exit code."""

    def __init__(self, *args: Any, **settings: Any):
        super().__init__(*args, **settings)
        self.params += _common_options()


class Group(click.Group):
    """A group of commands, itself with the common options."""

    command_class = Command
    group_class = type

    def __init__(self, *args: Any, **settings: Any):
        # Without a command, one line says so.
        super().__init__(*args, **{"no_args_is_help": False, **settings})
        self.params += _common_options()

    def list_commands(self, _context: click.Context) -> list[str]:
        """Names of the commands, in the order in which they are used."""
        return list(self.commands)


def load_config(settings: Settings) -> Config:
    """Load the configuration in effect.

    Raises
    ------
    ConfigError
        There is none, or it can't be used.
    """
    from cedar.config import find, load

    path = find(settings.config)
    logging.getLogger(__name__).info("the configuration is %s", path)
    return load(path)


def config_if_any(settings: Settings) -> Config | None:
    """Load the configuration in effect, for a command that needs none; None if there is none.

    Raises
    ------
    ConfigError
        One is named that isn't there, or it can't be used.
    """
    from cedar.exceptions import ConfigError

    try:
        return load_config(settings)
    except ConfigError as error:
        # With a path it is about a file: there is one, or should be.
        if error.path is not None:
            raise
        return None


def open_tracker(settings: Settings) -> Tracker:
    """Make the tracker of the configuration in effect.

    Raises
    ------
    ConfigError
        There is none, or it can't be used.
    """
    from cedar.tracker import Tracker

    return Tracker.from_config(load_config(settings))
