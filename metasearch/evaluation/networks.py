"""For evaluators of trained networks: what comes out of a sandbox, checked and counted."""

from __future__ import annotations

import numpy as np

from metasearch.errors import CandidateFailure
from metasearch.outcome import Outcome


def read_parameters(vector: object, most: int) -> np.ndarray:
    """Trained numbers, rounded to bfloat16.

    Counting numbers says little if one can hold several. So each keeps the 16 bits that
    networks are commonly stored in, and no more.

    Args:
        vector: What training returned.
        most: How many there may be.

    Raises:
        CandidateFailure: If it is anything but a vector of finite 32-bit numbers.
    """
    if not isinstance(vector, np.ndarray) or vector.dtype != np.float32 or vector.ndim != 1:
        raise _invalid("training did not return its parameters as a vector of float32")
    if not 0 < vector.size <= most:
        raise _invalid(f"it has {vector.size} parameters; at least 1 and at most {most}")
    if not np.isfinite(vector).all():
        raise _invalid("training ended in numbers that are not finite; learn more slowly")
    bits = np.ascontiguousarray(vector).view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    kept = rounded.astype(np.uint32).view(np.float32)
    if not np.isfinite(kept).all():
        raise _invalid("training ended in numbers beyond all measure; learn more slowly")
    return kept


def read_classes(answer: object, wanted: int, classes: int) -> np.ndarray:
    """One class for each image.

    Raises:
        CandidateFailure: If it is anything else.
    """
    if not isinstance(answer, np.ndarray) or answer.dtype != np.int64:
        raise _invalid("the predictions are no array of int64")
    if answer.shape != (wanted,) or ((answer < 0) | (answer >= classes)).any():
        raise _invalid(f"the predictions are not {wanted} classes from 0 to {classes - 1}")
    return answer


def confusion(predicted: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """How often each class (row) was taken for each class (column)."""
    table = np.zeros((classes, classes), int)
    np.add.at(table, (labels, predicted), 1)
    return table


def mistaken(table: np.ndarray) -> str:
    """The five confusions that are most frequent, in words."""
    wrong = table - np.diag(np.diag(table))
    pairs = sorted((-int(n), *map(int, at)) for at, n in np.ndenumerate(wrong) if n)
    return ", ".join(f"{true} as {taken} ({-n})" for n, true, taken in pairs[:5]) or "nothing"


def _invalid(reason: str) -> CandidateFailure:
    return CandidateFailure(Outcome.INVALID, reason)
