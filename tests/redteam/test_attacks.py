"""Each attack costs one candidate at most, and nobody else anything."""

from __future__ import annotations

import asyncio

import pytest

from tests.redteam.attack import Attack
from tests.redteam.ground import Ground, Traces

pytestmark = [pytest.mark.slow, pytest.mark.sandbox, pytest.mark.asyncio(loop_scope="module")]

_HEAD_START = 0.25
"""Seconds after which an attack that is still at it gets a neighbour."""


async def test_an_attack_costs_one_candidate_at_most(ground: Ground, attack: Attack) -> None:
    before, workers = Traces.here(), ground.workers
    hostile = asyncio.create_task(ground.try_out(attack.files))
    await asyncio.wait({hostile}, timeout=_HEAD_START)
    if not hostile.done():
        await ground.honest_one()
    attack.ending.check(await hostile)
    await ground.honest_one()
    assert ground.workers == workers
    await ground.settled(before)
