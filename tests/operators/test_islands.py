"""Islands: elites by cell, migration along the topology, and the fold's determinism."""

from __future__ import annotations

import pytest

from metasearch.candidate import Candidate, Outcome
from metasearch.objectives import Objective
from metasearch.operators.islands import Archipelago, Feature, neighbours

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
    population.add(candidate(0, 1.0))
    population.add(candidate(1, 9.0, island=0))
    assert [scores(population, i) for i in range(3)] == [[9.0], [9.0], [1.0]]


@pytest.mark.parametrize(
    ("topology", "expected"),
    [
        ("ring", [[1], [2], [0]]),
        ("complete", [[1, 2], [0, 2], [0, 1]]),
        ("isolated", [[], [], []]),
    ],
)
def test_topologies(topology: str, expected: list[list[int]]) -> None:
    assert neighbours(topology, 3) == expected  # type: ignore[arg-type]


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
