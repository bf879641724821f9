"""TF-IDF by hand, and what generations of texts pass on."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasearch.operators.text_similarity import cosine, relevance, tfidf, transmission


def test_weights_by_hand() -> None:
    a, b = tfidf(["a a b", "b c"])
    rare, common = math.log(3 / 2) + 1, 1.0  # in one of two texts, in both
    assert a == pytest.approx(
        {"a": 2 * rare / math.hypot(2 * rare, 1), "b": common / math.hypot(2 * rare, 1)}
    )
    assert cosine(a, b) == pytest.approx(1 / math.hypot(2 * rare, 1) / math.hypot(rare, 1))


@given(st.lists(st.text("abÄ1_ ,\n", max_size=20), min_size=1, max_size=6))
def test_cosines_are_symmetric_and_bounded(texts: list[str]) -> None:
    vectors = tfidf(texts)
    for a in vectors:
        assert cosine(a, a) == pytest.approx(1.0 if a else 0.0)
        for b in vectors:
            assert cosine(a, b) == pytest.approx(cosine(b, a))
            assert 0 <= cosine(a, b) <= 1


def test_what_shares_no_word_is_not_relevant() -> None:
    found = relevance("Circles!", ["circles in a square", "bins", ""])
    assert found[0] > 0
    assert found[1:] == [0.0, 0.0]
    assert relevance("circles", []) == []


def test_transmission_sees_drift_and_convergence() -> None:
    first, second, third = transmission(
        [["red fox", "blue whale"], ["red whale", "red whale"], ["green crow", "green crow"]]
    )
    assert (first.within, first.first, first.previous) == (0.0, 0.5, 0.5)
    assert second.within == third.within == pytest.approx(1.0)
    assert 0 < second.first == second.previous
    assert third.first == third.previous == 0.0
    assert transmission([["alone"]])[0].within == 0.0
    assert transmission([]) == []
