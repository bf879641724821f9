from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from metasearch.evaluation import CandidateFailure, Outcome
from metasearch.evaluation.charts import counts, curves
from metasearch.evaluation.networks import confusion, mistaken, read_classes, read_parameters


@pytest.mark.parametrize(
    ("vector", "reason"),
    [
        (None, "vector of float32"),
        ([1.0, 2.0], "vector of float32"),
        (np.ones(3), "vector of float32"),
        (np.ones((3, 1), np.float32), "vector of float32"),
        (np.ones(0, np.float32), "0 parameters"),
        (np.ones(1_000_001, np.float32), "1000001 parameters"),
        (np.array([1, np.nan], np.float32), "not finite"),
        (np.array([3.4e38], np.float32), "beyond all measure"),
    ],
)
def test_what_is_no_vector_of_parameters_is_invalid(vector: object, reason: str) -> None:
    with pytest.raises(CandidateFailure, match=reason) as caught:
        read_parameters(vector, 1_000_000)
    assert caught.value.outcome is Outcome.INVALID


def test_a_number_carries_sixteen_bits() -> None:
    """A second number in the lower half of the first one does not get through."""
    rng = np.random.default_rng(3)
    honest = rng.normal(size=5000).astype(np.float32)
    kept = read_parameters(honest, 5000)
    assert not (kept.view(np.uint32) & 0xFFFF).any()
    assert np.abs(kept / honest - 1).max() <= 2**-8
    again = read_parameters(kept.copy(), 5000)
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
def test_what_is_no_class_for_each_image_is_invalid(answer: object) -> None:
    with pytest.raises(CandidateFailure) as caught:
        read_classes(answer, 4, 10)
    assert caught.value.outcome is Outcome.INVALID


def test_the_confusion_counts_each_image_once() -> None:
    labels = np.array([0, 0, 1, 9])
    table = confusion(np.array([0, 1, 1, 0]), labels, 10)
    assert table.sum() == 4
    assert [table[0, 0], table[0, 1], table[1, 1], table[9, 0]] == [1, 1, 1, 1]
    assert mistaken(table) == "0 as 1 (1), 9 as 0 (1)"


SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    "values", [[], [0.5], [3.0, 3.0], [1.0, float("nan"), float("inf"), -1e300]]
)
def test_curves_draw_what_is_finite(values: list[float]) -> None:
    root = ET.fromstring(curves("<A & B>", {"a\x00<": values, "b": [1.0, 2.0]}, "epoch"))
    lines = root.findall(f"{SVG}polyline")
    assert len(lines) == 2
    points = lines[0].get("points", "").split()
    assert len(points) == sum(np.isfinite(value) for value in values)
    for point in points:
        x, y = map(float, point.split(","))
        assert 0 <= x <= 420
        assert 0 <= y <= 240
    assert root.findtext(f"{SVG}text") == "<A & B>"


def test_a_table_has_a_cell_for_each_pair() -> None:
    root = ET.fromstring(counts("Confusion", [[3, 0], [1, 2]], "class", "predicted"))
    assert len(root.findall(f"{SVG}rect")) == 1 + 4
    words = [text.text for text in root.findall(f"{SVG}text")]
    assert words[-3:] == ["3", "1", "2"]
