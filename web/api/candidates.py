"""The API's candidates: a list with filter and pages, and one candidate with its program."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from metasearch.archive import CampaignArchive, CandidateOrder, CandidatePage, ListedCandidate
from metasearch.candidate import Candidate, Score
from metasearch.web.api.common import TAGGED, Found, Run, cut
from metasearch.web.api.progress import metrics_of
from metasearch.web.diffs import FileDiff, compare
from metasearch.web.errors import BadRequest, NotFound, find_candidate
from metasearch.web.search import parse

router = APIRouter(tags=["candidates"], responses=TAGGED)

ORDERS: dict[CandidateOrder, str] = {
    "newest": "newest",
    "oldest": "oldest",
    "best": "best",
    "worst": "worst",
}
_SUMMARY = 400
"""Characters of a thought or error in a list."""


class CandidateFilter(BaseModel):
    """Which candidates are listed, and how."""

    model_config = ConfigDict(frozen=True)

    q: str = Field(
        default="",
        max_length=500,
        description='Terms that must all hold: score>2.6 operator:diff -outcome:crashed "hexagon".',
        examples=["score>2.6 operator:diff"],
    )
    sort: CandidateOrder = Field(
        default="newest", description="Best and worst go by the first objective."
    )
    after: str = Field(
        default="",
        max_length=50,
        description="next of the page before.",
    )
    limit: int = Field(default=100, ge=1, le=500)


CandidateFilterQuery = Annotated[CandidateFilter, Query()]


class CandidateItem(BaseModel):
    """One candidate in a list; long texts are cut."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "number": 61,
                "outcome": "scored",
                "scores": {"sum_radii": 2.6133},
                "private_scores": {},
                "change": 0.0121,
                "parents": [47],
                "operator": "evolve",
                "model": "offline/evolve",
                "island": 1,
                "name": "tighter corners",
                "thought": "Move the four corner circles outwards first.",
                "error": "",
                "length": 2210,
                "seconds": 0.41,
                "memory": 41_500_000,
                "usd": 0.0031,
                "at": 1795291489.0,
            }
        }
    )

    number: int
    outcome: str | None
    """``null`` while it waits for, or is in, evaluation."""
    scores: dict[str, float]
    private_scores: dict[str, float]
    change: float | None
    """First objective minus its main parent's."""
    parents: list[int]
    operator: str
    model: str | None
    island: int | None
    name: str
    thought: str
    error: str
    length: int
    """Characters of its program."""
    seconds: float
    """Of its evaluation."""
    memory: int | None
    """Most bytes in use inside meanwhile; ``null`` if that was not measured."""
    usd: float | None
    """Of its model calls; ``null`` if a price is unknown."""
    at: float | None
    """Unix time of its last fact."""


class CandidateList(BaseModel):
    """A page of candidates."""

    candidates: list[CandidateItem]
    next: str | None
    """``after`` for the next page; ``null`` on the last one."""


class StageScores(BaseModel):
    """What one stage of an evaluation measured."""

    stage: str
    passed: bool
    seconds: float
    scores: dict[str, Score]
    """With their 95 % intervals."""


class Measurement(BaseModel):
    """One evaluation."""

    split: str
    outcome: str
    seconds: float
    memory: int | None
    """Most bytes in use inside at once; ``null`` if that was not measured."""
    stages: list[StageScores]
    private: list[str]
    """Metrics that no prompt shows."""
    feedback: str
    error: str


class FileEntry(BaseModel):
    """A file of a program, without its text."""

    path: str
    size: int
    """In bytes."""


class ArtifactItem(BaseModel):
    """A file that the evaluator attached, without its content."""

    position: int
    """Its place in the address of its content."""
    name: str
    media_type: str
    size: int
    """In bytes."""
    digest: str
    """SHA-256 of its content."""
    kept: bool
    """False if its content was dropped, as the campaign's ``evaluator.keep_artifacts`` says."""


class CandidateDetail(BaseModel):
    """All about one candidate but texts that may be long, which have addresses of their own."""

    number: int
    campaign: str
    step: int
    outcome: str | None
    complete: bool
    """False if a stage's threshold ended its evaluation early."""
    scores: dict[str, float]
    private_scores: dict[str, float]
    parents: list[int]
    children: list[int]
    """The latest 100."""
    operator: str
    model: str | None
    temperature: float | None
    island: int | None
    stage: str
    name: str
    thought: str
    feedback: str
    error: str
    duplicate_of: int | None
    digest: str | None
    """Of its program."""
    seconds: float
    memory: int | None
    calls: int
    """Model calls that led to it, or that it made."""
    evaluations: list[Measurement]
    files: list[FileEntry]
    artifacts: list[ArtifactItem]


