"""The search systems, one file each, and how they are found by name."""

from metasearch.strategies.registry import StrategyInfo, check_suits, load_strategy, strategies

__all__ = ["StrategyInfo", "check_suits", "load_strategy", "strategies"]
