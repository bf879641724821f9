"""Islands: elites by cell, migration along the topology, and the fold's determinism."""

from __future__ import annotations

import random
import statistics
from typing import get_args

import pytest

from metasearch.candidate import Candidate, Outcome
from metasearch.objectives import Objective
from metasearch.operators.islands import Archipelago, Feature, Migrant, Topology, neighbours

SCORE = Objective(name="score")


def candidate(number: int, score: float, island: int | None = None, length: int = 100) -> Candidate:
    return Candidate(
        number=number,
        step=number,
        outcome=Outcome.SCORED,
        digest=f"{number:064x}",
        length=length,
        scores={"score": score},
        operator="evolve",
        island=island,
        seq=number,
    )


def archipelago(islands: int = 2, interval: int = 1_000) -> Archipelago:
    return Archipelago(
        (SCORE,),
        (Feature("length"),),
        islands=islands,
        topology="ring",
        migration_interval=interval,
    )


def scores(population: Archipelago, island: int) -> list[float]:
    return [elite.scores["score"] for elite in population.islands[island].elites]


def test_the_seed_settles_every_island_and_children_their_own() -> None:
    population = archipelago()
    population.add(candidate(0, 1.0))
    population.add(candidate(1, 2.0, island=1))
    assert scores(population, 0) == [1.0]
    assert scores(population, 1) == [2.0]


def test_a_cell_keeps_the_older_of_two_equals() -> None:
    population = archipelago(islands=1)
    population.add(candidate(0, 1.0))
    population.add(candidate(1, 1.0, island=0))
    assert population.islands[0].elites[0].number == 0


def test_programs_of_another_length_live_in_another_cell() -> None:
    population = archipelago(islands=1)
    population.add(candidate(0, 5.0, length=100))
    population.add(candidate(1, 1.0, island=0, length=400))
    assert sorted(scores(population, 0)) == [1.0, 5.0]


def test_failed_candidates_are_no_elites() -> None:
    population = archipelago(islands=1)
    failed = candidate(0, 1.0).model_copy(update={"outcome": Outcome.CRASHED, "scores": {}})
    population.add(failed)
    assert population.islands[0].elites == []


def test_migration_sends_the_best_to_the_next_island_on_the_ring() -> None:
    population = archipelago(islands=3, interval=2)
    assert population.add(candidate(0, 1.0)) == []
    better = candidate(1, 9.0, island=0)
    assert population.add(better) == [Migrant(better, source=0, target=1)]
    assert [scores(population, i) for i in range(3)] == [[9.0], [9.0], [1.0]]
    population.add(candidate(2, 1.0, island=2))
    settled = population.add(candidate(3, 1.0, island=2))
    assert settled == [Migrant(better, source=1, target=2)]  # the first one's is not better there


@pytest.mark.parametrize(
    ("topology", "expected"),
    [
        ("ring", [[1], [2], [0]]),
        ("complete", [[1, 2], [0, 2], [0, 1]]),
        ("isolated", [[], [], []]),
        ("sequence", [[1], [2], []]),
        ("circle", [[1, 2], [0, 2], [0, 1]]),
        ("caveman", [[1, 2], [0, 2], [0, 1]]),
    ],
)
def test_topologies(topology: str, expected: list[list[int]]) -> None:
    assert neighbours(topology, 3) == expected  # type: ignore[arg-type]


def test_cavemen_live_in_cliques_joined_to_a_circle() -> None:
    caves = neighbours("caveman", 9)
    assert caves[1] == [0, 2]  # only its clique
    assert caves[2] == [0, 1, 3]  # a door to the next cave
    assert caves[0] == [1, 2, 8]  # and one to the one before
    assert caves[8] == [0, 6, 7]


