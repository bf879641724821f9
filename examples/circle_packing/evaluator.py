"""Measures a packing of 26 circles in the unit square by the exact sum of its radii.

Every radius is first reduced by ``SHRINK``, which absorbs what rounding does to a float.
The reduced circles are then checked without any tolerance: floats are whole multiples of
powers of two, so that scaled up they are whole numbers and every comparison is exact. The
score is the sum of the reduced radii, so it always belongs to a packing that is valid.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from metasearch.evaluation import Candidate, CandidateFailure, Outcome

CIRCLES = 26
SHRINK = Fraction(1, 2**30)
"""About 1e-9: far above rounding, far below what anyone would win by it."""

Circle = tuple[Fraction, Fraction, Fraction]
"""x, y and reduced radius."""


async def evaluate(candidate: Candidate) -> dict[str, float]:
    """The sum of radii of the packing that ``pack(26)`` returns."""
    circles = read(await candidate.call("pack", CIRCLES))
    candidate.attach("packing.svg", draw(circles))
    if fault := find_fault(circles):
        raise CandidateFailure(Outcome.INVALID, fault)
    candidate.feedback(describe(circles))
    return {"sum_radii": float(sum(r for _, _, r in circles))}


def read(packing: object) -> list[Circle]:
    """What the candidate returned as circles with reduced radii.

    Raises:
        CandidateFailure: If it is anything but 26 triples of finite numbers within [0, 1].
    """
    if isinstance(packing, np.ndarray):
        packing = packing.tolist()
    if not isinstance(packing, list | tuple):
        raise _invalid(f"pack returned {type(packing).__name__}, not a list of (x, y, r)")
    if len(packing) != CIRCLES:
        raise _invalid(f"pack returned {len(packing)} circles, not {CIRCLES}")
    return [_circle(index, entry) for index, entry in enumerate(packing)]


def _circle(index: int, entry: object) -> Circle:
    if isinstance(entry, np.ndarray):
        entry = entry.tolist()
    if not isinstance(entry, list | tuple) or len(entry) != 3:
        raise _invalid(f"circle {index} is not a triple (x, y, r)")
    numbers = []
    for name, value in zip(("x", "y", "r"), entry, strict=True):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _invalid(f"circle {index}: {name} is {type(value).__name__}, not a number")
        if not 0 <= value <= 1:  # also false for NaN
            shown = value if isinstance(value, float) else "an integer outside"
            raise _invalid(f"circle {index}: {name} is {shown}, not within [0, 1]")
        numbers.append(Fraction(value))
    x, y, r = numbers
    return x, y, max(r - SHRINK, Fraction(0))


def find_fault(circles: Sequence[Circle]) -> str | None:
    """Why the packing is not valid, in words for the next attempt; ``None`` if it is."""
    scale = max(value.denominator for circle in circles for value in circle)
    whole = [tuple(int(value * scale) for value in circle) for circle in circles]
    faults = []
    for i, (x, y, r) in enumerate(whole):
        if min(x, y, scale - x, scale - y) < r:
            faults.append(f"circle {i} leaves the square by {_excess(circles[i]):.3g}")
        for j in range(i):
            u, v, s = whole[j]
            if (x - u) ** 2 + (y - v) ** 2 < (r + s) ** 2:
                overlap = _overlap(circles[i], circles[j])
                faults.append(f"circles {j} and {i} overlap by {overlap:.3g}")
    if not faults:
        return None
    more = f"; and {len(faults) - 5} more faults" if len(faults) > 5 else ""
    return "; ".join(faults[:5]) + more


def _excess(circle: Circle) -> float:
    x, y, r = circle
    return float(r - min(x, y, 1 - x, 1 - y))


def _overlap(a: Circle, b: Circle) -> float:
    return float(a[2] + b[2]) - _distance(a, b)


def _distance(a: Circle, b: Circle) -> float:
    return math.sqrt((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2)


def describe(circles: Sequence[Circle]) -> str:
    """Where the packing still has room, in a few lines."""
    radii = sorted(float(r) for _, _, r in circles)
    covered = sum(math.pi * r * r for r in radii)
    free = []
    for i, circle in enumerate(circles):
        gaps = [-_overlap(circle, other) for j, other in enumerate(circles) if j != i]
        if min(*gaps, -_excess(circle)) > 1e-6:
            free.append(i)
    lines = [
        f"Valid packing, sum of radii {sum(radii):.6f}. Radii from {radii[0]:.4f} to "
        f"{radii[-1]:.4f}, median {radii[len(radii) // 2]:.4f}; {covered:.1%} of the square "
        "is covered."
    ]
    if free:
        shown = ", ".join(f"#{i}" for i in free[:13])
        lines.append(
            f"Circles that touch nothing and could grow where they are: {shown}."
            if len(free) <= 13
            else f"{len(free)} circles touch nothing and could grow where they are."
        )
    return "\n".join(lines)


def draw(circles: Sequence[Circle]) -> str:
    """The packing as a picture, the square's lower left corner at (0, 0)."""
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="-0.02 -0.02 1.04 1.04" '
        'width="520" height="520">',
        '<rect width="1" height="1" fill="#fff" stroke="#333" stroke-width="0.004"/>',
    ]
    for i, (x, y, r) in enumerate(circles):
        cx, cy = float(x), 1 - float(y)
        parts.append(
            f'<circle cx="{cx:.6f}" cy="{cy:.6f}" r="{float(r):.6f}" fill="#8fb8de" '
            'fill-opacity="0.6" stroke="#1f4e79" stroke-width="0.003"/>'
            f'<text x="{cx:.6f}" y="{cy:.6f}" font-size="0.025" text-anchor="middle" '
            f'dominant-baseline="central" fill="#12324f">{i}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def _invalid(reason: str) -> CandidateFailure:
    return CandidateFailure(Outcome.INVALID, reason)
