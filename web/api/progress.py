"""The API's view of one campaign: where it stands, what happened, what it cost, how it fares."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, JsonValue

from metasearch.archive import NOW, CampaignArchive, Event, State
from metasearch.facts import KINDS, Kind
from metasearch.web.api.common import TAGGED, Run, UntaggedRun
from metasearch.web.folds import CostStore, HealthStore

router = APIRouter(tags=["campaigns"], responses=TAGGED)

_MAX_GROUPS = 1000

PATIENCE = 0.03
"""Seconds after which a request adds no more to a bill."""

Before = Annotated[
    int | None, Query(ge=1, le=NOW, description="The seq that the page before ended with.")
]


class BestCandidate(BaseModel):
    """The best by the first objective."""

    candidate: int
    scores: dict[str, float]


class Improvement(BaseModel):
    """A moment at which the best got better."""

    evaluation: int
    candidate: int
    seconds: float
    usd: float | None
    score: float


class RunDetail(BaseModel):
    """Where a campaign stands."""

    id: str
    name: str
    state: State
    reason: str
    holder: str
    """Host and process of its engine, while running."""
    strategy: str
    models: list[str]
    objectives: dict[str, str]
    """Name and direction; the first is what best and curve go by."""
    best: BestCandidate | None
    seed: dict[str, float]
    """The seed program's scores."""
    evaluations: int
    outcomes: dict[str, int]
    queued: int
    """Candidates that wait for, or are in, evaluation."""
    open_steps: int
    tokens: int
    usd: float | None
    seconds: float
    begun: float
    seq: int
    """Of its latest fact: where a stream goes on from."""
    settings: dict[str, JsonValue]
    """The resolved campaign file."""
    evaluator_digest: str
    seed_digest: str


