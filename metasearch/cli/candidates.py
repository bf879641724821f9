"""Commands that read the archive about candidates: ``show``, ``diff``, ``lineage``."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from pathlib import Path

from rich.table import Table
from rich.text import Text

from metasearch import quantities
from metasearch.archive import ArtifactEntry, Bill, Evaluation
from metasearch.candidate import Candidate
from metasearch.cli import ideas, records
from metasearch.cli.console import console, print_json
from metasearch.cli.reading import print_program
from metasearch.cli.references import Found, find_candidate, find_idea, opened
from metasearch.errors import UsageError
from metasearch.printable import one_line, printable
from metasearch.program import Program


def show(file: Path | None, reference: str, number: int | None, *, as_json: bool) -> None:
    """All that the archive knows of one candidate."""
    with opened(file) as archive:
        if (meant := find_idea(archive, reference, number)) is not None:
            ideas.show(*meant, as_json=as_json)
            return
        found = find_candidate(archive, reference, number)
        program = _program(found)
        if as_json:
            files = program.files if program else {}
            print_json(records.show(found.run, found.candidate, files))
            return
        evaluations = found.run.evaluations_of(found.candidate.number)
        artifacts = found.run.artifact_entries(found.candidate.number)
        printed = found.run.output(found.candidate)
        bill = found.run.bill_of(found.candidate.number)
    candidate, out = found.candidate, console()
    outcome = candidate.outcome.value if candidate.outcome else "waiting for evaluation"
    out.print(Text.assemble((f"{found.summary.id}#{candidate.number}", "bold"), f"  {outcome}"))
    out.print(_facts(candidate, artifacts, bill))
    for evaluation in evaluations:
        _print_scores(evaluation)
    for title, text in (
        ("thought", candidate.thought),
        ("error", candidate.error),
        ("feedback", candidate.feedback),
        ("printed", printed[0]),
        ("printed to stderr", printed[1]),
    ):
        if text.strip():
            out.print()
            out.print(Text(title, style="bold"))
            out.print(Text(printable(text).rstrip()), soft_wrap=True)
    if program is not None:
        print_program(out, program)


def diff(file: Path | None, one: str, other: str | None, *, as_json: bool) -> None:
    """What changed from one candidate to another, or to one from its main parent."""
    with opened(file) as archive:
        after = find_candidate(archive, one)
        if other is not None:
            before, after = after, find_candidate(archive, _of_same(after, other))
        elif after.candidate.parents:
            parent = after.run.candidate(after.candidate.parents[0])
            before = Found(after.run, after.summary, parent)
        else:
            raise UsageError(f"{after.name} was made from nothing; name two candidates.")
        old, new = _program(before), _program(after)
        for found, program in ((before, old), (after, new)):
            if program is None:
                raise UsageError(f"{found.name} has no program: its edit gave none.")
    assert old is not None
    assert new is not None
    names = (
        f"{before.summary.id}#{before.candidate.number}",
        f"{after.summary.id}#{after.candidate.number}",
    )
    lines = list(unified(old, new))
    if as_json:
        print_json({"from": names[0], "to": names[1], "diff": "".join(lines)})
        return
    text = Text(f"{names[0]} to {names[1]}\n", style="bold")
    if not lines:
        text.append("No difference.", style="default")
    for line in lines:
        text.append(printable(line), style=_diff_style(line))
    text.rstrip()
    console().print(text, soft_wrap=True)


def lineage(file: Path | None, reference: str, number: int | None, *, as_json: bool) -> None:
    """The line from a candidate up to the seed, by its main parents."""
    with opened(file) as archive:
        if (meant := find_idea(archive, reference, number)) is not None:
            ideas.lineage(*meant, as_json=as_json)
            return
        found = find_candidate(archive, reference, number)
        line = found.run.lineage(found.candidate.number)
    objectives = list(found.summary.settings.objectives)
    if as_json:
        print_json({"campaign": found.summary.id, "lineage": _line_records(line, objectives)})
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for title in (
        "candidate",
        "outcome",
        *map(one_line, objectives),
        "operator",
        "model",
        "with",
        "name",
    ):
        table.add_column(title)
    for candidate in line:
        scores = records.objective_scores(candidate, objectives)
        table.add_row(
            f"#{candidate.number}",
            candidate.outcome.value if candidate.outcome else "waiting",
            *(quantities.score(scores[name]) if name in scores else "" for name in objectives),
            one_line(candidate.operator, 40),
            one_line(candidate.model or "", 40),
            ", ".join(f"#{parent}" for parent in candidate.parents[1:]),
            one_line(candidate.name, 60),
        )
    console().print(table)


def unified(old: Program, new: Program) -> Iterator[str]:
    """The lines of a unified diff over all files."""
    for path in dict.fromkeys((*old.files, *new.files)):
        before, after = old.files.get(path), new.files.get(path)
        lines = difflib.unified_diff(
            _lines(before or ""),
            _lines(after or ""),
            "/dev/null" if before is None else f"a/{path}",
            "/dev/null" if after is None else f"b/{path}",
        )
        for line in lines:
            yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _lines(text: str) -> list[str]:
    """Split at line feeds only: other separators are text, and are shown as such."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _line_records(line: list[Candidate], objectives: list[str]) -> list[records.Record]:
    return [
        {
            "candidate": candidate.number,
            "outcome": candidate.outcome.value if candidate.outcome else None,
            "scores": records.objective_scores(candidate, objectives),
            "operator": candidate.operator,
            "model": candidate.model,
            "temperature": candidate.temperature,
            "parents": list(candidate.parents),
            "name": candidate.name,
        }
        for candidate in line
    ]


