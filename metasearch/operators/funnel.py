"""The way of ideas from a thought to a measured program: a fold over the archive's facts.

Two numbers stand side by side and are never mixed: a rating, folded from judged matches, and a
fitness, measured. Which of the next tasks is due follows from this picture alone.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence

from metasearch.candidate import Candidate
from metasearch.facts import (
    AnyFact,
    Idea,
    Match,
    Origin,
    Overview,
    Plan,
    Recorded,
    Review,
    Selection,
)
from metasearch.objectives import Objective
from metasearch.operators import ratings
from metasearch.operators.calibration import Forecast, JudgeCheck
from metasearch.operators.ideas import Entry, forecasts
from metasearch.operators.lineage import WorkingParents
from metasearch.operators.ratings import Rating
from metasearch.operators.text_similarity import Vector, cosine, tfidf
from metasearch.operators.tournament import Contestant, Pair, top_quartile

HELD = 200
"""Ideas that are kept in sight; beyond that the least promising of them leave the funnel."""
CHAMPIONS = 20
"""Measured ideas that stay, however old they are."""
EPOCHS_HELD = 20
TELLING_VERDICTS = 20
IMPLEMENT = "program.implement"
"""The operator of the selections that turn an idea into a program."""
INITIAL = "initial"
"""The method of the review that admits an idea to the tournament."""


class Funnel:
    """The picture. Fed by ``observe`` and ``learn`` in the archive's order.

    Attributes:
        entries: Ideas in sight, by number.
        ideas: How many were ever recorded.
        matches: Rated matches ever recorded.
        invalid: Those of all matches whose verdict could not be read.
        started: Implementations begun.
        evaluations: Candidates that used up an evaluation.
        improved_at: Evaluations there were at the last improvement of the best.
        feedback: What the meta-reviews said, by epoch.
        judge: The masked check of the judge.
    """

    def __init__(self, objective: Objective | None, calls: int, held: int = HELD) -> None:
        """Start empty.

        Args:
            objective: The first one; ``None`` without an evaluator.
            calls: Verdicts of one check of the judge.
            held: Ideas to keep in sight.
        """
        self.entries: dict[int, Entry] = {}
        self.ideas = self.matches = self.invalid = 0
        self.started = self.measured = 0
        self.evaluations = self.improved_at = 0
        self.best: int | None = None
        self.plan: Plan | None = None
        self.feedback: dict[int, str] = {}
        self.overview: Overview | None = None
        self.judge = JudgeCheck(calls)
        self.checked_pairs: set[Pair] = set()
        self.met: set[Pair] = set()
        self.since_feedback: Counter[str] = Counter()
        self._objective = objective
        self._held = held
        self._gains: dict[int, float] = {}
        self._parents = WorkingParents()
        self._played: list[Match] = []
        """Rated matches of ideas in sight."""
        self._selected: dict[int, Selection] = {}
        self._ratings: dict[int, Rating] | None = None
        self._forecasts: dict[int, Forecast] | None = None
        self._vectors: dict[int, Vector] | None = None

    # -- the fold -----------------------------------------------------------------------

    def observe(self, candidate: Candidate) -> None:
        """Take in a settled candidate."""
        assert candidate.outcome is not None
        self._forecasts = None
        if candidate.outcome.evaluated:
            self.evaluations += 1
        selection = self._selected.get(candidate.step)
        entry, changed = None, self._parents.observe(candidate)
        if selection is not None and selection.operator != IMPLEMENT:
            del self._selected[candidate.step]  # it gave nothing to work with
        elif selection is not None:
            self.since_feedback["evaluations"] += candidate.outcome.evaluated
            entry = self.entries.get(selection.ideas[0])
        if candidate.scored and self._objective is not None:
            score = candidate.scores[self._objective.name]
            self._measure(candidate, self._objective.gain(score), entry, changed)

    def learn(self, recorded: Recorded) -> None:
        """Take in another fact."""
        self._forecasts = None
        match recorded.fact:
            case Plan() as plan:
                self.plan = plan
            case Idea() as idea:
                self._admit(Entry(recorded.number, idea, born=self.evaluations))
            case Review() as review:
                if review.idea in self.entries:
                    self.entries[review.idea].hear(review)
            case Match(between="ideas") as match:
                self._judge(match)
            case Selection() as selection:
                self._select(recorded.step, selection)
                if selection.operator == IMPLEMENT:
                    self.started += 1
                    if selection.ideas[0] in self.entries:
                        self.entries[selection.ideas[0]].started += 1
            case Overview(purpose="feedback") as feedback:
                self.feedback[feedback.epoch] = feedback.text
                self.feedback.pop(feedback.epoch - EPOCHS_HELD, None)
                self.since_feedback.clear()
            case Overview() as overview:
                self.overview = overview
        self._finish(recorded.step, recorded.fact)

    def in_flight(self, open_steps: Collection[int]) -> list[Selection]:
        """What the open steps work on, as far as no result of it is there."""
        return [chosen for step, chosen in self._selected.items() if step in open_steps]

    # -- what follows from it --------------------------------------------------------------

    @property
    def epoch(self) -> int:
        """Meta-reviews so far."""
        return max(self.feedback, default=0)

    @property
    def admitted(self) -> list[Entry]:
        """Ideas that may play and be implemented, oldest first."""
        return [entry for entry in self.entries.values() if entry.admitted]

    @property
    def gains(self) -> dict[int, float]:
        """Measured fitness of the ideas that have one."""
        return {n: e.gain for n, e in self.entries.items() if e.gain is not None}

    @property
    def effects(self) -> dict[int, float]:
        """Measured effect of the ideas that have one."""
        return {n: e.effect for n, e in self.entries.items() if e.effect is not None}

    def ratings(self) -> dict[int, Rating]:
        """Bradley-Terry over all ideas in sight."""
        if self._ratings is None:
            place = {number: i for i, number in enumerate(self.entries)}
            rated = [
                ratings.Match(place[a], place[b], m.shares[0] if m.shares else None, m.weight)
                for m in self._played
                for a, b in [m.contestants[:2]]
            ]
            fitted = ratings.bradley_terry(len(place), rated)
            self._ratings = dict(zip(place, fitted, strict=True))
        return self._ratings

    def record(self, number: int) -> tuple[int, int, int]:
        """Of an idea's matches that are in sight, how many were won, lost and left undecided."""
        shares = [
            None if m.shares is None else m.shares[m.contestants.index(number)]
            for m in self._played
            if number in m.contestants
        ]
        told = [share for share in shares if share is not None and share != 0.5]
        won = sum(share > 0.5 for share in told)
        return won, len(told) - won, len(shares) - len(told)

    def contestants(self, in_flight: Sequence[Selection], match: str) -> list[Contestant]:
        """All who may play; matches in flight, selected by that operator, count as played."""
        busy = Counter(n for s in in_flight if s.operator == match for n in s.ideas)
        rated = self.ratings()
        return [
            Contestant(
                e.number, rated[e.number].value, e.played + busy[e.number], e.gain is not None
            )
            for e in self.admitted
        ]

    def forecasts(self) -> dict[int, Forecast]:
        """Calibrated expectation of every admitted idea's fitness; measured ones as measured."""
        if self._forecasts is None:
            best = self._gains[self.best] if self.best is not None else 0.0
            self._forecasts = forecasts(self.admitted, self.ratings(), best)
        return self._forecasts

    def lost(self, number: int) -> list[Match]:
        """The matches that an idea has lost, oldest first."""
        return [
            m
            for m in self._played
            if m.shares is not None
            and number in m.contestants
            and m.shares[m.contestants.index(number)] < 0.5
        ]

    def slot_bias(self) -> float:
        """How much the judge favours the idea shown first, in logits; 0 until 20 verdicts.

        The order is left to chance, so the verdicts tell it themselves. Matches that were
        judged in both orders do not count.
        """
        told = [
            ratings.Match(0, 1, m.shares[0])
            for m in self._played
            if m.shares is not None and m.mode == "single"
        ]
        return ratings.slot_bias(told) if len(told) >= TELLING_VERDICTS else 0.0

    def similarity(self, number: int, other: int) -> float:
        """Of two ideas, by their words, 0 to 1."""
        if self._vectors is None:
            texts = [entry.text for entry in self.entries.values()]
            self._vectors = dict(zip(self.entries, tfidf(texts), strict=True))
        return cosine(self._vectors[number], self._vectors[other])

    def nearest(self, number: int, among: Collection[int], limit: int = 1) -> list[int]:
        """The most similar ideas among some, the older one on ties."""
        if number not in self.entries:
            return []
        others = [other for other in among if other != number]
        return sorted(others, key=lambda n: (-self.similarity(number, n), n))[:limit]

    def rewards(self, window: int) -> dict[str, tuple[int, int]]:
        """For each way of making ideas, how many of its ideas paid and how many have ended.

        With an evaluator an idea paid if its program beat the one it changed, and has failed if
        it was discarded, did not do so, or was not tried within ``window`` evaluations. Without
        one it paid if it is in the top quartile.
        """
        cut = top_quartile([rating.value for rating in self.ratings().values()])
        found: dict[str, tuple[int, int]] = {}
        for entry in self.entries.values():
            if self._objective is None:
                paid = entry.admitted and self.ratings()[entry.number].value >= cut
                ended = entry.discarded or entry.played > 1
            else:
                paid = entry.effect is not None and entry.effect > 0
                ended = entry.discarded or entry.program is not None
                ended |= self.evaluations - entry.born > window
            if ended:
                wins, trials = found.get(entry.idea.operator, (0, 0))
                found[entry.idea.operator] = (wins + paid, trials + 1)
        return found

    # -- within ------------------------------------------------------------------------

    def _measure(
        self, candidate: Candidate, gain: float, entry: Entry | None, changed: int | None
    ) -> None:
        base = None if changed is None else self._gains.get(changed)
        best = self._gains.get(self.best) if self.best is not None else None
        if best is None or gain > best:
            self.best = candidate.number
            self.improved_at = self.evaluations
            self._gains[candidate.number] = gain
        if entry is None:
            return
        self._gains[candidate.number] = gain
        entry.scores |= set(candidate.scores.values())
        if base is not None:
            entry.effect = max(gain - base, -math.inf if entry.effect is None else entry.effect)
        if entry.gain is None:
            self.measured += 1
            entry.epoch = self.epoch
        if entry.gain is None or gain > entry.gain:
            entry.gain, entry.program = gain, candidate.number
            entry.base, entry.changed = base, changed

    def _select(self, step: int, selection: Selection) -> None:
        self._selected[step] = selection
        if len(self._selected) > 2 * self._held:  # a step that failed has left no result
            del self._selected[next(iter(self._selected))]

    def _finish(self, step: int, fact: AnyFact) -> None:
        """Forget a selection at its result.

        Which steps are open at the moment must not matter here: a run that is continued folds
        facts alone, and has to come to the same picture.
        """
        selection = self._selected.get(step)
        if selection is None:
            return
        if selection.operator == IMPLEMENT:
            finished = isinstance(fact, Origin) and bool(fact.ideas)
        else:
            finished = isinstance(fact, Plan | Idea | Review | Match | Overview)
        if finished:
            del self._selected[step]

    def _admit(self, entry: Entry) -> None:
        self.ideas += 1
        self.entries[entry.number] = entry
        self._ratings = self._vectors = None
        while len(self.entries) > self._held:
            self._forget(self._superfluous())

    def _superfluous(self) -> int:
        """Who leaves.

        The oldest discarded idea; else, of too many that wait, the one rated worst; else the
        oldest measured one that is no champion.
        """
        discarded = [n for n, entry in self.entries.items() if entry.discarded]
        if discarded:
            return discarded[0]
        busy = {number for selection in self._selected.values() for number in selection.ideas}
        waiting = [e.number for e in self.admitted if not e.started and e.number not in busy]
        if len(waiting) > self._held // 2:
            return min(waiting, key=lambda number: self.ratings()[number].value)
        champions = sorted(self.gains, key=lambda number: -self.gains[number])[:CHAMPIONS]
        kept = busy.union(champions, waiting)
        tried = (n for n, entry in self.entries.items() if entry.started and n not in kept)
        return next(tried, next(iter(self.entries)))

    def _forget(self, number: int) -> None:
        gone = self.entries.pop(number)
        self._ratings = self._vectors = None
        if gone.program is not None and gone.program != self.best:
            self._gains.pop(gone.program, None)
        self.met = {pair for pair in self.met if number not in pair}
        self.checked_pairs = {pair for pair in self.checked_pairs if number not in pair}
        self._played = [match for match in self._played if number not in match.contestants]

    def _judge(self, match: Match) -> None:
        entries = [self.entries[number] for number in match.contestants if number in self.entries]
        self.invalid += match.shares is None
        if match.purpose == "rating":
            self.matches += 1
            self.since_feedback["matches"] += 1
        if len(match.contestants) != 2 or len(entries) != 2:
            return
        first, second = entries
        if match.purpose == "calibration":
            known = first.effect is not None and second.effect is not None
            apart = (first.effect or 0.0) - (second.effect or 0.0)
            self.judge.add(match.shares[0] if match.shares and known else None, apart)
            self.checked_pairs.add(Pair(match.contestants))
        elif match.purpose == "rating":
            self._played.append(match)
            self.met.add(Pair(match.contestants))
            self._ratings = None
            first.played += 1
            second.played += 1
