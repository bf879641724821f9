"""The shapes of ``--json``: what scripts may rely on. Change them only by adding keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from metasearch.archive import CampaignArchive, CampaignSummary, Duplicates, Evaluation
from metasearch.candidate import Candidate, EvaluationResult, Split, StageResult

if TYPE_CHECKING:
    from metasearch.engine import Report
    from metasearch.operators.idea_board import IdeaBoard, IdeaCounts, RatedIdea

Record = dict[str, object]


def objective_scores(candidate: Candidate, objectives: Iterable[str]) -> dict[str, float]:
    """The candidate's objectives, without its other metrics."""
    return {name: candidate.scores[name] for name in objectives if name in candidate.scores}


def best_of(candidate: Candidate | None, objectives: Iterable[str]) -> Record | None:
    """``{"candidate", "scores"}``, or nothing if nothing was scored."""
    if candidate is None:
        return None
    return {"candidate": candidate.number, "scores": objective_scores(candidate, objectives)}


def finished(
    report: Report, reason: str, objectives: Iterable[str], test: Mapping[str, float]
) -> Record:
    """The last line of ``run --json``."""
    record: Record = {
        "event": "finished",
        "campaign": report.campaign,
        "evaluations": report.evaluations,
        "best": best_of(report.best, objectives),
        "tokens": report.usage.tokens,
        "usd": report.usage.usd,
        "seconds": round(report.seconds, 3),
        "reason": reason,
    }
    if report.ideas is not None:
        record["ideas"] = idea_counts(report.ideas)
    return record | ({"test": dict(test)} if test else {})


def idea_line(each: RatedIdea) -> Record:
    """An idea in a list."""
    low, high = each.rating.interval
    return {
        "idea": each.number,
        "title": each.idea.title,
        "rating": round(each.rating.value, 3),
        "low": round(low, 3),
        "high": round(high, 3),
        "matches": len(each.matches),
        "state": each.state,
        "operator": each.idea.operator,
        "parents": list(each.idea.parents),
    }


def idea(board: IdeaBoard, each: RatedIdea) -> Record:
    """``best`` and ``show`` with ``--json`` in a campaign of ideas alone."""
    return {
        **idea_line(each),
        "claim": each.idea.claim,
        "mechanism": each.idea.mechanism,
        "expected": each.idea.expected,
        "assumptions": list(each.idea.assumptions),
        "children": [child.number for child in board.children(each.number)],
        "reviews": [review.model_dump(mode="json") for review in each.reviews],
        "played": [
            {"match": number, **board.matches[number].model_dump(mode="json")}
            for number in each.matches
        ],
    }


def idea_counts(counts: IdeaCounts) -> Record:
    """``ideas`` of a campaign of ideas alone."""
    return {
        "ideas": counts.ideas,
        "discarded": counts.discarded,
        "reviews": counts.reviews,
        "matches": counts.matches,
        "best": None if counts.best is None else idea_line(counts.best),
    }


def status(summary: CampaignSummary, test: Mapping[str, float]) -> Record:
    """``status C --json``: what ``finished`` says, with state and outcomes."""
    record: Record = {
        "event": "status",
        "campaign": summary.id,
        "evaluations": summary.evaluations,
        "best": best_of(summary.best, summary.settings.objectives),
        "tokens": summary.usage.tokens,
        "usd": summary.usage.usd,
        "seconds": round(summary.seconds, 3),
        "reason": summary.reason,
        "state": summary.state,
        "outcomes": summary.outcomes,
        "name": summary.name,
        "strategy": summary.strategy,
        "models": list(summary.models),
        "created": summary.created,
        "objectives": dict(summary.settings.objectives),
        "budget": summary.settings.budget.model_dump(mode="json"),
        "evaluator_digest": summary.evaluator_digest,
        "seed_digest": summary.seed_digest,
    }
    return record | ({"test": dict(test)} if test else {})


def novelty(found: Duplicates) -> Record:
    """``novelty`` in ``status C --json``."""
    return {
        "proposals": found.proposals,
        "exact_duplicates": found.exact,
        "near_duplicates": found.near,
        "made_different": found.different,
        "evaluations_saved": found.saved,
        "rate": round(found.rate, 6),
    }


def best(run: CampaignArchive, candidate: Candidate, objectives: Iterable[str]) -> Record:
    """``best C --json``."""
    return {
        "candidate": candidate.number,
        "scores": objective_scores(candidate, objectives),
        "files": run.program(candidate).files,
        "parents": list(candidate.parents),
        "operator": candidate.operator,
    }


def show(run: CampaignArchive, candidate: Candidate, files: Mapping[str, str]) -> Record:
    """``show CANDIDATE --json``: all that the archive knows of it but its artifacts' content."""
    stdout, stderr = run.output(candidate)
    bill = run.bill_of(candidate.number)
    record: Record = candidate.model_dump(mode="json", exclude={"number", "scores"})
    return {
        "campaign": run.id,
        "candidate": candidate.number,
        "scores": candidate.scores,
        **record,
        "evaluations": [evaluation(found) for found in run.evaluations_of(candidate.number)],
        "files": dict(files),
        "artifacts": [entry._asdict() for entry in run.artifact_entries(candidate.number)],
        "stdout": stdout,
        "stderr": stderr,
        "asks": {
            "calls": bill.calls,
            "tokens": bill.usage.tokens,
            "usd": bill.usage.usd,
            "seconds": bill.usage.seconds,
        },
    }


def evaluation(found: Evaluation) -> Record:
    """One measurement with its intervals."""
    return {
        "split": found.split.value,
        "outcome": found.outcome.value,
        "stages": [_stage(stage) for stage in found.stages],
        "seconds": found.seconds,
        "memory": found.memory,
    }


def _stage(stage: StageResult) -> Record:
    return {
        "stage": stage.stage,
        "passed": stage.passed,
        "seconds": stage.seconds,
        "scores": {name: score.model_dump() for name, score in stage.scores.items()},
    }


def evaluated(result: EvaluationResult) -> Record:
    """``evaluate --json``."""
    return {
        "outcome": result.outcome.value,
        "scores": {name: score.value for name, score in result.scores.items()},
        "seconds": round(result.seconds, 6),
        "memory": result.memory,
        "feedback": result.feedback,
        "error": result.error,
    }


def candidate_event(candidate: Candidate, report: Report) -> Record:
    """A line of ``run --json`` for each settled candidate."""
    return {
        "event": "candidate",
        "candidate": candidate.number,
        "outcome": candidate.outcome.value if candidate.outcome else None,
        "scores": candidate.scores,
        "parents": list(candidate.parents),
        "operator": candidate.operator,
        "model": candidate.model,
        "temperature": candidate.temperature,
        "error": candidate.error,
        "best": report.best.number if report.best else None,
        "evaluations": report.evaluations,
        "tokens": report.usage.tokens,
        "usd": report.usage.usd,
        "seconds": round(report.seconds, 3),
    }


def test_scores(run: CampaignArchive, candidate: Candidate | None) -> dict[str, float]:
    """What the candidate reached on the test split; empty if it was not measured on it."""
    if candidate is None:
        return {}
    for found in run.evaluations_of(candidate.number):
        if found.split is Split.TEST and found.stages and found.outcome.value == "scored":
            return {name: score.value for name, score in found.stages[-1].scores.items()}
    return {}
