"""Ideas in their order: what a campaign has thought of, with all that was said of each.

A fold over recorded facts, for people: displays and reports. Decisions are made by
:mod:`metasearch.operators.funnel`, which keeps only some ideas in sight.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from metasearch.facts import Idea, Match, Overview, Plan, Recorded, Review
from metasearch.operators import ratings
from metasearch.operators.ratings import Rating


@dataclass(frozen=True)
class RatedIdea:
    """One idea and where it stands."""

    number: int
    idea: Idea
    rating: Rating
    reviews: tuple[Review, ...]
    matches: tuple[int, ...]
    """Numbers of the rated matches that it has played, invalid ones included."""

    @property
    def state(self) -> str:
        """``admitted``, ``discarded`` by a review, or ``new`` as long as there is none."""
        if any(review.verdict == "fail" for review in self.reviews):
            return "discarded"
        return "admitted" if self.reviews else "new"


@dataclass(frozen=True)
class IdeaCounts:
    """A board at a glance."""

    ideas: int
    discarded: int
    reviews: int
    matches: int
    """With a verdict that could be read."""
    best: RatedIdea | None
    """Of those that were admitted."""


class IdeaBoard:
    """The fold; see the module.

    Attributes:
        plan: What the goal asks for.
        matches: Number -> match between ideas.
        overview: The latest one for people.
        feedback: What the meta-reviews asked to mind, oldest first.
    """

    def __init__(self) -> None:
        self.plan: Plan | None = None
        self.matches: dict[int, Match] = {}
        self.overview: Overview | None = None
        self.feedback: list[str] = []
        self._ideas: dict[int, Idea] = {}
        self._reviews: defaultdict[int, list[Review]] = defaultdict(list)
        self._ranking: list[RatedIdea] | None = None

    @classmethod
    def of(cls, facts: Iterable[Recorded]) -> Self:
        """The board after these facts."""
        board = cls()
        for recorded in facts:
            board.learn(recorded)
        return board

    def learn(self, recorded: Recorded) -> None:
        """Take in one fact."""
        self._ranking = None
        match recorded.fact:
            case Plan() as plan:
                self.plan = plan
            case Idea() as idea:
                self._ideas[recorded.number] = idea
            case Review() as review:
                self._reviews[review.idea].append(review)
            case Match(between="ideas") as match:
                self.matches[recorded.number] = match
            case Overview(purpose="summary") as overview:
                self.overview = overview
            case Overview() as feedback:
                self.feedback.append(feedback.text)

    def ranking(self) -> list[RatedIdea]:
        """Admitted ideas by rating, best first; then new and discarded ones by number."""
        if self._ranking is None:
            self._ranking = sorted(self._rated(), key=_place)
        return self._ranking

    def counts(self) -> IdeaCounts:
        """How many of everything, and the best."""
        ranking = self.ranking()
        return IdeaCounts(
            ideas=len(ranking),
            discarded=sum(each.state == "discarded" for each in ranking),
            reviews=sum(len(each.reviews) for each in ranking),
            matches=sum(match.shares is not None for match in self.matches.values()),
            best=next((each for each in ranking if each.state == "admitted"), None),
        )

    def idea(self, number: int) -> RatedIdea:
        """One idea; ``KeyError`` if there is none of this number."""
        for each in self.ranking():
            if each.number == number:
                return each
        raise KeyError(f"there is no idea {number}")

    def children(self, number: int) -> list[RatedIdea]:
        """Ideas that were made from this one, oldest first."""
        found = [each for each in self.ranking() if number in each.idea.parents]
        return sorted(found, key=lambda each: each.number)

    def line(self, number: int) -> list[RatedIdea]:
        """An idea and all that it goes back to, newest first."""
        found: dict[int, RatedIdea] = {}
        waiting = [number]
        while waiting:
            each = self.idea(waiting.pop())
            found[each.number] = each
            # A parent is older than its child; a file from elsewhere may claim a circle.
            waiting += [p for p in each.idea.parents if p < each.number and p in self._ideas]
        return [found[n] for n in sorted(found, reverse=True)]

    def _rated(self) -> Iterable[RatedIdea]:
        place = {number: i for i, number in enumerate(self._ideas)}
        played: defaultdict[int, list[int]] = defaultdict(list)
        rated = []
        for number, match in self.matches.items():
            a, b = match.contestants[:2]
            if match.purpose != "rating" or a == b or not {a, b} <= place.keys():
                continue
            played[a].append(number)
            played[b].append(number)
            share = match.shares[0] if match.shares else None
            rated.append(ratings.Match(place[a], place[b], share, match.weight))
        fitted = ratings.bradley_terry(len(place), rated)
        for number, idea in self._ideas.items():
            yield RatedIdea(
                number=number,
                idea=idea,
                rating=fitted[place[number]],
                reviews=tuple(self._reviews[number]),
                matches=tuple(played[number]),
            )


def _place(each: RatedIdea) -> tuple[int, float, int]:
    order = ("admitted", "new", "discarded").index(each.state)
    return order, -each.rating.value if order == 0 else 0.0, each.number
