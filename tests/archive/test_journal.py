from __future__ import annotations

from collections.abc import Callable

import pytest

from metasearch.archive import Archive, Bill, CallBefore, CampaignArchive, Held
from metasearch.exchange import Exchange, ExchangeState, Message, Usage
from metasearch.program import Program

Begin = Callable[..., None]

PROMPT = (
    Message(role="system", content="You improve programs. " * 100),
    Message(role="user", content="Improve this: \ud83d ü"),
)
USAGE = Usage(
    input_tokens=10, output_tokens=20, cached_tokens=5, reasoning_tokens=7, usd=0.5, seconds=1.5
)


@pytest.fixture
def begin(run: CampaignArchive) -> Begin:
    def ask(step: int, call: int, usd: float | None = 0.25, tokens: int = 100) -> None:
        run.begin_exchange(
            step,
            call,
            role="propose",
            model="offline/evolve",
            messages=PROMPT,
            parameters={"temperature": 0.8, "seed": 7, "schema": None, "name": "x"},
            reserved_usd=usd,
            reserved_tokens=tokens,
        )

    return ask


def answer(run: CampaignArchive, step: int, call: int, usage: Usage = USAGE) -> None:
    run.answer_exchange(
        step, call, reply="a \ud800 reply", finish_reason="stop", usage=usage, attempts=2
    )


def test_an_exchange_comes_back_as_it_was(run: CampaignArchive, begin: Begin) -> None:
    step = run.open_step().number
    assert run.exchange(step, 0) is None
    begin(step, 0)
    pending = run.exchange(step, 0)
    assert pending is not None
    assert pending.state is ExchangeState.PENDING
    assert pending.messages == PROMPT
    answer(run, step, 0)
    assert run.exchange(step, 0) == Exchange(
        step=step,
        call=0,
        role="propose",
        model="offline/evolve",
        state=ExchangeState.ANSWERED,
        messages=PROMPT,
        parameters={"temperature": 0.8, "seed": 7, "schema": None, "name": "x"},
        reply="a \ud800 reply",
        finish_reason="stop",
        attempts=2,
        usage=USAGE,
        reserved_usd=0.25,
        reserved_tokens=100,
    )
    assert run.usage() == USAGE


def test_call_that_asks_something_else_adds_a_record(run: CampaignArchive, begin: Begin) -> None:
    step = run.open_step().number
    begin(step, 0)
    answer(run, step, 0)
    other = (Message(role="user", content="Another question"),)
    run.begin_exchange(step, 0, role="propose", model="offline/evolve", messages=other)
    latest = run.exchange(step, 0)
    assert latest is not None
    assert (latest.state, latest.messages) == (ExchangeState.PENDING, other)
    assert [exchange.state for exchange in run.exchanges(step)] == [
        ExchangeState.ANSWERED,
        ExchangeState.PENDING,
    ]
    assert run.usage() == USAGE


def test_all_replies_under_one_name_are_found_in_their_order(
    run: CampaignArchive, begin: Begin
) -> None:
    step = run.open_step().number
    assert run.answered(step, 0) == []
    begin(step, 0)
    run.fail_exchange(step, 0, error="429", usage=Usage())
    begin(step, 0)
    assert run.answered(step, 0) == []
    answer(run, step, 0)
    rest = (*PROMPT, Message(role="assistant", content="a"), Message(role="user", content="go on"))
    for asker in (None, 5):
        run.begin_exchange(step, 0, asker, role="propose", model="m", messages=rest)
        run.answer_exchange(step, 0, asker, reply="the rest", usage=USAGE)
    begin(step, 1)
    assert [e.reply for e in run.answered(step, 0)] == ["a \ud800 reply", "the rest"]
    assert [e.messages for e in run.answered(step, 0, 5)] == [rest]
    assert run.answered(step, 1) == []


