"""What ``co_scientist`` asks models for as data. Reasons stand before verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, Field

from metasearch.operators.funnel import INITIAL

Verdict = Literal["pass", "fail"]


class PlanForm(BaseModel):
    """What the goal asks for."""

    criteria: list[str] = Field(description="By which ideas are to be judged, most important first")
    constraints: list[str] = Field(description="What no idea may violate")
    attributes: list[str] = Field(description="What a good idea for this goal is like")


class IdeaForm(BaseModel):
    """One idea, worked out so that others can judge it and put it into practice."""

    notes: str = Field(description="Your work before the idea, as asked for above, in brief")
    title: str = Field(description="At most twelve words")
    claim: str = Field(description="What is to be done differently, precisely")
    mechanism: str = Field(description="Why that should work")
    expected: str = Field(description="The effect, and what would show it")
    assumptions: list[str] = Field(description="What it takes for granted")
    predicted: float | None = Field(
        description="Expected change of the first objective against the current program, "
        "with its sign; null if unknown"
    )


class HypothesisForm(BaseModel):
    """One idea, worked out so that others can judge it and put it to the test."""

    notes: str = Field(description="Your work before the idea, as asked for above, in brief")
    title: str = Field(description="At most twelve words")
    claim: str = Field(description="What it says, precisely")
    mechanism: str = Field(description="Why that should be so, or should work")
    expected: str = Field(description="What follows from it, and what would refute it")
    assumptions: list[str] = Field(description="What it takes for granted")


class InitialReviewForm(BaseModel):
    """A first look at one idea."""

    review: str = Field(description="Your reasons")
    novelty: int = Field(
        ge=1, le=5, description="1: well known or among the ideas here; 5: not seen before"
    )
    verdict: Verdict


class ReviewForm(BaseModel):
    """A closer look at one idea."""

    review: str
    verdict: Verdict


class ObservationForm(BaseModel):
    """One known observation, held against the idea."""

    observation: str
    finding: Literal[
        "already explained", "other more likely", "missing piece", "neutral", "disproved"
    ] = Field(description="What the observation makes of the idea")


class ObservationReviewForm(BaseModel):
    """What known observations say about one idea."""

    observations: list[ObservationForm]
    review: str
    label: Literal[
        "already explained", "other more likely", "missing piece", "neutral", "disproved"
    ] = Field(description="What they amount to, taken together")
    verdict: Verdict


class AssumptionForm(BaseModel):
    """One thing that the idea takes for granted."""

    claim: str
    check: str = Field(description="How it was checked without regard to the idea, and the result")
    holds: bool | None = Field(description="null if it cannot be told")
    fundamental: bool = Field(description="Whether the idea falls with it")


class DeepReviewForm(BaseModel):
    """A check of all that one idea takes for granted."""

    assumptions: list[AssumptionForm]
    review: str
    verdict: Verdict


AnyReviewForm = InitialReviewForm | DeepReviewForm | ObservationReviewForm | ReviewForm
REVIEW_FORMS: Mapping[str, type[AnyReviewForm]] = {
    INITIAL: InitialReviewForm,
    "deep": DeepReviewForm,
    "observe": ObservationReviewForm,
}
"""By method; all others ask for a :class:`ReviewForm`."""


class VerdictForm(BaseModel):
    """A comparison of two ideas."""

    analysis: str
    first_is_better: float = Field(
        ge=0, le=1, description="Probability that idea 1 is the better one"
    )


class TurnForm(BaseModel):
    """What one side says."""

    speaker: str
    text: str


class DebateForm(BaseModel):
    """A debate over two ideas, and its outcome."""

    turns: list[TurnForm]
    analysis: str
    first_is_better: float = Field(
        ge=0, le=1, description="Probability that idea 1 is the better one"
    )
