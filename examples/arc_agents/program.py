"""Chain of thought: the model thinks about the rule and writes it down as code."""

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


def solve(puzzle: Puzzle) -> Info:
    """One call."""
    solver = Agent(["thinking", CODE], "solver", temperature=0.5)
    _, code = solver([puzzle.info], WRITE)
    return puzzle.test_output(code)
