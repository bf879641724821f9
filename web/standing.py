"""Where a campaign stands, as its pages show it: what is best, what is left, what is wrong."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from metasearch.archive import CampaignArchive, CampaignSummary
from metasearch.candidate import Candidate
from metasearch.facts import Kind
from metasearch.objectives import Objective
from metasearch.strategies.map_elites import MapElites

RECENT = 100
"""Settled candidates that the success rate is of."""

PATH = 5
"""Cards of the path to the best."""

_FEW = 20
"""Fewer settled candidates say nothing about a trend."""

_LONG = 200
"""Evaluations without a gain that are worth a line."""


class Tab(NamedTuple):
    """A part of a campaign's pages."""

    name: str
    """As in its template's name; its address, but for the first page's."""
    label: str


class Standing(NamedTuple):
    """What strip and tiles show."""

    summary: CampaignSummary
    objective: Objective
    seq: int
    """Of the latest fact in it."""
    seed_score: float | None
    best_at: float | None
    """Unix time at which the best was settled."""
    since_best: int
    """Evaluations since then."""
    recent: int
    """How many settled candidates the share is of."""
    recent_scored: int
    asking: int
    """Model calls under way."""
    queued: int
    """Candidates that wait for, or are in, evaluation."""
    open_steps: int
    trouble: str
    """One line why it does not get on; else empty."""

    @property
    def best_score(self) -> float | None:
        """Of the best, by the first objective."""
        best = self.summary.best
        return None if best is None else best.scores[self.objective.name]

    @property
    def change(self) -> float | None:
        """Of the best, since the seed program."""
        if self.best_score is None or self.seed_score is None:
            return None
        return self.best_score - self.seed_score

    @property
    def failed(self) -> int:
        """Candidates that were evaluated and not scored."""
        return self.summary.evaluations - self.summary.outcomes["scored"]

    @property
    def rejected(self) -> int:
        """Proposals that were not evaluated."""
        return self.summary.outcomes["rejected"]

    @property
    def evaluations_last(self) -> float | None:
        """Seconds until the evaluations are used up, at the rate until now."""
        return self._lasts(self.summary.evaluations, self.summary.settings.budget.evaluations)

    @property
    def usd_lasts(self) -> float | None:
        """Seconds until the money is used up, at the rate until now."""
        return self._lasts(self.summary.usage.usd, self.summary.settings.budget.usd)

    def _lasts(self, used: float | None, limit: float | None) -> float | None:
        if self.summary.state != "running" or not used or limit is None:
            return None
        return max(0.0, limit - used) * self.summary.seconds / used


def standing(run: CampaignArchive) -> Standing:
    """Where a campaign stands now."""
    seq = run.version()[0]
    summary = run.summary()
    objective = run.objectives[0]
    recent = run.recent(RECENT)
    scored = sum(candidate.scored for candidate in recent)
    curve = run.curve()
    since = summary.evaluations - curve[-1].evaluation if curve else 0
    best_at = None
    if summary.best is not None:
        best_at = run.times(summary.best.seq - 1, summary.best.seq).get(summary.best.seq)
    return Standing(
        summary=summary,
        objective=objective,
        seq=seq,
        seed_score=_seed_score(run, objective),
        best_at=best_at,
        since_best=since,
        recent=len(recent),
        recent_scored=scored,
        asking=run.asking(),
        queued=len(run.queued()),
        open_steps=len(run.unfinished_steps()),
        trouble=trouble(recent, since) if summary.state == "running" else "",
    )


def trouble(recent: list[Candidate], since_best: int) -> str:
    """Why a search does not get on, in a line; empty if it does.

    Args:
        recent: The latest settled candidates.
        since_best: Evaluations since the best was found.
    """
    scored = sum(candidate.scored for candidate in recent)
    if len(recent) >= _FEW and scored < len(recent) / 10:
        outcomes = Counter(c.outcome.value for c in recent if c.outcome and not c.scored)
        outcome, times = outcomes.most_common(1)[0]
        return f"{scored} of the last {len(recent)} scored: {times} were {outcome}"
    if since_best >= _LONG:
        return f"no gain for {since_best} evaluations"
    return ""


def path_to(run: CampaignArchive, candidate: Candidate) -> list[Candidate]:
    """The last steps to a candidate, by main parents, itself at the end."""
    path = [candidate]
    while len(path) < PATH and path[-1].parents and path[-1].parents[0] < path[-1].number:
        path.append(run.candidate(path[-1].parents[0]))
    return path[::-1]


def tabs(run: CampaignArchive) -> list[Tab]:
    """The parts that a campaign has: those whose facts it does not write are left out."""
    settings = run.settings
    shown = [
        Tab("overview", "Overview"),
        Tab("candidates", "Candidates"),
        Tab("lineage", "Lineage"),
    ]
    if len(settings.objectives) > 1:
        shown.append(Tab("front", "Front"))
    if has_grid(run):
        shown.append(Tab("grid", "Grid"))
    if has_islands(run):
        shown.append(Tab("islands", "Islands"))
    shown.append(Tab("operators", "Operators & models"))
    if any(run.facts(kind, 1) for kind in LEARNT):
        shown.append(Tab("insights", "Insights"))
    if run.facts("match", 1) or run.facts("idea", 1):
        shown.append(Tab("tournament", "Tournament"))
    shown += [Tab("health", "Health"), Tab("events", "Events"), Tab("settings", "Settings")]
    return shown


LEARNT: tuple[Kind, ...] = ("insight", "phrasing", "overview")
"""Kinds of facts that later prompts show."""


def has_grid(run: CampaignArchive) -> bool:
    """Whether its strategy keeps elites on a feature grid."""
    return run.settings.strategy.name == "map_elites"


def has_islands(run: CampaignArchive) -> bool:
    """Whether candidates live on several islands."""
    if has_grid(run):
        return MapElites.Options.model_validate(run.settings.strategy.options).islands > 1
    return any(candidate.island is not None for candidate in run.best(3))


def _seed_score(run: CampaignArchive, objective: Objective) -> float | None:
    try:
        seed = run.candidate(0)
    except KeyError:
        return None
    return seed.scores.get(objective.name) if seed.scored else None
