from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from metasearch.archive import Archive, CampaignArchive
from metasearch.campaign import Campaign, CampaignFile
from metasearch.candidate import Candidate, EvaluationResult, Outcome, Score, StageResult
from metasearch.program import Program

MakeCampaign = Callable[..., Campaign]
Result = Callable[..., EvaluationResult]
Propose = Callable[..., Candidate]


@pytest.fixture(scope="session")
def make_campaign() -> MakeCampaign:
    def make(name: str = "packing", **settings: object) -> Campaign:
        raw = {
            "task": "Pack circles.",
            "objectives": {"radii": "maximize", "time": "minimize"},
            "evaluator": {"private": ["secret"]},
            **settings,
        }
        return Campaign(
            name=name,
            folder=Path("/campaigns") / name,
            settings=CampaignFile.model_validate(raw),
            seed_program=Program(files={"pack.py": "x = 1\n", "lib/a.py": "y = 2\n"}),
            evaluator_files={"evaluator.py": "def evaluate(candidate): ...\n"},
        )

    return make


@pytest.fixture(scope="session")
def result() -> Result:
    """Builds evaluation results: ``result(1.5)`` is a scored one."""

    def build(radii: float | None = 1.0, **fields: object) -> EvaluationResult:
        scores = {} if radii is None else {"radii": radii, "time": 3.0, "secret": 7.0}
        measured = {
            name: Score(value=value, low=value - 0.5, high=value + 0.5, samples=4)
            for name, value in scores.items()
        }
        stage = StageResult(stage="evaluate", scores=measured, passed=True, seconds=0.25)
        raw: dict[str, object] = {
            "outcome": Outcome.SCORED if scores else Outcome.CRASHED,
            "stages": (stage,) if scores else (),
            "error": "" if scores else "it raised",
            "seconds": 0.5,
            **fields,
        }
        return EvaluationResult.model_validate(raw)

    return build


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "archive.db"


@pytest.fixture
def archive(path: Path) -> Iterator[Archive]:
    with Archive.open(path, create=True) as archive:
        yield archive


@pytest.fixture
def run(archive: Archive, make_campaign: MakeCampaign) -> CampaignArchive:
    return archive.create(make_campaign())


@pytest.fixture
def propose(run: CampaignArchive, result: Result) -> Propose:
    """Adds one candidate in a step of its own: settled with a score, or left queued."""

    def add(source: str, radii: float | None = None, *parents: int) -> Candidate:
        step = run.open_step()
        program = Program(files={"pack.py": source})
        candidate = run.queue_candidate(step.number, 0, program, parents=parents, operator="evolve")
        if radii is not None:
            candidate = run.settle(candidate.number, result(radii))
            run.end_step(step.number)
        return candidate

    return add
