"""UCT term by term, backups against subtree sums, and values that no scale changes."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasearch.operators.uct import Backup, backups, minmax_values, rank_values, uct

gains = st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=20)


def test_golden_value_and_each_of_its_terms() -> None:
    whole = uct(0.5, 100, 10, exploration=1.41, depth=2, early=1, early_decay=1, late=0.1)
    assert whole == pytest.approx(1.683, abs=1e-3)
    assert uct(0, 100, 10, exploration=1.41) == pytest.approx(0.95685, abs=1e-5)
    assert uct(0, 1, 1, exploration=0, depth=2, early=1) == pytest.approx(0.36788, abs=1e-5)
    assert uct(0, 1, 1, exploration=0, depth=2, late=0.1) == pytest.approx(-0.14142, abs=1e-5)


def test_one_visit_of_the_parent_explores_nothing_and_no_visit_everything() -> None:
    assert uct(0.3, 1, 1, exploration=9.0) == pytest.approx(0.3)
    assert uct(0.0, 5, 0, exploration=0.1) == math.inf


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(1, 50)), min_size=1, max_size=8))
def test_among_siblings_the_depth_terms_change_no_choice(
    children: list[tuple[float, int]],
) -> None:
    visits = 1 + sum(n for _, n in children)

    def best(early: float, late: float) -> int:
        scores = [
            round(uct(v, visits, n, exploration=1.41, depth=4, early=early, late=late)
                  - early * math.exp(-3) + late * 2, 9)
            for v, n in children
        ]  # fmt: skip
        return scores.index(max(scores))

    assert best(0, 0) == best(1, 0.1)


def test_between_depths_they_do() -> None:
    shallow = uct(0.5, 20, 4, exploration=1.0, depth=1, early=1, late=0.1)
    deep = uct(0.6, 20, 4, exploration=1.0, depth=5, early=1, late=0.1)
    assert uct(0.5, 20, 4, exploration=1.0) < uct(0.6, 20, 4, exploration=1.0)
    assert shallow > deep


@st.composite
def trees(draw: st.DrawFn) -> tuple[list[int | None], list[float | None]]:
    size = draw(st.integers(1, 25))
    parents: list[int | None] = [None]
    parents += [draw(st.integers(0, i - 1)) for i in range(1, size)]
    values = draw(st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=size, max_size=size))
    return parents, values


@given(trees())
def test_backups_are_the_sums_over_subtrees(
    tree: tuple[list[int | None], list[float | None]],
) -> None:
    parents, values = tree

    def within(node: int | None, root: int) -> bool:
        return node is not None and (node == root or within(parents[node], root))

    for root, backup in enumerate(backups(parents, values)):
        scored = [v for i, v in enumerate(values) if v is not None and within(i, root)]
        assert backup.visits == len(scored)
        assert backup.total == pytest.approx(math.fsum(scored), abs=1e-12)
        assert backup.best == max(scored, default=0.0)


def test_a_child_before_its_parent_is_refused() -> None:
    with pytest.raises(ValueError, match="before its parent"):
        backups([1, None], [0.1, 0.2])


def test_a_failed_edit_is_a_visit_without_value() -> None:
    node = Backup().scored(0.8).scored(0.0)
    assert (node.visits, node.mean, node.best) == (2, 0.4, 0.8)


def test_expansions_in_flight_cost_attraction_and_leave_no_trace() -> None:
    node = Backup().scored(0.8)
    busy = node.in_flight(0.5, 2)
    assert (busy.visits, busy.best) == (3, 0.8)
    assert busy.mean == pytest.approx(0.6)
    assert uct(busy.mean, 9, busy.visits, exploration=1) < uct(node.mean, 9, 1, exploration=1)
    assert node == Backup().scored(0.8)


def test_values_by_hand() -> None:
    assert rank_values([5.0, 1.0, 5.0, 9.0]) == pytest.approx([0.5, 0.0, 0.5, 1.0])
    assert minmax_values([5.0, 1.0, 9.0]) == pytest.approx([0.5, 0.0, 1.0])
    assert rank_values([3.0]) == minmax_values([3.0]) == [0.5]
    assert rank_values([]) == minmax_values([]) == []


@given(gains)
def test_values_lie_between_0_and_1_and_keep_the_order(numbers: list[float]) -> None:
    for values in (rank_values(numbers), minmax_values(numbers)):
        assert all(0 <= value <= 1 for value in values)
        pairs = sorted(zip(numbers, values, strict=True))
        assert [value for _, value in pairs] == sorted(values)


@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=20))
def test_no_scale_or_direction_changes_a_value(numbers: list[int]) -> None:
    ranks = rank_values(numbers)
    assert rank_values([number**3 + 7.0 for number in numbers]) == ranks
    assert [1 - v for v in rank_values([-n for n in numbers])] == pytest.approx(ranks)
    stretched = minmax_values([1000.0 * n + 5 for n in numbers])
    assert stretched == pytest.approx(minmax_values(numbers), abs=1e-9)


def planted_tree(rng: random.Random) -> tuple[dict[tuple[int, ...], float], tuple[int, ...]]:
    """Depth 4, branching 4: one path to 1.0 beside better-looking decoys, and its last node."""
    on_path = [0.30, 0.35, 0.45, 0.60, 1.0]
    value: dict[tuple[int, ...], float] = {(): on_path[0]}
    goal: tuple[int, ...] = ()

    def below(node: tuple[int, ...], low: float, high: float) -> None:
        value[node] = rng.uniform(low, high)
        if len(node) < 4:
            for child in range(4):
                below((*node, child), low, high)

    for depth in range(1, 5):
        kinds = ["path", "decoy", "decoy", "ordinary"]
        rng.shuffle(kinds)
        for child, kind in enumerate(kinds):
            if kind == "decoy":
                below((*goal, child), 0.60, 0.70)
            elif kind == "ordinary":
                below((*goal, child), 0.1, 0.4)
        goal = (*goal, kinds.index("path"))
        value[goal] = on_path[depth]
    return value, goal


def solved(seed: int, values: Callable[[Sequence[float]], list[float]], exploration: float) -> bool:
    """Whether descent by UCT with max backup makes the goal within 200 expansions."""
    hidden, goal = planted_tree(random.Random(seed))
    nodes: list[tuple[int, ...]] = [()]
    for _ in range(200):
        place = {node: i for i, node in enumerate(nodes)}
        parents = [place[node[:-1]] if node else None for node in nodes]
        backed = backups(parents, values([hidden[node] for node in nodes]))
        full: set[tuple[int, ...]] = {node for node in nodes if len(node) == 4}
        for node in sorted(nodes, key=len, reverse=True):
            if len(node) < 4 and all((*node, child) in full for child in range(4)):
                full.add(node)
        at: tuple[int, ...] = ()
        while all((*at, child) in place for child in range(4)):
            children = [(*at, child) for child in range(4) if (*at, child) not in full]
            visits = backed[place[at]].visits
            scores = [
                uct(backed[place[c]].best, visits, backed[place[c]].visits, exploration=exploration)
                for c in children
            ]
            at = children[scores.index(max(scores))]
        nodes.append((*at, next(child for child in range(4) if (*at, child) not in place)))
        if nodes[-1] == goal:
            return True
    return False


@pytest.mark.slow
@pytest.mark.parametrize(
    ("values", "exploration", "share"), [(minmax_values, 0.7, 0.9), (rank_values, 1.41, 0.75)]
)
def test_uct_with_max_backup_finds_the_path_among_decoys(
    values: Callable[[Sequence[float]], list[float]], exploration: float, share: float
) -> None:
    assert sum(solved(seed, values, exploration) for seed in range(40)) / 40 >= share
