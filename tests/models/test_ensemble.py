"""Ensembles: what counts as a pull, what it has cost, and who is drawn for candidates."""

from __future__ import annotations

from collections import Counter

import pytest

from metasearch.archive import CallBefore
from metasearch.campaign import Ensemble, ModelSection
from metasearch.candidate import Candidate, Outcome
from metasearch.exchange import Message, Usage
from metasearch.models import Ensembles, MemoryJournal
from metasearch.models.bandit import Arm, Tally
from metasearch.objectives import Direction, Objective
from metasearch.testing.model_server import ModelServer
from tests.models.conftest import PRICE, MakeClient

LARGE = Objective(name="score")
SMALL = Objective(name="length", direction=Direction.MINIMIZE)


def candidate(number: int, *parents: int, **scores: float) -> Candidate:
    return Candidate(
        number=number,
        step=number,
        outcome=Outcome.SCORED if scores else Outcome.CRASHED,
        digest="d",
        scores=scores,
        parents=parents,
        operator="evolve",
        seq=number + 1,
    )


def call(
    model: str = "a", role: str = "propose", usd: float | None = 0.5, **fields: object
) -> CallBefore:
    values = {"temperature": 0.8, "answered": True, "since": True, **fields}
    return CallBefore(role=role, model=model, usage=Usage(usd=usd, output_tokens=10), **values)  # type: ignore[arg-type]


def ensembles(*objectives: Objective, **settings: object) -> Ensembles:
    section = {"propose": ("a", "b"), **settings}
    return Ensembles(ModelSection.model_validate(section), objectives or (LARGE,), seed=1)


def tally(found: Ensembles, model: str = "a", temperature: float | None = None) -> Tally:
    return found.histories["propose"].total[Arm(model, temperature, "evolve")]


def test_better_than_the_first_parent_is_an_improvement_and_all_else_is_none() -> None:
    found = ensembles()
    found.observe(candidate(0, score=1.0), [])
    assert found.histories["propose"].total == {}  # the seed came of no call
    for number, other in enumerate(
        (
            candidate(1, 0, score=2.0),  # better
            candidate(2, 1, score=1.5),  # better than the seed, but not than its parent
            candidate(3, 2, 1, score=1.6),  # better than its first parent, not than its second
            candidate(4, 1, score=2.0),  # as good
            candidate(5, 1),  # crashed
            candidate(6, 5, score=1.8),  # a repair: no worse than 3 of the 5 measured before
            candidate(7, score=0.5),  # no parent, and worse than the seed
            candidate(8, 1, score=9.0).model_copy(update={"complete": False}),  # a cheap stage's
        )
    ):
        before = found.histories["propose"].total.get(Arm("a", None, "evolve"), Tally())
        found.observe(other, [call()])
        gained = tally(found).improvements - before.improvements
        assert gained == pytest.approx({0: 1, 2: 1, 5: 3 / 5}.get(number, 0)), other
    assert tally(found).pulls == 8
    assert tally(found).usd == 4.0


def test_several_objectives_improve_by_dominance() -> None:
    found = ensembles(LARGE, SMALL)
    found.observe(candidate(0, score=1.0, length=10.0), [])
    found.observe(candidate(1, 0, score=2.0, length=11.0), [call()])
    assert tally(found).improvements == 0
    found.observe(candidate(2, 0, score=1.0, length=9.0), [call()])
    assert tally(found).improvements == 1


def test_the_unit_and_scale_of_an_objective_change_nothing() -> None:
    found = []
    for factor in (1e-9, 1.0, 1e9):
        one = ensembles()
        one.observe(candidate(0, score=0.0), [])
        for number, score in enumerate((3.0, -1.0, 1e6), 1):
            one.observe(candidate(number, 0, score=score * factor), [call()])
        found.append(one.histories)
    assert found[0] == found[1] == found[2]


