"""What every page of a candidate begins with: what it is, what became of it, and its neighbours."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import NamedTuple

from metasearch.archive import Background, CampaignArchive, Evaluation, default_path
from metasearch.candidate import Candidate, Score, Split
from metasearch.commands import Commanded
from metasearch.exchange import Usage
from metasearch.web.rendering import segment

ERROR_LINES = 12
"""Of a failure's error, the last ones, that are shown first."""
_ERROR = 2_000
"""Characters of them."""
_HINTS = 20


class Tab(NamedTuple):
    """A part of the page with an address of its own."""

    name: str
    title: str
    number: int | None = None
    """Of the things in it."""


class Objective(NamedTuple):
    """What the campaign goes by, and how the candidate does by it."""

    name: str
    direction: str
    value: float
    measured: Score | None
    """With its interval."""
    change: float | None
    """Since its main parent."""


class Head(NamedTuple):
    """The strip above the tabs, and the tabs that there are."""

    found: Candidate
    address: str
    """Of the candidate's page."""
    objectives: tuple[Objective, ...]
    error: str
    """The last lines of it."""
    usd: float | None
    tokens: int
    previous: int | None
    following: int | None
    best: int | None
    background: Background
    hints: tuple[Commanded, ...]
    """What people said that its prompt showed."""
    tabs: tuple[Tab, ...]

    def kept(self, tab: str) -> str:
        """What follows a neighbour's address so that the same tab is shown; not all have it."""
        return "" if tab in ("diff", "source") else f"/{tab}"


def address_of(run: CampaignArchive, number: int) -> str:
    """Where a candidate's page is."""
    return f"/c/{segment(run.id)}/{number}"


def commands(run: CampaignArchive, found: Candidate, archive: Path) -> list[tuple[str, str]]:
    """What shows and measures a candidate again in a terminal, with a word for each."""
    name = shlex.quote(f"{run.id}#{found.number}")
    where = "" if archive == default_path() else f" --archive {shlex.quote(str(archive))}"
    words = ("show", "diff", "lineage") if found.parents else ("show",)
    shown = [(word, f"metasearch {word} {name}{where}") for word in words]
    files = list(run.file_sizes(found.number))
    if len(files) == 1:
        folder = shlex.quote(str(run.resolved().folder))
        file = shlex.quote(saved_name(found.number, files[0]))
        again = f"metasearch evaluate {folder} --program {file}"
        shown.append(("measure what Download saves", again))
    return shown


def saved_name(number: int, path: str) -> str:
    """How a file of a candidate's program is called when it is downloaded."""
    return f"{number}_{path.rpartition('/')[2]}"


def head(run: CampaignArchive, found: Candidate) -> Head:
    """All that the strip shows."""
    number = found.number
    best = run.best()
    background = run.background(found)
    hints = tuple(run.commanded(each) for each in run.steered_by(number)[:_HINTS])
    spent = Usage()
    for call in run.calls_before(number):
        if call.since:
            spent += call.usage
    spent += run.bill_of(number).usage
    return Head(
        found=found,
        address=address_of(run, number),
        objectives=_objectives(run, found),
        error="\n".join(found.error[-_ERROR:].splitlines()[-ERROR_LINES:]),
        usd=spent.usd,
        tokens=spent.tokens,
        previous=number - 1 if number else None,
        following=number + 1 if _exists(run, number + 1) else None,
        best=best[0].number if best else None,
        background=background,
        hints=hints,
        tabs=tuple(_tabs(run, found, sum(map(len, background)) + len(hints))),
    )


def measured(run: CampaignArchive, found: Candidate) -> Evaluation | None:
    """The measurement that counts."""
    own = [each for each in run.evaluations_of(found.number) if each.split is Split.VALIDATION]
    return own[-1] if own else None


def changes(run: CampaignArchive, one: Candidate, other: Candidate | None) -> dict[str, float]:
    """Objective -> how much the one differs from the other, where both have comparable scores."""
    if other is None or not (one.scored and other.scored):
        return {}
    names = [objective.name for objective in run.objectives]
    return {
        name: one.scores[name] - other.scores[name]
        for name in names
        if name in one.scores and name in other.scores
    }


def _objectives(run: CampaignArchive, found: Candidate) -> tuple[Objective, ...]:
    if not found.scores:
        return ()
    counted = measured(run, found)
    scores = counted.stages[-1].scores if counted is not None and counted.stages else {}
    parent = run.candidate(found.parents[0]) if found.parents else None
    since = changes(run, found, parent)
    return tuple(
        Objective(
            objective.name,
            "higher" if objective.direction == "maximize" else "lower",
            found.scores[objective.name],
            scores.get(objective.name),
            since.get(objective.name),
        )
        for objective in run.objectives
        if objective.name in found.scores
    )


def _tabs(run: CampaignArchive, found: Candidate, facts: int) -> list[Tab]:
    number = found.number
    artifacts = len(run.artifact_entries(number))
    calls = run.call_count(number)
    tabs = []
    if found.parents and found.digest is not None:
        tabs.append(Tab("diff", "Diff"))
    if found.digest is not None:
        files = len(run.file_sizes(number))
        tabs.append(Tab("source", "Source", files if files > 1 else None))
    tabs.append(Tab("scores", "Scores"))
    if artifacts:
        tabs.append(Tab("artifacts", "Artifacts", artifacts))
    tabs.append(Tab("logs", "Logs"))
    if calls:
        tabs.append(Tab("conversation", "Conversation", calls))
    tabs.append(Tab("lineage", "Lineage"))
    if facts:
        tabs.append(Tab("facts", "Facts", facts))
    return [*tabs, Tab("raw", "Raw")]


def _exists(run: CampaignArchive, number: int) -> bool:
    try:
        run.candidate(number)
    except KeyError:
        return False
    return True