def test_nothing_is_asked_or_answered_twice(run: CampaignArchive, begin: Begin) -> None:
    step = run.open_step().number
    begin(step, 0)
    with pytest.raises(ValueError, match="pending already"):
        begin(step, 0)
    answer(run, step, 0)
    with pytest.raises(ValueError, match="answered already"):
        begin(step, 0)
    for number, call in ((step, 0), (step, 1)):
        with pytest.raises(ValueError, match="not pending"):
            answer(run, number, call)
    assert run.usage() == USAGE
    assert len(run.exchanges(step)) == 1


def test_a_failed_call_keeps_its_costs_and_may_be_asked_again(
    run: CampaignArchive, begin: Begin
) -> None:
    step = run.open_step().number
    begin(step, 0)
    run.fail_exchange(step, 0, error="429", usage=Usage(input_tokens=3, usd=0.1), attempts=7)
    failed = run.exchange(step, 0)
    assert failed is not None
    assert (failed.state, failed.error, failed.attempts) == (ExchangeState.FAILED, "429", 7)
    begin(step, 0)
    answer(run, step, 0)
    assert [e.state for e in run.exchanges(step)] == ["failed", "answered"]
    latest = run.exchange(step, 0)
    assert latest is not None
    assert latest.reply == "a \ud800 reply"
    assert run.usage() == USAGE + Usage(input_tokens=3, usd=0.1)


def test_an_unknown_price_makes_the_sum_unknown(run: CampaignArchive, begin: Begin) -> None:
    step = run.open_step().number
    for call, usd in enumerate((0.5, None, 0.5)):
        begin(step, call)
        answer(run, step, call, Usage(input_tokens=1, usd=usd))
    assert run.usage() == Usage(input_tokens=3, usd=None)


def test_lost_calls_are_kept_and_their_reservation_held(
    archive: Archive, run: CampaignArchive, begin: Begin
) -> None:
    first, second = run.open_step().number, run.open_step().number
    begin(first, 0)
    answer(run, first, 0)
    begin(first, 1)
    begin(second, 0, usd=0.5, tokens=50)

    later = archive.campaign(run.id)
    assert later.mark_lost() == 2
    assert later.mark_lost() == 0
    assert later.held() == Held(usd=0.75, tokens=150)
    assert later.usage() == USAGE
    with pytest.raises(ValueError, match="not pending"):
        answer(later, second, 0)

    begin(second, 0, usd=None)
    answer(later, second, 0)
    assert [e.state for e in later.exchanges(second)] == ["lost", "answered"]
    assert later.held() == Held(usd=0.75, tokens=150)
    begin(second, 1, usd=None)
    later.mark_lost()
    assert later.held() == Held(usd=None, tokens=250)


def test_the_calls_that_led_to_a_candidate(run: CampaignArchive, begin: Begin) -> None:
    other = run.open_step().number
    begin(other, 0)
    step = run.open_step().number
    begin(step, 0)
    run.queue_candidate(step, 0, Program(files={"a": "1"}), operator="evolve")
    begin(step, 1)
    run.queue_candidate(step, 1, Program(files={"a": "2"}), operator="repair")
    begin(step, 2)
    assert [e.call for e in run.exchanges_of(0)] == [0]
    assert [e.call for e in run.exchanges_of(1)] == [0, 1]
    assert run.exchanges_of(5) == []


def test_equal_prompts_are_stored_once(run: CampaignArchive, begin: Begin) -> None:
    step = run.open_step().number
    begin(step, 0)
    size = run._database.connection.execute("SELECT count(*) FROM blob").fetchone()[0]
    for call in range(1, 20):
        begin(step, call)
    assert run._database.connection.execute("SELECT count(*) FROM blob").fetchone()[0] == size


