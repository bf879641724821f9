"""What a campaign has written down: insights, events, settings, and how its search fares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue
from starlette.responses import Response

from metasearch.archive import NOW, CampaignArchive
from metasearch.campaign import CampaignFile
from metasearch.facts import Kind
from metasearch.operators.health import Window
from metasearch.web.errors import find_run
from metasearch.web.folds import HealthStore
from metasearch.web.pages.campaign import Named
from metasearch.web.pages.campaign_frame import framed
from metasearch.web.readers import Reader
from metasearch.web.rendering import segment, with_query
from metasearch.web.soon import Soon
from metasearch.web.sparklines import curve
from metasearch.web.standing import LEARNT, standing

router = APIRouter(prefix="/c/{campaign}")

EVENTS = 200
"""Rows of a page of events."""

KINDS = (
    *("settled", "queued", "asked", "answered", "failed", "lost", "refused", "recorded"),
    *("opened", "ended", "tested", "created", "started", "stopped", "paused", "reopened"),
    *("changed", "commanded", "taken", "declined", "steered", "finished"),
)
STEERED = frozenset({"changed", "commanded", "taken", "declined", "steered", "reopened"})
"""Kinds by which people have changed the course: shown in bold."""

_INSIGHTS = 100
_WINDOW, _SHORT = 50, 10
_FEW = 250
"""Candidates below which windows are short: a curve needs several of them."""
"""Candidates of one point of the health curves."""
_MOST_POINTS = 240
"""Of a curve: it is not wider."""

_CURVES: tuple[tuple[str, str, Callable[[Window], float]], ...] = (
    ("scored", "share with scores that compare", lambda row: row.scored),
    (
        "exploitation",
        "share of accepted children that are new and better than their parent",
        lambda row: row.balance.exploitation,
    ),
    ("balance", "of exploring and exploiting, over the parents", lambda row: row.balance.score),
    ("depth", "edits in the deepest lineage", lambda row: float(row.depth)),
    ("takeover", "share that descends from one older candidate", lambda row: row.takeover.share),
)


class EventsQuery(BaseModel):
    """Which events are listed."""

    model_config = ConfigDict(frozen=True)

    kind: str = Field(default="", max_length=40)
    before: int | None = Field(default=None, ge=1, le=NOW)


class InsightsQuery(BaseModel):
    """Which facts are listed."""

    model_config = ConfigDict(frozen=True)

    kind: Kind | None = None
    before: int | None = Field(default=None, ge=1, le=NOW)


@router.get("/events")
def events(
    request: Request, archive: Reader, campaign: Named, asked: Annotated[EventsQuery, Query()]
) -> Response:
    """What happened, newest first."""
    run = find_run(archive, campaign)
    kinds = [asked.kind] if asked.kind else []
    found = run.events_before(asked.before or NOW, kinds, EVENTS)
    address = f"/c/{segment(run.id)}/events"
    older = None
    if found.following is not None:
        older = with_query(address, kind=asked.kind, before=found.following)
    return framed(
        request,
        run,
        "events",
        found=found.events,
        asked=asked,
        kinds=KINDS,
        steered=STEERED,
        older=older,
    )


@router.get("/insights")
def insights(
    request: Request, archive: Reader, campaign: Named, asked: Annotated[InsightsQuery, Query()]
) -> Response:
    """What was learnt and is shown in prompts, newest first."""
    run = find_run(archive, campaign)
    kinds = [kind for kind in LEARNT if run.facts(kind, 1)]
    kind = asked.kind or (kinds[0] if kinds else LEARNT[0])
    found = run.facts(kind, _INSIGHTS, until=(asked.before or NOW) - 1)
    older = None
    if len(found) == _INSIGHTS:
        address = f"/c/{segment(run.id)}/insights"
        older = with_query(address, kind=kind, before=found[-1].seq)
    replaced = {
        fact.fact.replaces
        for fact in found
        if fact.fact.kind == "insight" and fact.fact.replaces is not None
    }
    return framed(
        request,
        run,
        "insights",
        found=found,
        kinds=kinds,
        kind=kind,
        older=older,
        replaced=replaced,
    )


@router.get("/health")
def health(request: Request, archive: Reader, campaign: Named) -> Response:
    """How the search fares, window by window."""
    run = find_run(archive, campaign)
    store: HealthStore = request.app.state.health
    size = _WINDOW if sum(run.counts().values()) >= _FEW else _SHORT

    def fold(own: CampaignArchive) -> tuple[Window, ...]:
        while not (folded := store.health(own, size)).complete:
            pass  # each call reads a piece; the store keeps what is read
        return folded.windows

    now = standing(run)  # before the folding begins, which would slow it down
    soon: Soon = request.app.state.soon
    windows = soon.get(run, f"health {size}", fold)
    charts = []
    if windows:
        every = -(-len(windows) // _MOST_POINTS)
        shown = windows[::-every][::-1]  # the latest one is among them
        ends = [float(row.last) for row in shown]
        for name, meaning, value in _CURVES:
            values = [value(row) for row in shown]
            charts.append((name, meaning, curve(ends, values, ends[-1], steps=False), values[-1]))
    return framed(request, run, "health", now, windows=windows, charts=charts, size=size)


@router.get("/settings")
def settings(request: Request, archive: Reader, campaign: Named) -> Response:
    """The campaign file as it was last run, with what it leaves to the defaults."""
    run = find_run(archive, campaign)
    used = run.settings
    least = CampaignFile(task=used.task, objectives=used.objectives)
    defaults = dict(_flat(least.model_dump(mode="json", exclude={"objectives"})))
    rows = [
        (name, _said(value), name not in defaults or defaults[name] != value)
        for name, value in _flat(used.model_dump(mode="json", exclude={"task"}))
    ]
    return framed(request, run, "settings", rows=rows)


def _flat(values: dict[str, JsonValue], above: str = "") -> list[tuple[str, JsonValue]]:
    rows: list[tuple[str, JsonValue]] = []
    for name, value in values.items():
        if isinstance(value, dict) and value:
            rows += _flat(value, f"{above}{name}.")
        else:
            rows.append((f"{above}{name}", value))
    return rows


def _said(value: JsonValue) -> str:
    if value is None:
        return "none"
    if isinstance(value, list):
        return ", ".join(_said(item) for item in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if value not in ("", {}) else "none"
