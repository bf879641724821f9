"""The API's view of what operators and models have brought, each alone and with each other."""

from __future__ import annotations

import math
from typing import NamedTuple

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict

from metasearch.archive import CampaignArchive
from metasearch.web.api.common import ERRORS, UntaggedRun
from metasearch.web.breakdown import COLUMNS, Matrix, Success, bill, matrix, successes
from metasearch.web.folds import CostStore
from metasearch.web.points import PointStore

PATIENCE = 0.03
"""Seconds for which a request reads points, and as long again for the bill."""

router = APIRouter(tags=["campaigns"], responses=ERRORS)


class SuccessItem(BaseModel):
    """What one operator or model has brought."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "tried": 40,
                "applied": 37,
                "scored": 31,
                "improved": 9,
                "records": 3,
                "low": 0.123,
                "high": 0.375,
                "usd": 0.42,
            }
        }
    )

    tried: int
    applied: int
    """Edits that gave a program to measure."""
    scored: int
    improved: int
    """Better than the main parent by the first objective."""
    records: int
    """Became the best."""
    low: float
    """Of the 95 % interval of the share that improved."""
    high: float
    usd: float | None
    """``null`` if a price, or the bill, is unknown."""


class PairItem(BaseModel):
    """What one operator has brought with one model."""

    operator: str
    model: str
    brought: SuccessItem


class BroughtItem(BaseModel):
    """What operators and models have brought."""

    operators: dict[str, SuccessItem]
    """By name, those first that were tried most."""
    models: dict[str, SuccessItem]
    """Likewise; the empty name is of candidates that no model made."""
    pairs: list[PairItem]
    """Only if several operators and several models made candidates."""
    complete: bool
    """False if there is more to count or to add up: ask again."""


class Brought(NamedTuple):
    """What operators and models have brought, each alone and one with the other."""

    operators: list[Success]
    models: list[Success]
    matrix: Matrix | None
    complete: bool
    """Whether all that is settled is counted, and the bill known."""


@router.get("/campaigns/{campaign}/operators")
def operators(request: Request, run: UntaggedRun) -> BroughtItem:
    """What operators and models were tried for, what came of it, and what it cost."""
    found = brought(run, request.app.state.points, request.app.state.costs, PATIENCE)
    pairs = found.matrix.cells if found.matrix else {}
    return BroughtItem(
        operators={row.name: _item(row) for row in found.operators},
        models={row.name: _item(row) for row in found.models},
        pairs=[
            PairItem(operator=operator, model=model, brought=_item(cell))
            for (operator, model), cell in pairs.items()
        ],
        complete=found.complete,
    )


def brought(
    run: CampaignArchive, points: PointStore, costs: CostStore, patience: float = math.inf
) -> Brought:
    """Counted over what is settled: all of it, or what can be read within so many seconds."""
    found = points.points(run, columns=COLUMNS, patience=patience)
    paid = costs.costs(run, "pair", patience)
    sign = run.objectives[0].gain(1.0) if run.objectives else 1.0
    rows, columns = (
        successes(found, sign, way, bill(paid or [], way)) for way in ("operator", "model")
    )
    pairs = matrix(found, sign, paid or [])
    return Brought(rows, columns, pairs, found.complete and paid is not None)


def _item(row: Success) -> SuccessItem:
    return SuccessItem.model_validate(row, from_attributes=True)
