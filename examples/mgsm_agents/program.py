"""Chain of thought: the model thinks step by step before it answers."""

from metasearch_agents import INTEGER, Agent, Field, Info

ANSWER = Field("answer", "the result, a whole number", INTEGER)


def solve(task: Info) -> Info:
    """One call."""
    solver = Agent(["thinking", ANSWER], "solver", temperature=0.5)
    _, answer = solver([task], "Work the problem out step by step, then give the result.")
    return answer