class FileText(BaseModel):
    """A file of a program."""

    path: str
    text: str


class Difference(BaseModel):
    """What changed from one candidate to another."""

    before: int
    after: int
    files: list[FileDiff]


def listed(run: CampaignArchive, asked: CandidateFilter) -> CandidatePage:
    """The page of candidates that a filter asks for."""
    return run.browse(parse(asked.q, metrics_of(run)), asked.sort, _place(asked.after), asked.limit)


def cursor(page: CandidatePage) -> str | None:
    """``after`` of the next page."""
    return None if page.following is None else f"{page.following[0]!r},{page.following[1]}"


@router.get("/campaigns/{campaign}/candidates")
def candidates(run: Run, asked: CandidateFilterQuery) -> CandidateList:
    """Candidates, newest first, as the filter says."""
    page = listed(run, asked)
    return CandidateList(candidates=[_item(entry) for entry in page.candidates], next=cursor(page))


@router.get("/campaigns/{campaign}/candidates/{number}")
def candidate(run: Run, found: Found) -> CandidateDetail:
    """One candidate: scores with intervals, parents, thought, error, what files there are."""
    number = found.number
    own = found.model_dump(exclude={"seq", "length"}, mode="json")
    return CandidateDetail(
        **own,
        campaign=run.id,
        children=[child.number for child in run.children(number)],
        calls=run.call_count(number),
        evaluations=[
            Measurement(
                split=found.split.value,
                outcome=found.outcome.value,
                seconds=found.seconds,
                memory=found.memory,
                stages=[
                    StageScores(
                        stage=stage.stage,
                        passed=stage.passed,
                        seconds=stage.seconds,
                        scores=stage.scores,
                    )
                    for stage in found.stages
                ],
                private=list(found.private),
                feedback=found.feedback,
                error=found.error,
            )
            for found in run.evaluations_of(number)
        ],
        files=[FileEntry(path=path, size=size) for path, size in run.file_sizes(number).items()],
        artifacts=[ArtifactItem(**entry._asdict()) for entry in run.artifact_entries(number)],
    )


@router.get("/campaigns/{campaign}/candidates/{number}/files")
def files(run: Run, found: Found) -> list[FileText]:
    """The program's files; none if its edit gave no program."""
    return [FileText(path=path, text=cut(text)) for path, text in program_of(run, found).items()]


@router.get("/campaigns/{campaign}/candidates/{number}/diff")
def diff(
    run: Run,
    found: Found,
    against: Annotated[
        str,
        Query(
            pattern=r"^(parent|seed|#?[0-9]{1,15})$",
            description="parent (the main one), seed, or the number of another candidate.",
            examples=["parent"],
        ),
    ] = "parent",
    context: Annotated[int, Query(ge=0, le=1000, description="Lines around a change.")] = 3,
) -> Difference:
    """What changed to this candidate from its parent, the seed or any other candidate."""
    other = base_of(run, found, against)
    changes = compare(program_of(run, other), program_of(run, found), context)
    return Difference(before=other.number, after=found.number, files=changes)


def base_of(run: CampaignArchive, found: Candidate, against: str) -> Candidate:
    """The candidate that another one is compared with.

    Raises:
        NotFound: It has no parent, or there is no such candidate.
    """
    if against == "seed":
        return find_candidate(run, 0)
    if against != "parent":
        return find_candidate(run, int(against.removeprefix("#")))
    if not found.parents:
        raise NotFound(f"Candidate #{found.number} was made from nothing: it has no parent.")
    return find_candidate(run, found.parents[0])


def program_of(run: CampaignArchive, found: Candidate) -> dict[str, str]:
    """Path and text of each file; none if its edit gave no program."""
    return {} if found.digest is None else dict(run.program(found).files)


def _item(entry: ListedCandidate) -> CandidateItem:
    found = entry.candidate
    return CandidateItem(
        number=found.number,
        outcome=None if found.outcome is None else found.outcome.value,
        scores=found.scores,
        private_scores=found.private_scores,
        change=entry.change,
        parents=list(found.parents),
        operator=found.operator,
        model=found.model,
        island=found.island,
        name=found.name,
        thought=found.thought[:_SUMMARY],
        error=found.error[:_SUMMARY],
        length=found.length,
        seconds=found.seconds,
        memory=found.memory,
        usd=entry.usd,
        at=entry.at,
    )


def _place(after: str) -> tuple[float, int] | None:
    if not after:
        return None
    gain, _, number = after.partition(",")
    try:
        place = float(gain), int(number)
    except ValueError:
        raise BadRequest("after: give the next of the page before.") from None
    if not 0 <= place[1] < 2**53 or place[0] != place[0]:
        raise BadRequest("after: give the next of the page before.")
    return place
