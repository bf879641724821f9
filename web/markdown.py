"""Markdown that models wrote, as markup: text, lists, links and code, and nothing else.

HTML in it stays text, links lead only to the web, and pictures are not loaded.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markupsafe import Markup

from metasearch.printable import printable

MAX_RENDERED = 20_000
"""Characters of a text that are rendered; a longer one is to be read as plain text."""


class _Renderer(MarkdownIt):
    def __init__(self) -> None:
        super().__init__("commonmark", {"html": False, "maxNesting": 20})
        # Pictures would be requests to other hosts; what HTML there is stays text.
        self.disable(["image", "html_block", "html_inline", "entity"])

    def validateLink(self, url: str) -> bool:  # noqa: N802 - overrides the library's
        return urlsplit(url).scheme in ("http", "https")


def rendered(text: str) -> Markup:
    """A text of at most :data:`MAX_RENDERED` characters as safe markup."""
    tokens = _MARKDOWN.parse(printable(text, MAX_RENDERED))
    for token in tokens:
        if token.tag in _HEADINGS:  # a page has headings of its own
            token.tag = "p"
            token.attrs = {"class": "heading"} if token.nesting == 1 else {}
        elif token.type in ("fence", "code_block"):
            token.info = ""
        for part in token.children or ():
            if part.type == "link_open":
                part.attrs = {
                    "href": part.attrs["href"],
                    "rel": "noopener noreferrer nofollow",
                    "class": "foreign",
                }
    return Markup(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}))  # noqa: S704 - html=False


_HEADINGS = {f"h{level}" for level in range(1, 7)}
_MARKDOWN = _Renderer()
