"""Self-refine: the code is tried on the examples, and written anew with what came out."""

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
AGAIN = "Your code was tried on the examples. Find out what is wrong with it.\n\n" + WRITE
ROUNDS = 3


def solve(puzzle: Puzzle) -> Info:
    """Up to three attempts; the first one that gets all examples right is the answer."""
    solver = Agent(["thinking", CODE], "solver", temperature=0.5)
    known = [puzzle.info]
    thinking, code = solver(known, WRITE, 0)
    for attempt in range(1, ROUNDS):
        trial = puzzle.run_examples(code)
        if not trial.wrong or code.failure is not None:
            break
        known += [thinking, code, trial.feedback]
        thinking, code = solver(known, AGAIN, attempt)
    return puzzle.test_output(code)
