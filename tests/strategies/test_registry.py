"""Strategies are found by name, and their options are checked."""

from __future__ import annotations

import pytest

from metasearch.campaign import ROLES, StrategySection
from metasearch.errors import CampaignError, UsageError
from metasearch.objectives import Objective
from metasearch.program import Program
from metasearch.step import Task
from metasearch.strategies import load_strategy, strategies
from metasearch.strategies.map_elites import MapElites

TASK = Task(
    description="Do it.",
    objectives=(Objective(name="score"),),
    metrics=("speed",),
    seed_program=Program(files={"program.py": "x = 1\n"}),
)


def test_every_built_in_strategy_loads_with_its_defaults() -> None:
    names = [info.name for info in strategies()]
    assert {"map_elites", "best_of_n", "iterative_repair", "random_parent"} < set(names)
    for name in names:
        roles = load_strategy(StrategySection(name=name), TASK).roles
        assert "propose" in roles
        assert set(roles) <= set(ROLES)


def test_a_strategy_of_ones_own_is_named_by_its_dotted_path() -> None:
    path = "metasearch.strategies.map_elites:MapElites"
    assert isinstance(load_strategy(StrategySection(name=path), TASK), MapElites)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("map_elite", "Did you mean 'map_elites'"),
        ("nowhere:Class", "cannot be loaded"),
        ("metasearch.program:Program", "lacks Options"),
    ],
)
def test_unknown_strategies_are_clear_errors(name: str, expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        load_strategy(StrategySection(name=name), TASK)


def test_a_misspelt_option_names_the_nearest() -> None:
    section = StrategySection(name="map_elites", options={"island": 3})
    with pytest.raises(CampaignError, match="did you mean 'islands'"):
        load_strategy(section, TASK)


def test_a_wrong_value_names_the_option() -> None:
    section = StrategySection(name="map_elites", options={"islands": 0})
    with pytest.raises(CampaignError, match=r"strategy\.options\.islands"):
        load_strategy(section, TASK)


def test_features_may_be_given_by_their_name_alone() -> None:
    section = StrategySection(name="map_elites", options={"features": ["speed"]})
    strategy = load_strategy(section, TASK)
    assert isinstance(strategy, MapElites)
    assert [feature.name for feature in strategy.options.features] == ["speed"]


def test_a_feature_that_is_no_public_metric_is_a_clear_error() -> None:
    section = StrategySection(name="map_elites", options={"features": ["sped"]})
    with pytest.raises(CampaignError, match=r"'sped'.*length, score, speed"):
        load_strategy(section, TASK)
