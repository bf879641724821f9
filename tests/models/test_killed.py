"""A killed process: no reply that had arrived is bought again, and nothing is uncounted."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from metasearch.archive import Archive
from metasearch.campaign import Campaign, CampaignFile
from metasearch.exchange import ExchangeState, Message
from metasearch.program import Program
from metasearch.testing.model_server import ModelServer

STEPS = 120
KILLS = 2


@pytest.mark.slow
def test_kill_9_buys_nothing_twice(tmp_path: Path) -> None:
    file = tmp_path / "archive.db"
    campaign = Campaign(
        name="asked",
        folder=tmp_path,
        settings=CampaignFile.model_validate({"task": "t", "objectives": {"score": "maximize"}}),
        seed_program=Program(files={"program.py": ""}),
        evaluator_files={},
    )
    with Archive.open(file, create=True) as archive:
        archive.create(campaign)

    def reply(messages: Sequence[Message]) -> str:
        return f"reply to {messages[-1].content}"

    rng = random.Random(1)
    repeated = 0
    with ModelServer(reply, latency=0.1) as server:
        command = [sys.executable, str(Path(__file__).with_name("asker.py"))]
        command += [str(file), server.url, str(STEPS)]
        for _ in range(KILLS):
            before = server.counts.answered
            process = subprocess.Popen(command)
            while server.counts.answered < before + 5:
                time.sleep(0.01)
            time.sleep(rng.uniform(0, 0.3))
            while server.counts.in_flight < 4:  # or the kill would cost nothing
                time.sleep(0.001)
            process.kill()
            process.wait()
            with Archive.open(file) as archive:
                run = archive.campaign(archive.find("asked").id)
                repeated += sum(
                    exchange.state is ExchangeState.PENDING
                    for step in run.unfinished_steps()
                    for exchange in run.exchanges(step.number)
                )
        subprocess.run(command, check=True, timeout=60)
        asked = server.counts.received
    with Archive.open(file, read_only=True) as archive:
        run = archive.campaign(archive.find("asked").id)
        exchanges = [exchange for step in range(STEPS) for exchange in run.exchanges(step)]
        held = run.held()
    answered = [exchange for exchange in exchanges if exchange.state is ExchangeState.ANSWERED]
    lost = [exchange for exchange in exchanges if exchange.state is ExchangeState.LOST]
    assert sorted(exchange.step for exchange in answered) == list(range(STEPS))
    assert all(e.reply == f"reply to question {e.step}" for e in answered)
    assert 0 < repeated <= 8 * KILLS
    assert len(lost) == repeated
    # A call recorded as pending may have been killed before its request was out.
    assert STEPS < asked <= STEPS + repeated
    assert held.tokens == sum(exchange.reserved_tokens for exchange in lost)
