"""Candidates: what was proposed, what became of it, and how it was measured.

These are the frozen readings of the archive that strategies, the command line and the web
share. Status and score are separate: a crash is an :class:`Outcome`, never a 0.0.
"""

from __future__ import annotations

from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from metasearch.outcome import Outcome as Outcome
from metasearch.outcome import Split as Split


class Frozen(BaseModel):
    """Base of the immutable, strict value types."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Score(Frozen):
    """One metric of one candidate, over all its repeats or examples."""

    value: float
    """The mean; finite."""
    low: float
    """Lower end of the 95 % interval; equals ``value`` for a single measurement."""
    high: float
    samples: int = Field(default=1, ge=1)
    """How many repeats or examples the value is a mean of."""


class StageResult(Frozen):
    """What one stage of the evaluator measured."""

    stage: str
    scores: dict[str, Score]
    passed: bool
    """Whether the stage's threshold was met, so that the next stage ran."""
    seconds: float
    examples: dict[str, tuple[float, ...]] = {}
    """Metric -> one number for each example, a mean over the repeats; for those that the
    evaluator measures by example. Kept for fewer than 10,000 of them."""


class Place(NamedTuple):
    """Where an evaluation runs."""

    lane: int
    """Counts from 0."""
    lanes: int
    """How many there are."""
    devices: tuple[str, ...] = ()
    """UUIDs of its GPUs."""

    def __str__(self) -> str:
        where = f"lane {self.lane + 1} of {self.lanes}"
        return f"{where}, {', '.join(self.devices)}" if self.devices else where


class DeviceUse(NamedTuple):
    """What goes on on a leased GPU at one moment."""

    uuid: str
    name: str
    busy: float | None
    """Share of the last moment in which it computed; ``None`` where the driver does not tell."""
    memory: int
    """Bytes in use, by whomever."""
    total: int


class Artifact(Frozen):
    """A file that the evaluator attached for people to look at."""

    name: str
    media_type: str
    content: bytes


class EvaluationResult(Frozen):
    """All that one evaluation of a program brought to light. Plain and serialisable."""

    outcome: Outcome
    split: Split = Split.VALIDATION
    stages: tuple[StageResult, ...] = ()
    """The stages that ran, cheapest first; the last one's scores count."""
    feedback: str = ""
    """What the evaluator wants the next prompt to say."""
    error: str = ""
    """Why the outcome is not ``scored``; empty otherwise."""
    stdout: str = ""
    """What the candidate printed, cut to the limits' tail."""
    stderr: str = ""
    artifacts: tuple[Artifact, ...] = ()
    seconds: float = 0.0
    """Wall time of the whole evaluation."""
    memory: int | None = None
    """Most bytes that the candidate had in use at once, as seen from outside its sandbox; ``None``
    if that was not measured."""

    @property
    def scores(self) -> dict[str, Score]:
        """The scores that count: those of the last stage that ran."""
        return self.stages[-1].scores if self.outcome is Outcome.SCORED else {}


class Candidate(Frozen):
    """One proposal, as the archive knows it."""

    number: int
    """Counts up within the campaign; 0 is the seed program. Shown as ``#number``."""
    step: int
    """The engine step that proposed it."""
    outcome: Outcome | None
    """``None`` while it waits for, or is in, evaluation."""
    digest: str | None
    """Of its program; ``None`` if the edit gave no program."""
    length: int = 0
    """Characters of its program's files together; 0 if there is none."""
    scores: dict[str, float] = {}
    """Public metrics of the validation split, objectives among them. Empty unless scored."""
    private_scores: dict[str, float] = {}
    """Metrics that the campaign declares private: for people, never for a prompt."""
    parents: tuple[int, ...] = ()
    """Numbers of the candidates it was made from, the main one first."""
    operator: str
    """How it was made, in the strategy's own word: ``evolve``, ``repair``, ``crossover``."""
    model: str | None = None
    """Which model answered last in its step before it was proposed; ``None`` if none did."""
    temperature: float | None = None
    """Of that call."""
    island: int | None = None
    stage: str = ""
    """Last stage it reached."""
    complete: bool = True
    """False if a stage's threshold ended its evaluation early: then its scores are a cheap
    stage's and compare with no others."""
    name: str = ""
    thought: str = ""
    feedback: str = ""
    error: str = ""
    """Why it is not scored."""
    duplicate_of: int | None = None
    """The candidate whose program it repeats, or nearly so; then it was not measured."""
    seconds: float = 0.0
    """Wall time of its evaluation."""
    memory: int | None = None
    """Most bytes that it had in use at once meanwhile; ``None`` if that was not measured."""
    seq: int
    """Position, in the archive's order of facts, of its last fact."""

    @property
    def scored(self) -> bool:
        """Whether it has scores that compare with those of others."""
        return self.outcome is Outcome.SCORED and self.complete
