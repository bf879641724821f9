"""Debate: two experts write code, see each other's and how it did, and write again."""

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
AGAIN = (
    "These solutions were tried on the examples. Take what the other has found as advice, and "
    "keep what is right.\n\n" + WRITE
)
DECIDE = "Of all that has been tried and said, make the code that is right.\n\n" + WRITE
ROLES = ("an expert on patterns in pictures", "a programmer who tests every idea")


def solve(puzzle: Puzzle) -> Info:
    """Two rounds of two calls, and one call to conclude."""
    experts = [Agent(["thinking", CODE], "debater", role, 0.6) for role in ROLES]
    said: list[Info] = []
    for number, instruction in enumerate((WRITE, AGAIN)):
        turns = [partial(turn, puzzle, expert, said, instruction, number) for expert in experts]
        said = said + [info for infos in together(*turns) for info in infos]
    judge = Agent(["thinking", CODE], "judge", temperature=0.1)
    _, code = judge([puzzle.info, *said], DECIDE)
    return puzzle.test_output(code)


def turn(
    puzzle: Puzzle, expert: Agent, said: list[Info], instruction: str, number: int
) -> list[Info]:
    """What one expert says, and how it does on the examples."""
    thinking, code = expert([puzzle.info, *said], instruction, number)
    return [thinking, code, puzzle.run_examples(code).feedback]
