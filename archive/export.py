"""Writing a campaign out: as lines for programs, as a table, as a folder for people."""

from __future__ import annotations

import csv
import difflib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TextIO

from metasearch.archive.archive import CampaignArchive
from metasearch.archive.facts import CampaignSummary, Evaluation
from metasearch.candidate import Candidate, Split
from metasearch.errors import UsageError
from metasearch.exchange import ExchangeState, Message
from metasearch.facts import Recorded
from metasearch.program import Program

_COLUMNS = ("number", "step", "outcome", "parents", "operator", "island", "stage", "name")
_LAST_COLUMNS = ("seconds", "digest", "error", "model", "temperature", "memory")


def export_jsonl(run: CampaignArchive, stream: TextIO) -> None:
    """One JSON object a line: the campaign, then its settled candidates and facts in their order.

    A candidate comes with its files and all its measurements.
    """
    summary = run.summary()
    _line(stream, {"type": "campaign", **summary.model_dump(mode="json", exclude={"best"})})
    for fact in run.history():
        _line(stream, _candidate(run, fact) if isinstance(fact, Candidate) else _fact(fact))


def _candidate(run: CampaignArchive, candidate: Candidate) -> dict[str, object]:
    measured = [e.model_dump(mode="json") for e in run.evaluations_of(candidate.number)]
    return {
        "type": "candidate",
        **candidate.model_dump(mode="json"),
        "evaluations": measured,
        "files": run.program(candidate).files if candidate.digest else {},
    }


def _fact(recorded: Recorded) -> dict[str, object]:
    return {"type": "fact", **recorded.model_dump(mode="json")}


def export_csv(run: CampaignArchive, stream: TextIO) -> None:
    """A table with a row for every settled candidate and a column for every metric."""
    metrics: dict[str, None] = {}
    for candidate in run.candidates():
        metrics |= dict.fromkeys((*candidate.scores, *candidate.private_scores))
    writer = csv.writer(stream)
    writer.writerow([*_COLUMNS, *map(_metric_column, metrics), *_LAST_COLUMNS])
    for candidate in run.candidates():
        scores = {**candidate.scores, **candidate.private_scores}
        writer.writerow(
            [
                candidate.number,
                candidate.step,
                candidate.outcome,
                " ".join(map(str, candidate.parents)),
                _cell(candidate.operator),
                candidate.island,
                _cell(candidate.stage),
                _cell(candidate.name),
                *(scores.get(metric) for metric in metrics),
                candidate.seconds,
                candidate.digest,
                _cell(candidate.error),
                _cell(candidate.model or ""),
                candidate.temperature,
                candidate.memory,
            ]
        )


def export_calls(
    run: CampaignArchive, stream: TextIO, redacted: Callable[[str], str] = str
) -> None:
    """Every answered model call as one JSON object a line: a recording to be replayed.

    Args:
        run: The campaign.
        stream: Where to.
        redacted: Takes keys out of a text; the archive's own texts have been through it.
    """
    for exchange in run.all_exchanges():
        if exchange.state is ExchangeState.ANSWERED:
            messages = tuple(
                Message(role=m.role, content=redacted(m.content)) for m in exchange.messages
            )
            clean = {"messages": messages, "reply": redacted(exchange.reply)}
            stream.write(exchange.model_copy(update=clean).model_dump_json() + "\n")


def _metric_column(metric: str) -> str:
    """The metric's name, told from the columns that every export has."""
    taken = metric in _COLUMNS or metric in _LAST_COLUMNS
    return f"score.{metric}" if taken else _cell(metric)


def export_folder(run: CampaignArchive, folder: Path) -> None:
    """The best program with its diff to the seed, its lineage and its metrics.

    Raises:
        UsageError: Nothing is scored yet, or the folder cannot be written or has files of
            these names already.
    """
    summary = run.summary()
    best = summary.best
    if best is None:
        raise UsageError(f"The campaign {run.id} has no scored candidate to export yet.")
    program, seed = run.program(best), run.resolved().seed_program
    texts = {f"program/{path}": text for path, text in program.files.items()}
    texts["best.diff"] = "".join(_diff(seed, program))
    texts["lineage.json"] = _document([_ancestor(c) for c in reversed(run.lineage(best.number))])
    texts["metrics.json"] = _document(_metrics(run, summary, best))
    texts["README.md"] = _readme(summary, best, program)
    try:
        for path, text in texts.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("x", encoding="utf-8", errors="replace", newline="") as stream:
                stream.write(text)
    except OSError as error:
        raise UsageError(
            f"Cannot export to {folder}: {error.strerror}: {error.filename}. "
            "Give another, empty folder."
        ) from None


def _line(stream: TextIO, record: Mapping[str, object]) -> None:
    stream.write(json.dumps(record) + "\n")


def _document(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"


def _cell(text: str) -> str:
    """Text that a spreadsheet takes for text: models write these, formulas among them."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _diff(seed: Program, best: Program) -> Iterator[str]:
    for path in dict.fromkeys((*seed.files, *best.files)):
        before = seed.files.get(path, "").splitlines(keepends=True)
        after = best.files.get(path, "").splitlines(keepends=True)
        names = (
            f"a/{path}" if path in seed.files else "/dev/null",
            f"b/{path}" if path in best.files else "/dev/null",
        )
        for line in difflib.unified_diff(before, after, *names):
            yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _ancestor(candidate: Candidate) -> dict[str, object]:
    return candidate.model_dump(mode="json", exclude={"seq", "feedback", "error", "stage"})


def _metrics(run: CampaignArchive, summary: CampaignSummary, best: Candidate) -> object:
    measured = run.evaluations_of(best.number)
    return {
        "campaign": summary.id,
        "candidate": best.number,
        "objectives": dict(summary.settings.objectives),
        "validation": _scores(measured, Split.VALIDATION),
        "test": _scores(measured, Split.TEST),
        "evaluations": summary.evaluations,
        "outcomes": summary.outcomes,
        "usage": summary.usage.model_dump(mode="json"),
        "seconds": summary.seconds,
        "curve": [point._asdict() for point in run.curve()],
    }


def _scores(measured: list[Evaluation], split: Split) -> object:
    """The last measurement on a split; nothing if there is none."""
    stages = next((e.stages for e in reversed(measured) if e.split is split and e.stages), ())
    if not stages:
        return {}
    return {name: score.model_dump(mode="json") for name, score in stages[-1].scores.items()}


def _readme(summary: CampaignSummary, best: Candidate, program: Program) -> str:
    scores = "\n".join(
        f"| {_code(name)} | {best.scores[name]!r} | {direction} |"
        for name, direction in summary.settings.objectives.items()
        if name in best.scores
    )
    files = "\n".join(f"- {_code(f'program/{path}')}" for path in program.files)
    return (
        f"# The best program of {_code(summary.id)}\n\n"
        f"Candidate #{best.number}, after {summary.evaluations} evaluations with the strategy "
        f"{_code(summary.strategy)}. It was written by a program: read it before you run it.\n\n"
        f"| objective | value | direction |\n|---|---|---|\n{scores}\n\n"
        f"{files}\n"
        "- `best.diff`: what changed since the seed program\n"
        "- `lineage.json`: its ancestors, from the seed to the best\n"
        "- `metrics.json`: all its metrics with 95 % intervals, on the test split too if it was "
        "measured there, and what the search cost\n"
    )


def _code(text: str) -> str:
    """Text from the archive as a code span that it cannot break out of."""
    plain = "".join(c if c.isprintable() and c not in "`|" else "?" for c in text)
    return f"`{plain}`"
