"""An idea and what became of it; what is to be expected of the ones that are not measured yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from metasearch.facts import Idea, Review
from metasearch.operators.calibration import Blend, Forecast, Prospect, Scale
from metasearch.operators.ratings import Rating


@dataclass(eq=False)
class Entry:
    """An idea and what became of it."""

    number: int
    idea: Idea
    born: int
    """Evaluations there were when it was recorded."""
    reviews: list[Review] = field(default_factory=list)
    played: int = 0
    """Rated matches, invalid ones included."""
    started: int = 0
    """How often its implementation was begun."""
    program: int | None = None
    """Its best scored candidate."""
    changed: int | None = None
    """The program that this one changed, however often it was repaired."""
    gain: float | None = None
    """Measured fitness: that candidate's first objective, larger is better."""
    scores: set[float] = field(default_factory=set)
    """What its programs measured, for masking."""
    base: float | None = None
    """Fitness of the program that it changed."""
    effect: float | None = None
    """Measured effect: the most that a program of it gained over the one that it changed. By
    this a judge is checked: fitness itself is above all that of the changed program."""
    epoch: int = 0
    """Feedback epoch at its first measurement."""

    discarded: bool = False
    """By any review."""

    def hear(self, review: Review) -> None:
        """Take in what was said of it."""
        self.reviews.append(review)
        self.discarded |= review.verdict == "fail"

    @property
    def admitted(self) -> bool:
        """Reviewed and not discarded."""
        return bool(self.reviews) and not self.discarded

    @property
    def novelty(self) -> float:
        """1 to 5; 3 as long as no review says."""
        return next((float(r.novelty) for r in self.reviews if r.novelty is not None), 3.0)

    @property
    def text(self) -> str:
        """By which it is compared with others."""
        return f"{self.idea.title}\n{self.idea.claim}\n{self.idea.mechanism}"


def forecasts(
    entries: Sequence[Entry], rated: Mapping[int, Rating], best: float
) -> dict[int, Forecast]:
    """Calibrated expectation of the ideas' fitness; measured ones as measured.

    In standard deviations of the measured ideas' fitness.

    Args:
        entries: The ideas.
        rated: Their ratings.
        best: Fitness of the best program. What is not measured yet would be applied to about
            the best there is.
    """
    gains = {e.number: e.gain for e in entries if e.gain is not None}
    rating = Scale.of([rated[e.number].value for e in entries])
    novelty = Scale.of([e.novelty for e in entries])
    fitness = Scale.of(list(gains.values()))
    prospects = {
        e.number: Prospect(
            rating=rating.standardised(rated[e.number].value),
            parent=fitness.standardised(best if e.base is None else e.base),
            novelty=novelty.standardised(e.novelty),
        )
        for e in entries
    }
    blend = Blend([(prospects[n], fitness.standardised(gain)) for n, gain in gains.items()])
    found = {}
    for number, prospect in prospects.items():
        if number in gains:
            found[number] = Forecast(fitness.standardised(gains[number]), 0.0)
        else:
            error = rated[number].error / rating.spread if rating.spread else 0.0
            found[number] = blend.forecast(prospect, error)
    return found
