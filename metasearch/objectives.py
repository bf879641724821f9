"""Objectives: what a campaign optimises, and in which direction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Direction(StrEnum):
    """Which way an objective improves."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"


class Objective(BaseModel):
    """One number that the search drives in one direction."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """The key under which the evaluator returns the value."""
    direction: Direction = Direction.MAXIMIZE

    def gain(self, value: float) -> float:
        """The value with its sign turned so that larger is always better."""
        return value if self.direction is Direction.MAXIMIZE else -value

    def reached(self, value: float, target: float) -> bool:
        """Whether ``value`` is at least as good as ``target``."""
        return self.gain(value) >= self.gain(target)


def gains(objectives: Sequence[Objective], scores: Mapping[str, float]) -> tuple[float, ...]:
    """The scores as a vector in which larger is better in every place.

    Several objectives are a vector, compared by dominance; they are never added up.
    """
    return tuple(objective.gain(scores[objective.name]) for objective in objectives)


def dominates(a: Sequence[float], b: Sequence[float]) -> bool:
    """Whether gain vector ``a`` is at least as good as ``b`` everywhere and better somewhere."""
    return all(x >= y for x, y in zip(a, b, strict=True)) and tuple(a) != tuple(b)


def front(vectors: Iterable[Sequence[float]]) -> list[int]:
    """Positions of the non-dominated gain vectors, in input order."""
    points = list(vectors)
    return [
        i for i, point in enumerate(points) if not any(dominates(other, point) for other in points)
    ]
