"""The supervisor of ``co_scientist``: which task comes next.

Hard needs first. What is left is drawn by weights ``0.05 + UCB * backlog``, where the ways of
making ideas earn their UCB by what became of their ideas. The paper asks for weighted sampling
and gives no formula. A choice follows from the fold and the step's generator alone.
"""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from metasearch.facts import Selection
from metasearch.operators.calibration import telling_pair
from metasearch.operators.funnel import IMPLEMENT, INITIAL, Funnel
from metasearch.operators.tournament import (
    SETTLED,
    Pair,
    choose_pair,
    debated,
    top_quartile,
)
from metasearch.strategies.co_scientist_options import CoScientistOptions
from metasearch.strategies.co_scientist_picks import Picks

GENERATION = ("explore", "debate", "assumptions", "expand")
EVOLUTION = ("ground", "feasible", "inspire", "combine", "simplify", "out_of_box")
INITIAL_REVIEW = f"reflection.{INITIAL}"
MATCH = "ranking.match"
CALIBRATE = "ranking.calibrate"
FEEDBACK = "metareview.feedback"
OVERVIEW = "metareview.overview"
PLAN = "supervisor.plan"

_IDEAS_ONLY = 40
"""Ideas to stop at without an evaluator, if no other number is given."""
WINDOW = 20
"""Evaluations within which an idea has to pay, and after which the best counts as stuck."""
LOSSES = 2
"""Lost matches after which an idea is reviewed again, if that is asked for."""
_LEAST = 0.05


@dataclass(frozen=True)
class Job:
    """One task: who does what with which ideas."""

    name: str
    """``agent.method``."""
    ideas: tuple[int, ...] = ()
    candidates: tuple[int, ...] = ()
    """Programs it builds on, the one to change first."""
    debate: bool = False

    @property
    def agent(self) -> str:
        """Whose task it is."""
        return self.name.partition(".")[0]

    @property
    def method(self) -> str:
        """The way of doing it."""
        return self.name.partition(".")[2]


class Supervisor:
    """See the module."""

    def __init__(self, options: CoScientistOptions, *, measures: bool) -> None:
        """Prepare.

        Args:
            options: The strategy's.
            measures: Whether there is an evaluator; else ideas are all there is.
        """
        self.options = options
        self.measures = measures

    def cap(self, allowed: int | None) -> int | None:
        """Ideas to stop at, with so many in the campaign's budget."""
        caps = [each for each in (self.options.max_ideas, allowed) if each is not None]
        return min(caps, default=None if self.measures else _IDEAS_ONLY)

    def choose(
        self,
        funnel: Funnel,
        in_flight: Sequence[Selection],
        rng: random.Random,
        allowed: int | None = None,
    ) -> Job | None:
        """The next task; ``None`` if there is none until one in flight has ended.

        Args:
            funnel: The picture.
            in_flight: What other steps are at.
            rng: The step's.
            allowed: Ideas that the campaign's budget allows.
        """
        return _Choice(self, funnel, in_flight, rng, allowed).made()


