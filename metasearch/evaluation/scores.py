"""Reading what the user's function returned: which names, which numbers, which mean.

What the candidate may have caused is ``invalid``, with the reason: a missing or undeclared
name, NaN, infinity, something that is no number. What no candidate can cause is the
evaluator's bug: it returned no mapping, or names that are not text, or a list in one repeat
and a number in the next.

The reason of an ``invalid`` candidate is shown to models, so it neither names nor quotes a
private metric. An evaluator's bug is shown to a person only.
"""

from __future__ import annotations

import difflib
import math
import numbers
from collections.abc import Mapping, Sequence

from metasearch.errors import CandidateFailure, EvaluatorError
from metasearch.evaluation import statistics
from metasearch.evaluation.spec import EvaluationSpec
from metasearch.evaluation.statistics import Estimate
from metasearch.outcome import Outcome

Reading = float | list[float]
"""One metric of one repeat: a number, or one number for each example."""

_MOST_NAMES = 20
"""Metrics listed in a message: what a candidate returned may have any number of them."""


def read_scores(
    returned: object, examples: Mapping[str, object], spec: EvaluationSpec
) -> dict[str, Reading]:
    """One repeat's metrics.

    Args:
        returned: What the user's function returned.
        examples: What it handed to ``candidate.examples``.
        spec: Which names there may be.

    Raises:
        CandidateFailure: ``invalid``, with the reason.
        EvaluatorError: If what was returned cannot be the candidate's doing.
    """
    if returned is None and examples:
        returned = {}
    if not isinstance(returned, Mapping):
        raise EvaluatorError(
            f"the evaluator returned {_show(returned)}; it must return a mapping of metric to "
            f"number, such as {{{next(iter(spec.objectives))!r}: 1.0}}"
        )
    both = returned.keys() & examples.keys()
    if both:
        raise EvaluatorError(
            f"the evaluator gave {sorted(both)} both to candidate.examples and as a return value"
        )
    given = {**returned, **examples}
    odd = next((name for name in given if not isinstance(name, str)), None)
    if odd is not None:
        raise EvaluatorError(f"the evaluator returned the metric name {odd!r}, which is not text")
    _check_names(list(given), spec)
    return {
        name: _private_reading(value) if name in spec.private else _reading(name, value)
        for name, value in given.items()
    }


def _check_names(names: Sequence[str], spec: EvaluationSpec) -> None:
    missing = [name for name in spec.objectives if name not in names]
    if missing:
        rule = "; every stage must return all objectives" if len(spec.stages) > 1 else ""
        raise _invalid(
            f"the evaluator returned no value for the objective {missing[0]!r} "
            f"(it returned {_show_names(names, spec)}){rule}"
        )
    declared = {*spec.objectives, *spec.metrics, *spec.private}
    for name in names:
        if name not in declared:
            close = _nearest(name, spec)
            if close in spec.private:
                what, hint = "a metric", "Its name is close to that of a private metric. "
            else:
                what, hint = repr(name), f"Did you mean {close!r}? " if close else ""
            raise _invalid(
                f"the evaluator returned {what}, which is no objective. {hint}"
                "Other metrics are declared under evaluator.metrics, or evaluator.private"
            )


def _nearest(name: str, spec: EvaluationSpec) -> str | None:
    """The declared metric that a name is, or is perhaps a misspelling of."""
    declared = [*spec.objectives, *spec.metrics, *spec.private]
    return next(iter(difflib.get_close_matches(name, declared, 1)), None)


def _show_names(names: Sequence[str], spec: EvaluationSpec) -> str:
    """Names for a message, without those that are or resemble private ones."""
    shown = [repr(name) for name in names[:_MOST_NAMES] if _nearest(name, spec) not in spec.private]
    return ", ".join(shown) or ("no public metric" if names else "nothing")


def _private_reading(value: object) -> Reading:
    try:
        return _reading("", value)
    except CandidateFailure:
        raise _invalid("a private metric is not a finite number") from None


def _reading(name: str, value: object) -> Reading:
    # numpy, torch and jax arrays and scalars, without importing any of them.
    tolist = getattr(value, "tolist", None)
    if callable(tolist):
        value = tolist()
    if isinstance(value, list | tuple):
        if not value:
            raise _invalid(f"{name!r} is an empty list, which has no mean")
        return [_number(f"{name!r} of example {i}", item) for i, item in enumerate(value)]
    return _number(repr(name), value)


def _number(what: str, value: object) -> float:
    if not isinstance(value, numbers.Real):  # bool and int are Real, too
        raise _invalid(f"{what} is {_show(value)}, not a number")
    try:
        number = float(value)
    except OverflowError:
        raise _invalid(f"{what} is too large a number") from None
    if not math.isfinite(number):
        raise _invalid(f"{what} is {number}, not a finite number")
    return number + 0.0  # -0.0 as 0.0


def estimates(repeats: Sequence[Mapping[str, Reading]], seed: int) -> dict[str, Estimate]:
    """The metrics over all repeats of one stage.

    Raises:
        EvaluatorError: If the repeats do not have the same metrics of the same kind.
    """
    first = repeats[0]
    for other in repeats[1:]:
        if other.keys() != first.keys():
            raise EvaluatorError(
                f"the evaluator returned {sorted(first)} in one repeat, {sorted(other)} in another"
            )
    return {name: _estimate(name, [repeat[name] for repeat in repeats], seed) for name in first}


def _estimate(name: str, readings: Sequence[Reading], seed: int) -> Estimate:
    vectors = [reading for reading in readings if isinstance(reading, list)]
    plain = [reading for reading in readings if not isinstance(reading, list)]
    if vectors and plain:
        raise EvaluatorError(
            f"the evaluator returned a list for {name!r} in one repeat and a number in another"
        )
    if plain:
        return statistics.of_repeats(plain)
    if len({len(vector) for vector in vectors}) > 1:
        raise EvaluatorError(
            f"the evaluator returned lists of different lengths for {name!r}; the repeats must "
            "measure the same examples"
        )
    # An example's repeats are no independent evidence: it counts once, with their mean.
    return statistics.of_examples(
        [statistics.mean(of_one) for of_one in zip(*vectors, strict=True)], seed
    )


def passed(
    scores: Mapping[str, Estimate], threshold: Mapping[str, float], spec: EvaluationSpec
) -> bool:
    """Whether every value of a stage's threshold is reached, each in its direction.

    Raises:
        CandidateFailure: ``invalid``, if a metric of the threshold was not returned.
    """
    for name, bound in threshold.items():
        if name not in scores:
            what = "a private metric" if name in spec.private else repr(name)
            raise _invalid(f"the evaluator returned no value for {what}, which has a threshold")
        sign = -1 if spec.objectives.get(name) == "minimize" else 1
        if sign * scores[name].value < sign * bound:
            return False
    return True


def _invalid(reason: str) -> CandidateFailure:
    return CandidateFailure(Outcome.INVALID, reason)


def _show(value: object) -> str:
    """A value for a message: its text if that is cheap and safe to make, and its type."""
    if value is None or isinstance(value, bool | str | bytes):
        text = repr(value[:60] if isinstance(value, str | bytes) else value)
        return f"{text} ({type(value).__name__})"
    return f"a value of type {type(value).__name__}"
