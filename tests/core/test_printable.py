import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasearch.printable import one_line, printable

ANYTHING = st.text(st.characters(codec=None, categories=None))


@given(ANYTHING)
def test_nothing_that_acts_on_a_terminal_remains(text: str) -> None:
    for character in printable(text):
        assert character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cf", "Cs")


@given(ANYTHING, st.integers(1, 300))
def test_one_line_is_one_short_line(text: str, most: int) -> None:
    line = one_line(text, most)
    assert len(line) <= most
    assert not {"\n", "\t", "\x1b", "\r"} & set(line)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "␛[31mred"),
        ("a\u202eb", "a<U+202E>b"),
        ("\x9b1m", "<U+009B>1m"),
        ("\x7f", "␡"),
        ("\ud800", "<U+D800>"),
        ("\U000e0041", "<U+E0041>"),
        ("\u2028", "<U+2028>"),
        ("one\r\ntwo\rthree", "one\ntwo␍three"),
        ("plain: äöü 漢字 🙂\tand\n", "plain: äöü 漢字 🙂\tand\n"),
    ],
)
def test_what_is_shown_instead(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_long_text_is_cut_and_says_so() -> None:
    assert printable("x" * 30, 10) == "x" * 10 + "\n[20 more characters]"
    assert one_line("x" * 30, 10) == "x" * 9 + "…"
