"""Verdicts that know and verdicts by chance, over real HTTP: strategies tell them apart."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from metasearch.archive import Archive
from metasearch.campaign_file import load_campaign
from metasearch.exchange import ExchangeState
from metasearch.facts import Recorded, Selection
from metasearch.operators.funnel import Funnel
from metasearch.testing.model_server import ModelServer
from tests.whole.informed import InformedModel, TrueScores, Worth, by_chance
from tests.whole.interrupting import copy_of, left_in, run_to_the_end, run_until_killed

EXAMPLES = Path(__file__).parents[2] / "examples"

pytestmark = [pytest.mark.slow, pytest.mark.sandbox]

CALLS, FLOOR = 20, 0.75
"""Of so many coins hardly ever so large a share agrees: once in fifty times."""
CHECKED = (
    "initial_ideas = 4\nideas_per_evaluation = 1.5\ncalibration_items = 6\n"
    f"calibration_calls = {CALLS}\ncalibration_floor = {FLOOR}\n"
)
TRUSTING = "values = 'judged'\nmax_expansions = 3\nexploration = 0.0\ndebate_every = 0\n"


def judged(archive: Path) -> Funnel:
    """What co_scientist knows at the end."""
    with Archive.open(archive, read_only=True) as opened:
        [summary] = opened.campaigns()
        run = opened.campaign(summary.id)
        funnel = Funnel(run.resolved().objectives[0], calls=CALLS)
        for fact in run.history():
            funnel.learn(fact) if isinstance(fact, Recorded) else funnel.observe(fact)
    return funnel


def test_the_check_of_the_judge_trusts_one_that_knows_and_throttles_one_by_chance(
    tmp_path: Path,
) -> None:
    example = EXAMPLES / "circle_packing"
    words = ("--evaluations", "24", "--concurrency", "1", "--seed", "2")

    with TrueScores(example) as worth, ModelServer(InformedModel(worth), record=False) as server:
        folder = tmp_path / "informed"
        models = f'default = "openai/informed"\napi_base = "{server.url}"\n'
        copy_of(example, folder, "co_scientist", CHECKED, models)
        archive = folder / "archive.db"
        run_until_killed(folder, archive, *words, candidates=10)
        run_to_the_end(folder, archive, *words)
    left, informed = left_in(archive), judged(archive)
    assert left.problems == []
    assert left.evaluations == 24
    lost = sum(exchange.state is ExchangeState.LOST for exchange in left.exchanges)
    assert lost <= 1, "one call was in flight when it was killed"
    assert 0 <= server.counts.answered - left.answered <= lost

    folder = tmp_path / "offline"
    copy_of(example, folder, "co_scientist", CHECKED)
    archive = folder / "archive.db"
    run_to_the_end(folder, archive, *words, "--model", "offline/evolve")
    by_coin = judged(archive)

    assert min(informed.judge.total, by_coin.judge.total) >= CALLS
    assert informed.judge.agreement.share > 0.9
    assert informed.judge.matches_wanted(4, 2, FLOOR) == 4
    assert by_coin.judge.agreement.share < FLOOR
    assert by_coin.judge.matches_wanted(4, 2, FLOOR) == 1


def ranks_of_the_expanded(tmp_path: Path, worth: Worth, name: str) -> float:
    """How good are the nodes that ``mcts`` goes on from, as a rank from 0 to 1 among all known."""
    folder = tmp_path / name
    with ModelServer(InformedModel(worth), record=False) as server:
        models = f'default = "openai/informed"\napi_base = "{server.url}"\n'
        copy_of(EXAMPLES / "circle_packing", folder, "mcts", TRUSTING, models)
        archive = folder / "archive.db"
        run_to_the_end(folder, archive, "--evaluations", "30", "--concurrency", "1", "--seed", "1")
    assert left_in(archive).problems == []
    objective = load_campaign(folder, {}).objectives[0]
    known: list[float] = []
    found = []
    with Archive.open(archive, read_only=True) as opened:
        [summary] = opened.campaigns()
        run = opened.campaign(summary.id)
        for fact in run.history():
            if not isinstance(fact, Recorded):
                known += [objective.gain(fact.scores[objective.name])] if fact.scored else []
            elif isinstance(fact.fact, Selection):
                node = run.candidate(fact.fact.candidates[0])
                gain = objective.gain(node.scores[objective.name])
                below = sum(other < gain for other in known) + (known.count(gain) - 1) / 2
                found.append(below / max(1, len(known) - 1))
    return statistics.fmean(found[5:])


def test_the_value_agent_of_mcts_leads_the_search(tmp_path: Path) -> None:
    with TrueScores(EXAMPLES / "circle_packing") as worth:
        knowing = ranks_of_the_expanded(tmp_path, worth, "informed")
    guessing = ranks_of_the_expanded(tmp_path, by_chance, "chance")
    assert knowing > 0.7
    assert knowing > guessing + 0.2
