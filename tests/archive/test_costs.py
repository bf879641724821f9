"""The bill in groups: every call is in one group of each kind, and the sums agree."""

from __future__ import annotations

import functools
import operator
import random
from typing import get_args

import pytest

from metasearch.archive import CampaignArchive, Grouping, Tally, operator_and_model
from metasearch.archive.costs import NO_CANDIDATE, OWN_CALLS
from metasearch.exchange import Message, Usage
from metasearch.program import Program

USAGE = Usage(input_tokens=10, output_tokens=5, cached_tokens=2, usd=0.5, seconds=1.0)


def ask(
    run: CampaignArchive,
    step: int,
    call: int,
    *,
    model: str = "small",
    role: str = "propose",
    asker: int | None = None,
    usage: Usage | None = USAGE,
) -> None:
    run.begin_exchange(
        step,
        call,
        asker,
        role=role,
        model=model,
        messages=[Message(role="user", content="x")],
        parameters={},
        reserved_usd=2.0,
        reserved_tokens=100,
    )
    if usage is not None:
        run.answer_exchange(
            step, call, asker, reply="r", finish_reason="stop", usage=usage, attempts=1
        )


@pytest.fixture
def billed(run: CampaignArchive) -> CampaignArchive:
    """A proposal that needed a repair, a review, an agent's own call, a failure, a lost call."""
    step = run.open_step().number
    ask(run, step, 0)
    run.queue_candidate(step, 0, None, operator="evolve", rejection="no program")
    ask(run, step, 1)
    ask(run, step, 2, model="large", role="review", usage=USAGE.model_copy(update={"usd": 4.0}))
    run.queue_candidate(step, 1, Program(files={"pack.py": "x = 1\n"}), operator="repair")
    ask(run, step, 0, asker=1, role="agent")
    ask(run, step, 3, usage=None)
    run.fail_exchange(step, 3, error="refused", usage=Usage(seconds=2.0), attempts=3)
    ask(run, step, 4, usage=None)
    run.mark_lost()
    return run


@pytest.mark.parametrize("by", get_args(Grouping))
def test_every_group_sums_to_the_whole(billed: CampaignArchive, by: Grouping) -> None:
    costs = billed.costs(by)
    assert functools.reduce(operator.add, (c.usage for c in costs)) == billed.usage()
    assert sum(c.calls for c in costs) == 6
    assert sum(c.vain for c in costs) == 2
    assert sum(c.held_usd or 0 for c in costs) == billed.held().usd == 2.0
    assert costs[0].usage.usd == max(c.usage.usd or 0 for c in costs)


def test_calls_belong_to_the_candidate_that_they_led_to(billed: CampaignArchive) -> None:
    assert {c.name: c.calls for c in billed.costs("model")} == {"large": 1, "small": 5}
    assert {c.name: c.calls for c in billed.costs("role")} == {
        "propose": 4,
        "review": 1,
        "agent": 1,
    }
    assert {c.name: (c.calls, c.usage.usd) for c in billed.costs("operator")} == {
        "repair": (2, 4.5),
        "evolve": (1, 0.5),
        OWN_CALLS: (1, 0.5),
        NO_CANDIDATE: (2, 0.0),
    }


def test_each_candidate_and_each_call_has_its_bill(billed: CampaignArchive) -> None:
    assert {c.name: (c.calls, c.usage.usd) for c in billed.costs("candidate")} == {
        "#0": (1, 0.5),
        "#1": (3, 5.0),
        NO_CANDIDATE: (2, 0.0),
    }
    calls = {c.name: c for c in billed.costs("call")}
    assert calls["step 0, call 0 of #1"].usage == USAGE
    assert (calls["step 0, call 3"].vain, calls["step 0, call 3"].usage.seconds) == (1, 2.0)
    assert calls["step 0, call 4"].held_usd == 2.0
    assert len(calls) == 6


