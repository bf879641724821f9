from __future__ import annotations

import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from metasearch.campaign_file import load_campaign
from metasearch.evaluation import (
    CandidateFailure,
    EvaluationPool,
    EvaluationRequest,
    EvaluationSpec,
    Outcome,
)
from tests.examples.networks import ROOT, load_example

PUBLISHED = 518_230
"""Parameters of the published seed network."""
SMALL = {"batch": 50, "warm_up": 8, "epochs": 4}


@pytest.fixture(scope="module")
def evaluator() -> ModuleType:
    return load_example("cifar10", "evaluator")


@pytest.fixture(scope="module")
def torch() -> Any:
    found = pytest.importorskip("torch", reason="torch is not installed")
    found.set_num_threads(1)
    return found


@pytest.fixture(scope="module")
def harness(torch: Any) -> ModuleType:
    return load_example("cifar10", "harness")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set in CIFAR-10's own format: each class has a colour of its own."""
    folder = tmp_path_factory.mktemp("cifar-10-batches-bin")
    rng = np.random.default_rng(4)
    colours = rng.integers(40, 216, (10, 3))
    for name in [*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"]:
        labels = rng.permutation(np.arange(100) % 10)
        noise = rng.integers(-30, 31, (100, 3, 1024))
        pixels = (colours[labels][:, :, None] + noise).reshape(100, 3072)
        records = np.concatenate([labels[:, None], pixels], axis=1).astype(np.uint8)
        (folder / name).write_bytes(records.tobytes())
    return folder


def test_the_files_are_read_as_they_are_published(evaluator: ModuleType, files: Path) -> None:
    data = evaluator.load(files)
    assert [part.images.shape for part in data] == [
        (400, 3, 32, 32),
        (100, 3, 32, 32),
        (100, 3, 32, 32),
    ]
    assert (np.bincount(data.validation.labels) == 10).all()
    content = (files / "test_batch.bin").read_bytes()
    assert data.test.labels[1] == content[3073]
    green = data.test.images[1, 1, 2, 3]
    assert green == content[3073 + 1 + 1024 + 2 * 32 + 3]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "0 bytes"), (b"x" * 3072, "3072 bytes"), (b"\x0a" * 3073, "a class above 9")],
)
def test_files_of_another_kind_are_refused(
    evaluator: ModuleType, files: Path, tmp_path: Path, content: bytes, reason: str
) -> None:
    folder = shutil.copytree(files, tmp_path / "other")
    (folder / "data_batch_3.bin").write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        evaluator.load(folder)


def test_without_data_it_says_what_to_do(
    evaluator: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CIFAR10", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"download\.py"):
        evaluator.load(evaluator.folder())


def test_the_seed_has_the_published_size_by_formula_and_by_count(harness: ModuleType) -> None:
    def mixer(c: int) -> int:
        return 2 * c * c + 26 * c

    formula = 16 * 3 + 3 * 3 * 12 + 2 * 12 + (2 * 12 * 48 + 2 * 48)
    formula += sum(mixer(c) for c in (12, 48, 96, 192, 384))
    formula += sum(a * b + 2 * b for a, b in ((48, 96), (96, 192), (192, 384)))
    formula += 10 * 384 + 384 * 10 + 10
    assert formula == PUBLISHED
    network = harness.Network()
    assert sum(parameter.numel() for parameter in network.parameters()) == PUBLISHED


def test_a_published_image_ends_at_seven_by_seven(torch: Any, harness: ModuleType) -> None:
    network = harness.Network().eval()
    with torch.no_grad():
        assert network.body(torch.zeros(1, 3, 224, 224)).shape == (1, 384, 7, 7)


def test_norms_and_biases_do_not_decay(harness: ModuleType) -> None:
    network = harness.Network()
    decaying, others = harness.make_optimizer(network).param_groups
    assert decaying["weight_decay"] == 1e-4
    assert others["weight_decay"] == 0
    norms = sum(parameter.numel() for parameter in others["params"])
    assert norms == sum(p.numel() for p in network.parameters() if p.dim() == 1)


def test_augmented_images_stay_images(torch: Any, harness: ModuleType, evaluator: Any) -> None:
    torch.manual_seed(2)
    images = torch.randint(0, 256, (512, 3, 32, 32), dtype=torch.uint8)
    made = harness.augmented(images, 48)
    assert made.shape == (512, 3, 48, 48)
    assert made.min() >= 0
    assert made.max() <= 1
    same = torch.nn.functional.interpolate(images.float() / 255, 48, mode="bilinear")
    unchanged = [torch.allclose(a, b, atol=1e-4) for a, b in zip(made, same, strict=True)]
    assert 0 < sum(unchanged) < 30  # each of six chances leaves half of them as they are
    mirrored = [(a - b.flip(2)).abs().mean() < (a - b).abs().mean() for a, b in zip(made, same)]  # noqa: B905
    assert 200 < sum(mirrored) < 312


@pytest.mark.slow
async def test_a_small_training_end_to_end(
    evaluator: ModuleType,
    harness: ModuleType,
    candidate: Any,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CIFAR10", str(files))
    one = candidate(train=harness.train, predict=harness.predict)
    scores = await evaluator.measure(one, {**evaluator.SHORT, **SMALL})
    assert scores["parameters"] == PUBLISHED
    assert len(scores["accuracy"]) == 100
    assert np.mean(scores["accuracy"]) > 0.3
    assert set(one.attached) == {"confusion.svg", "learning.svg", "network.txt"}
    train, predict = one.calls
    assert one.renewed == [1]
    labels = evaluator.load(files).validation.labels
    assert not any(isinstance(sent, np.ndarray) and sent.shape == labels.shape for sent in predict)
    assert len(train[2]) == 400


async def test_what_is_no_network_is_invalid(
    evaluator: ModuleType, candidate: Any, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIFAR10", str(files))
    one = candidate(train=lambda *_: {"accuracy": 1.0, "parameters": 1})
    with pytest.raises(CandidateFailure) as caught:
        await evaluator.short(one)
    assert caught.value.outcome is Outcome.INVALID


def test_the_campaign_asks_for_a_device_and_shows_no_data() -> None:
    spec = EvaluationSpec.of(load_campaign(ROOT / "cifar10"))
    assert spec.sandbox.gpus == 1
    assert spec.sandbox.paths == ()
    assert spec.stages[0].function == "short"


@pytest.mark.gpu
@pytest.mark.sandbox
@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_trains_on_a_real_device(
    torch: Any, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA device")
    monkeypatch.setenv("CIFAR10", str(files))
    spec = EvaluationSpec.of(load_campaign(ROOT / "cifar10"))
    program = (ROOT / "cifar10" / "program.py").read_text("utf-8")
    async with EvaluationPool(spec, 1) as pool:
        result = await pool.evaluate(EvaluationRequest(number=0, files={"program.py": program}))
    assert result.outcome is Outcome.SCORED, result.error
    assert result.scores["parameters"].value == PUBLISHED
