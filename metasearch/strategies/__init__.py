"""The search systems, one file each, and how they are found by name."""

from metasearch.strategies.registry import StrategyInfo, load_strategy, strategies

__all__ = ["StrategyInfo", "load_strategy", "strategies"]
