"""The API's list of campaigns, and the filter that it shares with the page."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from metasearch.archive import Archive, ListedRun, Order, State, Wanted
from metasearch.web.readers import Reader

router = APIRouter(tags=["campaigns"])

SORTS: dict[Order, str] = {
    "begun": "begun",
    "last": "last event",
    "name": "name",
    "strategy": "strategy",
    "evaluations": "evaluations",
    "usd": "cost",
    "best": "best",
}
"""Orders, and what people call them."""


Name = Annotated[str, Field(max_length=300)]


def _said(value: object) -> object:
    """A form sends an empty text for what nobody chose."""
    return None if value == "" else value


class Filter(BaseModel):
    """Which campaigns are listed, and how."""

    model_config = ConfigDict(frozen=True)

    q: str = Field(default="", max_length=200)
    """Words that must all occur in id, strategy, model or host."""
    state: Annotated[State | None, BeforeValidator(_said)] = None
    strategy: Annotated[Name | None, BeforeValidator(_said)] = None
    sort: Order = "begun"
    rising: bool = False
    """The smallest first."""
    after: Annotated[Name | None, BeforeValidator(_said)] = None
    """Id of the campaign that the page before ended with: ``next`` of its answer."""
    limit: int = Field(default=50, ge=1, le=200)

    @property
    def wanted(self) -> Wanted:
        """As the archive takes it."""
        return Wanted(
            words=self.q,
            state=self.state,
            strategy=self.strategy,
            order=self.sort,
            rising=self.rising,
            after=self.after,
            limit=self.limit,
        )


FilterQuery = Annotated[Filter, Query()]


class BestScore(BaseModel):
    """The best of a campaign by its first objective."""

    candidate: int
    score: float
    change: float | None
    """Since the seed program; ``null`` if that was not scored."""


class Budget(BaseModel):
    """What a campaign may use; ``null`` is no limit."""

    evaluations: int | None
    usd: float | None
    tokens: int | None
    minutes: float | None


class Run(BaseModel):
    """One run of a campaign, as in the list."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "circle_packing-ztfwew",
                "name": "circle_packing",
                "state": "finished",
                "reason": "evaluations",
                "strategy": "map_elites",
                "models": ["offline/evolve"],
                "objective": "sum_radii",
                "direction": "maximize",
                "best": {"candidate": 61, "score": 2.6133, "change": 1.638},
                "evaluations": 100,
                "outcomes": {"scored": 83, "invalid": 12, "crashed": 5},
                "tokens": 92514,
                "usd": 0.0,
                "seconds": 75.2,
                "budget": {"evaluations": 100, "usd": None, "tokens": None, "minutes": None},
                "begun": 1795291447.2,
                "last": 1795291522.9,
                "host": "lab",
            }
        }
    )

    id: str
    name: str
    state: State
    reason: str
    """Why it finished or paused; else empty."""
    strategy: str
    models: list[str]
    objective: str | None
    """The first one."""
    direction: str | None
    best: BestScore | None
    evaluations: int
    outcomes: dict[str, int]
    """Settled candidates by outcome."""
    tokens: int
    usd: float | None
    """``null`` if a model's price is unknown."""
    seconds: float
    """Time that engines have held it."""
    budget: Budget
    begun: float
    """Unix time in seconds."""
    last: float | None
    """Unix time of its latest event."""
    host: str


class RunList(BaseModel):
    """A page of campaigns."""

    campaigns: list[Run]
    matching: int
    """On all pages together."""
    total: int
    """With those that the filter leaves out."""
    next: str | None
    """``after`` for the next page; ``null`` on the last one."""


@router.get("/campaigns")
def campaigns(archive: Reader, asked: FilterQuery) -> RunList:
    """All runs, newest first, as the filter says."""
    found = archive.browse(asked.wanted)
    return RunList(
        campaigns=[as_run(archive, run) for run in found.runs],
        matching=found.matching,
        total=found.total,
        next=found.following,
    )


def as_run(archive: Archive, run: ListedRun) -> Run:
    """A listed run with its best."""
    best = archive.best_of(run)
    shown = None
    if best is not None and run.best is not None:
        shown = BestScore(candidate=best.candidate, score=run.best, change=run.change)
    limits = run.settings.budget
    return Run(
        id=run.id,
        name=run.name,
        state=run.state,
        reason=run.reason,
        strategy=run.strategy,
        models=list(run.models),
        objective=run.objective.name if run.objective else None,
        direction=run.objective.direction.value if run.objective else None,
        best=shown,
        evaluations=run.evaluations,
        outcomes=run.outcomes,
        tokens=run.usage.tokens,
        usd=run.usage.usd,
        seconds=run.seconds,
        budget=Budget(
            evaluations=limits.evaluations,
            usd=limits.usd,
            tokens=limits.tokens,
            minutes=limits.minutes,
        ),
        begun=run.created,
        last=run.last,
        host=run.host,
    )
