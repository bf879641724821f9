"""What is counted over all candidates, on the campaign that was really run."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metasearch.archive import Archive, CampaignArchive
from metasearch.commands import Unmark, Veto
from metasearch.web.breakdown import COLUMNS, bill, islands, successes, wilson
from metasearch.web.grid import GridStore
from metasearch.web.points import PointStore
from metasearch.web.readers import Readers
from metasearch.web.soon import Soon


@pytest.fixture
def run(archive_file: Path) -> Iterator[CampaignArchive]:
    with Archive.open(archive_file, read_only=True) as archive:
        yield archive.campaign("formula")


@pytest.mark.slow
def test_operators_add_up_to_all_candidates(run: CampaignArchive) -> None:
    candidates = {candidate.number: candidate for candidate in run.candidates()}
    objective = run.objectives[0]
    points = PointStore().points(run, columns=COLUMNS)
    for way in ("operator", "model"):
        rows = successes(points, objective.gain(1.0), way, bill(run.costs("pair"), way))
        assert sum(row.usd or 0.0 for row in rows) == run.usage().usd
        assert sum(row.tried for row in rows) == len(candidates)
        assert sum(row.scored for row in rows) == run.counts()["scored"]
        assert sum(row.records for row in rows) == len(run.curve())
    better = 0
    for candidate in candidates.values():
        if candidate.scored and candidate.parents and candidates[candidate.parents[0]].scored:
            own = candidate.scores[objective.name]
            theirs = candidates[candidate.parents[0]].scores[objective.name]
            better += objective.gain(own) > objective.gain(theirs)
    assert sum(row.improved for row in rows) == better


@pytest.mark.slow
def test_the_best_island_has_the_best(run: CampaignArchive) -> None:
    points = PointStore().points(run, columns=COLUMNS)
    sign = run.objectives[0].gain(1.0)
    lines = islands(points, sign)
    (best,) = run.best()
    on_islands = [c for c in run.candidates() if c.island is not None and c.scored]
    assert {line.island for line in lines} == {c.island for c in on_islands}
    if best.island is not None:
        leader = max(lines, key=lambda line: sign * line.score)
        assert (leader.island, leader.best) == (best.island, best.number)


@pytest.mark.slow
def test_the_grid_holds_the_best_of_each_cell(run: CampaignArchive) -> None:
    store = GridStore()
    grid = store.grid(run)
    scored = [candidate for candidate in run.candidates() if candidate.scored]
    assert sum(elite.visits for elite in grid.elites) == len(scored)
    assert run.best()[0].number in {elite.candidate.number for elite in grid.elites}
    assert store.grid(run) == grid  # folded on, not again


@pytest.mark.slow
def test_a_vetoed_elite_leaves_its_cell_until_the_veto_is_taken_back(
    run: CampaignArchive, archive_file: Path, tmp_path: Path
) -> None:
    store = GridStore()
    before = store.grid(run)
    best = max(before.elites, key=lambda elite: elite.visits)
    copy = tmp_path / "archive.db"
    shutil.copy(archive_file, copy)
    with Archive.open(copy) as archive:
        own = archive.campaign(run.id)
        own.command(Veto(candidate=best.candidate.number), "a person")
        after = {elite.cell: elite for elite in store.grid(own).elites}
        assert best.candidate.number not in {e.candidate.number for e in after.values()}
        assert after[best.cell].visits == best.visits - 1
        own.command(Unmark(candidate=best.candidate.number), "a person")
        assert store.grid(own).elites == before.elites


@given(st.integers(0, 50), st.integers(0, 50))
def test_an_interval_holds_its_share(hits: int, others: int) -> None:
    low, high = wilson(hits, hits + others)
    assert 0 <= low <= high <= 1
    if hits + others:
        assert low - 1e-12 <= hits / (hits + others) <= high + 1e-12


def test_the_interval_is_wilsons() -> None:
    assert wilson(10, 100) == pytest.approx((0.0552, 0.1744), abs=1e-4)


@pytest.mark.slow
def test_long_work_is_waited_for_once(run: CampaignArchive, archive_file: Path) -> None:
    soon = Soon(Readers(archive_file))
    free = threading.Event()
    begun: list[str] = []

    def work(own: CampaignArchive) -> str:
        begun.append(own.id)
        free.wait(10)
        return "done"

    assert soon.get(run, "work", work, 0.01) is None
    assert soon.get(run, "work", work, 0.01) is None
    free.set()
    assert soon.get(run, "work", work, 10) == "done"
    assert begun == [run.id]

    def fail(own: CampaignArchive) -> str:
        raise ValueError(own.id)

    with pytest.raises(ValueError, match=run.id):
        soon.get(run, "fail", fail, 10)
    soon.close()
