from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from metasearch.campaign_file import load_campaign
from metasearch.evaluation import CandidateFailure, EvaluationSpec, Outcome
from tests.examples.networks import KEEPS, ROOT, UNREGISTERED, load_example, measured

pytest.importorskip("sklearn", reason="the digits come with scikit-learn, which is not installed")

SEED = (ROOT / "image_classifier" / "program.py").read_text("utf-8")
PARAMETERS = 5602


@pytest.fixture(scope="module")
def evaluator() -> ModuleType:
    return load_example("image_classifier", "evaluator")


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch", reason="torch is not installed")


@pytest.fixture(scope="module")
def harness(torch: Any) -> ModuleType:
    return load_example("image_classifier", "harness")


def test_the_sandbox_hides_where_the_labels_lie() -> None:
    import sklearn

    spec = EvaluationSpec.of(load_campaign(ROOT / "image_classifier"))
    assert str(Path(sklearn.__file__).parent) in spec.sandbox.hidden


def test_no_image_is_in_two_parts(evaluator: ModuleType) -> None:
    parts = evaluator.data()
    assert [len(part.labels) for part in parts] == [997, 400, 400]
    assert all((np.bincount(part.labels) == 40).all() for part in parts[1:])
    assert sum(len(part.labels) for part in parts) == 1797
    seen = [{image.tobytes() for image in part.images} for part in parts]
    assert not seen[0] & seen[1]
    assert not seen[0] & seen[2]
    assert not seen[1] & seen[2]


@pytest.mark.parametrize(
    ("trained", "reason"),
    [
        (None, "vector of float32"),
        ({"parameters": [1.0, 2.0]}, "vector of float32"),
        ({"parameters": np.ones(3)}, "vector of float32"),
        ({"parameters": np.ones((3, 1), np.float32)}, "vector of float32"),
        ({"parameters": np.ones(0, np.float32)}, "0 parameters"),
        ({"parameters": np.ones(1_000_001, np.float32)}, "1000001 parameters"),
        ({"parameters": np.array([1, np.nan], np.float32)}, "not finite"),
        ({"parameters": np.array([3.4e38], np.float32)}, "beyond all measure"),
    ],
)
def test_what_is_no_vector_of_parameters_is_invalid(
    evaluator: ModuleType, trained: object, reason: str
) -> None:
    with pytest.raises(CandidateFailure, match=reason) as caught:
        evaluator.read_parameters(trained)
    assert caught.value.outcome is Outcome.INVALID


def test_a_number_carries_sixteen_bits(evaluator: ModuleType) -> None:
    """A second number in the lower half of the first one does not get through."""
    rng = np.random.default_rng(3)
    honest = rng.normal(size=5000).astype(np.float32)
    kept = evaluator.read_parameters({"parameters": honest})
    assert not (kept.view(np.uint32) & 0xFFFF).any()
    assert np.abs(kept / honest - 1).max() <= 2**-8
    again = evaluator.read_parameters({"parameters": kept.copy()})
    assert (again == kept).all()


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [0] * 4,
        np.zeros(4),
        np.zeros(3, np.int64),
        np.zeros((4, 1), np.int64),
        np.array([0, 1, 2, 10]),
        np.array([0, 1, 2, -1]),
    ],
)
def test_what_is_no_class_for_each_image_is_invalid(evaluator: ModuleType, answer: object) -> None:
    with pytest.raises(CandidateFailure) as caught:
        evaluator.read_classes(answer, 4)
    assert caught.value.outcome is Outcome.INVALID


def test_the_confusion_counts_each_image_once(evaluator: ModuleType) -> None:
    labels = np.array([0, 0, 1, 9])
    table = evaluator.confusion(np.array([0, 1, 1, 0]), labels)
    assert table.sum() == 4
    assert [table[0, 0], table[0, 1], table[1, 1], table[9, 0]] == [1, 1, 1, 1]
    assert "as" in evaluator.describe([0.5], 7, table)


def test_the_seed_is_the_network_that_the_readme_speaks_of(harness: ModuleType) -> None:
    network = harness.Network()
    assert sum(parameter.numel() for parameter in network.parameters()) == PARAMETERS


