"""Rows of settled candidates as columns of numbers, in the types in which they are sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from metasearch.archive import CampaignArchive, Settled
from metasearch.candidate import Outcome

Column = npt.NDArray[np.generic]

OUTCOMES = tuple(str(outcome) for outcome in Outcome)
"""Codes of outcomes are places in it."""

CODES = {outcome: code for code, outcome in enumerate(OUTCOMES)}

MAX_NAMES = 255
"""Different operators, or models, that have a code of their own; the last one is all others."""


@dataclass
class Names:
    """Operators and models by the codes that stand for them in columns."""

    operators: dict[str, int] = field(default_factory=dict)
    models: dict[str, int] = field(default_factory=dict)


def decoded(new: Settled, run: CampaignArchive, names: Names) -> dict[str, Column]:
    """What each candidate has of its own; names that are new get codes."""
    sign = run.objectives[0].gain(1.0) if run.objectives else 1.0
    gains = np.array(new.gains, np.float64)  # without a score: NaN
    return {
        "fact": np.array(new.seqs, np.int32),
        "number": np.array(new.numbers, np.int32),
        "outcome": np.array([CODES[outcome] for outcome in new.outcomes], np.uint8),
        "value": drawn(sign * gains),
        "parent": np.array([-1 if p is None else p for p in new.parents], np.int32),
        "operator": _codes(new.operators, names.operators),
        "model": _codes(new.models, names.models),
        "island": np.array([-1 if i is None else i for i in new.islands], np.int32),
    }


def drawn(values: npt.NDArray[np.float64]) -> Column:
    """As 32 bits: what is larger than they can hold stands at their end."""
    most = float(np.finfo(np.float32).max)
    return np.clip(values, -most, most).astype(np.float32)


def in_order(found: Mapping[int, float], seqs: Sequence[int]) -> npt.NDArray[np.float64]:
    """What was found for each of these; NaN for the others."""
    return np.array([found.get(seq, np.nan) for seq in seqs], np.float64)


def _codes(names: tuple[str | None, ...], known: dict[str, int]) -> Column:
    codes = np.empty(len(names), np.uint8)
    for place, name in enumerate(names):
        text = name or ""
        if text not in known and len(known) < MAX_NAMES:
            known[text] = len(known)
        codes[place] = known.get(text, MAX_NAMES)
    return codes
