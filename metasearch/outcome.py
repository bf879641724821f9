"""What can become of a candidate, and on which data it was measured.

Apart from the other value types because sandboxes and evaluation workers need these words
and nothing else: without pydantic such a process starts sooner and holds some 10 MB less.
"""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """What became of a candidate."""

    SCORED = "scored"
    """Measured; the only outcome that has scores."""
    INVALID = "invalid"
    """It ran, but what it returned is not acceptable (wrong shape, NaN, fails a check)."""
    CRASHED = "crashed"
    """It raised, exited or was killed by a signal of its own making."""
    TIMED_OUT = "timed_out"
    """It used more wall or CPU time than the limits allow."""
    OUT_OF_MEMORY = "out_of_memory"
    OUTPUT_LIMIT = "output_limit"
    """It returned, printed or wrote more than the limits allow."""
    REJECTED = "rejected"
    """Never ran: the edit did not apply or parse, touched protected text, or is a duplicate."""

    @property
    def evaluated(self) -> bool:
        """Whether the candidate used up an evaluation of the budget."""
        return self is not Outcome.REJECTED


class Split(StrEnum):
    """Which part of the evaluator's data a measurement used."""

    VALIDATION = "validation"
    """What the search sees."""
    TEST = "test"
    """Measured once, for chosen candidates; never shown to a model, never selected on."""
