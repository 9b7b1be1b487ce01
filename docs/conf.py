"""Configuration of Sphinx."""

from __future__ import annotations

import sys
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

import cedar

sys.path.append(str(Path(__file__).parent / "_ext"))

project = "cedar"
author = "The cedar developers"
copyright = "2026, the cedar developers"
version = release = cedar.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "command_reference",
    "configuration_reference",
    "internal_links",
    "sensors_reference",
]
exclude_patterns = ["_build"]
# What notebooks show is made when pages are, and what goes wrong in one is an error of the build.
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 120
# Not the dashes: --option is no – option.
smartquotes_action = "qe"
html_theme = "furo"
html_title = f"cedar {version}"
html_static_path = ["_static"]
html_css_files = ["cedar.css"]
html_show_sourcelink = False
html_copy_source = False
# What a user types, without prompt and output.
copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True
copybutton_line_continuation_character = "\\"

autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
# Types are in the docstrings, in the words of the field.
autodoc_typehints = "none"
autodoc_preserve_defaults = True
maximum_signature_line_length = 88
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

# References within cedar have to resolve; others would need a network.
nitpick_ignore_regex = [(r"py:.*", r"(?!cedar\.).*\..*")]


def _leave_words(app: Sphinx, doctree: nodes.document) -> None:
    """Make no links of one-word types: `path` is not some attribute of that name."""
    for node in list(doctree.findall(addnodes.pending_xref)):
        if node["reftype"] in ("class", "obj") and "." not in node["reftarget"]:
            node.replace_self(node.children)


def setup(app: Sphinx) -> None:
    """Register what is above."""
    app.connect("doctree-read", _leave_words)
