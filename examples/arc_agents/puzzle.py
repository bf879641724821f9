"""A grid puzzle as an agent sees it: examples, the test input, and a way to try code on them."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, NamedTuple

from metasearch_agents import Info, Unreadable

Grid = list[list[int]]
"""Rows of numbers from 0 to 9."""

SECONDS = 5.0
"""For one piece of code on all grids that it is tried on."""
MAX_SHOWN = 1_500
"""Characters of a wrong result that feedback shows."""

_CHILD = """
import json, os, sys
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
order = json.load(sys.stdin)
sys.path = order["path"]
names = {"__name__": "transform"}
def run(grid):
    try:
        if "transform" not in names:
            exec(order["code"], names)
        found = names["transform"](json.loads(json.dumps(grid)))
        return {"grid": [[int(cell) for cell in row] for row in found]}
    except BaseException as error:
        return {"error": (type(error).__name__ + ": " + str(error))[:500]}
json.dump([run(grid) for grid in order["grids"]], answers)
answers.close()
os._exit(0)
"""


class Trial(NamedTuple):
    """What came of code on the examples."""

    right: list[int]
    """Places of the examples that it gets right, from 0."""
    wrong: list[int]
    feedback: Info
    """In words."""


class Puzzle:
    """One puzzle. The right answer is not in it, and nowhere in the sandbox."""

    def __init__(self, examples: list[dict[str, Any]], test_input: Grid) -> None:
        self.examples = examples
        self.test_input = test_input
        shown = [
            f"Example {place} input:\n{_show(example['input'])}\n"
            f"Example {place} output:\n{_show(example['output'])}"
            for place, example in enumerate(examples)
        ]
        shown.append(f"Test input:\n{_show(test_input)}")
        self.info = Info("task", "user", "\n\n".join(shown))

    def run_examples(self, code: Info | str) -> Trial:
        """Try code, which has to define transform(grid), on all examples."""
        results = _run(_text(code), [example["input"] for example in self.examples])
        right, wrong, lines = [], [], []
        for place, example in enumerate(self.examples):
            found = results[place]
            if found.get("grid") == example["output"]:
                right.append(place)
                lines.append(f"Example {place}: right.")
            else:
                wrong.append(place)
                shown = found.get("error") or "it gave\n" + _show(found["grid"])[:MAX_SHOWN]
                lines.append(f"Example {place}: wrong; {shown}")
        return Trial(right, wrong, Info("feedback", "examples", "\n".join(lines)))

    def test_output(self, code: Info | str) -> Info:
        """What code makes of the test input: the answer, if the code is right."""
        (found,) = _run(_text(code), [self.test_input])
        if "grid" in found:
            return Info("answer", "code", found["grid"])
        return Info("answer", "code", "", None, Unreadable(found["error"]))


def _text(code: Info | str) -> str:
    return code.text if isinstance(code, Info) else code


def _show(grid: Grid) -> str:
    return json.dumps(grid).replace("], [", "],\n [")


def _run(code: str, grids: list[Grid]) -> list[dict[str, Any]]:
    """Run code in a process of its own, so that it may loop for ever or end the process."""
    order = json.dumps({"code": code, "grids": grids, "path": sys.path})
    command = [sys.executable, "-I", "-S", "-c", _CHILD]  # starts in half the time without site
    try:
        done = subprocess.run(
            command, input=order, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        results: list[dict[str, Any]] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return [{"error": f"the code took longer than {SECONDS:g} s"} for _ in grids]
    except ValueError:
        return [{"error": "the code ended its process"} for _ in grids]
    return results
