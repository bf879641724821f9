"""Grid puzzles with their answers: ARC's own if its folder is given, else generated ones.

Nothing of this is ever inside the sandbox.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

FOLDER = "METASEARCH_ARC"
"""Environment variable: the folder with validation.json and test.json, lists of ARC tasks."""

SEEDS = {"validation": 1, "test": 2}
GENERATED = {"validation": 8, "test": 16}

Grid = list[list[int]]


@dataclass(frozen=True)
class Question:
    """What an agent is given, and the grid that it has to find."""

    examples: list[dict[str, Grid]]
    test_input: Grid
    answer: Grid


@lru_cache
def questions(split: str) -> tuple[Question, ...]:
    """The questions of a split: the same ones always."""
    folder = os.environ.get(FOLDER)
    if folder:
        return read(Path(folder) / f"{split}.json")
    return generate(GENERATED[split], SEEDS[split])


def read(file: Path) -> tuple[Question, ...]:
    """The tasks of a file; of a task with several test inputs the first one counts."""
    if not file.is_file():
        raise FileNotFoundError(f"{FOLDER}: there is no {file}")
    tasks: list[dict[str, Any]] = json.loads(file.read_text("utf-8"))
    return tuple(
        Question(
            [{"input": pair["input"], "output": pair["output"]} for pair in task["train"]],
            task["test"][0]["input"],
            task["test"][0]["output"],
        )
        for task in tasks
    )


def generate(count: int, seed: int) -> tuple[Question, ...]:
    """So many small puzzles, each with one rule that its three examples show."""
    rng = random.Random(seed)
    rules = sorted(RULES)
    found = []
    for number in range(count):
        rule = RULES[rules[number % len(rules)]](rng)
        pairs: list[dict[str, Grid]] = []
        while len(pairs) < 4:
            grid = random_grid(rng)
            changed = rule(grid)
            if changed != grid:
                pairs.append({"input": grid, "output": changed})
        test = pairs.pop()
        found.append(Question(pairs, test["input"], test["output"]))
    return tuple(found)


def random_grid(rng: random.Random) -> Grid:
    """From 3 x 3 to 5 x 5, mostly with the colours 0 to 4."""
    rows, columns = rng.randint(3, 5), rng.randint(3, 5)
    return [[rng.choice((0, 0, 1, 2, 3, 4)) for _ in range(columns)] for _ in range(rows)]


Rule = Callable[[Grid], Grid]


def _recolour(rng: random.Random) -> Rule:
    old, new = rng.randint(1, 4), rng.randint(5, 9)
    return lambda grid: [[new if cell == old else cell for cell in row] for row in grid]


def _frame(rng: random.Random) -> Rule:
    colour = rng.randint(5, 9)

    def rule(grid: Grid) -> Grid:
        side = [colour] * (len(grid[0]) + 2)
        return [side, *([colour, *row, colour] for row in grid), side]

    return rule


RULES: dict[str, Callable[[random.Random], Rule]] = {
    "flip": lambda rng: lambda grid: grid[::-1],
    "mirror": lambda rng: lambda grid: [row[::-1] for row in grid],
    "transpose": lambda rng: lambda grid: [list(column) for column in zip(*grid, strict=True)],
    "turn": lambda rng: lambda grid: [row[::-1] for row in grid[::-1]],
    "double": lambda rng: lambda grid: [row + row for row in grid],
    "fall": lambda rng: lambda grid: [[0] * len(grid[0]), *grid[:-1]],
    "recolour": _recolour,
    "frame": _frame,
}
"""What puzzles are about; each draws its parameters."""
