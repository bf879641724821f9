"""The options of ``co_scientist``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from metasearch.formats import EditName
from metasearch.operators.deepening import Repairs
from metasearch.strategies.mechanisms import Steered

Reflection = Literal["full", "deep", "observe", "simulate", "recurrent"]


class CoScientistOptions(Steered):
    """Options of ``co_scientist``."""

    initial_ideas: int = Field(default=8, ge=1, le=200)
    """Ideas before the first one becomes a program."""
    ideas_per_evaluation: float = Field(default=3.0, ge=0, le=50)
    """New ideas for each further one that becomes a program; 0 makes programs as fast as it can."""
    max_ideas: int | None = Field(default=None, ge=1)
    """Besides ``budget.ideas``; without an evaluator 40 if neither is given, else no limit."""
    matches_per_idea: int = Field(default=4, ge=1, le=64)
    unchecked_matches: int = Field(default=2, ge=1, le=64)
    """Matches per idea as long as the judge has not been checked."""
    similar_share: float = Field(default=0.4, ge=0, le=1)
    """Share of the matches in which similar ideas are preferred."""
    votes: int = Field(default=1, ge=1, le=20)
    """Verdicts asked for each match; where they disagree, the match counts less."""
    debate_turns: int = Field(default=4, ge=3, le=10)
    debate_calls: Literal["one", "many"] = "one"
    """Whether one call plays a debate or each turn is a call."""
    duplicate: float = Field(default=0.92, gt=0, le=1)
    """Similarity from which on an idea counts as a repetition."""
    reflections: tuple[Reflection, ...] = ("full",)
    """Reviews besides the initial one: of ideas of the top quartile, ``recurrent`` of those that
    have lost twice."""
    plateau_epochs: int | None = Field(default=None, ge=1, le=100)
    """Stop once the ``top`` ideas have been the same over so many meta-reviews."""
    calibration_items: int = Field(default=40, ge=2)
    """Measured ideas before the judge is checked, and again between two checks."""
    calibration_calls: int = Field(default=100, ge=1)
    calibration_floor: float = Field(default=0.57, ge=0, le=1)
    """Agreement below which new ideas get 1 match."""
    random_share: float = Field(default=0.1, ge=0, le=1)
    """Share of the implemented ideas that are drawn uniformly: with 0.1 every tenth one."""
    kappa: float = Field(default=1.0, ge=0)
    """How many standard errors of the forecast count for an idea."""
    top: int = Field(default=5, ge=2, le=20)
    """Ideas that evolution works on."""
    overview: int = Field(default=10, ge=1, le=50)
    """Ideas that the overview speaks of."""
    feedback_share: float = Field(default=0.7, ge=0, le=1)
    """Share of the generation prompts that hold the meta-review's feedback."""
    feedback_evaluations: int = Field(default=25, ge=1)
    feedback_matches: int = Field(default=50, ge=1)
    """A meta-review is due after so many evaluations or matches."""
    repairs: Repairs = 3
    """Turns to correct an edit that cannot be used."""
    edit: EditName = "files"
