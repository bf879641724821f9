"""Concatenated trap functions (Deb and Goldberg 1993): the optimum is 24, all zeros have 18."""

from itertools import pairwise

from metasearch.evaluation import Candidate, CandidateFailure, Outcome

GROUPS, SIZE = 6, 4


async def evaluate(candidate: Candidate) -> dict[str, float]:
    """The score, and how the bits look: how many ones, and how often neighbours differ."""
    bits = await candidate.call("bits")
    if type(bits) is not list or len(bits) != GROUPS * SIZE:
        raise CandidateFailure(Outcome.INVALID, f"bits() returns no list of {GROUPS * SIZE}")
    if any(type(bit) is not int or bit not in (0, 1) for bit in bits):
        raise CandidateFailure(Outcome.INVALID, "bits() returns something but 0 and 1")
    groups = [sum(bits[at : at + SIZE]) for at in range(0, len(bits), SIZE)]
    candidate.feedback(f"Ones in each group: {groups}")
    return {
        "score": float(sum(SIZE if ones == SIZE else SIZE - 1 - ones for ones in groups)),
        "ones": float(sum(bits)),
        "changes": float(sum(a != b for a, b in pairwise(bits))),
    }
