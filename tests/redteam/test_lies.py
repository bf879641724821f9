"""The evaluators that we ship measure, and believe nothing."""

from __future__ import annotations

import importlib.util
import math
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from metasearch.campaign_file import load_campaign
from metasearch.evaluation import (
    CandidateFailure,
    EvaluationPool,
    EvaluationRequest,
    EvaluationSpec,
    Outcome,
)
from metasearch.sandboxes import wire
from tests.redteam.attack import Attack
from tests.redteam.lying import LIES, RADIUS

ROOT = Path(__file__).parents[2]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool(request: pytest.FixtureRequest) -> AsyncIterator[EvaluationPool]:
    """The evaluator of a campaign that we ship, in its worker."""
    spec = EvaluationSpec.of(load_campaign(ROOT / request.param))
    async with EvaluationPool(spec, lanes=1) as pool:
        yield pool


@pytest.mark.slow
@pytest.mark.sandbox
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("pool", "lie"),
    [pytest.param(path, lie, id=f"{path}: {lie.name}") for path in LIES for lie in LIES[path]],
    indirect=["pool"],
    scope="module",
)
async def test_a_lie_is_told_in_vain(pool: EvaluationPool, lie: Attack) -> None:
    result = await pool.evaluate(EvaluationRequest(number=1, files=lie.files))
    scores = [score.value for score in result.scores.values()]
    lie.ending.judge(result.outcome, result.error, scores)


def test_circles_that_overlap_a_little_win_nothing() -> None:
    lie = next(lie for lie in LIES["examples/circle_packing"] if "1e-12" in lie.name)
    assert lie.ending.score is not None
    assert RADIUS > 1 / 12
    assert lie.ending.score < 26 / 12


# Beside those that somebody has thought of, any value that can cross the wire at all.

numbers = st.one_of(
    st.floats(),
    st.floats(0, 1),
    st.integers(-3, 300),
    st.sampled_from([10**400, -(10**400), 2**63, 1e300, 5e-324, -0.0, True]),
)
leaves = st.one_of(
    numbers,
    st.none(),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.lists(numbers, max_size=6).map(lambda items: np.array(items, dtype="O")),
    st.lists(st.floats(), max_size=6).map(np.array),
    st.sampled_from(
        [np.array(1.0), np.zeros((26, 3)), np.zeros((26, 3), complex), np.ones(5, "?")]
    ),
)
values = st.one_of(
    st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=12,
    ),
    # Of nearly the right shape, for each of the three.
    st.lists(st.tuples(numbers, numbers, numbers).map(list), min_size=26, max_size=26),
    st.lists(st.lists(leaves, min_size=25, max_size=25), min_size=5, max_size=5),
    st.lists(leaves, min_size=21, max_size=21),
)


class Liar:
    """What an evaluator is given, with one answer to everything."""

    split = "validation"
    seed = 0

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def attach(self, name: str, content: str | bytes) -> None:
        assert name
        assert content

    def feedback(self, text: str) -> None:
        assert text


class Blocking(Liar):
    def call(self, function: str, *args: Any) -> Any:
        return self.answer


class Async(Liar):
    async def call(self, function: str, *args: Any) -> Any:
        return self.answer


def evaluator(path: str) -> ModuleType:
    file = ROOT / path / "evaluator.py"
    spec = importlib.util.spec_from_file_location("evaluator_" + file.parent.name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


EVALUATORS = {path: evaluator(path) for path in LIES}


def sent(value: Any) -> Any:
    """As it arrives; a value that cannot be sent is never seen by an evaluator."""
    try:
        (arrived,) = wire.FrameReader().feed(wire.encode(value))
    except wire.WireError:
        return None
    return arrived


async def measured(path: str, value: Any) -> dict[str, Any] | None:
    """The scores; ``None`` if the value is invalid. Nothing else may come of it."""
    try:
        if path.startswith("examples"):
            scores: dict[str, Any] = await EVALUATORS[path].evaluate(Async(value))
        else:
            scores = EVALUATORS[path].evaluate(Blocking(value))
    except CandidateFailure as failure:
        if failure.outcome is not Outcome.INVALID:
            raise
        return None
    return scores


@pytest.mark.parametrize("path", LIES)
@settings(max_examples=150, deadline=None)
@given(value=values)
async def test_any_value_is_measured_or_invalid(path: str, value: Any) -> None:
    scores = await measured(path, sent(value))
    for score in (scores or {}).values():
        each = score if isinstance(score, list) else [score]
        assert all(math.isfinite(number) and number >= 0 for number in each)


@settings(max_examples=100, deadline=None)
@given(st.randoms(use_true_random=False), st.floats(0.9, 1.1))
async def test_no_placement_uses_fewer_bins_than_the_items_need(rng: Any, thrift: float) -> None:
    bins = EVALUATORS["examples/online_bin_packing"]
    items = [rng.randint(1, 100) for _ in range(50)]
    enough = max(1, int(thrift * bins.lower_bound(items)))
    try:
        rooms = bins.leftover(items, [rng.randrange(enough) for _ in items])
    except CandidateFailure:
        return
    assert bins.excess(items, len(rooms)) >= 0


ELSEWHERE = {
    "examples/arc_agents": "examples/test_arc_agents.py",
    "examples/cifar10": "examples/test_cifar10.py",
    "examples/image_classifier": "examples/test_image_classifier.py",
    "examples/mgsm_agents": "whole/test_agent_examples.py",
    "examples/molecules": "examples/test_molecules.py",
}
"""Evaluators that need a model, torch or other packages: where they are lied to."""


def test_no_evaluator_is_left_out() -> None:
    shipped = {
        os.path.relpath(file.parent, ROOT)
        for folder in ("examples", "metasearch/cli/templates")
        for file in (ROOT / folder).rglob("evaluator.py")
    }
    assert shipped == LIES.keys() | ELSEWHERE.keys()
    assert all((ROOT / "tests" / file).is_file() for file in ELSEWHERE.values())
