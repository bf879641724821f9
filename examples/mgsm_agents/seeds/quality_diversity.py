"""Quality and diversity: solutions by ways as different as possible, then a decision."""

from metasearch_agents import INTEGER, Agent, Field, Info

ANSWER = Field("answer", "the result, a whole number", INTEGER)
MORE = 3


def solve(task: Info) -> Info:
    """One solution, three that go another way each, and one call to decide."""
    solver = Agent(["thinking", ANSWER], "solver", temperature=0.5)
    found = solver([task], "Work the problem out step by step, then give the result.", 0)
    for attempt in range(1, MORE + 1):
        found += solver(
            [task, *found],
            "These ways have been tried. Solve the problem by another one that is interesting and "
            "new, step by step, then give the result.",
            attempt,
        )
    judge = Agent(["thinking", ANSWER], "judge", temperature=0.1)
    _, answer = judge(
        [task, *found], "Weigh all solutions above against each other, and give the right result."
    )
    return answer
