"""Browsing lists: every candidate once, also where a filter looks at a part only."""

from __future__ import annotations

import pytest

from metasearch.archive import (
    NOW,
    Archive,
    CampaignArchive,
    OfColumn,
    OfMetric,
    OfNumbers,
    OfText,
    Term,
    Wanted,
)
from metasearch.archive import browse_candidates as browsing
from metasearch.candidate import Candidate
from metasearch.commands import Extend
from tests.archive.conftest import MakeCampaign, Propose


def numbers(run: CampaignArchive, *terms: Term, **asked: object) -> list[int]:
    """All pages together."""
    found: list[int] = []
    after = None
    while True:
        page = run.browse(terms, after=after, **asked)  # type: ignore[arg-type]
        found += [entry.candidate.number for entry in page.candidates]
        after = page.following
        if after is None:
            return found


@pytest.fixture
def several(run: CampaignArchive, propose: Propose) -> list[Candidate]:
    """Twenty candidates, every third waiting; scores are doubled by pairs."""
    return [
        propose(f"x = {n}", None if n % 3 == 2 else float(n // 2), *range(n)[-1:])
        for n in range(20)
    ]


@pytest.mark.parametrize("limit", [1, 3, 100])
@pytest.mark.parametrize("scanned", [2, 7, 1000])
def test_pages_have_every_candidate_once(
    run: CampaignArchive,
    several: list[Candidate],
    monkeypatch: pytest.MonkeyPatch,
    limit: int,
    scanned: int,
) -> None:
    monkeypatch.setattr(browsing, "SCANNED", scanned)
    scored = [c for c in several if c.scored]
    best = [c.number for c in sorted(scored, key=lambda c: (-c.scores["radii"], c.number))]
    assert numbers(run, limit=limit) == list(range(20))[::-1]
    assert numbers(run, order="oldest", limit=limit) == list(range(20))
    assert numbers(run, order="best", limit=limit) == best
    assert numbers(run, order="worst", limit=limit) == best[::-1]
    high = Term(OfMetric("radii", ">=", 5.0))
    assert numbers(run, high, limit=limit) == sorted(
        (c.number for c in scored if c.scores["radii"] >= 5), reverse=True
    )
    assert numbers(run, high, order="best", limit=limit) == [
        number for number in best if several[number].scores["radii"] >= 5
    ]
    assert numbers(run, high._replace(negated=True), Term(OfText("none")), limit=limit) == []


def test_a_list_tells_the_change_since_the_parent(
    run: CampaignArchive, several: list[Candidate]
) -> None:
    page = run.browse()
    changes = {entry.candidate.number: entry.change for entry in page.candidates}
    assert changes[0] is None  # no parent
    assert changes[3] is None  # its parent waits
    assert changes[4] == 1.0
    assert changes[1] == 0.0


@pytest.mark.parametrize("scanned", [1, 5, 1000])
@pytest.mark.parametrize("limit", [1, 4, 1000])
def test_events_are_paged_without_gaps(
    run: CampaignArchive,
    several: list[Candidate],
    monkeypatch: pytest.MonkeyPatch,
    limit: int,
    scanned: int,
) -> None:
    monkeypatch.setattr(browsing, "SCANNED_EVENTS", scanned)
    for kinds in ((), ("settled", "created")):
        seen: list[int] = []
        before: int | None = NOW
        while before is not None:
            page = run.events_before(before, kinds, limit)
            seen += [event.seq for event in page.events]
            before = page.following
        everything = run.events(limit=1000)[::-1]
        assert seen == [event.seq for event in everything if not kinds or event.kind in kinds]


def test_numbers_are_found_however_far_away(
    run: CampaignArchive, several: list[Candidate], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browsing, "SCANNED", 3)
    chosen = Term(OfNumbers((0, 7, 19, 99)))
    assert [e.candidate.number for e in run.browse([chosen]).candidates] == [19, 7, 0]
    early = Term(OfColumn("number", "<", 2.0))
    assert [e.candidate.number for e in run.browse([early]).candidates] == [1, 0]
    rest = chosen._replace(negated=True)
    assert numbers(run, rest, limit=5) == [n for n in range(19)[::-1] if n not in (0, 7)]


def test_text_is_taken_literally(run: CampaignArchive, several: list[Candidate]) -> None:
    assert numbers(run, Term(OfText("%"))) == []
    assert numbers(run, Term(OfText("_"))) == []


def test_runs_without_a_value_come_last(archive: Archive, make_campaign: MakeCampaign) -> None:
    for name in ("b", "a"):
        archive.create(make_campaign(name))
    found = archive.browse(Wanted(order="name", rising=True))
    assert [run.name for run in found.runs] == ["a", "b"]
    assert [run.name for run in archive.browse(Wanted(order="best")).runs] == ["a", "b"]
    assert archive.browse(Wanted(limit=1)).following == found.runs[0].id


def test_an_extended_budget_is_what_lists_and_summaries_show(
    archive: Archive, make_campaign: MakeCampaign
) -> None:
    runs = [archive.create(make_campaign()) for _ in range(2)]
    runs[0].command(Extend(evaluations=1_000_000), "somebody")
    listed = {each.id: each.settings.budget.evaluations for each in archive.browse(Wanted()).runs}
    before = make_campaign().settings.budget.evaluations
    assert listed == {runs[0].id: 1_000_000, runs[1].id: before}
    assert runs[0].summary().settings.budget.evaluations == 1_000_000
