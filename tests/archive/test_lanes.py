"""What is in flight, where evaluations ran, and what their GPUs did."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from metasearch.archive import Archive, CampaignArchive, InFlight
from metasearch.campaign import Campaign
from metasearch.candidate import DeviceUse, EvaluationResult, Outcome, Place
from metasearch.exchange import Message, Usage
from metasearch.program import Program


@pytest.fixture
def run(path: Path, make_campaign: Callable[..., Campaign]) -> CampaignArchive:
    archive = Archive.open(path, create=True)
    return archive.create(make_campaign())


def queue(run: CampaignArchive, text: str) -> int:
    step = run.open_step()
    return run.queue_candidate(
        step.number, 0, Program(files={"pack.py": text}), operator="evolve"
    ).number


def crash(run: CampaignArchive, number: int) -> None:
    run.settle(number, EvaluationResult(outcome=Outcome.CRASHED, error="no"))


def test_a_candidate_is_called_for_then_waits_then_runs_then_is_done(run: CampaignArchive) -> None:
    with run.hold():
        step = run.open_step()
        question = [Message(role="user", content="?")]
        run.begin_exchange(step.number, 0, role="propose", model="m", messages=question)
        (call,) = run.in_flight().calls
        assert (call.step, call.asker, call.role, call.model) == (0, None, "propose", "m")
        assert 0 <= time.time() - call.since < 60
        run.answer_exchange(step.number, 0, reply="x = 1", usage=Usage())
        program = Program(files={"pack.py": "x = 1"})
        number = run.queue_candidate(step.number, 0, program, operator="evolve").number
        now = run.in_flight()
        assert (now.calls, now.running, now.lanes) == ((), (), 0)
        assert [(w.candidate, w.step, w.operator) for w in now.waiting] == [(0, 0, "evolve")]
        run.place(number, Place(1, 4, ("GPU-1",)))
        now = run.in_flight()
        assert (now.waiting, now.lanes) == ((), 4)
        assert [(r.candidate, r.place, r.ended) for r in now.running] == [
            (0, Place(1, 4, ("GPU-1",)), None)
        ]
        crash(run, number)
        assert run.in_flight().running == ()
    (done,) = run.placements()
    assert done.outcome is Outcome.CRASHED
    assert done.ended is not None
    assert done.ended >= done.begun
    assert run.placement_of(number) == done
    assert run.placement_of(7) is None


def test_what_a_dead_engine_had_on_its_lanes_does_not_run(run: CampaignArchive) -> None:
    with run.hold():
        number = queue(run, "x = 1")
        run.place(number, Place(0, 2))
        assert len(run.in_flight().running) == 1
    assert run.in_flight() == InFlight(lanes=2)
    with run.hold():
        assert run.in_flight().running == ()
        assert [each.candidate for each in run.in_flight().waiting] == [number]
        run.place(number, Place(1, 2))
        assert [each.place.lane for each in run.in_flight().running] == [1]
        crash(run, number)
    second, first = run.placements()
    assert second.ended is not None
    assert first.ended is None, "it has brought no result"


def test_an_evaluation_that_is_begun_again_elsewhere_runs_once(run: CampaignArchive) -> None:
    with run.hold():
        number = queue(run, "x = 1")
        run.place(number, Place(0, 2))
        run.place(number, Place(1, 2))
        assert [each.place.lane for each in run.in_flight().running] == [1]


def test_a_lane_has_what_began_there_last(run: CampaignArchive) -> None:
    with run.hold():
        for text in ("x = 1", "x = 2", "x = 3"):
            number = queue(run, text)
            run.place(number, Place(0, 1))
            crash(run, number)
        last = queue(run, "x = 4")
        run.place(last, Place(0, 1))
        assert [each.candidate for each in run.in_flight().running] == [last]
        assert [each.candidate for each in run.placements(2)] == [last, last - 1]


def test_the_event_says_where(run: CampaignArchive) -> None:
    with run.hold():
        run.place(queue(run, "x = 1"), Place(2, 4, ("GPU-a", "GPU-b")))
    placed = [event for event in run.events() if event.kind == "placed"]
    assert [(event.candidate, event.detail) for event in placed] == [
        (0, "lane 3 of 4, GPU-a, GPU-b")
    ]


def test_samples_of_devices_come_newest_first(run: CampaignArchive) -> None:
    use = DeviceUse("GPU-1", "A GPU", 0.5, 1000, 2000)
    with run.hold():
        run.sample_devices([use])
        run.sample_devices([use._replace(busy=None), use._replace(uuid="GPU-2")])
    found = run.device_samples(0.0)
    assert [sample.use.uuid for sample in found[-1:]] == ["GPU-1"]
    assert found[-1].use == use
    assert {sample.use.busy for sample in found[:2]} == {None, 0.5}
    assert run.device_samples(time.time() + 60) == []
    assert len(run.device_samples(0.0, limit=1)) == 1
