"""The filter's language: what it understands, and how it says what it does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasearch.archive import OfColumn, OfMetric, OfNumbers, OfParent, OfText, Term
from metasearch.web.errors import BadRequest
from metasearch.web.search import parse

METRICS = ["sum_radii", "seconds"]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", []),
        ("score>2.6", [Term(OfMetric("sum_radii", ">", 2.6))]),
        ("seconds<=1e3", [Term(OfMetric("seconds", "<=", 1000.0))]),
        ("operator:diff", [Term(OfColumn("operator", "=", "diff"))]),
        ("-model:lab/small", [Term(OfColumn("model", "=", "lab/small"), True)]),
        ("outcome:waiting", [Term(OfColumn("outcome", "=", None))]),
        ("number>=10  island=2", [
            Term(OfColumn("number", ">=", 10.0)), Term(OfColumn("island", "=", 2.0))
        ]),
        ('text:"two words" -"not these"', [
            Term(OfText("two words")), Term(OfText("not these"), True)
        ]),
        ("hexagon", [Term(OfText("hexagon"))]),
        ("parent:#12", [Term(OfParent(12))]),
        ("-number:3,#5", [Term(OfNumbers((3, 5)), True)]),
    ],
)  # fmt: skip
def test_terms(text: str, terms: list[Term]) -> None:
    assert parse(text, METRICS) == terms


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("scroe>2", "'scroe>2' names nothing that can be asked for. Did you mean score?"),
        ("outcome:crash", "'outcome:crash' is no outcome. Did you mean crashed?"),
        ("score>high", "'score>high' needs a number"),
        ("score>nan", "needs a number"),
        ("operator>diff", "compares words; write operator:diff"),
        ("parent:best", "needs the number of a candidate"),
        ("number:1,x", "needs the number of a candidate"),
        ('text:"open', "a quotation mark is open"),
        ("a " * 30, "more than 20 terms"),
        ("zzz:1", "There are score, sum_radii"),
    ],
)
def test_a_wrong_term_is_named(text: str, says: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse(text, METRICS)
    assert says in str(caught.value)


@given(st.text(max_size=200))
def test_any_text_is_understood_or_refused(text: str) -> None:
    told = ""
    try:
        assert len(parse(text, METRICS)) <= 20
    except BadRequest as refused:
        told = str(refused)
    assert told.isprintable()
