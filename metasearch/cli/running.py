"""``metasearch run`` and ``metasearch evaluate``."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from metasearch import endings, quantities
from metasearch.cli import failures, ideas, records
from metasearch.cli.console import console, print_json
from metasearch.printable import one_line, printable

if TYPE_CHECKING:
    from rich.console import Console

    from metasearch.api import Options
    from metasearch.campaign import Campaign
    from metasearch.candidate import EvaluationResult
    from metasearch.engine import Ending, Observer

_QUIET = 2.0
"""Seconds between two notices of one kind."""


def run(
    folder: Path,
    options: Options,
    archive: Path | None,
    *,
    fresh: bool,
    accept_evaluator: bool,
    as_json: bool,
) -> int:
    """Run or continue a campaign; the exit code."""
    from metasearch.api import load
    from metasearch.archive import default_path

    campaign = load(folder, options)
    file = archive or default_path()
    out = console()
    with _observer(campaign, out, as_json=as_json) as observer, _told_of_logs(observer):
        if notice := _no_model_given(campaign):
            observer.notice(notice)
        from metasearch.engine import run_campaign

        ending = asyncio.run(
            run_campaign(
                campaign, file, fresh=fresh, accept_evaluator=accept_evaluator, observer=observer
            )
        )
    test = _test_scores(ending)
    if as_json:
        objectives = campaign.settings.objectives
        print_json(records.finished(ending.report, ending.reason, objectives, test))
    else:
        out.print(_summary(campaign, ending, test, archive, fresh=fresh), soft_wrap=True)
    if ending.reason == "interrupted":
        return failures.INTERRUPTED
    return failures.FAILED if ending.reason == "stalled" else failures.OK


def evaluate(
    folder: Path,
    program: Path | None,
    split: str,
    sandbox: str | None,
    *,
    as_json: bool,
) -> int:
    """Evaluate one program; the exit code says whether it was scored."""
    from metasearch import api

    with _shown_evaluator_output():
        result = api.evaluate(folder, program, split=split, sandbox=sandbox)
    if as_json:
        print_json(records.evaluated(result))
    else:
        console().print(_result(result), soft_wrap=True)
    return failures.OK if result.outcome.value == "scored" else failures.FAILED


@contextlib.contextmanager
def _observer(campaign: Campaign, out: Console, *, as_json: bool) -> Iterator[Observer]:
    """Who tells of the run: a dashboard on a terminal, lines on a pipe, JSON if asked for."""
    from metasearch.cli.observers import JsonLines, PlainLines

    if as_json:
        yield JsonLines(campaign)
    elif not out.is_terminal or out.is_dumb_terminal:
        yield PlainLines(campaign, typer.echo)
    else:
        from metasearch.cli.dashboard import Dashboard

        with Dashboard(campaign, out) as dashboard:
            yield dashboard


def _told_of_logs(observer: Observer) -> contextlib.AbstractContextManager[None]:
    """What the rooms log (a retried model call, say) becomes notices."""
    return _logged_to(_Notices(observer), "metasearch", logging.INFO)


def _shown_evaluator_output() -> contextlib.AbstractContextManager[None]:
    """What the evaluator itself prints goes to stderr, for whoever debugs it by printing."""
    return _logged_to(_EvaluatorOutput(), "metasearch.evaluator", logging.DEBUG)


@contextlib.contextmanager
def _logged_to(handler: logging.Handler, name: str, least: int) -> Iterator[None]:
    logger = logging.getLogger(name)
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(least)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate


class _EvaluatorOutput(logging.Handler):
    """Writes what evaluators have printed to stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the output of one."""
        lines = printable(record.getMessage()).rstrip().split("\n")
        text = "\n".join(f"  {line}" for line in lines)
        sys.stderr.write(f"printed by the evaluator:\n{text}\n")


class _Notices(logging.Handler):
    """Passes log records on to an observer; those of one kind at most every other second."""

    def __init__(self, observer: Observer) -> None:
        super().__init__()
        self._observer = observer
        self._last: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one on, unless its like has just been."""
        now = time.monotonic()
        if now - self._last.get(record.msg, -_QUIET) >= _QUIET:
            self._last[record.msg] = now
            self._observer.notice(record.getMessage())


