"""Quality and diversity: rules as different as possible, then a decision by how they did."""

from metasearch_agents import Agent, Field, Info
from puzzle import Puzzle

CODE = Field("code", "Python code that defines transform(grid)")
WRITE = """Find the rule that makes each output of its input. Then write it down as a function
from grid to grid, both lists of rows, which also works for the test input:

```python
def transform(grid):
    result = [row[:] for row in grid]
    return result
```"""
OTHER = "These rules were tried. Think of one that is quite another.\n\n" + WRITE
DECIDE = "Of all that has been tried, make the code that is right.\n\n" + WRITE
MORE = 3


def solve(puzzle: Puzzle) -> Info:
    """One program, three others, and one call to decide."""
    solver = Agent(["thinking", CODE], "solver", temperature=0.5)
    known = [puzzle.info]
    for attempt in range(1 + MORE):
        thinking, code = solver(known, OTHER if attempt else WRITE, attempt)
        known += [thinking, code, puzzle.run_examples(code).feedback]
    judge = Agent(["thinking", CODE], "judge", temperature=0.1)
    _, code = judge(known, DECIDE)
    return puzzle.test_output(code)
