"""Every strategy that comes with metasearch passes the suite that others may use, too."""

from __future__ import annotations

from pathlib import Path

import pytest

from metasearch.archive import Archive
from metasearch.operators.funnel import Funnel
from metasearch.step import Task
from metasearch.strategies.co_scientist import CoScientist
from metasearch.strategies.co_scientist_options import CoScientistOptions
from metasearch.testing.ideas_conformance import IdeasConformance
from metasearch.testing.strategy_conformance import StrategyConformance

pytestmark = pytest.mark.slow


class TestMapElites(StrategyConformance):
    strategy = "map_elites"
    options = {"islands": 2, "migration_interval": 5, "features": ["length", "size"]}


class TestNoveltySearch(StrategyConformance):
    strategy = "novelty_search"
    options = {"population": 4, "children": 6, "descriptors": ["size"], "weight": 0.5}


class TestBestOfN(StrategyConformance):
    strategy = "best_of_n"


class TestIterativeRepair(StrategyConformance):
    strategy = "iterative_repair"


class TestRandomParent(StrategyConformance):
    strategy = "random_parent"


class TestMetaAgentSearch(StrategyConformance):
    strategy = "meta_agent_search"
    options = {"seeds": ["hand.py"]}
    files = {"hand.py": StrategyConformance.program.replace("1.0", "1.5")}


class TestGuidedEvolution(StrategyConformance):
    strategy = "guided_evolution"
    options = {"initial": 6, "offspring": 4, "elites": 4, "exemplars": 2}


class TestMcts(StrategyConformance):
    strategy = "mcts"
    options = {"max_expansions": 2, "debate_every": 7, "agents": 2, "rounds": 2}


class TestDarwinGodel(StrategyConformance):
    strategy = "darwin_godel"


class TestCoScientist(StrategyConformance):
    strategy = "co_scientist"
    options = {
        "initial_ideas": 4,
        "ideas_per_evaluation": 1.5,
        "feedback_matches": 10,
        "calibration_items": 6,
        "calibration_calls": 10,
        "reflections": ["full", "deep", "simulate"],
        "debate_calls": "many",
        "votes": 2,
    }
    evaluations = 12


class Forgetful(CoScientist):
    """As in a long campaign: more ideas have been than are kept in sight."""

    def __init__(self, task: Task, options: CoScientistOptions) -> None:
        super().__init__(task, options)
        self.funnel = Funnel(task.objectives[0], options.calibration_calls, held=8)


class LongCampaign(TestCoScientist):
    strategy = f"{__name__}:{Forgetful.__name__}"


def test_a_killed_co_scientist_forgets_the_same_ideas(tmp_path: Path, archive: Archive) -> None:
    suite = LongCampaign()
    campaign = suite.load(tmp_path, concurrency=1)
    suite.test_killed_at_each_await_it_continues_to_the_same_archive(campaign, archive)
    suite.test_killed_again_and_again_a_concurrent_run_repeats_nothing(tmp_path, archive)


class TestCoScientistOnIdeasAlone(IdeasConformance):
    strategy = "co_scientist"
    options = {
        "feedback_matches": 10,
        "reflections": ["deep", "observe", "simulate", "recurrent"],
        "debate_calls": "many",
        "votes": 2,
    }