def _no_model_given(campaign: Campaign) -> str | None:
    from metasearch.campaign import OFFLINE_MODEL, ROLES

    models = campaign.settings.models
    if models.default or any(getattr(models, role) for role in ROLES):
        return None
    knows = "" if campaign.measures else _PLACEHOLDERS
    return (
        f"No model given: using {OFFLINE_MODEL}, which needs no key and no network. {knows}"
        'For a language model: --model NAME, or default = "NAME" under [models].'
    )


_PLACEHOLDERS = (
    "It knows nothing: its ideas, reviews and verdicts are placeholders drawn by lot, which show "
    "how a campaign goes and nothing else. "
)


def _test_scores(ending: Ending) -> dict[str, float]:
    from metasearch.archive import Archive

    if ending.report.best is None:
        return {}
    with Archive.open(ending.archive, read_only=True) as archive:
        run = archive.campaign(ending.report.campaign)
        return records.test_scores(run, ending.report.best)


def _summary(
    campaign: Campaign,
    ending: Ending,
    test: dict[str, float],
    archive: Path | None,
    *,
    fresh: bool,
) -> str:
    """What was reached, how to see it, how to go on."""
    report = ending.report
    where = f" --archive {shlex.quote(str(archive))}" if archive else ""
    counts = report.ideas
    lines = [
        f"{report.campaign} ended: {endings.in_words(ending.reason)}. "
        f"{ideas.counts_text(counts) if counts else f'{report.evaluations} evaluations'} in "
        f"{quantities.duration(report.seconds)}, {quantities.count(report.usage.tokens)} tokens, "
        f"{quantities.usd(report.usage.usd)}."
    ]
    if counts is not None:
        lines.append(f"Best: {ideas.best_text(counts)}.")
        lines += ["", f"  metasearch best {report.campaign}{where}"]
        lines.append(f"  metasearch export {report.campaign} --format report{where}")
    elif report.best is None:
        lines.append("Nothing was scored.")
    else:
        shown = ", ".join(
            f"{objective.name} {quantities.score(report.best.scores[objective.name])}"
            for objective in campaign.objectives
        )
        gain = ""
        if report.curve and report.best.number:
            first = campaign.objectives[0]
            change = quantities.change(report.best.scores[first.name], report.curve[0][1])
            gain = f" ({change} over the seed)"
        lines.append(f"Best: #{report.best.number}, {shown}{gain}.")
        if test:
            measured = ", ".join(f"{name} {quantities.score(x)}" for name, x in test.items())
            lines.append(f"On the test split: {measured}.")
        name = report.campaign
        lines += ["", f"  metasearch best {name}{where}"]
        if report.best.number:
            lines.append(f"  metasearch diff '{name}#0' '{name}#{report.best.number}'{where}")
        lines.append(f"  metasearch export {name}{where}")
    lines += ["", _how_to_go_on(ending, fresh=fresh)]
    return "\n".join(lines)


def _how_to_go_on(ending: Ending, *, fresh: bool) -> str:
    same = "the same command without --fresh" if fresh else "the same command"
    if ending.reason == "interrupted":
        return f"Nothing is lost. To continue, give {same} again."
    if ending.reason == "evaluations":
        more = 2 * ending.report.evaluations
        return f"To continue: {same} with a larger budget, say --evaluations {more}."
    if ending.reason in ("usd", "tokens", "minutes"):
        return f"To continue: {same} with a larger budget (--{ending.reason})."
    if ending.reason == "ideas" and ending.report.ideas is not None:
        return f"To continue: {same} with more ideas, say --ideas {2 * ending.report.ideas.ideas}."
    if ending.reason == "target":
        return f"To continue: {same} with another --target."
    return f"To continue: {same}, perhaps with another --model or --strategy."


def _result(result: EvaluationResult) -> str:
    """One evaluation for people."""
    used = "" if result.memory is None else f", with {quantities.size(result.memory)} of memory"
    lines = [f"{result.outcome.value} after {quantities.duration(result.seconds)}{used}"]
    lines += [
        f"  {one_line(name)}  {quantities.interval(found)}" for name, found in result.scores.items()
    ]
    for title, text in (
        ("error", result.error),
        ("feedback", result.feedback),
        ("printed", result.stdout),
        ("printed to stderr", result.stderr),
    ):
        if text.strip():
            lines += [f"{title}:", *(f"  {line}" for line in printable(text).rstrip().split("\n"))]
    return "\n".join(lines)
