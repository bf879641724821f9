"""Self-refine: a critic looks at each attempt, and the solver tries again with what it said."""

from metasearch_agents import INTEGER, Agent, Field, Info

ANSWER = Field("answer", "the result, a whole number", INTEGER)
VERDICT = Field("verdict", "right or wrong", {"type": "string", "enum": ["right", "wrong"]})
ROUNDS = 5


def solve(task: Info) -> Info:
    """Up to five attempts; the first one that the critic finds right is the answer."""
    solver = Agent(["thinking", ANSWER], "solver", temperature=0.5)
    critic = Agent(["criticism", VERDICT], "critic", "a strict teacher of mathematics", 0.5)
    known = [task]
    thinking, answer = solver(known, "Work the problem out step by step, then give the result.", 0)
    for attempt in range(1, ROUNDS):
        criticism, verdict = critic(
            [task, thinking, answer],
            "Check each step and the result. Say what is wrong, and whether the result is right.",
            attempt - 1,
        )
        if verdict.content == "right" or verdict.failure is not None:
            break
        known += [thinking, answer, criticism]
        thinking, answer = solver(
            known,
            "Here are your earlier attempts and what a critic found. Solve the problem anew, "
            "without the mistakes.",
            attempt,
        )
    return answer