def test_calls_that_met_a_cache_are_told_one_by_one(run: CampaignArchive) -> None:
    step = run.open_step().number
    writes = USAGE.model_copy(update={"cached_tokens": 0, "cache_write_tokens": 7})
    ask(run, step, 0, usage=Usage(input_tokens=10, usd=0.5))
    ask(run, step, 1)
    ask(run, step, 2, model="large", usage=writes)
    assert list(run.cached_calls()) == [("small", USAGE), ("large", writes)]
    assert run.usage().cache_write_tokens == 7


def test_an_unknown_price_stays_unknown_in_its_group(run: CampaignArchive) -> None:
    step = run.open_step().number
    ask(run, step, 0)
    ask(run, step, 1, model="dark", usage=USAGE.model_copy(update={"usd": None}))
    assert {c.name: c.usage.usd for c in run.costs("model")} == {"small": 0.5, "dark": None}


def test_nothing_asked_costs_nothing(run: CampaignArchive) -> None:
    assert run.costs("model") == []


def test_replies_that_did_not_give_what_was_asked_for_are_counted(run: CampaignArchive) -> None:
    step = run.open_step().number
    for call in range(3):
        ask(run, step, call, role="judge")
    ask(run, step, 3, usage=None)
    before = run.usage()
    for call in (0, 2, 2, 3, 4):
        run.refuse_exchange(step, call, reason=f"no grade in {call}")
    refused = run.exchange(step, 2)
    assert refused is not None
    assert (refused.state, refused.error, refused.reply != "") == (
        "answered",
        "no grade in 2",
        True,
    )
    assert {cost.name: (cost.calls, cost.refused) for cost in run.costs("role")} == {
        "judge": (3, 2)
    }
    assert run.usage() == before
    assert [event.kind for event in run.events()].count("refused") == 2


def in_parts(run: CampaignArchive, by: Grouping, known: Tally, steps: int) -> tuple[Tally, int]:
    """Brings a tally up to date, checks the whole, and counts the parts that it took."""
    parts = 0
    while True:
        known, whole = run.tally(by, known, steps)
        parts += 1
        if whole is not None:
            assert sorted(whole) == sorted(run.costs(by))  # names are unique
            return known, parts


@pytest.mark.parametrize("steps", [1, 4, 100])
@pytest.mark.parametrize("by", get_args(Grouping))
def test_a_bill_in_parts_is_the_same_bill(run: CampaignArchive, by: Grouping, steps: int) -> None:
    rng = random.Random(steps)
    known, parts = Tally(), 0
    first = run.open_step().number  # stays open while others end
    ask(run, first, 0)
    for turn in range(12):
        step = run.open_step().number
        for call in range(rng.randrange(4)):
            usd = rng.choice([0.5, 0.25, None]) if turn > 8 else rng.choice([0.5, 0.25])
            usage = None if rng.random() < 0.2 else USAGE.model_copy(update={"usd": usd})
            model, role = rng.choice(["small", "large"]), rng.choice(["propose", "review"])
            ask(run, step, call, model=model, role=role, usage=usage)
        program = Program(files={"pack.py": f"x = {turn}\n"})
        queued = run.queue_candidate(step, 0, program, operator=rng.choice(["evolve", "repair"]))
        if turn == 3:
            run.mark_lost()
        run.end_step(step)
        if turn % 2:
            known, took = in_parts(run, by, known, steps)
            parts += took
            ask(run, step, 0, asker=queued.number, role="late")  # after it was counted
        if turn == 5:
            run.queue_candidate(first, 0, None, operator="slow", rejection="r")
            run.end_step(first)
    run.mark_lost()
    known, took = in_parts(run, by, known, steps)
    assert known.steps == 13
    assert (took + parts > 13) == (steps == 1)


def test_the_bill_by_operator_and_model(billed: CampaignArchive) -> None:
    assert {operator_and_model(c.name): c.usage.usd for c in billed.costs("pair")} == {
        ("evolve", "small"): 0.5,
        ("repair", "small"): 0.5,
        ("repair", "large"): 4.0,
        (OWN_CALLS, "small"): 0.5,
        (NO_CANDIDATE, "small"): 0.0,
    }
