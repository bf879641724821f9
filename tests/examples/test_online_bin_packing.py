from __future__ import annotations

import random
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from metasearch.campaign_file import load_campaign
from metasearch.evaluation import CandidateFailure, Outcome, Split

ROOT = Path(__file__).parents[2] / "examples"

Array = np.ndarray


def best_fit(item: float, bins: Array) -> Array:
    return item - bins


def first_fit(item: float, bins: Array) -> Array:
    return -np.arange(len(bins))


def new_bin(item: float, bins: Array) -> Array:
    return bins


def test_campaign_file_is_valid() -> None:
    campaign = load_campaign(ROOT / "online_bin_packing")
    assert campaign.settings.evaluator.harness == ("harness.py",)


@pytest.mark.parametrize("split", ["validation", "test"])
async def test_reference_lines_are_what_such_candidates_score(
    bins: ModuleType, harness: Any, candidate: Any, split: str
) -> None:
    scores = []
    for priority in (best_fit, first_fit):
        one = candidate(split, place=harness(priority).place)
        scores.append(np.mean((await bins.evaluate(one))["excess"]))
    assert scores == pytest.approx(bins.reference(Split(split)))
    assert scores[0] < scores[1]


async def test_the_seed_is_no_better_than_best_fit(
    bins: ModuleType, harness: Any, candidate: Any
) -> None:
    source = (ROOT / "online_bin_packing" / "program.py").read_text("utf-8")
    names: dict[str, Any] = {}
    exec(source, names)
    one = candidate(place=harness(names["priority"]).place)
    excess = np.mean((await bins.evaluate(one))["excess"])
    assert excess >= bins.reference(Split.VALIDATION)[0]
    assert "best fit" in one.said


async def test_a_bin_for_every_item_is_counted_so(
    bins: ModuleType, harness: Any, candidate: Any
) -> None:
    one = candidate(place=harness(new_bin).place)
    scores = (await bins.evaluate(one))["excess"]
    items = bins.streams(Split.VALIDATION)
    assert scores == [bins.excess(stream, len(stream)) for stream in items]


async def test_a_candidate_sees_no_item_beyond_its_batch(
    bins: ModuleType, harness: Any, candidate: Any
) -> None:
    one = candidate(place=harness(best_fit).place)
    await bins.evaluate(one)
    for _, batches, capacity in one.calls:
        assert capacity == 100
        assert all(len(batch) == bins.BATCH for batch in batches)


def lists(value: Any) -> Any:
    return lambda batches, capacity: [[value] * len(batch) for batch in batches]


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (lists(0), "holds more than 100"),
        (lists(1.0), "whole numbers"),
        (lists(True), "whole numbers"),
        (lambda batches, capacity: None, "per stream"),
        (lambda batches, capacity: [[0]] * len(batches), "per item"),
        (lambda batches, capacity: [[]], "per stream"),
    ],
)
async def test_false_placements_are_invalid(
    bins: ModuleType, candidate: Any, place: Any, reason: str
) -> None:
    with pytest.raises(CandidateFailure) as caught:
        await bins.evaluate(candidate(place=place))
    assert caught.value.outcome is Outcome.INVALID
    assert reason in caught.value.message


@pytest.mark.parametrize(
    ("priority", "reason"),
    [
        (lambda item, bins: 1.0, "one number per bin"),
        (lambda item, bins: np.append(bins, 1.0), "one number per bin"),
        (lambda item, bins: bins * np.nan, "NaN"),
    ],
)
def test_a_priority_of_the_wrong_form_is_said_so(harness: Any, priority: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        harness(priority).place([[10, 20]], 100)


def test_placements_do_not_depend_on_the_batches(harness: Any, bins: ModuleType) -> None:
    items = bins.weibull_items(5, 300)
    whole = harness(best_fit).place([items], 100)[0]
    inside = harness(best_fit)
    batches = [items[i : i + 7] for i in range(0, 300, 7)]
    assert [place for batch in batches for place in inside.place([batch], 100)[0]] == whole


def test_a_priority_that_changes_its_argument_changes_nothing_else(harness: Any) -> None:
    def greedy(item: float, bins: Array) -> Array:
        bins += 1_000
        return best_fit(item, bins)

    items = [random.Random(3).randint(1, 100) for _ in range(200)]
    assert harness(greedy).place([items], 100) == harness(best_fit).place([items], 100)


def test_streams_are_fixed_and_splits_differ(bins: ModuleType) -> None:
    validation, test = bins.streams(Split.VALIDATION), bins.streams(Split.TEST)
    assert validation[0][:8] == bins.weibull_items(1000, 8)
    assert validation[0] != test[0][:1000]
    assert all(1 <= size <= 100 for stream in test for size in stream)
    assert 38 < np.mean(test) < 43
