"""What ``status`` tells of what is in flight."""

from __future__ import annotations

import time
from collections.abc import Iterator

from metasearch import quantities
from metasearch.archive import InFlight
from metasearch.printable import one_line

_SHOWN = 8
"""Running evaluations that are listed."""


def rows(flight: InFlight) -> Iterator[tuple[str, str]]:
    """Name and text of each line for people; none if nothing is in flight."""
    if not (flight.running or flight.waiting or flight.calls):
        return
    parts = [f"{len(flight.running)} of {flight.lanes} lanes busy"] if flight.lanes else []
    parts += [f"{len(flight.waiting)} waiting"] if flight.waiting else []
    yield "in flight", ", ".join([*parts, f"{len(flight.calls)} model calls"])
    for each in flight.running[:_SHOWN]:
        lasts = quantities.duration(time.time() - each.begun)
        yield "", f"#{each.candidate} on {one_line(str(each.place), 200)} for {lasts}"


def record(flight: InFlight) -> dict[str, object]:
    """``in_flight`` in ``status C --json``."""
    return {
        "lanes": flight.lanes,
        "calls": [call._asdict() for call in flight.calls],
        "waiting": [each._asdict() for each in flight.waiting],
        "running": [
            {"candidate": each.candidate, **each.place._asdict(), "begun": each.begun}
            for each in flight.running
        ],
    }
