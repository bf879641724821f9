"""Measuring with a sandbox that is none: the trusted side alone, without processes."""

from __future__ import annotations

import textwrap
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from metasearch.candidate import EvaluationResult
from metasearch.evaluation.measure import Measurement
from metasearch.evaluation.spec import EvaluationRequest, EvaluationSpec, StageSpec
from metasearch.outcome import Split
from metasearch.testing.local_sandbox import UnsafeLocalProvider

PROGRAM = textwrap.dedent(
    """
    import asyncio

    state = []

    def add(a, b=0):
        print("adding", a, b)
        return a + b

    def fail():
        raise ValueError("no luck")

    def count():
        state.append(1)
        return len(state)

    async def wait(seconds):
        await asyncio.sleep(seconds)
    """
)

Measure = Callable[..., Awaitable[EvaluationResult]]


@pytest.fixture
def provider() -> UnsafeLocalProvider:
    return UnsafeLocalProvider()


@pytest.fixture
def measure(provider: UnsafeLocalProvider) -> Measure:
    """``await measure(function, ...)``: one evaluation by functions that the test wrote."""

    async def run(
        *functions: Callable[[Any], Any],
        files: Mapping[str, str] | None = None,
        split: Split = Split.VALIDATION,
        seed: int = 0,
        threshold: Mapping[str, float] | None = None,
        **settings: Any,
    ) -> EvaluationResult:
        spec = EvaluationSpec(
            **{
                "objectives": {"score": "maximize"},
                "stages": tuple(StageSpec(f.__name__, threshold or {}) for f in functions),
                **settings,
            }
        )
        request = EvaluationRequest(
            number=7, files=files or {"program.py": PROGRAM}, split=split, seed=seed
        )
        by_name = {function.__name__: function for function in functions}
        report = await Measurement(spec, by_name, provider, request).report()
        return EvaluationResult.model_validate(report)

    return run