def _of_same(first: Found, reference: str) -> str:
    """``12`` and ``#12`` as the second of two mean the first one's campaign."""
    return (
        f"{first.summary.id}#{reference.lstrip('#')}"
        if reference.lstrip("#").isdigit()
        else reference
    )


def _program(found: Found) -> Program | None:
    try:
        return found.run.program(found.candidate)
    except KeyError:
        return None


def _facts(candidate: Candidate, artifacts: list[ArtifactEntry], bill: Bill) -> Table:
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bright_black")
    facts.add_column()
    parents = ", ".join(f"#{parent}" for parent in candidate.parents)
    island = "" if candidate.island is None else str(candidate.island)
    asked = f"{bill.calls} calls, {quantities.count(bill.usage.tokens)} tokens, "
    asked += quantities.usd(bill.usage.usd)
    for title, value in (
        ("name", candidate.name),
        ("operator", candidate.operator),
        ("model", candidate.model or ""),
        ("temperature", "" if candidate.temperature is None else f"{candidate.temperature:g}"),
        ("parents", parents),
        ("island", island),
        ("step", str(candidate.step)),
        ("seconds", f"{candidate.seconds:.3g}" if candidate.outcome else ""),
        ("memory", "" if candidate.memory is None else quantities.size(candidate.memory)),
        ("program", (candidate.digest or "none")[:12]),
        ("artifacts", ", ".join(map(_artifact, artifacts))),
        ("its asks", asked if bill.calls else ""),
    ):
        if value:
            facts.add_row(title, one_line(value, 500))
    return facts


def _artifact(entry: ArtifactEntry) -> str:
    size = f" ({quantities.size(entry.size)}{'' if entry.kept else ', not kept'})"
    return one_line(entry.name) + size


def _print_scores(evaluation: Evaluation) -> None:
    out = console()
    for stage in evaluation.stages:
        several = len(evaluation.stages) > 1
        title = f"scores ({evaluation.split.value}{', ' + stage.stage if several else ''})"
        out.print()
        out.print(Text(one_line(title), style="bold"))
        for name, score in stage.scores.items():
            secret = "  private" if name in evaluation.private else ""
            out.print(f"  {one_line(name)}  {quantities.interval(score)}{secret}")
        if not stage.passed:
            out.print("  below the threshold: no further stage")


def _diff_style(line: str) -> str:
    if line.startswith(("+++", "---")):
        return "bold"
    return {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "default")
