"""Choosing the node to expand: the numbers of SWE-Search's tree on planted problems."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from metasearch.candidate import Candidate, Outcome
from metasearch.objectives import Direction, Objective
from metasearch.operators.search_tree import Policy, SearchTree

MAXIMIZE = Objective(name="score", direction=Direction.MAXIMIZE)
MINIMIZE = Objective(name="score", direction=Direction.MINIMIZE)


def candidate(
    number: int, parent: int | None, score: float | None, step: int | None = None
) -> Candidate:
    return Candidate(
        number=number,
        step=number if step is None else step,
        outcome=Outcome.CRASHED if score is None else Outcome.SCORED,
        digest=None,
        scores={} if score is None else {"score": score},
        parents=() if parent is None else (parent,),
        operator="expand",
        seq=number,
    )


def rejected(number: int, parent: int, step: int) -> Candidate:
    return candidate(number, parent, None, step).model_copy(update={"outcome": Outcome.REJECTED})


def grown(policy: Policy, *scores: tuple[int | None, float | None]) -> SearchTree:
    tree = SearchTree(MAXIMIZE, policy)
    for number, (parent, score) in enumerate(scores):
        tree.add(candidate(number, parent, score))
    return tree


def sequence(
    policy: Policy,
    steps: int = 60,
    objective: Objective = MAXIMIZE,
    change: Callable[[float], float] = float,
) -> list[int]:
    """What is selected in a run in which each child's score is random."""
    rng, tree, chosen = random.Random(0), SearchTree(objective, policy), []
    tree.add(candidate(0, None, change(rng.random())))
    for number in range(1, steps):
        chosen.append(tree.select())
        score = rng.random()
        tree.add(candidate(number, chosen[-1], change(score) if score > 0.1 else None))
    return chosen


def test_descent_fills_a_node_and_then_goes_to_its_best_child() -> None:
    policy = Policy(max_expansions=2, exploration=0.0)
    assert grown(policy, (None, 1)).select() == 0
    assert grown(policy, (None, 1), (0, 3)).select() == 0
    assert grown(policy, (None, 1), (0, 3), (0, 2)).select() == 1
    full = grown(policy, (None, 1), (0, 3), (0, 2), (1, 0), (1, 0))
    assert full.select() == 3, "max backup: the subtree of 1 keeps its value"
    mean = replace(policy, backup="mean")
    assert grown(mean, (None, 1), (0, 3), (0, 2), (1, 0), (1, 0)).select() == 2


def test_depth_terms_change_nothing_in_a_descent_and_something_at_the_frontier() -> None:
    none = Policy(early=0.0, late=0.0)
    assert sequence(Policy()) == sequence(none)
    deep = [(None, 0.1), (0, 0.8), (1, 0.9), (2, 1.0)]
    policy = Policy(select="frontier", exploration=0.0, early=0.0, late=0.0)
    assert grown(policy, *deep).select() == 0, "max backup: all have the best's value"
    assert grown(replace(policy, backup="mean"), *deep).select() == 3
    assert grown(replace(policy, backup="mean", late=1.0), *deep).select() == 0


@pytest.mark.parametrize("norm", ["rank", "minmax"])
def test_scale_and_direction_of_the_fitness_do_not_matter(norm: str) -> None:
    policy = Policy(norm="rank" if norm == "rank" else "minmax")
    plain = sequence(policy)
    assert len(set(plain)) > 10
    assert sequence(policy, change=lambda x: 1000 * x + 7) == plain
    assert sequence(policy, objective=MINIMIZE, change=lambda x: -x) == plain
    if norm == "rank":
        assert sequence(policy, change=lambda x: x**9) == plain


def test_a_failed_edit_counts_as_a_visit_of_value_0_and_is_never_expanded() -> None:
    tree = grown(Policy(max_expansions=2), (None, 1.0), (0, None))
    assert tree.values() == [0.5, 0.0]
    assert tree.select() == 0
    tree.add(candidate(2, 0, 0.5))
    assert tree.select() == 2


