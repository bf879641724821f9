"""Self-consistency: five chains of thought, and the answer that most of them reach."""

from collections import Counter
from functools import partial

from metasearch_agents import INTEGER, Agent, Field, Info, together

ANSWER = Field("answer", "the result, a whole number", INTEGER)
CHAINS = 5


def solve(task: Info) -> Info:
    """Sample with some temperature, then vote; the first one wins a tie."""
    solvers = [Agent(["thinking", ANSWER], "solver", temperature=0.8) for _ in range(CHAINS)]
    step_by_step = "Work the problem out step by step, then give the result."
    chains = together(*(partial(solver, [task], step_by_step) for solver in solvers))
    answers = [answer for _, answer in chains]
    given = [answer for answer in answers if answer.failure is None] or answers
    most, _ = Counter(answer.text for answer in given).most_common(1)[0]
    return next(answer for answer in given if answer.text == most)