def test_a_candidate_s_calls_have_names_of_their_own(run: CampaignArchive, begin: Begin) -> None:
    step = run.open_step().number
    begin(step, 0)
    answer(run, step, 0)
    for number in (0, 1):
        run.queue_candidate(step, number, Program(files={"a": str(number)}), operator="evolve")
        for call in (0, 1):
            place = (step, call, number)
            with pytest.raises(ValueError, match=f"call {call} of candidate #{number} is unknown"):
                run.fail_exchange(*place, error="", usage=Usage())
            run.begin_exchange(*place, role="agent", model="m", messages=PROMPT, reserved_tokens=7)
            with pytest.raises(ValueError, match="pending already"):
                run.begin_exchange(*place, role="agent", model="m", messages=PROMPT)
            if (number, call) != (1, 1):
                run.answer_exchange(*place, reply=f"{number}.{call}", usage=USAGE)
    assert [(e.asker, e.reply) for e in run.exchanges(step)] == [(None, "a \ud800 reply")]
    assert [(e.call, e.asker, e.reply) for e in run.exchanges_by(0)] == [
        (0, 0, "0.0"),
        (1, 0, "0.1"),
    ]
    assert [e.asker for e in run.exchanges_of(1)] == [None]
    assert run.exchange(step, 1) is None
    found = run.exchange(step, 1, 0)
    assert found is not None
    assert (found.reply, found.messages) == ("0.1", PROMPT)
    assert run.bill_of(0) == Bill(2, USAGE + USAGE)
    assert run.mark_lost() == 1
    assert run.held().tokens == 7
    assert [e.state for e in run.exchanges_by(1)] == ["answered", "lost"]
    assert run.bill_of(1) == Bill(2, USAGE)
    assert run.bill_of(7) == Bill(0, Usage())
    assert run.usage() == USAGE + USAGE + USAGE + USAGE
    asked = [e.candidate for e in run.events() if e.kind == "asked"]
    assert asked == [None, 0, 0, 1, 1]


def test_a_bill_of_unknown_price_is_unknown(run: CampaignArchive) -> None:
    step = run.open_step().number
    run.queue_candidate(step, 0, Program(files={"a": "1"}), operator="evolve")
    for call, usd in enumerate((0.5, None)):
        run.begin_exchange(step, call, 0, role="agent", model="m", messages=PROMPT)
        run.answer_exchange(step, call, 0, reply="", usage=Usage(input_tokens=1, usd=usd))
    assert run.bill_of(0) == Bill(2, Usage(input_tokens=2, usd=None))


def test_the_calls_before_a_candidate_are_those_that_had_ended(run: CampaignArchive) -> None:
    step = run.open_step().number

    def ask(call: int, model: str, role: str = "propose") -> None:
        run.begin_exchange(
            step, call, role=role, model=model, messages=PROMPT, parameters={"temperature": 0.25}
        )

    ask(0, "first")
    answer(run, step, 0)
    one = run.queue_candidate(step, 0, None, rejection="no program", operator="evolve")
    ask(1, "failed")
    run.fail_exchange(step, 1, error="down", usage=Usage(usd=None))
    ask(2, "slow")
    ask(1, "second", role="review")
    answer(run, step, 1)
    two = run.queue_candidate(step, 1, None, rejection="no program", operator="repair")
    answer(run, step, 2)

    assert (one.model, one.temperature) == ("first", 0.25)
    assert (two.model, two.temperature) == ("second", 0.25)
    [only] = run.calls_before(one.number)
    assert only == CallBefore("propose", "first", 0.25, answered=True, since=True, usage=USAGE)
    found = run.calls_before(two.number)
    assert [(c.role, c.model, c.answered, c.since) for c in found] == [
        ("propose", "first", True, False),
        ("propose", "failed", False, True),
        ("review", "second", True, True),
    ]
    assert found[1].usage.usd is None


def test_what_a_candidate_asks_is_no_call_before_it(run: CampaignArchive) -> None:
    step = run.open_step().number
    candidate = run.queue_candidate(step, 0, Program(files={"a": "1"}), operator="evolve")
    run.begin_exchange(step, 0, candidate.number, role="agent", model="m", messages=PROMPT)
    run.answer_exchange(step, 0, candidate.number, reply="yes", usage=USAGE)
    other = run.queue_candidate(step, 1, None, rejection="no program", operator="evolve")
    assert run.calls_before(candidate.number) == run.calls_before(other.number) == []
    assert other.model is None
