"""Measures a network by what it says of images whose labels it never saw.

Training and prediction happen inside, in two sandboxes; labels, counting and scoring stay here.
Between the two nothing passes but a vector of numbers: its length is the number of parameters.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from metasearch.evaluation import Candidate, CandidateFailure, Outcome, Split
from metasearch.evaluation.charts import counts, curves
from metasearch.evaluation.networks import confusion, mistaken, read_classes, read_parameters

CLASSES = 10
HELD_OUT = 40
"""Images of each class in the validation split, and as many in the test split."""
EPOCHS = 4
REPEAT_FROM = 0.94
"""Validation accuracy from which a network is a would-be best: more than the seed has."""
SEEDS = (0, 1, 2)
"""Of training: the first one for all, the others for would-be bests and the test."""
MOST_PARAMETERS = 1_000_000


class Part(NamedTuple):
    """Images (n, 1, 8, 8) from 0 to 1, and their classes."""

    images: np.ndarray
    labels: np.ndarray


class Data(NamedTuple):
    """What is learnt from, and what is asked."""

    train: Part
    validation: Part
    test: Part


async def quick(candidate: Candidate) -> dict[str, list[float] | int]:
    """One epoch: what does not learn at all ends here."""
    predicted, size = await learnt(candidate, epochs=1, seed=SEEDS[0])
    return {"accuracy": right(predicted, asked(candidate)), "parameters": size}


async def thorough(candidate: Candidate) -> dict[str, list[float] | int]:
    """The whole training; three times, and their mean, for what may be the best."""
    part = asked(candidate)
    predicted, size = await learnt(candidate, EPOCHS, SEEDS[0])
    scores = [right(predicted, part)]
    if np.mean(scores) >= REPEAT_FROM or candidate.split == Split.TEST:
        for seed in SEEDS[1:]:
            again, same_size = await learnt(candidate, EPOCHS, seed)
            if same_size != size:
                raise _invalid(f"it has {size} parameters with one seed, {same_size} with another")
            scores.append(right(again, part))
    table = confusion(predicted, part.labels, CLASSES)
    candidate.attach("confusion.svg", counts("Confusion", table.tolist(), "class", "predicted"))
    candidate.feedback(describe(np.mean(scores, axis=1).tolist(), size, table))
    return {"accuracy": np.mean(scores, axis=0).tolist(), "parameters": size}


async def learnt(candidate: Candidate, epochs: int, seed: int) -> tuple[np.ndarray, int]:
    """What the trained network says of the images, and how many numbers it is made of."""
    images, labels = data().train
    await candidate.renew()
    trained = await candidate.call("harness:train", images, labels, epochs, seed)
    parameters = read_parameters(told(trained, "parameters"), MOST_PARAMETERS)
    show(candidate, trained)
    # A fresh sandbox: what the program has kept or written is gone, beside these numbers.
    await candidate.renew()
    wanted = asked(candidate)
    answer = await candidate.call("harness:predict", parameters, wanted.images)
    return read_classes(answer, len(wanted.labels), CLASSES), parameters.size


@lru_cache
def data() -> Data:
    """The digits of scikit-learn in three fixed parts, with the same share of each class."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = (digits.images[:, None] / 16).astype(np.float32)
    labels = digits.target.astype(np.int64)
    rng = np.random.default_rng(10)
    ranks = np.empty(len(labels), int)
    for each in range(CLASSES):
        places = np.flatnonzero(labels == each)
        ranks[rng.permutation(places)] = np.arange(len(places))
    held = [ranks < HELD_OUT, (ranks >= HELD_OUT) & (ranks < 2 * HELD_OUT)]
    parts = [Part(images[mask], labels[mask]) for mask in (ranks >= 2 * HELD_OUT, *held)]
    return Data(*parts)


def asked(candidate: Candidate) -> Part:
    """The images that a candidate is asked about."""
    return data().test if candidate.split == Split.TEST else data().validation


def right(predicted: np.ndarray, part: Part) -> list[float]:
    """1 for each image that is classified correctly, else 0."""
    return (predicted == part.labels).astype(float).tolist()


def describe(accuracies: list[float], size: int, table: np.ndarray) -> str:
    """The result, and what is confused most."""
    shown = ", ".join(f"{accuracy:.4f}" for accuracy in accuracies)
    worst = mistaken(table)
    return f"Accuracy by training seed: {shown}, with {size:,} parameters. Mistaken most: {worst}."


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


def _invalid(reason: str) -> CandidateFailure:
    return CandidateFailure(Outcome.INVALID, reason)
