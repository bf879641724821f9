"""Role assignment: a first call chooses the expert whom the problem is given to."""

from metasearch_agents import INTEGER, Agent, Field, Info

ANSWER = Field("answer", "the result, a whole number", INTEGER)
ROLES = {
    "teacher": "a primary school teacher",
    "accountant": "an accountant who checks every number twice",
    "engineer": "an engineer who writes equations with units",
    "professor": "a professor of mathematics",
}
CHOICE = Field("expert", "one of them", {"type": "string", "enum": list(ROLES)})


def solve(task: Info) -> Info:
    """Two calls."""
    router = Agent([CHOICE], "router", temperature=0.5)
    listed = "; ".join(f"{name}: {role}" for name, role in ROLES.items())
    (chosen,) = router([task], f"Who of these should solve the problem? {listed}.")
    role = ROLES.get(chosen.text.strip().lower(), ROLES["teacher"])
    expert = Agent(["thinking", ANSWER], "expert", role, 0.5)
    _, answer = expert([task], "Work the problem out step by step, then give the result.")
    return answer