class _Choice:
    """One choice of the supervisor, on one state of the picture."""

    def __init__(
        self,
        supervisor: Supervisor,
        funnel: Funnel,
        in_flight: Sequence[Selection],
        rng: random.Random,
        allowed: int | None,
    ) -> None:
        self.options = supervisor.options
        self.measures = supervisor.measures
        self.funnel = funnel
        self.in_flight = in_flight
        self.rng = rng
        self.picks = Picks(funnel, self.options, rng, measures=self.measures)
        making = sum(s.operator.startswith(("generation", "evolution")) for s in in_flight)
        cap = supervisor.cap(allowed)
        self.full = cap is not None and funnel.ideas + making >= cap
        self.contestants = funnel.contestants(in_flight, MATCH)
        self.unmeasured = [c for c in self.contestants if not c.measured]
        self.wanted = self.options.matches_per_idea
        if self.measures:
            self.wanted = funnel.judge.matches_wanted(
                self.wanted, self.options.unchecked_matches, self.options.calibration_floor
            )

    def made(self) -> Job | None:
        if self.funnel.plan is None:  # all later prompts show it
            return None if self.busy(PLAN) else Job(PLAN)
        return (
            self.initial_review()
            or self.match(below=min(SETTLED, self.wanted))
            or self.meta_review()
            or self.implement()
            or self.calibrate()
            or self.weighted()
        )

    # -- hard needs ------------------------------------------------------------------------

    def initial_review(self) -> Job | None:
        busy = self.busy(INITIAL_REVIEW)
        for entry in self.funnel.entries.values():
            if not entry.reviews and entry.number not in busy:
                return Job(INITIAL_REVIEW, (entry.number,))
        return None

    def match(self, below: int, among: Collection[int] | None = None) -> Job | None:
        """A match for an idea that has had fewer than so many, of these if some are given."""
        needing = {c.number for c in self.unmeasured if c.played < below}
        if among is not None:
            needing &= set(among)
        if not needing:
            return None
        pair = choose_pair(
            self.contestants,
            self.funnel.met,
            [Pair(s.ideas) for s in self.in_flight if s.operator == MATCH],
            self.funnel.similarity,
            self.rng,
            needing=needing,
            similar_share=self.options.similar_share,
        )
        if pair is None:
            return None
        best = top_quartile([c.rating for c in self.contestants])
        known = {c.number: c for c in self.contestants}
        return Job(MATCH, pair, debate=debated([known[number] for number in pair], best))

    def meta_review(self) -> Job | None:
        if self.busy(FEEDBACK) or self.busy(OVERVIEW):
            return None
        since = self.funnel.since_feedback
        if (
            since["evaluations"] >= self.options.feedback_evaluations
            or since["matches"] >= self.options.feedback_matches
        ):
            return Job(FEEDBACK)
        written = self.funnel.overview.epoch if self.funnel.overview else 0
        return self.overview() if written < self.funnel.epoch else None

    def overview(self) -> Job | None:
        """An account of the best ideas, by rating or, where it is known, by fitness."""
        best = self.picks.ranking[: self.options.overview]
        return Job(OVERVIEW, tuple(e.number for e in best)) if best else None

    def implement(self) -> Job | None:
        """A program for the most promising idea, once enough others have been thought of.

        Before, it plays all the matches that an idea is worth, unless chance has drawn it.
        """
        if not self.measures or self.funnel.best is None:
            return None
        spare = self.funnel.ideas - self.options.initial_ideas
        if spare < self.options.ideas_per_evaluation * self.funnel.started and not self.full:
            return None
        busy = self.busy(IMPLEMENT)
        free = [e for e in self.funnel.admitted if e.number not in busy]
        new = [e for e in free if not e.started]
        if new:
            entry = self.picks.to_implement(new)
            if not self.picks.by_lot and (job := self.match(self.wanted, among={entry.number})):
                return job
        else:  # a new attempt at one that was tried
            tried = [e for e in self.picks.ranking if e in free][: self.options.top]
            if not tried:
                return None
            entry = self.rng.choice(tried)
        return Job(IMPLEMENT, (entry.number,), self.picks.programs(entry))

    def calibrate(self) -> Job | None:
        """A masked pair for the judge, a whole round of them for each 40 measured ideas."""
        asking = [Pair(s.ideas) for s in self.in_flight if s.operator == CALIBRATE]
        rounds = self.funnel.measured // self.options.calibration_items
        due = rounds * self.options.calibration_calls
        if self.funnel.judge.total + len(asking) >= due:
            return None
        pair = telling_pair(self.funnel.effects, {*self.funnel.checked_pairs, *asking}, self.rng)
        return Job(CALIBRATE, pair) if pair else None

    # -- what is drawn ---------------------------------------------------------------------

    def weighted(self) -> Job | None:
        """One of the other tasks that can be done now, by weight."""
        jobs: list[Job] = []
        weights: list[float] = []

        def offer(job: Job | None, backlog: float, bound: float = 1.0) -> None:
            if job is not None:
                jobs.append(job)
                weights.append(_LEAST + bound * backlog)

        missing = sum(max(0, self.wanted - c.played) for c in self.unmeasured)
        if missing:
            backlog = missing / (self.wanted * len(self.unmeasured))
            offer(self.match(below=self.wanted), backlog)
        offer(*self.reflection())
        if not self.full:
            bounds = upper_bounds(self.funnel.rewards(WINDOW), (*GENERATION, *EVOLUTION))
            stuck = self.funnel.evaluations - self.funnel.improved_at >= WINDOW
            parents = len(self.contestants) >= 2
            for method in GENERATION:
                if method != "expand" or self.funnel.overview is not None:
                    backlog = 0.5 if parents else 1.0
                    base = self.picks.programs()[:1]
                    offer(Job(f"generation.{method}", candidates=base), backlog, bounds[method])
            for method in EVOLUTION if parents else ():
                backlog = 1.0 if stuck or not self.measures else 0.5
                offer(self.evolution(method), backlog, bounds[method])
        if jobs:
            return self.rng.choices(jobs, weights=weights)[0]
        return self.last_word()

    def reflection(self) -> tuple[Job | None, float]:
        """A closer look at one of the best that wait, and how many lack one."""
        cut = top_quartile([c.rating for c in self.contestants])
        waiting = [c.number for c in self.unmeasured if c.rating >= cut and c.played >= SETTLED]
        lacking, possible = [], 0
        for method in self.options.reflections:
            eligible = self.losers() if method == "recurrent" else waiting
            possible += len(eligible)
            if method == "full" and not self.funnel.gains:
                continue  # it looks at what was measured nearby
            name = f"reflection.{method}"
            busy = self.busy(name)
            lacking += [
                Job(name, (number,))
                for number in eligible
                if number not in busy
                and not any(r.method == method for r in self.funnel.entries[number].reviews)
            ]
        if not lacking:
            return None, 0.0
        return self.rng.choice(lacking), len(lacking) / possible

    def losers(self) -> list[int]:
        """Ideas that have lost matches and may deserve another look."""
        return [c.number for c in self.unmeasured if len(self.funnel.lost(c.number)) >= LOSSES]

    def evolution(self, method: str) -> Job:
        """New from old."""
        parents = self.picks.to_evolve(method)
        numbers = tuple(e.number for e in parents)
        return Job(f"evolution.{method}", numbers, self.picks.programs(*parents))

    def last_word(self) -> Job | None:
        """Without an evaluator, once all else is done: the overview of what came out."""
        written = self.funnel.overview
        numbers = tuple(e.number for e in self.picks.ranking[: self.options.overview])
        done = written is not None and written.ideas == numbers
        if self.measures or self.in_flight or done:
            return None
        return self.overview()

    def busy(self, operator: str) -> set[int]:
        """Ideas that tasks of this name are at; -1 stands for a task without any."""
        ideas = [s.ideas or (-1,) for s in self.in_flight if s.operator == operator]
        return {number for numbers in ideas for number in numbers}


def upper_bounds(rewards: Mapping[str, tuple[int, int]], arms: Sequence[str]) -> dict[str, float]:
    """``x + sqrt(2 ln n / n_k)`` of each arm; one that has not been tried counts as good.

    Args:
        rewards: Arm -> how often it paid, how often it was tried (n_k).
        arms: All arms.
    """
    total = sum(tried for _, tried in rewards.values())
    bounds = {}
    for arm in arms:
        paid, tried = rewards.get(arm, (1, 1))
        bounds[arm] = paid / tried + math.sqrt(2 * math.log(max(1, total)) / tried)
    return bounds
