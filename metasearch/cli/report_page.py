"""A Markdown document of ours as one HTML page that needs nothing and can do nothing."""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

_ANCHOR = re.compile(r"(Idea|Match) (\d+)")
_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
  overflow-wrap: anywhere; }
blockquote { margin: .5rem 0; padding: .1rem 1rem; border-left: 3px solid #8888; }
blockquote p { white-space: pre-line; margin: .5rem 0; }
blockquote blockquote { margin-left: 0; }
blockquote h1, blockquote h2, blockquote h3 { font-size: 1rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { text-align: left; padding: .2rem .8rem .2rem 0; vertical-align: top;
  overflow-wrap: normal; }
pre { white-space: pre-wrap; }
h2 { border-top: 1px solid #8884; padding-top: 1rem; margin-top: 2rem; }
""".strip()


def page(title: str, markdown: str) -> str:
    """The page.

    Raw HTML, pictures and bare addresses are not rendered as such; the page's policy allows no
    script and no request. The only links lead to headings of the page itself.
    """
    renderer = MarkdownIt("commonmark", {"html": False}).enable("table")
    renderer.disable(["html_block", "html_inline", "autolink", "image", "reference"])
    # The stubs miss that it may be set so; only links within the page are let through.
    renderer.validateLink = _leads_within  # type: ignore[method-assign]
    tokens = renderer.parse(markdown)
    _mark_headings(tokens)
    body = renderer.renderer.render(tokens, renderer.options, {})
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{html.escape(title)}</title>\n<style>\n{_STYLE}\n</style>\n</head>\n"
        f"<body>\n{body}</body>\n</html>\n"
    )


def _leads_within(url: str) -> bool:
    return re.fullmatch(r"#(idea|match)-\d+", url) is not None


def _mark_headings(tokens: Sequence[Token]) -> None:
    """Anchors for our own headings; one within a quotation is a model's and gets none."""
    for opening, inline in itertools.pairwise(tokens):
        found = _ANCHOR.fullmatch(inline.content)
        if found and opening.type == "heading_open" and opening.level == 0:
            opening.attrSet("id", f"{found[1].lower()}-{found[2]}")
