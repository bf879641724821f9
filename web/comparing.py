"""Several campaigns on the same axes, and what is different in how they were set up."""

from __future__ import annotations

import json
import statistics
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from metasearch.archive import CampaignArchive, CampaignSummary

Axis = Literal["evaluations", "usd", "time"]

MOST = 6
"""Campaigns that are compared at once."""

MAX_POINTS = 2_000
"""Places at which a line is drawn."""

_NOT_PART = {"name", "seed", "concurrency", "lanes", "branched_from"}
"""Settings that may differ among repetitions of one search."""


class Side(NamedTuple):
    """One campaign of a comparison."""

    run: CampaignArchive
    summary: CampaignSummary

    @property
    def best(self) -> float | None:
        """By the first objective."""
        best = self.summary.best
        return None if best is None else best.scores[self.run.objectives[0].name]


class Point(NamedTuple):
    """A place on a line."""

    x: float
    middle: float
    low: float
    high: float


class Line(NamedTuple):
    """The best so far of one campaign, or of several seeds of the same."""

    label: str
    members: tuple[str, ...]
    points: list[Point]


class Setting(NamedTuple):
    """A setting and what it is in each campaign; ``None`` where it is not said."""

    key: str
    values: tuple[str | None, ...]

    @property
    def differs(self) -> bool:
        """Whether not all say the same."""
        return len(set(self.values)) > 1


def lines(sides: Sequence[Side], axis: Axis) -> list[Line]:
    """The best so far along an axis; repetitions with other seeds are one line with a band."""
    groups: dict[str, list[Side]] = {}
    for side in sides:
        groups.setdefault(_kind(side.summary), []).append(side)
    found = []
    for group in groups.values():
        curves = [curve for side in group if (curve := _curve(side, axis))]
        if curves:
            name = group[0].summary.name
            label = f"{name}, {len(group)} runs" if len(group) > 1 else group[0].summary.id
            members = tuple(side.summary.id for side in group)
            found.append(Line(label, members, _middle(curves)))
    return found


def settings(sides: Sequence[Side]) -> list[Setting]:
    """All settings, by key."""
    flat = [_flat(side.summary.settings.model_dump(mode="json")) for side in sides]
    keys = dict.fromkeys(key for each in flat for key in each)
    return [Setting(key, tuple(each.get(key) for each in flat)) for key in keys]


def warnings(sides: Sequence[Side]) -> list[str]:
    """Why the scores may not be comparable."""
    found = []
    firsts = {(o.name, o.direction) for o in (side.run.objectives[0] for side in sides)}
    if len(firsts) > 1:
        names = ", ".join(sorted(f"{name} ({way})" for name, way in firsts))
        found.append(f"The first objectives differ: {names}. Their scores do not compare.")
    if len({side.summary.evaluator_digest for side in sides}) > 1:
        found.append(
            "The evaluators differ, in their files or in [evaluator]: equal programs may score "
            "differently."
        )
    if len({side.summary.seed_digest for side in sides}) > 1:
        found.append("The seed programs differ: the searches begin in different places.")
    if len({side.summary.settings.evaluator.test for side in sides}) > 1:
        found.append("Not all have a test split, so the data are not split alike.")
    return found


def _kind(summary: CampaignSummary) -> str:
    said = summary.settings.model_dump(mode="json", exclude=_NOT_PART)
    return json.dumps([said, summary.evaluator_digest, summary.seed_digest], sort_keys=True)


def _curve(side: Side, axis: Axis) -> list[tuple[float, float]]:
    """Where the best got better, and at the end how far it went."""
    curve = side.run.curve()
    at: list[float | None]
    end: float | None
    if axis == "evaluations":
        at, end = [float(point.evaluation) for point in curve], float(side.summary.evaluations)
    elif axis == "usd":
        at, end = [point.usd for point in curve], side.summary.usage.usd
    else:
        at, end = [point.seconds for point in curve], side.summary.seconds
    known = [(x, each.score) for x, each in zip(at, curve, strict=True) if x is not None]
    if not known or end is None:
        return []
    return [*known, (max(end, known[-1][0]), known[-1][1])]


def _middle(curves: Sequence[Sequence[tuple[float, float]]]) -> list[Point]:
    """Median and spread where all have begun and none has ended."""
    start, end = max(curve[0][0] for curve in curves), min(curve[-1][0] for curve in curves)
    places = sorted({x for curve in curves for x, _ in curve if start <= x <= end} | {start})
    every = -(-len(places) // MAX_POINTS)
    points = []
    for x in [*places[:-1:every], places[-1]]:
        scores = [_at(curve, x) for curve in curves]
        points.append(Point(x, statistics.median(scores), min(scores), max(scores)))
    return points


def _at(curve: Sequence[tuple[float, float]], x: float) -> float:
    place = bisect_right(curve, x, key=lambda point: point[0]) - 1
    return curve[max(0, place)][1]


def _flat(value: object, key: str = "") -> dict[str, str]:
    """Every leaf by its dotted key; what is ``None`` is not said."""
    if isinstance(value, Mapping) and value:
        found: dict[str, str] = {}
        for name, inner in value.items():
            found |= _flat(inner, f"{key}.{name}" if key else str(name))
        return found
    if value is None:
        return {}
    return {key: value if isinstance(value, str) else json.dumps(value)}
