"""The loop that drives a strategy: steps, lanes, budget, stopping and resuming."""

from metasearch.engine.engine import Engine
from metasearch.engine.observer import Observer, Report
from metasearch.engine.once import evaluate_once
from metasearch.engine.run import Ending, run_campaign

__all__ = ["Ending", "Engine", "Observer", "Report", "evaluate_once", "run_campaign"]
