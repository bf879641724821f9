"""Outputs that lie, told to the evaluators that we ship.

A candidate owns its process and can return anything. So these win if an evaluator believes
what it should have measured.
"""

from __future__ import annotations

from fractions import Fraction
from textwrap import dedent

from metasearch.outcome import Outcome
from tests.redteam.attack import CRASHED, INVALID, Attack, Ending, lost

RADIUS = 1 / 12 + 1e-12
"""Of 26 circles on a grid of 6 x 6, where 1/12 is all the room there is."""

GRID = """
import numpy as np
def grid(radius):
    spots = [((2 * i + 1) / 12, (2 * j + 1) / 12) for i in range(6) for j in range(6)]
    return [[x, y, radius] for x, y in spots[:26]]
"""


def packing(name: str, returned: str, ending: Ending = INVALID, also: str = "") -> Attack:
    """A lie of ``pack``."""
    return Attack(name, f"{GRID}{dedent(also)}\ndef pack(n): return {returned}", ending)


def replaced(name: str, place: str, ending: Ending = INVALID) -> Attack:
    """The harness of the bins, replaced by the program that it calls."""
    source = f"""
        import sys
        import numpy as np
        def priority(item, bins):
            sys.modules["harness"].place = lambda batches, capacity: {place}
            return -bins
        """
    return Attack(name, source, ending)


def formula(name: str, returned: str, ending: Ending = INVALID) -> Attack:
    """A lie of ``pressures``."""
    source = f"""
        inf, nan = float("inf"), float("nan")
        def pressures(temperatures): return {returned}
        """
    return Attack(name, source, ending)


OVERFULL = lost(Outcome.INVALID, says="holds more than 100")
OVERLAP = lost(Outcome.INVALID, says="overlap")

LIES: dict[str, list[Attack]] = {
    "examples/circle_packing": [
        packing("radii below zero", "grid(-0.5)"),
        packing("radii of NaN", "grid(float('nan'))"),
        packing(
            "radii of infinity, and of a huge integer",
            "grid(float('inf'))[:13] + grid(10**3000)[:13]",
        ),
        packing("one large circle, 26 times", "[[0.5, 0.5, 0.5]] * 26", OVERLAP),
        packing("circles that overlap by 1e-8", "grid(1 / 12 + 1e-8)", OVERLAP),
        packing(
            "circles that overlap by 1e-12: worth less than the packing that just touches",
            f"grid({RADIUS!r})",
            Ending((Outcome.SCORED,), float(26 * (Fraction(RADIUS) - Fraction(1, 2**30)))),
        ),
        packing(
            "circles that leave the square by 1e-8",
            "[[1/12 - 1e-8 if c[0] < 0.1 else c[0], c[1], c[2]] for c in grid(1 / 12)]",
            lost(Outcome.INVALID, says="leaves the square"),
        ),
        packing("25 circles, and a large one that is not counted", "grid(1 / 12)[:25]"),
        packing("27 circles", "grid(1 / 12) + [[0.9, 0.9, 0.01]]"),
        packing(
            "truth values, text and None for numbers", "[[True, '0.5', None]] + grid(0.01)[1:]"
        ),
        packing("an array of complex numbers, valid in its real part", "np.array(grid(0.01)) + 1j"),
        packing(
            "an array of single precision whose rounding overlaps",
            "np.array(grid(1 / 12 + 2e-9), dtype='float32')",
            OVERLAP,
        ),
        packing(
            "floats that are within every bound, by their own comparison",
            "[[Sly(c[0]), Sly(c[1]), Sly(9.0)] for c in grid(0.1)]",
            also="""
        class Sly(float):
            __le__ = __ge__ = __lt__ = __gt__ = __eq__ = lambda self, other: True
            __hash__ = float.__hash__""",
        ),
        packing(
            "an array that looks valid and is stored otherwise",
            "np.array(grid(0.9)).view(Sly)",
            also="""
        class Sly(np.ndarray):
            def tolist(self): return grid(0.01)
            def __array__(self, dtype=None, copy=None): return np.array(grid(0.9))""",
        ),
        packing("the score instead of the packing", "{'sum_radii': 2.7}"),
        packing("objects and generators", "[(x for x in c) for c in grid(0.01)]"),
        packing("arrays of the wrong depth", "[grid(0.01)]"),
    ],
    "examples/online_bin_packing": [
        replaced("everything in the first bin", "[[0] * len(b) for b in batches]", OVERFULL),
        replaced(
            "everything in a bin with a number of 3000 digits",
            "[[10**3000] * len(b) for b in batches]",
            OVERFULL,
        ),
        replaced("everything in a bin below zero", "[[-1] * len(b) for b in batches]", OVERFULL),
        replaced(
            "bins with numbers that are no integers",
            "[[float(i) for i, _ in enumerate(b)] for b in batches]",
        ),
        replaced(
            "bins that are NaN, and so all different and all the same",
            "[[float('nan')] * len(b) for b in batches]",
        ),
        replaced("truth values for bins", "[[True] * len(b) for b in batches]"),
        replaced("fewer bins than items", "[[0] for b in batches]"),
        replaced("fewer streams than there are", "[]"),
        replaced("arrays for lists", "[np.zeros(len(b), int) for b in batches]"),
        replaced("None, and the score", "{'excess': [0.0] * len(batches)}"),
        Attack(
            "more room in the harness's own bins",
            """
            import sys
            def priority(item, bins):
                for rooms in sys.modules["harness"]._rooms.values():
                    rooms += 50.0
                return -bins
            """,
            OVERFULL,
        ),
        Attack(
            "numbers that are the largest, each of them",
            """
            import numpy as np
            class Largest(float):
                __gt__ = __ge__ = lambda self, other: True
            def priority(item, bins):
                return np.full(len(bins), np.nan)
            """,
            CRASHED,
        ),
        Attack(
            "one number for all bins, and more numbers than bins",
            "def priority(item, bins): return 1.0",
            CRASHED,
        ),
    ],
    "metasearch/cli/templates/formula": [
        formula("NaN", "[nan] * len(temperatures)"),
        formula("infinity", "[inf] * len(temperatures)"),
        formula("an integer beyond every float", "[10**3999] * len(temperatures)"),
        formula("a float whose error would overflow", "[1.7e308] * len(temperatures)"),
        formula("complex numbers, text, None", "[1j, 'x', None] * (len(temperatures) // 3)"),
        formula("numbers as text", "['1.0'] * len(temperatures)"),
        formula("fewer answers than questions", "[1.0]"),
        formula("more answers than questions", "[1.0] * 1000"),
        formula("an array", "__import__('numpy').ones(len(temperatures))"),
        formula("lists in lists", "[[1.0]] * len(temperatures)"),
        formula("a dict of answers", "{str(t): 1.0 for t in temperatures}"),
        formula("the score", "{'error': 0.0}"),
    ],
}
