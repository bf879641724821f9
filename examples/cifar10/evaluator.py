"""Measures a network by what it says of CIFAR-10 images whose labels it never saw.

Training and prediction happen inside, in two sandboxes; labels, counting and scoring stay here.
Between the two nothing passes but a vector of numbers: its length is the number of parameters.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from metasearch.evaluation import Candidate, Split
from metasearch.evaluation.charts import counts, curves
from metasearch.evaluation.networks import confusion, mistaken, read_classes, read_parameters

CLASSES = 10
SEED = 21
PAPER: dict[str, Any] = {
    "side": 224,
    "batch": 216,
    "warm_up": 40,
    "factor": 0.7,
    "patience": 4,
    "least_rate": 0.001,
    "epochs": 1000,
}
"""The published training: at least 65 epochs."""
SHORT: dict[str, Any] = {**PAPER, "side": 32, "patience": -1, "epochs": 12}
"""Images as they are, and a rate that falls after every epoch."""
MOST_PARAMETERS = 5_000_000
RECORD = 1 + 3 * 32 * 32
"""Bytes of one image in CIFAR-10's binary files: its class, then red, green and blue."""
LEARNT = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TESTED = ("test_batch.bin",)


class Part(NamedTuple):
    """Images (n, 3, 32, 32) of whole numbers up to 255, and their classes."""

    images: np.ndarray
    labels: np.ndarray


class Data(NamedTuple):
    """What is learnt from, and what is asked."""

    train: Part
    validation: Part
    test: Part


async def short(candidate: Candidate) -> dict[str, list[float] | int]:
    """A training of minutes."""
    return await measure(candidate, SHORT)


async def paper(candidate: Candidate) -> dict[str, list[float] | int]:
    """The published training, of hours."""
    return await measure(candidate, PAPER)


async def measure(candidate: Candidate, settings: dict[str, Any]) -> dict[str, list[float] | int]:
    """Accuracy by image, and how many numbers the network is made of."""
    data = load(folder())
    trained = await candidate.call("harness:train", *data.train, settings, SEED)
    parameters = read_parameters(told(trained, "parameters"), MOST_PARAMETERS)
    show(candidate, trained)
    # A fresh sandbox: what the program has kept or written is gone, beside these numbers.
    await candidate.renew()
    part = data.test if candidate.split == Split.TEST else data.validation
    answer = await candidate.call("harness:predict", parameters, part.images, settings["side"])
    predicted = read_classes(answer, len(part.labels), CLASSES)
    right = predicted == part.labels
    table = confusion(predicted, part.labels, CLASSES)
    candidate.attach("confusion.svg", counts("Confusion", table.tolist(), "class", "predicted"))
    candidate.feedback(
        f"Accuracy {right.mean():.4f} with {parameters.size:,} parameters. "
        f"Mistaken most: {mistaken(table)}."
    )
    return {"accuracy": right.astype(float).tolist(), "parameters": parameters.size}


def folder() -> Path:
    """Where CIFAR-10's binary files lie: $CIFAR10, or where ``download.py`` puts them."""
    given = os.environ.get("CIFAR10")
    return Path(given) if given else Path(__file__).parent / "data" / "cifar-10-batches-bin"


@lru_cache
def load(where: Path) -> Data:
    """The published split: of each class a fifth of the training files is for validation.

    Raises:
        FileNotFoundError: With what to do.
        ValueError: If a file is not of CIFAR-10's binary format.
    """
    learnt, test = _read(where, LEARNT), _read(where, TESTED)
    rng = np.random.default_rng(10)
    held = np.zeros(len(learnt.labels), bool)
    for each in range(CLASSES):
        places = rng.permutation(np.flatnonzero(learnt.labels == each))
        held[places[: len(places) // 5]] = True
    train, validation = (Part(learnt.images[m], learnt.labels[m]) for m in (~held, held))
    return Data(train, validation, test)


def _read(where: Path, names: tuple[str, ...]) -> Part:
    parts = []
    for name in names:
        path = where / name
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} is not there. Fetch CIFAR-10 once with "
                "'python examples/cifar10/download.py', or set CIFAR10 to the folder that its "
                "binary files are in."
            )
        content = np.fromfile(path, np.uint8)
        if not content.size or content.size % RECORD:
            raise ValueError(f"{path} has {content.size} bytes, which are not records of {RECORD}")
        parts.append(content.reshape(-1, RECORD))
    records = np.concatenate(parts)
    if (records[:, 0] >= CLASSES).any():
        raise ValueError(f"{where} has a class above {CLASSES - 1}: these are not CIFAR-10's files")
    images = records[:, 1:].reshape(-1, 3, 32, 32)
    return Part(np.ascontiguousarray(images), records[:, 0].astype(np.int64))


def show(candidate: Candidate, trained: object) -> None:
    """Attach what the program's process tells of its training; no score depends on it."""
    losses, network = told(trained, "losses"), told(trained, "network")
    if isinstance(losses, list) and len(losses) <= 1000:
        values = [loss for loss in losses if type(loss) is float]
        candidate.attach("learning.svg", curves("Training", {"loss": values}, "epoch"))
    if isinstance(network, str):
        candidate.attach("network.txt", network[:20_000])


def told(trained: object, name: str) -> object:
    """One entry of what training returned; nothing if it is not there."""
    return trained.get(name) if isinstance(trained, dict) else None
