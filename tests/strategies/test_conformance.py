"""Every strategy that comes with metasearch passes the suite that others may use, too."""

from __future__ import annotations

import pytest

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


class TestCoScientistOnIdeasAlone(IdeasConformance):
    strategy = "co_scientist"
    options = {
        "feedback_matches": 10,
        "reflections": ["deep", "observe", "simulate", "recurrent"],
        "debate_calls": "many",
        "votes": 2,
    }
