"""Debate: three experts answer, read what the others say, answer again; a judge concludes."""

from functools import partial

from metasearch_agents import INTEGER, Agent, Field, Info, together

ANSWER = Field("answer", "the result, a whole number", INTEGER)
ROLES = (
    "a professor of mathematics",
    "a primary school teacher",
    "an accountant who checks every number twice",
)
FIRST = "Work the problem out step by step, then give the result."
AGAIN = (
    "Take what the others have said as advice, correct yourself where they are right, and give "
    "your result."
)


def solve(task: Info) -> Info:
    """Two rounds of three calls, and one call to conclude."""
    experts = [Agent(["thinking", ANSWER], "debater", role, 0.8) for role in ROLES]
    said: list[Info] = []
    for number, instruction in enumerate((FIRST, AGAIN)):
        turns = [partial(expert, [task, *said], instruction, number) for expert in experts]
        said += [info for infos in together(*turns) for info in infos]
    judge = Agent(["thinking", ANSWER], "judge", temperature=0.1)
    _, answer = judge(
        [task, *said], "Weigh all solutions above against each other, and give the right result."
    )
    return answer
