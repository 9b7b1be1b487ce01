"""The directive ``commands``: every command with its options, made from click's own objects."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from cedar.cli.base import Command
from cedar.cli.main import group

#: Options that every command has are told once.
COMMON = {parameter.name for parameter in Command("any").params}


class Commands(SphinxDirective):
    """Writes a section a command, in the order in which they are used."""

    def run(self) -> list[nodes.Node]:
        """Make the sections."""
        return self.parse_text_to_nodes("\n".join(_page()), allow_section_headings=True)


def commands(
    command: click.Command = group, context: click.Context | None = None
) -> Iterator[click.Context]:
    """Every command, with the groups that they are in before them."""
    if context is None:
        context = click.Context(command, info_name="cedar", **command.context_settings)
    yield context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.commands[name]
            yield from commands(child, click.Context(child, info_name=name, parent=context))


def options(context: click.Context) -> list[click.Option]:
    """A command's options as ``--help`` lists them, without those that are told once."""
    every = context.command.get_params(context)
    return [
        each
        for each in every
        if isinstance(each, click.Option)
        and not each.hidden
        and (context.parent is None or not {each.name, *each.opts} & {*COMMON, "--help"})
    ]


def literal(text: str) -> str:
    """Put plain text with `code` and --options in it as reStructuredText."""
    text = re.sub(r"(?<![\w`-])(--[a-z][a-z-]*)(?!`)", r"`\1`", text)
    parts = re.split(r"`([^`]*)`", text)
    parts[::2] = [re.sub(r"([\\*_|])", r"\\\1", part) for part in parts[::2]]
    parts[1::2] = [f"``{part}``" for part in parts[1::2]]
    return "".join(parts)


def _page() -> Iterator[str]:
    for context in commands():
        path = context.command_path
        underline = "-" if path.count(" ") < 2 else "~"
        yield from (path, underline * len(path), "")
        for paragraph in (context.command.help or "").split("\n\n"):
            yield from (literal(" ".join(paragraph.split())), "")
        yield from _usage(context)
        yield from (f".. program:: {path}", "")
        for option in options(context):
            yield from _option(context, option)


def _usage(context: click.Context) -> Iterator[str]:
    pieces = context.command.collect_usage_pieces(context)
    yield from (".. code-block:: text", "", f"    {' '.join([context.command_path, *pieces])}", "")


def _option(context: click.Context, option: click.Option) -> Iterator[str]:
    names, text = option.get_help_record(context) or ("", "")
    yield from (f".. option:: {names.replace(' / ', ', ')}", "")
    yield from (f"    {literal(' '.join(text.split()))}", "")


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("commands", Commands)