def test_nothing_but_failures_goes_on_at_the_root() -> None:
    tree = grown(Policy(max_expansions=2), (None, 1.0), *[(0, None)] * 7)
    assert tree.select() == 0


def test_a_node_being_expanded_is_full_while_there_is_room_elsewhere() -> None:
    policy = Policy(max_expansions=3, exploration=0.0)
    tree = grown(policy, (None, 1.0), (0, 3.0), (0, 2.0))
    assert tree.select() == 0
    assert tree.select([0]) == 1
    assert tree.select([0, 1]) == 2
    assert tree.select([0, 1, 2]) == 1, "no node is free: the most promising one with room"
    alone = grown(policy, (None, 1.0))
    assert [alone.select([0] * n) for n in range(9)] == [0] * 9


def test_virtual_visits_send_the_next_step_another_way() -> None:
    policy = Policy(max_expansions=2, exploration=1.41)
    rows = [(None, 0.0), (0, 1.0), (0, 0.9), (1, 0.5), (2, 0.4)]
    tree = grown(policy, *rows)
    first = tree.select()
    assert first == 1
    assert tree.select([first]) != first


def test_limits_of_depth() -> None:
    tree = grown(Policy(max_expansions=1, max_depth=2), (None, 0), (0, 1), (1, 2))
    assert tree.select() in (0, 1), "2 is as deep as it may be; one of the others gets wider"


def test_an_edit_that_is_mended_is_one_expansion() -> None:
    tree = grown(Policy(), (None, 1.0))
    tree.add(rejected(1, 0, step=1))
    tree.add(rejected(2, 0, step=2))
    tree.add(candidate(3, 0, 2.0, step=1))
    assert tree.children(0) == [3, 2]
    assert len(tree.nodes) == 3


def test_a_judges_value_takes_the_place_of_a_measured_one_but_not_of_a_failure() -> None:
    tree = grown(Policy(), (None, 1.0), (0, 2.0), (0, None))
    tree.judge(1, 0.25)
    tree.judge(2, 0.9)
    assert tree.values() == [0.0, 0.25, 0.0]


# -- a planted tree with deceptive siblings ------------------------------------------------------

ON_PATH = (0.30, 0.35, 0.45, 0.60, 1.0)


def planted(policy: Policy, seed: int, budget: int = 200) -> bool:
    """Whether the hidden leaf is found: 4 children a node, 4 levels, two decoys at each."""
    rng = random.Random(seed)
    tree = SearchTree(MAXIMIZE, policy)
    kinds: dict[int, str] = {0: "path"}
    plans: dict[int, list[str]] = {}
    tree.add(candidate(0, None, ON_PATH[0]))
    for number in range(1, budget + 1):
        parent = tree.select()
        plan = plans.setdefault(parent, [])
        if not plan:
            kind = kinds[parent]
            plan += (
                rng.sample(["path", "decoy", "decoy", "plain"], 4) if kind == "path" else [kind] * 4
            )
        kinds[number] = plan.pop()
        depth = tree[parent].depth + 1
        score = {
            "path": ON_PATH[depth],
            "decoy": 0.65 + rng.uniform(-0.05, 0.05),
            "plain": rng.uniform(0.1, 0.4),
        }[kinds[number]]
        if kinds[number] == "path" and depth == 4:
            return True
        tree.add(candidate(number, parent, score))
    return False


@pytest.mark.slow
@pytest.mark.parametrize(
    ("policy", "least", "most"),
    [
        (Policy(norm="minmax", exploration=0.7), 0.9, 1.0),
        (Policy(norm="rank", exploration=1.41), 0.75, 1.0),
        (Policy(norm="rank", exploration=0.0), 0.0, 0.5),
    ],
    ids=["minmax", "rank", "greedy"],
)
def test_the_planted_leaf_is_found_by_uct_and_not_by_greed(
    policy: Policy, least: float, most: float
) -> None:
    policy = replace(policy, max_expansions=4, max_depth=4)
    solved = sum(planted(policy, seed) for seed in range(40)) / 40
    assert least <= solved <= most
