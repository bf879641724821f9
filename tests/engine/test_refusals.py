"""A prompt that its provider refuses ends its step, not the campaign."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest

from metasearch.archive import Archive
from metasearch.errors import ModelError, RequestRefused
from metasearch.exchange import Message
from tests.engine.kit import bump, engine_of, load


def test_refused_prompts_end_their_steps_and_the_search_goes_on(
    folder: Path, archive: Archive
) -> None:
    campaign = load(folder, budget__evaluations=30, concurrency=4)
    run = archive.create(campaign)
    calls = itertools.count()

    def answer(messages: Sequence[Message]) -> str:
        if next(calls) % 3 == 1:
            raise RequestRefused("against our policy")
        return bump(messages)

    engine, _, _ = engine_of(campaign, run, answer=answer)
    with run.hold():
        assert asyncio.run(engine.run()) == "evaluations"
    assert run.evaluations() == 30
    assert run.unfinished_steps() == []


def test_a_provider_that_refuses_every_prompt_stops_the_search(
    folder: Path, archive: Archive
) -> None:
    campaign = load(folder, budget__evaluations=50, concurrency=4)
    run = archive.create(campaign)
    asked = itertools.count(1)

    def answer(messages: Sequence[Message]) -> str:
        next(asked)
        raise RequestRefused("against our policy")

    engine, _, _ = engine_of(campaign, run, answer=answer)
    with pytest.raises(ModelError, match="last one: against our policy"), run.hold():
        asyncio.run(engine.run())
    assert next(asked) <= 20 + 4 + 1
