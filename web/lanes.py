"""How busy lanes and GPUs were of late, as bars and curves that the server draws."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from metasearch.archive import CampaignArchive, DeviceSample, InFlight, Placement
from metasearch.web.sparklines import SmallChart, curve

SPAN = 3600.0
"""Seconds that pictures look back at most."""

MOST_BARS = 300
"""Evaluations that are drawn, the latest ones."""

MOST_LANES = 64
"""Rows that are drawn."""

WIDTH = 720
"""Units of a row."""

_SAMPLES = 4000
_ALIVE = 30.0
"""Seconds after which a sample says nothing about now."""


class Bar(NamedTuple):
    """An evaluation on its lane."""

    x: float
    width: float
    placement: Placement
    seconds: float


class Row(NamedTuple):
    """A lane."""

    number: int
    """Counts from 1, as people do."""
    bars: tuple[Bar, ...]
    busy: float
    """Share of the picture's time."""


class Timeline(NamedTuple):
    """The lanes side by side, up to now or to the end of the last evaluation."""

    rows: tuple[Row, ...]
    begun: float
    """Unix time at the left."""
    seconds: float
    busy: float
    """Share of all lanes' time."""
    hidden: int
    """Lanes that are not drawn."""


class DeviceCurve(NamedTuple):
    """What a GPU did of late."""

    latest: DeviceSample
    now: bool
    """Whether the latest sample says how it is, and not only how it was."""
    candidates: tuple[int, ...]
    """That have it now."""
    busy: SmallChart | None
    """``None`` if the driver does not tell."""
    mean: float | None
    """Share of the time in which it computed, while it was leased."""
    memory: SmallChart
    peak: int
    """Bytes."""


def timeline(run: CampaignArchive, flight: InFlight) -> Timeline | None:
    """The latest evaluations on their lanes; ``None`` if none is on record."""
    running = {each.candidate: each for each in flight.running}
    recent = run.placements(MOST_BARS)
    ended = [each for each in recent if each.ended is not None]
    shown = [*running.values(), *(each for each in ended if each.candidate not in running)]
    if not shown:
        return None
    now = time.time()
    end = now if running else max(each.ended or each.begun for each in shown)
    begun = max(end - SPAN, min(each.begun for each in shown))
    span = max(end - begun, 1e-3)
    lanes = max(flight.lanes, *(each.place.lane + 1 for each in shown))
    rows = []
    for lane in range(lanes):
        bars = []
        for each in shown:
            first, last = max(each.begun, begun), each.ended or end
            if each.place.lane == lane and last >= begun:
                x = WIDTH * (first - begun) / span
                width = max(1.0, WIDTH * (last - first) / span)
                bars.append(Bar(round(x, 1), round(width, 1), each, last - each.begun))
        busy = sum(_inside(bar.placement, begun, end) for bar in bars)
        rows.append(Row(lane + 1, tuple(bars), min(1.0, busy / span)))
    mean = sum(row.busy for row in rows) / len(rows)
    return Timeline(tuple(rows[:MOST_LANES]), begun, span, mean, max(0, lanes - MOST_LANES))


def _inside(each: Placement, begun: float, end: float) -> float:
    return max(0.0, (each.ended or end) - max(each.begun, begun))


def devices(run: CampaignArchive, flight: InFlight) -> list[DeviceCurve]:
    """What leased GPUs have done in the last hour of which there are samples."""
    latest = run.device_samples(0.0, 1)
    if not latest:
        return []
    samples = run.device_samples(latest[0].at - SPAN, _SAMPLES)[::-1]
    names = sorted({sample.use.uuid for sample in samples})
    of = {name: [sample for sample in samples if sample.use.uuid == name] for name in names}
    return [_curve_of(of[name], flight) for name in names]


def _curve_of(samples: Sequence[DeviceSample], flight: InFlight) -> DeviceCurve:
    last = samples[-1]
    times = [sample.at - samples[0].at for sample in samples]
    shares = [sample.use.busy for sample in samples if sample.use.busy is not None]
    told = len(shares) == len(samples)
    memory = [float(sample.use.memory) for sample in samples]
    return DeviceCurve(
        latest=last,
        now=time.time() - last.at < _ALIVE,
        candidates=tuple(r.candidate for r in flight.running if last.use.uuid in r.place.devices),
        busy=curve(times, shares, times[-1], steps=False, low=0.0, high=1.0) if told else None,
        mean=sum(shares) / len(shares) if shares else None,
        memory=curve(times, memory, times[-1], steps=False, low=0.0, high=float(last.use.total)),
        peak=max(sample.use.memory for sample in samples),
    )
