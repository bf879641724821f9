"""Coloured code and Markdown: nothing is lost, and nothing that was written becomes markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasearch.web import highlighting
from metasearch.web.assets import FOLDER
from metasearch.web.highlighting import MAX_LINE, coloured, visible_lines
from metasearch.web.markdown import rendered
from tests.web.hostile import TEXTS


@given(st.text(), st.sampled_from(["p.py", "p.c", "p.unknown", "p", "p.json"]))
def test_the_pieces_are_the_text(text: str, path: str) -> None:
    lines = visible_lines(text)
    assert ["".join(piece.text for piece in line) for line in coloured(lines, path)] == lines


def test_code_has_colours() -> None:
    (line,) = coloured(["def f():  # say"], "program.py")
    assert [(piece.kind, piece.text) for piece in line if piece.kind] == [
        ("k", "def"),
        ("nf", "f"),
        ("c", "# say"),
    ]


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("a.c", "return"),
        ("a.cu", "__global__"),
        ("a.jl", "function"),
        ("a.rs", "fn"),
        ("a.R", "if"),
    ],
)
def test_the_ending_tells_the_language(path: str, word: str) -> None:
    ((piece, *_),) = coloured([f"{word} x"], path)
    assert piece.text == word
    assert piece.kind


@pytest.mark.parametrize("path", ["a.md", "a.php", "a", ".py", "a.py/b", "a." + "x" * 5000])
def test_other_endings_choose_no_language(path: str) -> None:
    (line,) = coloured(["```html def return x"], path)
    assert [(piece.kind, piece.text) for piece in line] == [("", "```html def return x")]


def test_lines_are_bounded_and_visible() -> None:
    (line,) = visible_lines("x\u202e" + "y" * 1_000_000)
    assert line.startswith("x<U+202E>y")
    assert len(line) < MAX_LINE + 100


def test_the_style_sheet_is_the_one_that_is_written() -> None:
    assert (FOLDER / "highlight.css").read_text("utf-8") == highlighting.stylesheet()


class _Elements(HTMLParser):
    def __init__(self, markup: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


ALLOWED = {
    *("p", "ul", "ol", "li", "pre", "code", "em", "strong", "a", "br", "hr", "blockquote"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_markdown_brings_no_element_of_its_own(name: str) -> None:
    _check(rendered(TEXTS[name]))


@given(st.text(st.sampled_from("[]()!<>*_`#-&;:/ \n\"'=ahrefjavscipt."), max_size=200))
def test_no_markdown_becomes_more_than_text_and_links(text: str) -> None:
    _check(rendered(text))


def _check(markup: str) -> None:
    for tag, attributes in _Elements(markup).found:
        assert tag in ALLOWED
        assert set(attributes) <= {"href", "rel", "class", "start"}
        assert re.match("https?:", attributes.get("href") or "https:")


def test_markdown_is_rendered() -> None:
    markup = rendered("# Title\n\n- **bold** [link](https://example.org)\n\n```\n<b>\n```\n")
    assert '<p class="heading">Title</p>' in markup
    assert "<strong>bold</strong>" in markup
    assert 'href="https://example.org"' in markup
    assert "&lt;b&gt;" in markup
    assert "<img" not in rendered("![picture](https://example.org/p.png)")
