"""Reading and writing cost the same at any size, counted in SQLite's own instructions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from metasearch.archive import Archive, CampaignArchive
from metasearch.campaign import Campaign
from metasearch.candidate import EvaluationResult
from metasearch.exchange import Message, Usage
from metasearch.facts import Value
from metasearch.program import Program

SMALL, LARGE = 60, 800

Action = Callable[[CampaignArchive, int], object]

READS: dict[str, Action] = {
    "candidate": lambda run, n: run.candidate(n),
    "program": lambda run, n: run.program(run.candidate(n)),
    "best": lambda run, n: run.best(5),
    "recent": lambda run, n: run.recent(5),
    "children": lambda run, n: run.children(n),
    "parents": lambda run, n: run.parents(n),
    "score": lambda run, n: run.score(run.candidate(n), "radii"),
    "output": lambda run, n: run.output(run.candidate(n)),
    "candidates": lambda run, n: list(run.candidates(run.candidate(n).seq, limit=5)),
    "of_steps": lambda run, n: run.of_steps(n, n - 5),
    "of_call": lambda run, n: run.of_call(n, 0),
    "queued": lambda run, n: run.queued(),
    "recorded": lambda run, n: (run.fact(n), run.recorded_at(n, 0)),
    "facts": lambda run, n: (run.facts(limit=5), run.facts("idea", 1), run.facts("value", 3)),
    "open_steps": lambda run, n: run.as_of(run.facts(limit=1)[0].seq).open_steps(),
    "unfinished": lambda run, n: run.unfinished_steps(),
    "counts": lambda run, n: (run.counts(), run.evaluations(), run.usage(), run.held()),
    "evaluations_of": lambda run, n: run.evaluations_of(n),
    "artifacts": lambda run, n: run.artifacts(n),
    "exchange": lambda run, n: (run.exchange(n, 0), run.exchanges(n), run.exchanges_of(n)),
    "answered": lambda run, n: (run.answered(n, 0), run.answered(n, 0, n)),
    "calls_before": lambda run, n: run.calls_before(n),
    "exchanges_by": lambda run, n: (run.exchanges_by(n), run.bill_of(n), run.exchange(n, 0, n)),
    "events": lambda run, n: run.events(run.candidate(n).seq, limit=5),
    "summary": lambda run, n: run.summary(),
    "seconds": lambda run, n: run.seconds(),
    "sample": lambda run, n: (run.sample(20), run.times_of([n]), run.values_of("radii", [n])),
}


def grow(run: CampaignArchive, size: int, result: Callable[..., EvaluationResult]) -> None:
    for number in range(size):
        step = run.open_step().number
        ask(run, step, number)
        propose(run, step, number)
        ask(run, step, number, number)
        run.record(step, 0, Value(candidate=number, score=None, explanation="e"))
        # The best one comes early, so that the curve does not grow.
        run.settle(number, result(1000.0 if number == 5 else 1.0 + number % 7, stdout="o"))
        run.end_step(step)


def ask(run: CampaignArchive, step: int, number: int, asker: int | None = None) -> None:
    prompt = [Message(role="user", content=f"improve {number}")]
    run.begin_exchange(step, 0, asker, role="propose", model="m", messages=prompt)
    run.answer_exchange(step, 0, asker, reply=f"reply {number}", usage=Usage())


def propose(run: CampaignArchive, step: int, number: int) -> None:
    parents = [max(0, number - 1), max(0, number - 2)] if number else []
    program = Program(files={"a.py": f"x = {number}"})
    run.queue_candidate(step, 0, program, parents=parents, operator="evolve")


@pytest.fixture(scope="module")
def sizes(
    tmp_path_factory: pytest.TempPathFactory,
    make_campaign: Callable[..., Campaign],
    result: Callable[..., EvaluationResult],
) -> Iterator[tuple[CampaignArchive, CampaignArchive]]:
    folder: Path = tmp_path_factory.mktemp("growth")
    with (
        Archive.open(folder / "small.db", create=True) as small,
        Archive.open(folder / "large.db", create=True) as large,
    ):
        runs = small.create(make_campaign()), large.create(make_campaign())
        for run, size in zip(runs, (SMALL, LARGE), strict=True):
            grow(run, size, result)
        yield runs


def instructions(run: CampaignArchive, action: Callable[[], object]) -> int:
    count = 0

    def tick() -> int:
        nonlocal count
        count += 1
        return 0

    run._database.connection.set_progress_handler(tick, 1)
    try:
        action()
    finally:
        run._database.connection.set_progress_handler(None, 1)
    return count


@pytest.mark.parametrize("name", READS)
def test_reads_do_not_grow(sizes: tuple[CampaignArchive, CampaignArchive], name: str) -> None:
    small, large = (
        instructions(run, partial(READS[name], run, size // 2))
        for run, size in zip(sizes, (SMALL, LARGE), strict=True)
    )
    assert 0 < large <= small * 1.1 + 20


def test_writes_do_not_grow(
    sizes: tuple[CampaignArchive, CampaignArchive], result: Callable[..., EvaluationResult]
) -> None:
    small, large = (instructions(run, partial(grow_by_one, run, result)) for run in sizes)
    assert 0 < large <= small * 1.1 + 20


def grow_by_one(run: CampaignArchive, result: Callable[..., EvaluationResult]) -> None:
    number = run.evaluations()
    with run.hold():
        run.beat()
        step = run.open_step().number
        ask(run, step, number)
        propose(run, step, number)
        run.record(step, 0, Value(candidate=number, score=None, explanation="e"))
        run.settle(number, result(1.0))
        run.queue_candidate(step, 1, None, rejection="no program", operator="evolve")
        run.end_step(step)
        unasked = run.open_step().number
        run.queue_candidate(unasked, 0, None, rejection="no program", operator="evolve")
        run.end_step(unasked)
        run.mark_lost()
