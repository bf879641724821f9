"""Columns for charts: read in pieces, sampled and thinned out, they say what the archive says."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from metasearch.archive import Archive, CampaignArchive
from metasearch.candidate import EvaluationResult, Outcome, Score, StageResult
from metasearch.exchange import Message, Usage
from metasearch.program import Program
from metasearch.web import points as stored
from metasearch.web.api import lineage as lineage_api
from metasearch.web.api import points as api
from metasearch.web.points import COLUMNS, SUMS, Points, PointStore, sample
from tests.web.kit import Serve, add_run

COUNT = 60
ALL = ("fact", *COLUMNS)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[CampaignArchive]:
    """Scored ones, crashed ones, proposals that were rejected, and one that still waits."""
    with Archive.open(tmp_path / "archive.db", create=True) as archive:
        run = add_run(archive, "made", evaluator={"metrics": ["density"]})
        for number in range(COUNT):
            add(run, number)
        step = run.open_step().number
        run.queue_candidate(step, 0, Program(files={"p.py": "waits"}), operator="o")
        yield run


def add(run: CampaignArchive, number: int) -> None:
    rng = random.Random(number)
    step = run.open_step().number
    run.begin_exchange(step, 0, role="r", model="m", messages=[Message(role="user", content="x")])
    usage = Usage(input_tokens=10, output_tokens=number, usd=0.25)
    run.answer_exchange(step, 0, reply="reply", usage=usage)
    parents, operator = range(number)[-1:], rng.choice(["diff", "rewrite"])
    if number % 7 == 3:
        run.queue_candidate(step, 0, None, operator=operator, parents=parents, rejection="none")
        return
    program = Program(files={"p.py": f"x = {number}"})
    run.queue_candidate(step, 0, program, operator=operator, parents=parents, island=number % 3)
    if number % 5 == 4:
        result = EvaluationResult(outcome=Outcome.CRASHED, error="e")
    else:
        values = {"score": number / 10 + rng.gauss(0, 1), "density": rng.random()}
        scores = {name: Score(value=v, low=v, high=v) for name, v in values.items()}
        stage = StageResult(stage="evaluate", scores=scores, passed=True, seconds=0.1)
        result = EvaluationResult(outcome=Outcome.SCORED, stages=(stage,))
    run.settle(number, result)
    run.end_step(step)


def in_pieces(store: PointStore, run: CampaignArchive, metric: str | None = None) -> list[Points]:
    """What a caller gets who asks again and again."""
    found = [store.points(run, metric, columns=ALL, patience=0)]
    while not found[-1].complete:
        after = found[-1].seq
        found.append(store.points(run, metric, after, ALL, patience=0))
    return found


def together(found: list[Points]) -> dict[str, list[float]]:
    return {
        name: np.concatenate([part.columns[name] for part in found]).tolist()
        for name in found[0].columns
    }


@pytest.mark.parametrize("metric", [None, "density"])
def test_pieces_together_are_the_whole(
    run: CampaignArchive, metric: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = PointStore().points(run, metric, columns=ALL)
    assert whole.complete
    assert whole.count == COUNT
    monkeypatch.setattr(stored, "PIECE", 7)
    parts = in_pieces(PointStore(), run, metric)
    assert len(parts) > 5
    np.testing.assert_equal(together(parts), together([whole]))
    assert parts[-1].seq == whole.seq


def test_columns_that_were_asked_for_late_catch_up(
    run: CampaignArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "PIECE", 7)
    store = PointStore()
    assert store.points(run).count == COUNT
    parts = in_pieces(store, run, "density")
    assert len(parts) > 5
    whole = PointStore().points(run, "density", columns=ALL)
    np.testing.assert_equal(together(parts), together([whole]))


def test_what_is_settled_between_the_pieces_comes_too(
    run: CampaignArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "PIECE", 7)
    store = PointStore()
    parts = [store.points(run, columns=ALL, patience=0)]
    for number in range(COUNT + 1, COUNT + 30):
        add(run, number)
    while not parts[-1].complete:
        parts.append(store.points(run, None, parts[-1].seq, ALL, patience=0))
    whole = PointStore().points(run, columns=ALL)
    assert whole.count == COUNT + 29
    np.testing.assert_equal(together(parts), together([whole]))


def test_who_knows_more_than_a_new_server_gets_nothing_twice(
    run: CampaignArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "PIECE", 7)
    after = PointStore().points(run).seq
    add(run, COUNT + 1)
    store, numbers = PointStore(), []
    while True:
        found = store.points(run, None, after, ALL, patience=0)
        numbers += found.columns["number"].tolist()
        assert found.seq >= after
        after = found.seq
        if found.complete:
            break
    assert numbers == [COUNT + 1]


@pytest.mark.parametrize("size", [1, 10, COUNT, 1000])
@pytest.mark.parametrize("metric", [None, "density"])
def test_a_sample_says_the_same_of_fewer(
    run: CampaignArchive, size: int, metric: str | None
) -> None:
    names = [name for name in ALL if name not in SUMS]
    found = sample(run, size, metric, names)
    whole = PointStore().points(run, metric, columns=names)
    places = np.flatnonzero(np.isin(whole.columns["number"], found.columns["number"]))
    for name in ("operator", "model"):
        texts = getattr(found, f"{name}s"), getattr(whole, f"{name}s")
        told = [texts[0][code] for code in found.columns[name]]
        assert told == [texts[1][code] for code in whole.columns[name][places]]
    for name in set(names) - {"operator", "model"}:
        np.testing.assert_array_equal(found.columns[name], whole.columns[name][places], name)
    numbers = set(found.columns["number"].tolist())
    best = [point.candidate for point in run.curve()]
    assert best[-1] in numbers
    if size >= len(best):
        assert numbers >= set(best)
    assert len(numbers) <= 2 * size + 1
    if size > COUNT:
        assert found.every == 1
        assert found.seq == whole.seq
    else:
        assert found.every == math.ceil((COUNT + 1) / size)  # one waits
        assert numbers >= set(range(0, COUNT, found.every))


def test_of_too_many_the_same_ones_are_left_out_however_they_are_asked_for(
    run: CampaignArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "MAX_POINTS", 20)
    whole = PointStore().points(run, columns=ALL)
    assert whole.every == COUNT / 20
    assert 20 <= whole.count < COUNT
    assert sum(whole.columns["record"]) == len(run.curve())
    monkeypatch.setattr(stored, "PIECE", 7)
    np.testing.assert_equal(together(in_pieces(PointStore(), run)), together([whole]))


def test_an_empty_campaign_has_no_points(tmp_path: Path) -> None:
    with Archive.open(tmp_path / "archive.db", create=True) as archive:
        run = add_run(archive, "empty")
        for found in (PointStore().points(run, columns=ALL), sample(run, 10)):
            assert (found.count, found.seq, found.every) == (0, 0, 1)
            assert found.complete


@pytest.mark.slow
@pytest.mark.parametrize("part", ["points?metric=density", "lineage"])
def test_a_part_has_no_version(
    run: CampaignArchive, tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    for module in (api, lineage_api):
        monkeypatch.setattr(module, "PATIENCE", 0)
    monkeypatch.setattr(stored, "PIECE", 25)
    with serve(tmp_path / "archive.db") as client:
        path = f"/api/campaigns/{run.id}/{part}"
        answers = [client.get(path) for _ in range(3)]
        assert [answer.json()["complete"] for answer in answers] == [False, False, True]
        assert ["etag" in answer.headers for answer in answers] == [False, False, True]
        known = {"If-None-Match": answers[-1].headers["etag"]}
        assert client.get(path, headers=known).status_code == 304


@pytest.mark.slow
def test_a_sample_that_cannot_be_is_refused(
    run: CampaignArchive, tmp_path: Path, serve: Serve
) -> None:
    with serve(tmp_path / "archive.db") as client:
        path = f"/api/campaigns/{run.id}/points?sample=10"
        found = client.get(path).json()
        assert 10 <= found["count"] < COUNT
        assert found["every"] > 1
        assert "evaluations" not in found
        for more in ("after=5", "columns=usd", "columns=number&columns=evaluations"):
            assert client.get(f"{path}&{more}").status_code == 422
