"""The hall of fame is in lexicographic order; the front beside it is a front."""

from __future__ import annotations

from metasearch.candidate import Candidate, Outcome
from metasearch.objectives import Direction, Objective
from metasearch.operators.hall_of_fame import HallOfFame

OBJECTIVES = (
    Objective(name="accuracy"),
    Objective(name="parameters", direction=Direction.MINIMIZE),
)
POINTS = {
    "A": (0.9252, 0.518), "B": (0.9334, 0.518), "C": (0.9316, 0.295), "D": (0.8883, 0.119),
    "E": (0.8745, 0.039), "F": (0.91, 0.4), "G": (0.88, 0.3), "H": (0.90, 0.119),
}  # fmt: skip
"""Accuracy and millions of parameters of the paper's networks, and of some more."""


def filled(size: int, **points: tuple[float, float]) -> HallOfFame:
    hall = HallOfFame(OBJECTIVES, size)
    for number, (name, (accuracy, parameters)) in enumerate((POINTS | points).items()):
        scores = {"accuracy": accuracy, "parameters": parameters}
        hall.add(
            Candidate(
                number=number,
                step=number,
                outcome=Outcome.SCORED,
                digest="0",
                operator="create",
                scores=scores,
                name=name,
                seq=number,
            )
        )
    return hall


def letters(found: list[Candidate]) -> str:
    return "".join(candidate.name for candidate in found)


def test_the_best_are_ordered_by_the_first_objective_ties_by_the_next() -> None:
    assert letters(filled(100).best) == "BCAFHDGE"
    assert letters(filled(3).best) == "BCA"
    assert letters(filled(4, Z=(0.9316, 0.294), Y=(0.9316, 0.295)).best) == "BZCY"


def test_the_front_holds_all_that_nothing_dominates_whatever_the_size() -> None:
    assert set(letters(filled(1).front)) == set("BCEH")
    assert set(letters(filled(1, Z=(0.95, 0.01)).front)) == {"Z"}
