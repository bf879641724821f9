"""Fitness as a line of text: the median and its 95 % bootstrap interval (ADAS, arXiv 2408.08435).

The intervals themselves are those of :mod:`metasearch.evaluation.statistics`; here are the
bootstrap over questions that were asked several times, and the lines that prompts show.
"""

from __future__ import annotations

from collections.abc import Sequence

from metasearch.candidate import Candidate
from metasearch.evaluation.statistics import Estimate, mean, of_examples
from metasearch.objectives import Objective
from metasearch.step import View


def of_questions(repeats: Sequence[Sequence[float]], seed: int) -> Estimate:
    """Mean and bootstrap interval when each question was asked several times.

    Answers to one question are not independent, so questions are resampled, not answers:
    the cluster bootstrap. Each question counts the same, however often it was asked.

    Args:
        repeats: For each question its scores, at least one.
        seed: Of the resampling.
    """
    return of_examples([mean(scores) for scores in repeats], seed)


def percent_line(estimate: Estimate) -> str:
    """The fitness of scores from 0 to 1, in per cent with one decimal.

    Raises:
        ValueError: The scores are on another scale.
    """
    if estimate.low < 0 or estimate.high > 1:
        raise ValueError(
            f"the interval ({estimate.low:g}, {estimate.high:g}) is not of scores from 0 to 1, "
            "so it is no percentage: show it with plain_line"
        )
    low, high, median = (
        f"{100 * value:.1f}%" for value in (estimate.low, estimate.high, estimate.median)
    )
    return f"95% Bootstrap Confidence Interval: ({low}, {high}), Median: {median}"


def plain_line(estimate: Estimate) -> str:
    """The fitness of scores on any other scale, with six significant digits."""
    low, high, median = (f"{value:.6g}" for value in (estimate.low, estimate.high, estimate.median))
    return f"95% Bootstrap Confidence Interval: ({low}, {high}), Median: {median}"


def fitness_line(scores: Sequence[float]) -> str:
    """The median of the mean with its bootstrap interval; in per cent for scores from 0 to 1."""
    share = all(0 <= score <= 1 for score in scores)
    return (percent_line if share else plain_line)(of_examples(scores, seed=0))


def fitness(archive: View, candidate: Candidate, objectives: Sequence[Objective]) -> str:
    """The scores in a line; with a bootstrap interval where each example has its own."""
    examples = archive.examples(candidate)
    lines = []
    for objective in objectives:
        name = objective.name
        score = archive.score(candidate, name)
        if name in examples:
            lines.append(f"{name}: {fitness_line(examples[name])}")
        elif score.samples > 1:
            bounds = f"{score.low:.6g}, {score.high:.6g}"
            lines.append(f"{name}: 95% Interval of the mean: ({bounds}), Mean: {score.value:.6g}")
        else:
            lines.append(f"{name}: {score.value:.10g}")
    return "; ".join(lines)