@pytest.mark.parametrize("islands", [1, 2, 5, 16, 40])
@pytest.mark.parametrize("topology", get_args(Topology))
def test_no_topology_sends_to_itself_and_all_but_one_reach_everybody(
    topology: Topology, islands: int
) -> None:
    sends = neighbours(topology, islands, seed=3)
    assert len(sends) == islands
    for island, targets in enumerate(sends):
        assert island not in targets
        assert targets == sorted(set(targets))
        assert all(0 <= target < islands for target in targets)
    reached, front = {0}, [0]
    while front:
        front = [j for i in front for j in sends[i] if j not in reached]
        reached |= set(front)
    assert len(reached) == (1 if topology == "isolated" else islands)


def test_a_random_graph_follows_its_seed() -> None:
    assert neighbours("random", 30, seed=1) == neighbours("random", 30, seed=1)
    assert neighbours("random", 30, seed=1) != neighbours("random", 30, seed=2)


def steps_to_takeover(topology: Topology, rng: random.Random) -> int:
    """Until all of 16 have what one had, if each step everyone copies one random neighbour."""
    sends = neighbours(topology, 16)
    sources = [[i for i in range(16) if island in sends[i]] for island in range(16)]
    having = {0} if topology == "sequence" else {rng.randrange(16)}
    steps = 0
    while len(having) < 16:
        having |= {i for i in range(16) if sources[i] and rng.choice(sources[i]) in having}
        steps += 1
    return steps


def test_fewer_links_delay_the_takeover() -> None:
    rng = random.Random(0)
    mean = {
        topology: statistics.mean(steps_to_takeover(topology, rng) for _ in range(400))
        for topology in ("complete", "caveman", "circle", "sequence", "ring")
    }
    assert mean["complete"] == pytest.approx(6.3, abs=0.5)
    assert mean["caveman"] == pytest.approx(13.1, abs=0.7)
    assert mean["circle"] == pytest.approx(15.1, abs=0.7)
    assert mean["sequence"] == mean["ring"] == 15.0


def different_after(topology: Topology, steps: int, rng: random.Random) -> int:
    """Of 16 items of different worth, if each step everyone copies a better random neighbour."""
    sends = neighbours(topology, 16)
    sources = [[i for i in range(16) if island in sends[i]] for island in range(16)]
    items = rng.sample(range(16), 16)
    for _ in range(steps):
        items = [
            max(mine, items[rng.choice(sources[i])]) if sources[i] else mine
            for i, mine in enumerate(items)
        ]
    return len(set(items))


def test_fewer_links_keep_more_diversity() -> None:
    rng = random.Random(0)
    mean = {
        topology: statistics.mean(different_after(topology, 4, rng) for _ in range(200))
        for topology in ("complete", "caveman", "circle", "sequence")
    }
    assert mean["complete"] + 1 < mean["caveman"]
    assert mean["caveman"] + 0.5 < min(mean["circle"], mean["sequence"])


def test_takeover_is_slower_on_a_ring_than_on_a_complete_graph() -> None:
    def generations(topology: str) -> int:
        population = Archipelago(
            (SCORE,),
            (Feature("length"),),
            islands=8,
            topology=topology,  # type: ignore[arg-type]
            migration_interval=1,
        )
        population.add(candidate(0, 1.0))
        population.add(candidate(1, 9.0, island=0))
        number = 2
        while any(scores(population, island) != [9.0] for island in range(8)):
            population.add(candidate(number, 0.0, island=0))
            number += 1
        return number

    assert generations("complete") < generations("ring")


def test_a_candidate_without_the_metric_of_an_axis_has_no_cell() -> None:
    population = Archipelago(
        (SCORE,), (Feature("speed"),), islands=1, topology="ring", migration_interval=10
    )
    assert population.cell(candidate(0, 1.0)) is None
    assert Feature("score", low=0, high=10, bins=5).bin(candidate(0, 9.99), 1) == 4
    assert Feature("score", low=0, high=10, bins=5).bin(candidate(0, 99.0), 1) == 4
    assert Feature("score", low=0, high=10, bins=5).bin(candidate(0, -3.0), 1) == 0
