"""Pool, worker, evaluator, and a candidate in a container: the whole way, and the daemon gone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from metasearch.errors import PrerequisiteError, SandboxUnavailable
from metasearch.evaluation import EvaluationPool, EvaluationRequest, EvaluationSpec, Outcome
from metasearch.sandboxes.base import Limits, SandboxSpec
from tests.sandboxes.dockerd import IMAGE, OwnDaemon, needs_docker, needs_own_daemon, running

pytestmark = [pytest.mark.slow, pytest.mark.sandbox, needs_docker, pytest.mark.timeout(300)]

EVALUATOR = """
async def evaluate(candidate):
    return {"score": await candidate.call("value")}
"""
GOOD = EvaluationRequest(number=1, files={"program.py": "def value(): return 3\n"})
SLOW = EvaluationRequest(
    number=2, files={"program.py": "import time\ndef value():\n    time.sleep(15)\n    return 4\n"}
)


def spec(provider: str, image: str = IMAGE) -> EvaluationSpec:
    return EvaluationSpec(
        objectives={"score": "maximize"},
        file="evaluator.py",
        sources={"evaluator.py": EVALUATOR},
        provider=provider,
        sandbox=SandboxSpec(Limits(seconds=20, memory=128 * 1024**2), image=image),
    )


@pytest.mark.parametrize("provider", ["auto", "docker"])
async def test_a_campaign_with_an_image_runs_in_it(
    provider: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "metasearch")
    async with EvaluationPool(spec(provider), lanes=1) as pool:
        await pool.check()
        result = await pool.evaluate(GOOD)
    assert result.outcome is Outcome.SCORED, result.error
    assert f"sandbox: docker (image {IMAGE})" in caplog.messages


async def test_an_image_and_a_provider_that_has_none_is_told() -> None:
    async with EvaluationPool(spec("bubblewrap"), lanes=1) as pool:
        with pytest.raises(PrerequisiteError, match='provider = "docker"'):
            await pool.check()


@pytest.fixture(scope="module")
def own_daemon() -> Iterator[OwnDaemon]:
    yield from running()


@needs_own_daemon
async def test_a_daemon_that_goes_away_costs_no_candidate(
    own_daemon: OwnDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", own_daemon.host)
    async with EvaluationPool(spec("docker"), lanes=2) as pool:
        await pool.check()
        assert (await pool.evaluate(GOOD)).outcome is Outcome.SCORED
        underway = asyncio.create_task(pool.evaluate(SLOW))
        await asyncio.sleep(1)
        await asyncio.to_thread(own_daemon.stop)
        with pytest.raises(SandboxUnavailable):
            await underway
        with pytest.raises(SandboxUnavailable, match="systemctl start docker"):
            await pool.evaluate(GOOD)
        await asyncio.to_thread(own_daemon.start)
        assert (await pool.evaluate(GOOD)).outcome is Outcome.SCORED
