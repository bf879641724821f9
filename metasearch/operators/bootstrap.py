"""Fitness as a line of text: the median and its 95 % bootstrap interval (ADAS, arXiv 2408.08435).

The intervals themselves are those of :mod:`metasearch.evaluation.statistics`; here are the
bootstrap over questions that were asked several times, and the lines that prompts show.
"""

from __future__ import annotations

from collections.abc import Sequence

from metasearch.evaluation.statistics import Estimate, mean, of_examples


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
