"""Warns, when pages are built, of links between them that lead nowhere: files and anchors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sphinx.application import Sphinx
from sphinx.util import logging

_LINKS = {"href", "src", "srcset", "data"}


class Page(HTMLParser):
    """What a page of HTML links to, and the anchors that it has."""

    def __init__(self, text: str):
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element's links and anchors."""
        for name, value in attrs:
            if name in _LINKS and value is not None:
                self.links.append(value)
            if value and (name == "id" or (tag, name) == ("a", "name")):
                self.anchors.add(value)


def broken_links(directory: Path, paths: Iterable[Path]) -> Iterator[str]:
    """Say of every link of some pages in a directory that leads nowhere: where it is, and to what.

    Links to other hosts are only looked at for their form.
    """
    pages = {path: Page(path.read_text("utf-8")) for path in sorted(paths)}
    for path, page in pages.items():
        for link in page.links:
            if problem := _problem(link, path, pages):
                yield f"{path.relative_to(directory)}: {link or '(empty)'} {problem}"


def _problem(link: str, path: Path, pages: dict[Path, Page]) -> str | None:
    parts = urlsplit(link)
    if parts.scheme in ("data", "mailto"):
        return None
    if parts.scheme or parts.netloc:
        whole = parts.scheme in ("http", "https") and "." in parts.netloc and " " not in link
        return None if whole or parts.hostname == "localhost" else "is no address"
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.is_file():
        return "isn't there"
    anchor = unquote(parts.fragment)
    if anchor and target in pages and anchor not in pages[target].anchors:
        return "has no such anchor"
    return None


def _check(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        # Not what an earlier build has left.
        directory = Path(app.outdir).resolve()
        paths = [directory / app.builder.get_target_uri(name) for name in app.env.found_docs]
        for problem in broken_links(directory, paths):
            logging.getLogger(__name__).warning("link: %s", problem)


def setup(app: Sphinx) -> None:
    """Look when all is written."""
    # After the extensions that still write files then.
    app.connect("build-finished", _check, priority=900)
