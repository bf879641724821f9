"""Networks and agents that lie, and that look for what they are measured by."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metasearch.campaign_file import load_campaign
from metasearch.candidate import EvaluationResult
from metasearch.evaluation import (
    CandidateFailure,
    EvaluationPool,
    EvaluationRequest,
    EvaluationSpec,
    Outcome,
)
from metasearch.evaluation.networks import read_classes, read_parameters
from tests.examples.networks import ROOT, load_example
from tests.redteam.test_lies import sent, values

Beside = Callable[[str, str], ModuleType]


async def told(example: str, program: str) -> EvaluationResult:
    """The program by the example's evaluator; on the processor, wherever it belongs."""
    spec = EvaluationSpec.of(load_campaign(ROOT / example))
    spec = replace(spec, sandbox=replace(spec.sandbox, gpus=0))
    async with EvaluationPool(spec, 1) as pool:
        return await pool.evaluate(EvaluationRequest(number=1, files={"program.py": program}))


# -- any value that can cross the wire ------------------------------------------------------------

numbers = st.floats(width=32) | st.sampled_from([3.4028234e38, -0.0, 1e-45])
vectors = st.lists(numbers, max_size=30).map(lambda found: np.array(found, np.float32))
classes = st.lists(st.integers(-2, 12), min_size=4, max_size=4).map(np.array)


@settings(max_examples=300, deadline=None)
@given(values | vectors)
def test_parameters_are_finite_numbers_of_16_bits_or_invalid(value: Any) -> None:
    try:
        vector = read_parameters(sent(value), 20)
    except CandidateFailure as failure:
        if failure.outcome is not Outcome.INVALID:
            raise
        return
    assert 0 < vector.size <= 20
    assert np.isfinite(vector).all()
    assert not (vector.view(np.uint32) & 0xFFFF).any()


@settings(max_examples=300, deadline=None)
@given(values | classes)
def test_predictions_are_classes_or_invalid(value: Any) -> None:
    try:
        predicted = read_classes(sent(value), 4, 10)
    except CandidateFailure as failure:
        if failure.outcome is not Outcome.INVALID:
            raise
        return
    assert predicted.shape == (4,)
    assert set(predicted.tolist()) <= set(range(10))


class Liar:
    """What an evaluator is given, with one answer to everything."""

    split = "validation"

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    async def call(self, function: str, *args: Any) -> Any:
        return self.answer

    async def renew(self) -> None:
        """Nothing is remembered anyway."""

    def attach(self, name: str, content: str | bytes) -> None:
        assert name
        assert content

    def feedback(self, text: str) -> None:
        assert text


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(
    values
    | st.fixed_dictionaries({"parameters": vectors, "losses": values, "network": values})
    | st.lists(st.fixed_dictionaries({"answer": values, "error": st.text()}), max_size=40)
)
@pytest.mark.parametrize("example", ["image_classifier", "arc_agents", "mgsm_agents"])
async def test_any_value_is_measured_or_invalid(example: str, value: Any) -> None:
    if example == "image_classifier":
        pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    evaluator = EVALUATORS.get(example) or EVALUATORS.setdefault(example, _evaluator(example))
    function = "quick" if example == "image_classifier" else "evaluate"
    try:
        scores = await getattr(evaluator, function)(Liar(sent(value)))
    except CandidateFailure as failure:
        if failure.outcome is not Outcome.INVALID:
            raise
        return
    assert set(scores["accuracy"]) <= {0.0, 1.0}


EVALUATORS: dict[str, ModuleType] = {}


def _evaluator(example: str) -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / example))
        return load_example(example, "evaluator")


# -- in real sandboxes ----------------------------------------------------------------------------

FORGES_FRAMES = """
import os
import sys

import numpy
import torch


def forged(value):
    frame = sys.modules["metasearch.sandboxes.wire"].encode({"call": 1, "value": value})
    os.write(4, frame)


class Network(torch.nn.Linear):
    def __init__(self):
        super().__init__(64, 10)
        asked = sys._getframe(1).f_code.co_name
        if asked == "train":
            forged({"parameters": numpy.zeros(1, numpy.float32)})
        else:
            forged(numpy.full(400, 7))

    def forward(self, x):
        return super().forward(x.flatten(1))


def make_optimizer(parameters):
    return torch.optim.SGD(parameters, lr=0.1)
"""


@pytest.mark.slow
@pytest.mark.sandbox
@pytest.mark.timeout(400)
async def test_forged_frames_are_worth_what_guessing_is() -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    result = await told("image_classifier", FORGES_FRAMES)
    assert result.outcome is Outcome.SCORED, result.error
    assert result.scores["parameters"].value == 1
    assert result.scores["accuracy"].value == 0.1
    assert not result.stages[-1].passed


LOOKS = """
import gc
import os

MARKS = ("CIFAR10", "METASEARCH_ARC", "METASEARCH_MGSM")
NAMES = ("data_batch", "test_batch", "validation.json", "test.json", "evaluator.py",
         "puzzles.py", "problems.py", "campaign.toml", "mgsm_en.tsv")


def look():
    found = [name for name in os.environ if name in MARKS]
    for folder, inner, names in os.walk("/"):
        inner[:] = [name for name in inner if name not in ("proc", "sys", "usr", "lib")]
        found += [os.path.join(folder, name) for name in names if name.startswith(NAMES)]
    found += [text for text in gc.get_objects() if isinstance(text, str) and "secret-label" in text]
    return found
"""
"""What a program can find of the data that it is measured by, wherever this lies on the host."""


@pytest.mark.slow
@pytest.mark.sandbox
@pytest.mark.timeout(400)
async def test_no_network_trains_on_test_data_that_lies_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    record = bytes([3]) + bytes(3 * 32 * 32)
    for name in [*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"]:
        (folder / name).write_bytes(record * 10)
    monkeypatch.setenv("CIFAR10", str(folder))
    result = await told("cifar10", f"{LOOKS}\nraise RuntimeError(f'found: {{look()}}')\n")
    assert result.outcome is Outcome.CRASHED
    assert result.error.endswith("RuntimeError: found: []")


AGENT_LOOKS = """
from metasearch_agents import Info

CODE = '''
{looks}
def transform(grid):
    raise ValueError("found: " + str(look()))
'''


def solve(task):
    print("found:", look())
    if hasattr(task, "run_examples"):
        print(task.run_examples(CODE).feedback.text)
    return Info("answer", "hunter", "nothing")
"""


@pytest.mark.slow
@pytest.mark.sandbox
@pytest.mark.timeout(400)
@pytest.mark.parametrize("example", ["arc_agents", "mgsm_agents"])
async def test_no_agent_finds_the_answers_that_lie_on_disk(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = {"input": [[1, 2]], "output": [[2, 1]]}
    tasks = json.dumps([{"train": [pair], "test": [pair], "name": "secret-" + "label"}])
    for split in ("validation", "test"):
        (tmp_path / f"{split}.json").write_text(tasks)
    problems = "".join(f"Problem {n}?\t{n}\n" for n in range(1000))
    (tmp_path / "mgsm_en.tsv").write_text(problems)
    monkeypatch.setenv("METASEARCH_ARC", str(tmp_path))
    monkeypatch.setenv("METASEARCH_MGSM", str(tmp_path))
    result = await told(example, LOOKS + AGENT_LOOKS.format(looks=LOOKS))
    assert result.outcome is Outcome.SCORED, result.error
    assert result.scores["accuracy"].value == 0
    assert result.stdout.count("found:") >= (2 if example == "arc_agents" else 1)
    assert result.stdout.count("found:") == result.stdout.count("found: []"), result.stdout
