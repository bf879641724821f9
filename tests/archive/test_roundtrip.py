"""Whatever a model or an evaluator says is stored and comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metasearch.archive import Archive, CampaignArchive
from metasearch.campaign import Campaign
from metasearch.candidate import EvaluationResult, Outcome, Score, StageResult
from metasearch.exchange import Message, Usage
from metasearch.program import Program

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
ANY_TEXT = st.text(st.characters(), max_size=300)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
PATHS = st.from_regex(r"[a-z]{1,8}(/[a-zé]{1,5})?\.py", fullmatch=True)
SCORES = st.dictionaries(TEXT, FINITE, max_size=4)
COUNTS = st.integers(0, 2**40)


@pytest.fixture(scope="module")
def shared(
    tmp_path_factory: pytest.TempPathFactory, make_campaign: Callable[..., Campaign]
) -> Iterator[CampaignArchive]:
    path: Path = tmp_path_factory.mktemp("archive") / "archive.db"
    with Archive.open(path, create=True) as archive:
        yield archive.create(make_campaign())


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    files=st.dictionaries(PATHS, ANY_TEXT, min_size=1, max_size=3),
    outcome=st.sampled_from([o for o in Outcome if o.evaluated]),
    objective=FINITE,
    others=SCORES,
    texts=st.tuples(TEXT, TEXT, TEXT, TEXT),
    island=st.none() | st.integers(0, 2**31),
    seconds=st.floats(0, 1e9),
    output=st.tuples(ANY_TEXT, ANY_TEXT),
)
def test_candidates(
    shared: CampaignArchive,
    files: dict[str, str],
    outcome: Outcome,
    objective: float,
    others: dict[str, float],
    texts: tuple[str, str, str, str],
    island: int | None,
    seconds: float,
    output: tuple[str, str],
) -> None:
    name, thought, feedback, error = texts
    values = {**others, "radii": objective}
    scores = {key: Score(value=v, low=v, high=v, samples=2) for key, v in values.items()}
    stage = StageResult(stage=name, scores=scores, passed=True, seconds=seconds)
    result = EvaluationResult(
        outcome=outcome,
        stages=(stage,),
        feedback=feedback,
        error=error,
        seconds=seconds,
        stdout=output[0],
        stderr=output[1],
    )
    step = shared.open_step().number
    program = Program(files={**files, "n.py": str(step)})
    parents = [0, 0] if step else []
    queued = shared.queue_candidate(
        step, 0, program, parents=parents, operator="o", name=name, thought=thought, island=island
    )
    settled = shared.settle(queued.number, result)
    shared.end_step(step)

    expected = {key: v for key, v in values.items() if key != "secret"}
    assert settled.scores == (expected if outcome is Outcome.SCORED else {})
    assert list(settled.scores) == [k for k in settled.scores if k in expected]
    assert (settled.outcome, settled.island, settled.seconds) == (outcome, island, seconds)
    assert (settled.name, settled.thought, settled.feedback) == (name, thought, feedback)
    assert (settled.error, settled.parents) == (error, tuple(parents))
    assert shared.program(settled) == program
    assert list(shared.program(settled).files) == list(program.files)
    assert shared.output(settled) == output
    assert shared.evaluations_of(settled.number)[0].stages == (stage,)
    assert list(shared.candidates(after_seq=settled.seq - 1)) == [settled]


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    messages=st.lists(st.builds(Message, role=TEXT, content=ANY_TEXT), max_size=4),
    parameters=st.dictionaries(TEXT, st.none() | TEXT | FINITE | st.integers(-(2**53), 2**53)),
    reply=ANY_TEXT,
    usage=st.builds(
        Usage,
        input_tokens=COUNTS,
        output_tokens=COUNTS,
        cached_tokens=COUNTS,
        reasoning_tokens=COUNTS,
        usd=st.none() | st.floats(0, 1e6),
        seconds=st.floats(0, 1e6),
    ),
    reserved=st.none() | st.floats(0, 1e6),
)
def test_exchanges(
    shared: CampaignArchive,
    messages: list[Message],
    parameters: dict[str, float | int | str | None],
    reply: str,
    usage: Usage,
    reserved: float | None,
) -> None:
    step = shared.open_step().number
    before = shared.usage()
    shared.begin_exchange(
        step,
        3,
        role="judge",
        model="m",
        messages=messages,
        parameters=parameters,
        reserved_usd=reserved,
        reserved_tokens=5,
    )
    shared.answer_exchange(step, 3, reply=reply, finish_reason="stop", usage=usage, attempts=2)
    found = shared.exchange(step, 3)
    assert found is not None
    assert found.messages == tuple(messages)
    assert found.parameters == parameters
    assert (found.reply, found.usage, found.reserved_usd) == (reply, usage, reserved)
    assert shared.usage().tokens == (before + usage).tokens
    assert shared.usage().usd == (before + usage).usd
