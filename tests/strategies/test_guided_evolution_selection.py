"""Guided Evolution selects as the paper says: defaults, rates, fixed points, who lives on."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from metasearch.candidate import Candidate, Outcome
from metasearch.objectives import Direction, Objective
from metasearch.operators.genome import departures
from metasearch.operators.mating import IdealMates, Mates
from metasearch.operators.pareto import crowding, nsga2, ranks, spea2, tournament_dcd
from metasearch.program import Program
from metasearch.step import Task
from metasearch.strategies.guided_evolution import GuidedEvolution
from metasearch.strategies.guided_evolution_pool import DIRECTIONS, PERSONAS


def strategy(**options: Any) -> GuidedEvolution:
    task = Task(
        description="Do it.",
        objectives=(
            Objective(name="accuracy"),
            Objective(name="parameters", direction=Direction.MINIMIZE),
        ),
        seed_program=Program(files={"program.py": "x = 1\n"}),
    )
    return GuidedEvolution(task, GuidedEvolution.Options(**options))


def test_the_defaults_are_the_papers() -> None:
    options = GuidedEvolution.Options()
    assert (options.initial, options.offspring, options.elites) == (144, 44, 44)
    assert (options.exemplars, options.rephrased) == (10, 5)
    assert (options.crossover, options.mutation, options.evolution_of_thought) == (0.35, 0.8, 0.25)
    assert options.create_temperature == (0.05, 0.40)
    assert options.mutate_temperature == (0.02, 0.35)
    assert options.crossover_temperature == (0.05, 0.10)
    with pytest.raises(ValueError, match="low <= high"):
        GuidedEvolution.Options(mutate_temperature=(0.4, 0.1))


def test_the_pool_has_24_prompts_that_are_drawn_alike() -> None:
    rng = random.Random(1)
    drawn = Counter(strategy().pool.pair(rng) for _ in range(24_000))
    assert len(drawn) == len(DIRECTIONS) * len(PERSONAS) == 24
    assert 850 < min(drawn.values()) <= max(drawn.values()) < 1150


POINTS = {
    "A": (0.9252, 0.518), "B": (0.9334, 0.518), "C": (0.9316, 0.295), "D": (0.8883, 0.119),
    "E": (0.8745, 0.039), "F": (0.91, 0.4), "G": (0.88, 0.3), "H": (0.90, 0.119),
}  # fmt: skip
"""Accuracy and millions of parameters of networks; the values below follow from them."""


def members() -> list[Candidate]:
    return [
        Candidate(
            number=number,
            step=number,
            outcome=Outcome.SCORED,
            digest="0",
            operator="create",
            scores={"accuracy": accuracy, "parameters": parameters},
            name=name,
            seq=number,
        )
        for number, (name, (accuracy, parameters)) in enumerate(POINTS.items())
    ]


def names(found: Sequence[Candidate]) -> str:
    return "".join(sorted(c.name for c in found))


def test_selection_finds_the_papers_fixed_points() -> None:
    gains = [(a, -p) for a, p in POINTS.values()]
    letters = list(POINTS)
    fronts = [{n for n, r in zip(letters, ranks(gains), strict=True) if r == k} for k in range(3)]
    assert fronts == [set("BCEH"), set("AFD"), set("G")]
    room = dict(zip("BCEH", crowding([gains[letters.index(n)] for n in "BCEH"]), strict=True))
    assert room["C"] == pytest.approx(1.40005, abs=1e-5)
    assert room["H"] == pytest.approx(1.50389, abs=1e-5)
    assert {letters[i] for i in nsga2(gains, 5)} == set("BCEHA")
    for count, kept in ((3, "BCE"), (4, "BCEH"), (5, "BCDEH"), (6, "BCDEFH"), (44, "ABCDEFGH")):
        assert names(strategy().select(members(), count)) == kept
        assert len(spea2(gains, count)) == min(count, 8)
    assert len(tournament_dcd(gains[:7], 8, random.Random(0))) == 8
    assert len(tournament_dcd(gains, 6, random.Random(0))) == 6


def test_plans_pair_both_ways_at_the_papers_rate_for_any_number_of_parents() -> None:
    found = strategy(offspring=44)
    crossed = 0
    for seed in range(500):
        plans = found.breed(members()[: 1 + seed % 8], random.Random(seed))
        assert len(plans) == 44
        for a, b in zip(plans[::2], plans[1::2], strict=True):
            assert (a.mate is None) == (b.mate is None)
            if a.mate is not None:
                assert (a.mate, b.mate) == (b.parent, a.parent)
            crossed += a.mate is not None
    assert crossed / (500 * 22) == pytest.approx(0.35, abs=0.02)


def test_with_mate_choice_each_of_a_pair_is_crossed_with_the_one_nearest_to_its_ideal() -> None:
    options = Mates(meets=8, deviation=0.0)
    found, ideals = strategy(mates=options, crossover=1.0), IdealMates(1, options)
    texts = ["x = 1\n" + "y = 2\n" * 2**number for number in range(8)]
    programs = [Program(files={"program.py": text}) for text in texts]
    population = members()
    found.couples.introduce(population, lambda candidate: programs[candidate.number])
    for candidate in population:
        ideals.observe(candidate)
    [places] = zip(*(departures(p, found.task.seed_program) for p in programs), strict=True)
    assert list(places) == sorted(places)
    chosen = set()
    for plan in found.breed(population, random.Random(1)):
        assert plan.mate is not None
        (ideal,) = ideals.ideals[plan.parent.number]
        others = [c.number for c in population if c is not plan.parent]
        assert plan.mate.number == min(others, key=lambda n: abs(places[n] - ideal))
        chosen.add(plan.mate.number)
    assert len(chosen) > 2
    alone = found.breed(population[:1], random.Random(1))
    assert all(plan.mate is population[0] for plan in alone), "there is nobody else"


def test_offspring_that_nothing_changed_are_their_parents_and_failed_ones_are_gone() -> None:
    found = strategy(offspring=8, elites=2)
    population = members()
    plans = found.breed(population, random.Random(7))
    first = found.first_step(0)
    crashed = Candidate(
        number=90, step=first, outcome=Outcome.CRASHED, digest="1", operator="mutate", seq=90
    )
    refused = crashed.model_copy(
        update={"number": 91, "step": first + 1, "outcome": Outcome.REJECTED, "digest": None}
    )
    child = members()[0].model_copy(update={"number": 92, "step": first + 2, "name": "child"})
    survivors = found.survive(population, [crashed, refused, child], 0, random.Random(7))
    numbers = [c.number for c in survivors]
    assert len(numbers) == len(set(numbers))
    assert 92 in numbers
    assert not {90, 91} & set(numbers)
    assert plans[1].parent.number in numbers
    elites = [c.number for c in found.select(population, 2)]
    assert set(numbers) == {
        92,
        *elites,
        plans[1].parent.number,
        *(p.parent.number for p in plans[3:]),
    }


def test_a_better_child_takes_no_parents_place() -> None:
    found = strategy(offspring=8, elites=4)
    population = members()
    [plan, *_] = found.breed(population, random.Random(7))
    child = plan.parent.model_copy(
        update={
            "number": 92,
            "step": found.first_step(0),
            "parents": (plan.parent.number,),
            "scores": {"accuracy": 0.99, "parameters": 0.01},
        }
    )
    survivors = found.survive(population, [child], 0, random.Random(7))
    assert child in survivors
    assert {c.number for c in found.select(population, 4)} < {c.number for c in survivors}
    assert all(c == population[c.number] for c in survivors if c is not child)