def test_all_calls_since_the_last_candidate_are_its_cost_and_the_last_reply_its_model() -> None:
    found = ensembles()
    calls = [
        call("a", usd=1.0, since=False),  # led to an earlier candidate of the step
        call("a", usd=2.0, answered=False),
        call("b", usd=4.0),
        call("reviewer", "review", usd=8.0),
    ]
    found.observe(candidate(1, 0, score=1.0), calls)
    assert set(found.histories["propose"].total) == {Arm("b", None, "evolve")}
    assert tally(found, "b").usd == 14.0
    found.observe(candidate(2, 0, score=1.0), [call("a", usd=None)])
    assert tally(found, "a").unpriced == 1


def test_a_temperature_is_part_of_the_arm_if_there_are_several() -> None:
    plain = ensembles()
    plain.observe(candidate(1, score=1.0), [call(temperature=0.3)])
    assert tally(plain).pulls == 1
    several = ensembles(propose={"models": ["a"], "temperatures": [0.3, 0.9]})
    several.observe(candidate(1, score=1.0), [call(temperature=0.3)])
    assert tally(several, temperature=0.3).pulls == 1


def test_each_role_learns_of_its_own_calls() -> None:
    found = ensembles(reflect=("r", "s"), judge="one")
    found.observe(candidate(1, score=1.0), [call("r", "reflect"), call("b")])
    found.observe(candidate(2, score=1.0), [call("one", "judge"), call("a")])
    assert {arm.model for arm in found.histories["propose"].total} == {"a", "b"}
    assert {arm.model for arm in found.histories["reflect"].total} == {"r"}
    assert set(found.histories) == {"propose", "reflect"}


def test_choices_differ_between_calls_and_steps_and_are_the_same_again() -> None:
    settings = ModelSection(propose=Ensemble(models={"a": 1.0, "b": 1.0}, temperatures=(0.1, 0.9)))
    found = Ensembles(settings, (LARGE,), seed=1)
    arms = [found.at(step).arm("propose", number) for step in range(100) for number in range(2)]
    again = [found.at(step).arm("propose", number) for step in range(100) for number in range(2)]
    assert arms == again
    assert min(Counter(arms).values()) > 25
    assert len(Counter(arms)) == 4
    assert arms != [
        Ensembles(settings, (LARGE,), seed=2).at(step).arm("propose", number)
        for step in range(100)
        for number in range(2)
    ]


def test_the_model_chosen_with_an_operator_answers_the_rest_of_the_step() -> None:
    found = ensembles(propose={"models": ["a", "b"], "choose": "ucb"})
    for step in range(20):
        choices = found.at(step)
        assert choices.operator(("x", "y"), "propose") in ("x", "y")
        assert len({choices.arm("propose", number).model for number in range(10)}) == 1


@pytest.mark.slow
async def test_candidates_that_ask_are_all_asked_of_the_same_models(
    make_client: MakeClient, journal: MemoryJournal
) -> None:
    names = ["openai/test", "openai/other"]
    with ModelServer() as server:
        client = make_client(server, agent=names, prices=dict.fromkeys(names, PRICE))
        for asker in range(3):
            for number in range(12):
                messages = [Message(role="user", content=f"{asker} {number}")]
                await client.ask(step=1, call=number, asker=asker, role="agent", messages=messages)
        await client.close()
    by_asker = [[e.model for e in journal.records if e.asker == asker] for asker in range(3)]
    assert set(by_asker[0]) == set(names)
    assert by_asker[0] == by_asker[1] == by_asker[2]


@pytest.mark.slow
async def test_the_dearest_of_a_roles_models_bounds_a_call(make_client: MakeClient) -> None:
    dear = {"input": 100.0, "output": 200.0}
    with ModelServer() as server:
        prices = {"openai/test": PRICE, "openai/dear": dear}
        client = make_client(server, agent=["openai/test", "openai/dear"], prices=prices)
        usd, tokens = await client.upper_bound("agent", (), 50)
        assert usd == pytest.approx(((tokens - 50) * 100 + 50 * 200) / 1e6)
        assert set(await client.check(["agent"])) == {"openai/test", "openai/dear"}
        await client.close()