class EventItem(BaseModel):
    """That something happened."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "seq": 412,
                "at": 1795291489.0,
                "kind": "settled",
                "step": 60,
                "candidate": 61,
                "detail": "scored",
            }
        }
    )

    seq: int
    at: float
    kind: str
    step: int | None
    candidate: int | None
    detail: str


class EventList(BaseModel):
    """A page of events."""

    events: list[EventItem]
    next: int | None
    """``before`` for the next page; ``null`` on the last one."""


class FactItem(BaseModel):
    """What a strategy recorded besides candidates."""

    number: int
    seq: int
    step: int
    kind: str
    fact: dict[str, JsonValue]


class FactList(BaseModel):
    """A page of facts."""

    facts: list[FactItem]
    next: int | None
    """``before`` for the next page; ``null`` on the last one."""


class CostItem(BaseModel):
    """What the calls of one group have cost."""

    name: str
    calls: int
    vain: int
    """Those that brought no reply."""
    refused: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    usd: float | None
    seconds: float


class Costs(BaseModel):
    """What the model calls have cost."""

    costs: list[CostItem]
    """The dearest first."""
    complete: bool
    """False if a large campaign is still being added up, and nothing is here yet: ask again."""


class HealthWindow(BaseModel):
    """So many settled candidates in a row."""

    first: int
    last: int
    scored: float
    """Share with scores that compare."""
    balance: float
    exploitation: float
    """Share of accepted children that are different and better than their parent."""
    depth: int
    takeover: float
    """Share of scored candidates that descend from one older candidate."""


class Health(BaseModel):
    """How the search fares, window by window."""

    windows: list[HealthWindow]
    complete: bool
    """False if more candidates are still to be folded: ask again."""


@router.get("/campaigns/{campaign}")
def campaign(run: Run) -> RunDetail:
    """Where a campaign stands, and its settings."""
    summary = run.summary()
    best = None
    if summary.best is not None:
        best = BestCandidate(candidate=summary.best.number, scores=summary.best.scores)
    try:
        seed = run.candidate(0).scores
    except KeyError:
        seed = {}
    return RunDetail(
        id=summary.id,
        name=summary.name,
        state=summary.state,
        reason=summary.reason,
        holder=summary.holder,
        strategy=summary.strategy,
        models=list(summary.models),
        objectives={name: str(way) for name, way in summary.settings.objectives.items()},
        best=best,
        seed=seed,
        evaluations=summary.evaluations,
        outcomes=summary.outcomes,
        queued=len(run.queued()),
        open_steps=len(run.unfinished_steps()),
        tokens=summary.usage.tokens,
        usd=summary.usage.usd,
        seconds=summary.seconds,
        begun=summary.created,
        seq=run.version()[0],
        settings=summary.settings.model_dump(mode="json"),
        evaluator_digest=summary.evaluator_digest,
        seed_digest=summary.seed_digest,
    )


@router.get("/campaigns/{campaign}/curve")
def curve(run: Run) -> list[Improvement]:
    """When the best got better, and what it had taken until then."""
    return [Improvement(**point._asdict()) for point in run.curve()]


@router.get("/campaigns/{campaign}/events")
def events(
    run: Run,
    kind: Annotated[list[str], Query(max_length=20, description="Only these.")] = [],  # noqa: B006
    before: Before = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> EventList:
    """What happened, newest first."""
    page = run.events_before(before or NOW, kind, limit)
    return EventList(events=[as_item(event) for event in page.events], next=page.following)


@router.get("/campaigns/{campaign}/facts")
def facts(
    run: Run,
    kind: Annotated[Kind | None, Query(description=f"One of {', '.join(KINDS)}.")] = None,
    before: Before = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> FactList:
    """Ideas, reviews, matches, insights, choices: newest first."""
    found = run.facts(kind, limit, until=(before or NOW) - 1)
    return FactList(
        facts=[
            FactItem(
                number=recorded.number,
                seq=recorded.seq,
                step=recorded.step,
                kind=recorded.fact.kind,
                fact=recorded.fact.model_dump(mode="json"),
            )
            for recorded in found
        ],
        next=found[-1].seq if len(found) == limit else None,
    )


@router.get("/campaigns/{campaign}/costs")
def costs(
    request: Request,
    run: UntaggedRun,
    by: Annotated[
        Literal["model", "role", "operator"], Query(description="What is put together.")
    ] = "model",
) -> Costs:
    """What the model calls have cost in groups, the dearest first."""
    store: CostStore = request.app.state.costs
    found = store.costs(run, by, PATIENCE)
    groups = [
        CostItem(
            name=cost.name,
            calls=cost.calls,
            vain=cost.vain,
            refused=cost.refused,
            input_tokens=cost.usage.input_tokens,
            output_tokens=cost.usage.output_tokens,
            cached_tokens=cost.usage.cached_tokens,
            reasoning_tokens=cost.usage.reasoning_tokens,
            usd=cost.usage.usd,
            seconds=cost.usage.seconds,
        )
        for cost in (found or [])[:_MAX_GROUPS]
    ]
    return Costs(costs=groups, complete=found is not None)


@router.get("/campaigns/{campaign}/health")
def health(
    request: Request,
    run: UntaggedRun,
    window: Annotated[int, Query(ge=2, le=1000, description="Candidates in a row.")] = 50,
    last: Annotated[int, Query(ge=1, le=1000, description="So many rows, the latest.")] = 200,
) -> Health:
    """How the search fares: progress, balance of exploring and exploiting, takeover."""
    store: HealthStore = request.app.state.health
    folded = store.health(run, window)
    return Health(
        windows=[
            HealthWindow(
                first=row.first,
                last=row.last,
                scored=row.scored,
                balance=row.balance.score,
                exploitation=row.balance.exploitation,
                depth=row.depth,
                takeover=row.takeover.share,
            )
            for row in folded.windows[-last:]
        ],
        complete=folded.complete,
    )


def as_item(event: Event) -> EventItem:
    """An event as it is sent."""
    return EventItem(**event.model_dump())


def metrics_of(run: CampaignArchive) -> list[str]:
    """Names of all that a candidate is measured by, objectives first."""
    evaluator = run.settings.evaluator
    names = [*run.settings.objectives, *evaluator.metrics, *evaluator.private]
    return list(dict.fromkeys(names))
