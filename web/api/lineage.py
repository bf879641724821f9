"""The API's tree of candidates, laid out for drawing."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from metasearch.archive import CampaignArchive
from metasearch.web.api.common import TAGGED, Run
from metasearch.web.decoding import OUTCOMES
from metasearch.web.lineage import Tree, lay_out
from metasearch.web.points import Points, PointStore

router = APIRouter(tags=["candidates"], responses=TAGGED)

NEWEST = 200
"""Latest candidates that are always drawn."""

ELITES = 20
"""Best ones that are always drawn."""

MOST_OPENED = 60
"""Children that are drawn of a candidate that is opened, the latest ones."""

PATIENCE = 0.03
"""Seconds after which a request reads no further in a campaign that is not in memory yet."""

_COLUMNS = ("number", "parent", "value", "outcome", "record")

Numbers = Annotated[
    list[Annotated[int, Query(ge=0, le=2**53)]],
    Query(max_length=20, description="Candidates whose folded children are drawn too."),
]


class LineageTree(BaseModel):
    """A skeleton of all candidates, as columns of one length by number.

    Drawn are all that became the best, the best ones, the newest, the focus with its children,
    and all their ancestors; the others are counted on their nearest drawn ancestor.
    """

    total: int
    """Settled candidates, drawn or not."""
    complete: bool
    """False if a large campaign is still being read, and this is how it was: ask again."""
    lanes: int
    outcomes: list[str]
    """Names of the codes in ``outcome``."""
    number: list[int]
    parent: list[int]
    """The main one; -1 without."""
    lane: list[int]
    outcome: list[int]
    value: list[float | None]
    """First objective."""
    folded: list[int]
    """Descendants that are not drawn."""
    folded_best: list[float | None]
    """First objective of the best of those."""


@router.get("/campaigns/{campaign}/lineage")
def lineage(
    request: Request,
    run: Run,
    response: Response,
    focus: Annotated[int | None, Query(ge=0, le=2**53)] = None,
    opened: Numbers = [],  # noqa: B006
) -> LineageTree:
    """Who descends from whom: what matters of it, laid out in lanes."""
    store: PointStore = request.app.state.points
    tree = tree_of(run, store, [*opened, *([focus] if focus is not None else [])])
    if not tree.complete:
        del response.headers["ETag"]  # it must not count as the campaign's present state
    return tree


def tree_of(run: CampaignArchive, store: PointStore, opened: list[int]) -> LineageTree:
    """The laid out tree.

    Args:
        run: The campaign.
        store: Of its columns.
        opened: Candidates that are drawn with their children.
    """
    points = store.points(run, columns=_COLUMNS, patience=PATIENCE)
    sign = run.objectives[0].gain(1.0)
    tree = _laid_out(points, sign, opened)
    order = np.argsort(points.columns["number"])
    ordered = points.columns["number"][order]
    shown = order[np.searchsorted(ordered, [node.number for node in tree.nodes])]
    values = points.columns["value"]
    return LineageTree(
        total=points.count,
        complete=points.complete,
        lanes=tree.lanes,
        outcomes=list(OUTCOMES),
        number=[node.number for node in tree.nodes],
        parent=[node.parent for node in tree.nodes],
        lane=[node.lane for node in tree.nodes],
        outcome=[int(points.columns["outcome"][place]) for place in shown],
        value=[_number(values[place]) for place in shown],
        folded=[node.folded for node in tree.nodes],
        folded_best=[
            None if node.folded_best is None else sign * node.folded_best for node in tree.nodes
        ],
    )


def _laid_out(points: Points, sign: float, opened: list[int]) -> Tree:
    numbers, parents = points.columns["number"], points.columns["parent"]
    gains = sign * points.columns["value"].astype(np.float64)
    keep = list(numbers[-NEWEST:])
    keep += list(numbers[points.columns["record"] == 1])
    scored = np.flatnonzero(~np.isnan(gains))
    keep += list(numbers[scored[np.argsort(gains[scored])[-ELITES:]]])
    for number in opened:
        keep += [*numbers[numbers == number], *numbers[parents == number][-MOST_OPENED:]]
    return lay_out(
        numbers.astype(np.int64), parents.astype(np.int64), gains, [int(kept) for kept in keep]
    )


def _number(value: float) -> float | None:
    return None if value != value else float(value)
