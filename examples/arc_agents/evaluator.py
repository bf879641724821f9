"""Measures an agent by the share of grid puzzles whose test output it finds exactly.

The agent, and the code that it writes, run inside the sandbox; the outputs stay here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from puzzles import Grid, questions

from metasearch.evaluation import Candidate, CandidateFailure, Outcome

AT_ONCE = 4
"""Puzzles that an agent works on at the same time. With 1, and concurrency = 1 in
campaign.toml, two runs with one seed are the same."""

MAX_ANSWER = 20_000
"""Characters of an answer that are read; the largest grid of ARC takes less than 3,000."""


async def evaluate(candidate: Candidate) -> dict[str, list[float]]:
    """1 for each grid that is exactly right, 0 for any other one."""
    asked = questions(candidate.split)
    sent = [{"examples": q.examples, "test_input": q.test_input} for q in asked]
    solved = await candidate.call("harness:solve", sent, AT_ONCE)
    given = read_answers(solved, len(asked))
    scores = [
        float(is_grid(answer, question.answer))
        for question, (answer, _) in zip(asked, given, strict=True)
    ]
    candidate.feedback(describe(given, scores))
    return {"accuracy": scores}


def read_answers(solved: object, count: int) -> list[tuple[object, str]]:
    """Answer and error of each puzzle; the answers may still be anything.

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


def is_grid(given: object, wanted: Grid) -> bool:
    """Whether an answer is this grid, as lists or as JSON: the same cells, all whole numbers."""
    if isinstance(given, str) and len(given) <= MAX_ANSWER:
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            return False
    if not isinstance(given, list) or given != wanted:
        return False
    return all(type(cell) is int for row in given for cell in row)


def describe(given: Sequence[tuple[object, str]], scores: Sequence[float]) -> str:
    """What became of the puzzles; right outputs are not told."""
    right = [str(place) for place, score in enumerate(scores) if score]
    parts = [f"Right: {len(right)} of {len(scores)} puzzles ({', '.join(right) or 'none'})."]
    empty = sum(1 for answer, _ in given if answer in ("", None))
    if empty:
        parts.append(f"{empty} puzzles were left without an answer.")
    errors = [error for _, error in given if error]
    if errors:
        parts.append(f"{len(errors)} puzzles ended with an error, the first: {errors[0]:.500}")
    return "\n".join(parts)
