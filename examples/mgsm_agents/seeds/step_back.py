"""Step back: first the principles that the problem is about, then its solution."""

from metasearch_agents import INTEGER, Agent, Field, Info

ANSWER = Field("answer", "the result, a whole number", INTEGER)


def solve(task: Info) -> Info:
    """Two calls."""
    thinker = Agent(["thinking", "principles"], "thinker", "a teacher of mathematics", 0.5)
    thinking, principles = thinker(
        [task],
        "Do not solve the problem yet. Which quantities and relations is it about, and which "
        "rules of arithmetic does one need for it? Think first, then list them.",
    )
    solver = Agent(["thinking", ANSWER], "solver", temperature=0.5)
    _, answer = solver(
        [task, thinking, principles],
        "Solve the problem step by step with the help of these principles, then give the result.",
    )
    return answer
