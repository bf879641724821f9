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

CLASSES = 10
HELD_OUT = 40
"""Images of each class in the validation split, and as many in the test split."""
EPOCHS = 8
REPEAT_FROM = 0.935
"""Validation accuracy from which a network is a would-be best: a little less than the seed has."""
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
    table = confusion(predicted, part.labels)
    candidate.attach("confusion.svg", counts("Confusion", table.tolist(), "class", "predicted"))
    candidate.feedback(describe(np.mean(scores, axis=1).tolist(), size, table))
    return {"accuracy": np.mean(scores, axis=0).tolist(), "parameters": size}


async def learnt(candidate: Candidate, epochs: int, seed: int) -> tuple[np.ndarray, int]:
    """What the trained network says of the images, and how many numbers it is made of."""
    images, labels = data().train
    await candidate.renew()
    trained = await candidate.call("harness:train", images, labels, epochs, seed)
    parameters = read_parameters(trained)
    show(candidate, trained)
    # A fresh sandbox: what the program has kept or written is gone, beside these numbers.
    await candidate.renew()
    wanted = asked(candidate)
    answer = await candidate.call("harness:predict", parameters, wanted.images)
    return read_classes(answer, len(wanted.labels)), parameters.size


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


def read_parameters(trained: object) -> np.ndarray:
    """The trained numbers, rounded to bfloat16.

    Counting numbers says little if one can hold several. So each keeps the 16 bits that
    networks are commonly stored in, and no more.

    Raises:
        CandidateFailure: If it is anything but a vector of finite 32-bit numbers.
    """
    vector = trained.get("parameters") if isinstance(trained, dict) else None
    if not isinstance(vector, np.ndarray) or vector.dtype != np.float32 or vector.ndim != 1:
        raise _invalid("training did not return its parameters as a vector of float32")
    if not 0 < vector.size <= MOST_PARAMETERS:
        raise _invalid(f"it has {vector.size} parameters; at least 1 and at most {MOST_PARAMETERS}")
    if not np.isfinite(vector).all():
        raise _invalid("training ended in numbers that are not finite; learn more slowly")
    bits = np.ascontiguousarray(vector).view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    kept = rounded.astype(np.uint32).view(np.float32)
    if not np.isfinite(kept).all():
        raise _invalid("training ended in numbers beyond all measure; learn more slowly")
    return kept


def read_classes(answer: object, wanted: int) -> np.ndarray:
    """One class for each image.

    Raises:
        CandidateFailure: If it is anything else.
    """
    if not isinstance(answer, np.ndarray) or answer.dtype != np.int64:
        raise _invalid("the predictions are no array of int64")
    if answer.shape != (wanted,) or ((answer < 0) | (answer >= CLASSES)).any():
        raise _invalid(f"the predictions are not {wanted} classes from 0 to {CLASSES - 1}")
    return answer


def right(predicted: np.ndarray, part: Part) -> list[float]:
    """1 for each image that is classified correctly, else 0."""
    return (predicted == part.labels).astype(float).tolist()


def confusion(predicted: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How often each class (row) was taken for each class (column)."""
    table = np.zeros((CLASSES, CLASSES), int)
    np.add.at(table, (labels, predicted), 1)
    return table


def describe(accuracies: list[float], size: int, table: np.ndarray) -> str:
    """The result, and what is confused most."""
    wrong = table - np.diag(np.diag(table))
    pairs = sorted(((int(n), *map(int, at)) for at, n in np.ndenumerate(wrong) if n), reverse=True)
    named = ", ".join(f"{true} as {taken} ({n})" for n, true, taken in pairs[:5]) or "nothing"
    shown = ", ".join(f"{accuracy:.4f}" for accuracy in accuracies)
    return f"Accuracy by training seed: {shown}, with {size:,} parameters. Mistaken most: {named}."


def show(candidate: Candidate, trained: object) -> None:
    """Attach what the program's process tells of its training; no score depends on it."""
    told = trained if isinstance(trained, dict) else {}
    losses, network = told.get("losses"), told.get("network")
    if isinstance(losses, list) and len(losses) <= 1000:
        values = [float(loss) for loss in losses if type(loss) is float]
        candidate.attach("learning.svg", curves("Training", {"loss": values}, "epoch"))
    if isinstance(network, str):
        candidate.attach("network.txt", network[:20_000])


def _invalid(reason: str) -> CandidateFailure:
    return CandidateFailure(Outcome.INVALID, reason)
