"""Specifications and requests are values: they survive JSON, and seeds follow from them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from metasearch.campaign import Campaign
from metasearch.campaign_file import load_campaign
from metasearch.errors import CampaignError
from metasearch.evaluation import EvaluationRequest, EvaluationSpec, Split
from metasearch.sandboxes.base import LeasedDevice

CAMPAIGN = """
task = "Do it"
[objectives]
score = "maximize"
[evaluator]
stages = [{function = "quick", threshold = {score = 0.5}}, {function = "full"}]
harness = ["harness.py"]
metrics = ["size"]
repeats = 2
[sandbox]
memory = "64 MiB"
paths = ["data"]
preload = ["json"]
gpus = 0.25
"""


def campaign(folder: Path, text: str = CAMPAIGN) -> Campaign:
    (folder / "campaign.toml").write_text(text)
    (folder / "program.py").write_text("x = 1")
    (folder / "evaluator.py").write_text("y = 1")
    (folder / "harness.py").write_text("z = 1")
    return load_campaign(folder)


def test_a_specification_survives_json(tmp_path: Path) -> None:
    spec = EvaluationSpec.of(campaign(tmp_path))
    assert spec.sources == {"evaluator.py": "y = 1", "harness.py": "z = 1"}
    assert [stage.function for stage in spec.stages] == ["quick", "full"]
    assert spec.sandbox.limits.memory == 64 * 1024**2
    assert spec.sandbox.paths == (str(tmp_path / "data"),)
    assert spec.sandbox.gpus == 0.25
    assert EvaluationSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_the_evaluators_siblings_travel_but_are_no_harness(tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("w = 1")
    spec = EvaluationSpec.of(campaign(tmp_path))
    assert list(spec.sources) == ["evaluator.py", "harness.py", "helper.py"]
    assert spec.harness == ("harness.py",)


def test_a_threshold_of_an_unknown_metric_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CampaignError, match=r"names 'scor'.*did you mean 'score'"):
        EvaluationSpec.of(campaign(tmp_path, CAMPAIGN.replace("{score = 0.5}", "{scor = 0.5}")))


def test_a_request_survives_json_with_its_files_in_order() -> None:
    request = EvaluationRequest(
        number=3,
        files={"z.py": "1", "a.py": "\ud800"},
        split=Split.TEST,
        seed=2**62,
        devices=(LeasedDevice("GPU-1", "/dev/nvidia0", 0.5, 2**33),),
    )
    again = EvaluationRequest.from_json(json.loads(json.dumps(request.to_json(), sort_keys=True)))
    assert again == request
    assert list(again.files) == ["z.py", "a.py"]


def test_a_seed_follows_from_campaign_program_and_repeat_only() -> None:
    base = EvaluationRequest(number=1, files={"a": "x", "b": "y"}, seed=5)
    same = EvaluationRequest(
        number=2,
        files={"b": "y", "a": "x"},
        seed=5,
        split=Split.TEST,
        devices=(LeasedDevice("GPU-1", "/dev/nvidia0", 1, 2**33),),
    )
    assert base.seed_of(0) == same.seed_of(0)
    others = [
        base.seed_of(1),
        EvaluationRequest(number=1, files=base.files, seed=6).seed_of(0),
        EvaluationRequest(number=1, files={"a": "x", "b": "z"}, seed=5).seed_of(0),
        EvaluationRequest(number=1, files={"a": "xb", "": "y"}, seed=5).seed_of(0),
    ]
    assert len({base.seed_of(0), *others}) == 5
    assert all(0 <= seed < 2**63 for seed in others)
