"""Scoring candidates: the user's trusted evaluator, in worker processes of its own.

An evaluator imports what it needs from here::

    from metasearch.evaluation import Candidate, CandidateFailure, Outcome

    async def evaluate(candidate: Candidate) -> dict[str, float]:
        packing = await candidate.call("pack", 26)
        if len(packing) != 26:
            raise CandidateFailure(Outcome.INVALID, f"{len(packing)} circles instead of 26")
        return {"sum_radii": sum(radius for _, _, radius in packing)}
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from metasearch.errors import CandidateFailure, EvaluatorError, SandboxError
from metasearch.evaluation.asks import AnswerAsk
from metasearch.evaluation.handle import BlockingCandidate, Candidate
from metasearch.evaluation.spec import EvaluationRequest, EvaluationSpec
from metasearch.outcome import Outcome, Split

if TYPE_CHECKING:
    from metasearch.evaluation.lanes import Lanes, Machine, plan_lanes
    from metasearch.evaluation.pool import EvaluationPool

__all__ = [
    "AnswerAsk",
    "BlockingCandidate",
    "Candidate",
    "CandidateFailure",
    "EvaluationPool",
    "EvaluationRequest",
    "EvaluationSpec",
    "EvaluatorError",
    "Lanes",
    "Machine",
    "Outcome",
    "SandboxError",
    "Split",
    "plan_lanes",
]


def __getattr__(name: str) -> object:
    # The engine's side comes with pydantic and psutil, which a worker does without.
    if name == "EvaluationPool":
        from metasearch.evaluation.pool import EvaluationPool

        return EvaluationPool
    if name in ("Lanes", "Machine", "plan_lanes"):
        from metasearch.evaluation import lanes

        return getattr(lanes, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