def test_folded_statistics_change_no_answer(torch: Any, harness: ModuleType) -> None:
    torch.manual_seed(5)
    network = harness.Network()
    images = torch.rand(50, 1, 8, 8)
    for _ in range(20):
        network(images)
    network.eval()
    with torch.no_grad():
        before = network(images)
        harness.fold_statistics(network)
        after = network(images)
        fresh = harness.Network().eval()
        vector = torch.nn.utils.parameters_to_vector(network.parameters())
        torch.nn.utils.vector_to_parameters(vector, fresh.parameters())
        refilled = fresh(images)
    assert torch.allclose(before, after, atol=1e-4)
    assert torch.equal(after, refilled)


def test_training_is_repeatable_and_learns(
    torch: Any, harness: ModuleType, evaluator: ModuleType
) -> None:
    images, labels = evaluator.data().train
    images, labels = images[:256], labels[:256]
    first, second = (harness.train(images, labels, 3, seed=1) for _ in range(2))
    assert (first["parameters"] == second["parameters"]).all()
    assert first["losses"][-1] < first["losses"][0]
    assert first["parameters"].size == PARAMETERS


def test_prediction_takes_exactly_the_counted_numbers(torch: Any, harness: ModuleType) -> None:
    with pytest.raises(ValueError, match="has 5602 parameters now, and had 5601 before"):
        harness.predict(np.zeros(5601, np.float32), np.zeros((1, 1, 8, 8), np.float32))


PEEK = '''

import glob
import gzip
import os


def _labelled():
    """The digits with their labels, if they can be had anywhere."""
    try:
        from sklearn.datasets import load_digits

        print("imported the digits")
        return load_digits().data
    except ImportError:
        pass
    for folder, _, names in os.walk("/"):
        if folder.startswith(("/proc", "/sys")):
            continue
        for name in names:
            if "digits" in name and ".csv" in name:
                try:
                    print("found", folder, name, len(gzip.open(os.path.join(folder, name)).read()))
                except OSError:
                    pass


print("looked", _labelled())
'''

FORGES = """

import sys
import harness

harness.train = lambda *_: {"parameters": numpy.zeros(1, "float32"), "losses": [], "network": ""}
harness.predict = lambda vector, images: {"accuracy": 1.0, "parameters": 1}
"""

CLAIMS = """

def _claim(vector, images):
    return numpy.full(len(images), 3)


import harness

harness.train = lambda *_: {"parameters": numpy.zeros(1, "float32"), "losses": 1e9, "network": 7}
harness.predict = _claim
"""


@pytest.mark.slow
@pytest.mark.sandbox
async def test_lies_gain_nothing(torch: Any) -> None:
    lies = [
        SEED + PEEK,
        SEED + UNREGISTERED,
        SEED + UNREGISTERED + KEEPS,
        SEED.replace("import torch\n", "import numpy\nimport torch\n", 1) + FORGES,
        SEED.replace("import torch\n", "import numpy\nimport torch\n", 1) + CLAIMS,
    ]
    honest, peeks, unregistered, keeps, forges, claims = await measured(
        "image_classifier", SEED, *lies
    )
    assert honest.outcome is Outcome.SCORED, honest.error
    assert honest.scores["accuracy"].value > 0.9
    assert honest.scores["parameters"].value == PARAMETERS
    assert {artifact.name for artifact in honest.artifacts} == {
        "confusion.svg",
        "learning.svg",
        "network.txt",
    }
    assert all(stage.passed for stage in honest.stages)

    # It looked everywhere, found nothing, and got what its honest network deserves.
    assert "looked None" in peeks.stdout
    assert "found" not in peeks.stdout
    assert "imported" not in peeks.stdout
    assert peeks.scores == honest.scores

    # What was learnt in numbers that were not counted does not reach the second sandbox.
    for lie in (unregistered, keeps):
        assert lie.outcome is Outcome.SCORED, lie.error
        assert lie.scores["parameters"].value == 10
        assert lie.scores["accuracy"].value < 0.4
        assert "found what was kept" not in lie.stdout

    assert forges.outcome is Outcome.INVALID
    assert "predictions" in forges.error
    assert claims.scores["accuracy"].value == pytest.approx(0.1)
    assert not claims.stages[-1].passed


@pytest.mark.slow
@pytest.mark.sandbox
def test_the_engine_never_imports_torch(torch: Any, tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from metasearch.cli import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        "assert not {'torch', 'sklearn'} & sys.modules.keys()\n"
        "print('neither was imported')\n"
    )
    arguments = ["run", str(ROOT / "image_classifier"), "--evaluations", "1"]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments, "--archive", str(tmp_path / "archive.db")],
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.stdout.endswith("neither was imported\n"), done.stdout + done.stderr
