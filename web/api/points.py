"""The API's columns for charts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal
from urllib.parse import urlencode

import numpy as np
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from metasearch.archive import NOW
from metasearch.web.api.common import TAGGED, Run
from metasearch.web.api.progress import metrics_of
from metasearch.web.errors import BadRequest
from metasearch.web.points import SUMS, Points, PointStore, sample
from metasearch.web.rendering import segment

router = APIRouter(tags=["campaigns"])

ColumnName = Literal[
    "fact",
    "number",
    "outcome",
    "value",
    "record",
    "parent",
    "operator",
    "model",
    "island",
    "evaluations",
    "at",
    "usd",
    "tokens",
]
PATIENCE = 0.02
"""Seconds after which a request reads no further in a campaign that is not in memory yet."""

MAX_SAMPLE = 10_000
"""Points of one sample."""

MOST_AS_JSON = 4_000
"""Points that are sent as JSON unless it is asked for; above, the columns are binary."""


SAMPLE = 4_000
"""Points of a chart's first picture."""


def first_address(run: str, columns: Sequence[str], metric: str = "") -> str:
    """Where a chart's script asks for its first points, letter by letter: the page says it before.

    Args:
        run: The campaign's id.
        columns: As in the script, in its order.
        metric: Likewise.
    """
    query: list[tuple[str, object]] = [("sample", SAMPLE), ("format", "binary"), ("metric", metric)]
    query += [("columns", name) for name in columns]
    return f"/api/campaigns/{segment(run)}/points?{urlencode(query)}"


class PointColumns(BaseModel):
    """Settled candidates, in the order in which they were settled, as columns of one length.

    Columns that were not asked for are not there.
    """

    count: int
    seq: int
    """Of the latest fact in it: ``after`` for what comes later."""
    every: int
    """1, or n if there are too many and only every n-th is here."""
    complete: bool
    """False if a large campaign is still being read: ask again for what comes after ``seq``."""
    outcomes: list[str]
    """Names of the codes in ``outcome``."""
    operators: list[str]
    models: list[str]
    fact: list[int] = []
    """The seq at which each was settled."""
    number: list[int] = []
    outcome: list[int] = []
    value: list[float | None] = []
    """The metric; ``null`` without a score that compares. 32 bits: for drawing."""
    record: list[int] = []
    """1 if it became the best by the first objective."""
    parent: list[int] = []
    """The main one; -1 without."""
    operator: list[int] = []
    model: list[int] = []
    island: list[int] = []
    """-1 without."""
    evaluations: list[int] = []
    """So many until then, this one included."""
    at: list[float | None] = []
    """Unix time in seconds."""
    usd: list[float] = []
    """Spent until then, as far as prices are known."""
    tokens: list[float] = []
    """Likewise."""


@router.get(
    "/campaigns/{campaign}/points",
    response_model=PointColumns,
    responses={
        **TAGGED,
        200: {
            "description": "Columns as JSON, or binary: a uint32 with the length of the head, the "
            "head as JSON, then the columns at the offsets in the head, behind the head.",
            "content": {
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
            },
        },
    },
)
def points(
    request: Request,
    run: Run,
    response: Response,
    metric: Annotated[
        str, Query(max_length=200, description="Instead of the first objective.")
    ] = "",
    after: Annotated[int, Query(ge=0, le=NOW, description="seq of what is there already.")] = 0,
    few: Annotated[
        int,
        Query(
            alias="sample",
            ge=0,
            le=MAX_SAMPLE,
            description="Only about so many, chosen evenly over the whole campaign, and those "
            "that became the best; at the same speed at any size. Without evaluations, usd, "
            "tokens. 0: all.",
        ),
    ] = 0,
    columns: Annotated[
        list[ColumnName],
        Query(max_length=20, description="Only these; by default all but fact, at, usd, tokens."),
    ] = [],  # noqa: B006
    form: Annotated[
        Literal["auto", "json", "binary"],
        Query(alias="format", description="auto: JSON for up to 4,000 points."),
    ] = "auto",
) -> Response:
    """All settled candidates for a chart, or those after a place.

    Of a large campaign that is not in memory yet comes a part: then `complete` is false.
    """
    known = metrics_of(run)
    if metric and metric not in known:
        raise BadRequest(f"metric: there are {', '.join(known) or 'none'}.")
    chosen = metric if metric not in ("", *known[:1]) else None
    if few:
        if after or set(columns) & set(SUMS):
            raise BadRequest(f"sample: not with after, nor with the columns {', '.join(SUMS)}.")
        found = sample(run, few, chosen, columns)
    else:
        store: PointStore = request.app.state.points
        found = store.points(run, chosen, after, columns, PATIENCE)
    # What is not complete must not count as the campaign's present state.
    headers = {"ETag": response.headers["ETag"]} if found.complete else {}
    if form == "binary" or (form == "auto" and found.count > MOST_AS_JSON):
        headers["Content-Encoding"] = "identity"  # packing it takes longer than sending it
        return Response(found.packed(), media_type="application/octet-stream", headers=headers)
    return JSONResponse(found.head() | _lists(found), headers=headers)


def _lists(found: Points) -> dict[str, object]:
    lists: dict[str, object] = {}
    for name, column in found.columns.items():
        values = column.tolist()
        if np.issubdtype(column.dtype, np.floating):
            values = [None if value != value else value for value in values]
        lists[name] = values
    return lists
