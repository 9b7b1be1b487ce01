"""Configuration of Sphinx."""

from __future__ import annotations

import click
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import cedar
from cedar.cli.main import group as cedar_commands

project = "cedar"
author = "The cedar developers"
copyright = "2026, the cedar developers"
version = release = cedar.__version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "alabaster"
html_theme_options = {"description": "Order tracker for Earth Engine", "page_width": "64rem"}
html_show_sourcelink = False

autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
# Types are in the docstrings, in the words of the field.
autodoc_typehints = "none"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

# References within cedar have to resolve; others would need a network.
nitpick_ignore_regex = [(r"py:.*", r"(?!cedar\.).*\..*")]


class Commands(SphinxDirective):
    """Writes what ``--help`` says, of every command."""

    def run(self) -> list[nodes.Node]:
        """Make a section a command."""
        return _sections(cedar_commands, click.Context(cedar_commands, info_name="cedar"))


def _sections(group: click.Group, context: click.Context) -> list[nodes.Node]:
    sections: list[nodes.Node] = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        child = click.Context(command, info_name=name, parent=context)
        is_group = isinstance(command, click.Group)
        if not is_group or command.invoke_without_command:
            section = nodes.section(ids=[nodes.make_id(child.command_path)])
            section += nodes.title(text=child.command_path)
            section += nodes.literal_block(text=command.get_help(child), language="text")
            sections.append(section)
        if is_group:
            sections += _sections(command, child)
    return sections


def _leave_words(app: Sphinx, doctree: nodes.document) -> None:
    """Make no links of one-word types: `path` is not some attribute of that name."""
    for node in list(doctree.findall(addnodes.pending_xref)):
        if node["reftype"] in ("class", "obj") and "." not in node["reftarget"]:
            node.replace_self(node.children)


def setup(app: Sphinx) -> None:
    """Register what is above."""
    app.add_directive("commands", Commands)
    app.connect("doctree-read", _leave_words)
