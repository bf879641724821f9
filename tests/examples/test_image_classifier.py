from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from metasearch.campaign_file import load_campaign
from metasearch.evaluation import EvaluationSpec, Outcome
from tests.examples.networks import KEEPS, ROOT, UNREGISTERED, load_example, measured

pytest.importorskip("sklearn", reason="the digits come with scikit-learn, which is not installed")

SEED = (ROOT / "image_classifier" / "program.py").read_text("utf-8")
PARAMETERS = 5602


@pytest.fixture(scope="module")
def evaluator() -> ModuleType:
    return load_example("image_classifier", "evaluator")


@pytest.fixture(scope="module")
def torch() -> Any:
    found = pytest.importorskip("torch", reason="torch is not installed")
    found.set_num_threads(1)
    return found


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


def test_the_seed_is_the_network_that_the_readme_speaks_of(harness: ModuleType) -> None:
    network = harness.Network()
    assert sum(parameter.numel() for parameter in network.parameters()) == PARAMETERS


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Mix(8.0, 3)", "Mix(5.37, 2.2)"),
        ("Mix(8.0, 3)", "Mix(-1e9, 1e9)"),
        ("mixer(1.0),\n        shrink(1.0),", "shrink(0.4), Dropout(-7), shrink(3), shrink(0.1),"),
        ("mixer(1.0),\n        shrink(1.0),", ""),
        ("Mix(share), nn.SiLU(), Depthwise(3), gate()", "gate(), Mix(0.3), Depthwise(2.9)"),
        ("Mix(share), nn.SiLU(), Depthwise(3), gate()", "shrink(1.5), nn.SiLU(), nn.SiLU()"),
        ("Mix(share), nn.SiLU(), Depthwise(3), gate()", "Residual([gate()])"),
        ("Extremes(), Mix(share)", "Mix(share), Extremes()"),
    ],
)
def test_any_number_and_any_order_of_layers_make_a_network(torch: Any, old: str, new: str) -> None:
    assert SEED.count(old) == 1
    names: dict[str, Any] = {"__name__": "program"}
    exec(compile(SEED.replace(old, new), "program.py", "exec"), names)
    network = names["Network"]()
    optimizer = names["make_optimizer"](network.parameters())
    scores = network(torch.rand(4, 1, 8, 8))
    scores.sum().backward()
    optimizer.step()
    assert scores.shape == (4, 10)
    assert sum(parameter.numel() for parameter in network.parameters()) != PARAMETERS


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
import gzip
import os

import torch


def labelled():
    """Whatever is found of the digits and their labels."""
    try:
        from sklearn.datasets import load_digits

        return load_digits()
    except ImportError:
        pass
    for folder, _, names in os.walk("/"):
        for name in names:
            if "digits" in name and ".csv" in name and not folder.startswith("/proc"):
                try:
                    return gzip.open(os.path.join(folder, name)).read() or None
                except OSError:
                    pass
    return None


print("labels:", labelled())


class Network(torch.nn.Linear):
    def __init__(self):
        super().__init__(64, 10)

    def forward(self, x):
        return super().forward(x.flatten(1))


def make_optimizer(parameters):
    return torch.optim.SGD(parameters, lr=0.1)
'''

FORGES = '''

class Answer:
    """What the harness takes for scores: its predictions are what we like."""

    def argmax(self, axis):
        return self

    def numpy(self):
        return {"accuracy": 1.0, "parameters": 1}


_forward = Network.forward
Network.forward = lambda self, x: _forward(self, x) if self.training or len(x) == 1 else Answer()
'''


@pytest.mark.slow
@pytest.mark.sandbox
@pytest.mark.timeout(400)
async def test_lies_gain_nothing(torch: Any) -> None:
    lies = [PEEK, SEED + UNREGISTERED, SEED + UNREGISTERED + KEEPS, SEED + FORGES]
    honest, peeks, unregistered, keeps, forges = await measured("image_classifier", SEED, *lies)
    assert honest.outcome is Outcome.SCORED, honest.error
    assert honest.scores["accuracy"].value > 0.9
    assert honest.scores["parameters"].value == PARAMETERS
    assert 5_000_000 < (honest.memory or 0) < 1_000_000_000
    assert {"confusion.svg", "learning.svg", "network.txt"} == {a.name for a in honest.artifacts}
    assert all(stage.passed for stage in honest.stages)

    # It looked everywhere, found nothing, and got what a linear classifier deserves.
    assert set(peeks.stdout.splitlines()) == {"labels: None"}
    assert peeks.scores["accuracy"].value < 0.97
    assert peeks.scores["parameters"].value == 650

    # What was learnt in numbers that were not counted does not reach the second sandbox.
    for lie in (unregistered, keeps):
        assert lie.outcome is Outcome.SCORED, lie.error
        assert lie.scores["parameters"].value == 10
        assert lie.scores["accuracy"].value < 0.4
        assert "found what was kept" not in lie.stdout

    assert forges.outcome is Outcome.INVALID
    assert "predictions" in forges.error


@pytest.mark.slow
@pytest.mark.sandbox
@pytest.mark.timeout(400)
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
        timeout=390,
    )
    assert done.stdout.endswith("neither was imported\n"), done.stdout + done.stderr
