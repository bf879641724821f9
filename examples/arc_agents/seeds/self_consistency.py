"""Self-consistency: five programs at some temperature; a last call decides by how they did."""

from functools import partial

from metasearch_agents import Agent, Field, Info, together
from puzzle import Puzzle

CODE = Field("code", "Python code that defines transform(grid)")
WRITE = """Find the rule that makes each output of its input. Then write it down as a function
from grid to grid, both lists of rows, which also works for the test input:

```python
def transform(grid):
    result = [row[:] for row in grid]
    return result
```"""
DECIDE = "Of all that has been tried, make the code that is right.\n\n" + WRITE
CHAINS = 5


def solve(puzzle: Puzzle) -> Info:
    """Five calls, and one to decide."""
    solvers = [Agent(["thinking", CODE], "solver", temperature=0.7) for _ in range(CHAINS)]
    chains = together(*(partial(chain, puzzle, solver) for solver in solvers))
    judge = Agent(["thinking", CODE], "judge", temperature=0.1)
    _, code = judge([puzzle.info, *(info for infos in chains for info in infos)], DECIDE)
    return puzzle.test_output(code)


def chain(puzzle: Puzzle, solver: Agent) -> list[Info]:
    """One program, and how it does on the examples."""
    thinking, code = solver([puzzle.info], WRITE)
    return [thinking, code, puzzle.run_examples(code).feedback]
