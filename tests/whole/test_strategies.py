"""Every strategy on both examples from the command line: killed, continued, switched, judged."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path

import pytest

import metasearch
from metasearch.archive import Archive
from metasearch.candidate import Candidate
from metasearch.strategies.registry import BUILT_IN
from tests.whole.interrupting import Left, copy_of, left_in, run_to_the_end, run_until_killed

EXAMPLES = Path(__file__).parents[2] / "examples"

pytestmark = [pytest.mark.slow, pytest.mark.sandbox]

OFFLINE = "offline/evolve"
EVALUATIONS, KILLED_AT = 18, 7
SMALL = {
    "co_scientist": "initial_ideas = 4\nideas_per_evaluation = 1.5\ncalibration_items = 4\n"
    "calibration_calls = 8\nfeedback_evaluations = 8\n",
    "guided_evolution": "initial = 8\noffspring = 6\nelites = 6\nexemplars = 3\n",
    "map_elites": "islands = 2\nmigration_interval = 5\n",
    "mcts": "max_expansions = 3\ndebate_every = 8\nagents = 2\nrounds = 1\n",
    "novelty_search": "population = 4\nchildren = 6\n",
}
"""Options with which so few evaluations go through all that a strategy does."""

Name = tuple[str, str]
"""Strategy and example."""
NAMES = list(product(BUILT_IN, ("circle_packing", "online_bin_packing")))


# -- each on its own -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def campaigns(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Name, Future[Left]]]:
    """All campaigns, two at a time, in the order of the tests that wait for them."""
    scratch = tmp_path_factory.mktemp("strategies")
    with ThreadPoolExecutor(2) as pool:
        yield {name: pool.submit(partial(kill_and_continue, scratch, *name)) for name in NAMES}
        pool.shutdown(cancel_futures=True)


def kill_and_continue(scratch: Path, strategy: str, example: str) -> Left:
    folder = scratch / f"{strategy}-{example}"
    copy_of(EXAMPLES / example, folder, strategy, SMALL.get(strategy, ""))
    archive = folder / "archive.db"
    words = ("--model", OFFLINE, "--evaluations", str(EVALUATIONS), "--seed", "3")
    run_until_killed(folder, archive, *words, candidates=KILLED_AT)
    finished = run_to_the_end(folder, archive, *words)
    assert finished["reason"] == "evaluations"
    return left_in(archive)


@pytest.mark.parametrize(("strategy", "example"), NAMES)
def test_killed_in_the_middle_it_goes_on_and_loses_nothing(
    campaigns: dict[Name, Future[Left]], strategy: str, example: str
) -> None:
    left = campaigns[strategy, example].result()
    assert left.problems == []
    assert left.evaluations == EVALUATIONS
    assert left.answered > 0
    assert left.no_worse_than_the_seed


# -- one after the other on the same archive ---------------------------------------------------

IN_TURN = (
    *("mcts", "guided_evolution", "co_scientist", "darwin_godel", "meta_agent_search"),
    *("novelty_search", "map_elites"),
)

GENERATIONAL = ("guided_evolution", "novelty_search")
"""Their first generation is made of the seed; what others have made counts as a part of it."""


def known(archive: Path) -> list[Candidate]:
    with Archive.open(archive, read_only=True) as opened:
        [summary] = opened.campaigns()
        return list(opened.campaign(summary.id).candidates())


def test_strategies_take_turns_on_one_archive_and_share_its_candidates(tmp_path: Path) -> None:
    archive, evaluations = tmp_path / "archive.db", 20
    folder = copy_of(EXAMPLES / "circle_packing", tmp_path / "campaign", "map_elites")
    metasearch.run(folder, model=OFFLINE, evaluations=evaluations, archive=archive)
    for strategy in IN_TURN:
        before = known(archive)
        evaluations += 6
        ending = metasearch.run(
            folder, model=OFFLINE, strategy=strategy, evaluations=evaluations, archive=archive
        )
        assert (ending.reason, ending.report.evaluations) == ("evaluations", evaluations)
        after = known(archive)
        assert after[: len(before)] == before, "what was known stays as it was"
        new = after[len(before) :]
        parents = {parent for candidate in new for parent in candidate.parents}
        assert parents & {candidate.number for candidate in before}
        if strategy not in GENERATIONAL:
            assert parents & {c.number for c in before if c.number}, (
                f"{strategy} knows the seed only"
            )
    assert left_in(archive).problems == []


def test_another_strategy_goes_on_where_one_was_killed(tmp_path: Path) -> None:
    archive = tmp_path / "archive.db"
    folder = copy_of(EXAMPLES / "online_bin_packing", tmp_path / "campaign", "meta_agent_search")
    words = ("--model", OFFLINE, "--seed", "5", "--concurrency", "6")
    run_until_killed(folder, archive, *words, "--evaluations", "100", candidates=8)
    settled = known(archive)
    metasearch.run(folder, model=OFFLINE, strategy="mcts", evaluations=20, archive=archive, seed=5)
    metasearch.run(folder, model=OFFLINE, evaluations=26, archive=archive, seed=5)
    after = known(archive)
    assert after[: len(settled)] == settled
    assert {"design", "expand"} <= {candidate.operator for candidate in after}
    left = left_in(archive)
    assert left.problems == []
    assert left.evaluations == 26
