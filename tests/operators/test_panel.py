"""Vendi scores by hand; complexity that sees size, diversity that does not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasearch.operators.panel import complexity, mean_distance, panel, similarity, vendi

SUM = "def f(xs):\n    total = 0\n    for x in xs:\n        total += x * x\n    return total\n"
SORT = "import heapq\n\nwhile queue and heapq.nsmallest(3, queue) != best:\n    queue.pop()\n"


@pytest.mark.parametrize("n", [1, 2, 7])
def test_golden_vendi_scores(n: int) -> None:
    assert vendi(np.ones((n, n))) == pytest.approx(1)
    assert vendi(np.eye(n)) == pytest.approx(n)


def test_two_half_alike_by_hand() -> None:
    # Eigenvalues of [[1, .5], [.5, 1]] / 2 are .75 and .25.
    expected = math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))
    assert vendi(np.array([[1.0, 0.5], [0.5, 1.0]])) == pytest.approx(expected)
    assert mean_distance(np.array([[1.0, 0.5], [0.5, 1.0]])) == 0.5


def test_doubling_the_code_raises_complexity_not_diversity() -> None:
    one = panel([SUM, SORT], [0.2, 0.8])
    two = panel([SUM * 2, SORT * 2], [0.2, 0.8])
    assert two.compressed > one.compressed
    assert one.nodes is not None
    assert two.nodes == pytest.approx(2 * one.nodes, abs=1)
    assert two.vendi == pytest.approx(one.vendi, abs=0.02)
    assert two.distance == pytest.approx(one.distance, abs=0.02)


def test_quality_and_validity_are_apart() -> None:
    row = panel([SUM, SUM, SORT, "not ( python"], [0.5, None, 1.0, None])
    assert (row.count, row.valid, row.quality) == (4, 0.5, 0.75)
    assert 1 < row.vendi < 4


def test_equal_texts_are_one_and_nothing_is_nothing() -> None:
    assert panel([SUM] * 5, [None] * 5).vendi == pytest.approx(1)
    assert panel(["", ""], [1.0, 1.0]).vendi == pytest.approx(1)
    assert (panel([], []).vendi, panel([], []).distance) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("text", "decisions"),
    [
        ("x = 1", 1),
        ("if a and b or c:\n    pass\nelif d:\n    pass", 5),
        ("[x for x in xs if x if y]", 4),
        ("try:\n    f()\nexcept A:\n    pass\nexcept B:\n    pass", 3),
        ("match x:\n    case 1:\n        pass\n    case _:\n        pass", 3),
        ("assert (1 if a else 2)", 3),
    ],
)
def test_cyclomatic_numbers_by_hand(text: str, decisions: int) -> None:
    assert complexity(text).cyclomatic == decisions


@pytest.mark.parametrize("text", ["{ int main(); }", "\0", "(" * 50_000, "\ud800"])
def test_what_is_no_python_still_has_a_size(text: str) -> None:
    found = complexity(text)
    assert found.compressed > 0
    assert found.nodes is None


@given(st.lists(st.text(st.sampled_from("ab \n"), max_size=20), min_size=1, max_size=6))
def test_similarity_is_a_kernel(texts: list[str]) -> None:
    kernel = similarity(texts)
    assert np.allclose(kernel, kernel.T)
    assert np.allclose(np.diag(kernel), 1)
    assert kernel.min() >= 0
    assert kernel.max() <= 1
    assert np.linalg.eigvalsh(kernel).min() > -1e-9
    assert 1 - 1e-9 <= vendi(kernel) <= len(texts) + 1e-9
