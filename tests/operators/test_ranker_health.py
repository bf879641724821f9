"""Reward-Pass@k between chance and perfection, and agreement with hidden fitness."""

from __future__ import annotations

import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasearch.operators.ranker_health import (
    best_temperature,
    consensus,
    masked_agreement,
    pass_at_k,
    random_pass_at_k,
    reward_pass_at_k,
)
from metasearch.operators.ratings import Match

families = st.lists(st.lists(st.booleans(), min_size=1, max_size=12), min_size=1, max_size=8)


def test_a_ranker_without_knowledge_by_hand() -> None:
    children = [True] * 3 + [False] * 7
    assert random_pass_at_k([children], 2) == pytest.approx(0.5333, abs=1e-4)
    rng = random.Random(0)
    drawn = [reward_pass_at_k([rng.sample(children, 10)], 2) for _ in range(4_000)]
    assert statistics.mean(drawn) == pytest.approx(0.5333, abs=0.03)


@given(families, st.integers(1, 12))
def test_a_perfect_ranker_reaches_pass_and_an_inverted_one_the_least(
    ranked: list[list[bool]], k: int
) -> None:
    perfect = [sorted(children, reverse=True) for children in ranked]
    inverted = [sorted(children) for children in ranked]
    assert reward_pass_at_k(perfect, k) == pass_at_k(ranked)
    assert reward_pass_at_k(inverted, k) <= random_pass_at_k(ranked, k) + 1e-12
    assert reward_pass_at_k(inverted, k) <= reward_pass_at_k(ranked, k) <= pass_at_k(ranked)
    assert reward_pass_at_k(ranked, k) <= reward_pass_at_k(ranked, k + 1)


def test_without_parents_nothing_passes() -> None:
    assert reward_pass_at_k([], 2) == random_pass_at_k([], 2) == pass_at_k([]) == 0.0


def test_the_best_temperature_is_where_the_ranker_still_finds_what_heat_brings() -> None:
    cold = [[False, False, False]] * 3 + [[True, False, False]]
    warm = [[True, False, False], [False, True, False], [False, False, True]]
    hot = [[False, False, True]] * 4
    assert best_temperature({1.6: hot, 0.9: warm, 0.3: cold}) == 0.9
    assert best_temperature({1.2: warm, 0.9: warm}) == 0.9


def test_consensus_is_the_commonest_answer_and_its_share() -> None:
    assert consensus(["pass", "fail", "pass", None]) == ("pass", 0.5)
    assert consensus(["fail", "pass"]) == ("fail", 0.5)
    assert consensus([None, None]) == consensus([]) == (None, 0.0)


def test_agreement_leaves_out_what_tells_nothing() -> None:
    gains = [3.0, 2.0, 2.0]
    matches = [
        Match(0, 1, 1.0),
        Match(1, 0, 1.0),
        Match(2, 0, 0.5),
        Match(1, 2, 1.0),
        Match(0, 1, None),
    ]
    found = masked_agreement(matches, gains)
    assert (found.share, found.judged) == (0.5, 3)
    assert masked_agreement([], gains).share == 0.5


@pytest.mark.parametrize(
    ("correlation", "agreement"),
    [(0.0, 0.50), (0.1, 0.54), (0.2, 0.57), (0.3, 0.61), (0.5, 0.69), (0.7, 0.77)],
)
def test_agreement_tells_how_far_judged_quality_is_fitness(
    correlation: float, agreement: float
) -> None:
    # Pairs more than one s.d. apart in fitness, judged with slope 1.3 on quality.
    rng = random.Random(1)
    noise = math.sqrt(1 - correlation**2)
    quality = [rng.gauss(0, 1) for _ in range(2_000)]
    fitness = [correlation * q + noise * rng.gauss(0, 1) for q in quality]
    matches: list[Match] = []
    while len(matches) < 4_000:
        a, b = rng.sample(range(2_000), 2)
        if abs(fitness[a] - fitness[b]) > 1:
            p = 1 / (1 + math.exp(-1.3 * (quality[a] - quality[b])))
            matches.append(Match(a, b, float(rng.random() < p)))
    assert masked_agreement(matches, fitness).share == pytest.approx(agreement, abs=0.03)
