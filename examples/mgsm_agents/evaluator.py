"""Measures an agent by the share of word problems that it answers rightly.

The agent runs inside the sandbox and sees the problems; the answers stay here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from problems import Problem, problems

from metasearch.evaluation import Candidate, CandidateFailure, Outcome

AT_ONCE = 4
"""Problems that an agent works on at the same time. With 1, and concurrency = 1 in
campaign.toml, two runs with one seed are the same."""

MAX_ANSWER = 100
"""Characters of an answer that are looked at."""


async def evaluate(candidate: Candidate) -> dict[str, list[float]]:
    """1 for each right answer, 0 for any other one."""
    asked = problems(candidate.split)
    solved = await candidate.call("harness:solve", [p.text for p in asked], AT_ONCE)
    given = read_answers(solved, len(asked))
    scores = [
        float(is_number(answer, problem.answer))
        for problem, (answer, _) in zip(asked, given, strict=True)
    ]
    candidate.feedback(describe(asked, given, scores))
    return {"accuracy": scores}


def read_answers(solved: object, count: int) -> list[tuple[object, str]]:
    """Answer and error of each problem; the answers may still be anything.

    Raises:
        CandidateFailure: It is no list of so many answers.
    """
    if not isinstance(solved, list) or len(solved) != count:
        raise CandidateFailure(Outcome.INVALID, f"there must be {count} answers")
    found = []
    for each in solved:
        if not isinstance(each, dict) or not isinstance(each.get("error"), str):
            raise CandidateFailure(Outcome.INVALID, "an answer must have 'answer' and 'error'")
        found.append((each.get("answer"), each["error"]))
    return found


def is_number(given: object, wanted: int) -> bool:
    """Whether an answer is this number: as a number, or as text with nothing besides it.

    Commas and zeros after the point do not matter (``"1,000.0"`` is 1000); a unit does.
    """
    if type(given) in (int, float):
        return given == wanted
    if not isinstance(given, str) or len(given) > MAX_ANSWER:
        return False
    text = given.strip().replace(",", "")
    match = re.fullmatch(r"([+-]?[0-9]+)(\.0*)?", text)
    return match is not None and int(match[1]) == wanted


def describe(
    asked: Sequence[Problem], given: Sequence[tuple[object, str]], scores: Sequence[float]
) -> str:
    """How it went by language, and what was answered wrongly; right answers are not told."""
    lines = []
    for language in sorted({problem.language for problem in asked}):
        own = [s for p, s in zip(asked, scores, strict=True) if p.language == language]
        lines.append(f"{language}: {sum(own):.0f} of {len(own)}")
    parts = ["Right answers: " + ", ".join(lines) + "."]
    wrong = [i for i, score in enumerate(scores) if not score]
    for i in wrong[:2]:
        parts.append(f"Wrong: {asked[i].text}\nIts answer: {given[i][0]!r:.{MAX_ANSWER}}")
    errors = [error for _, error in given if error]
    if errors:
        parts.append(f"{len(errors)} problems ended with an error, the first: {errors[0]:.500}")
    return "\n".join(parts)
