"""Commands that read the archive about campaigns: ``list``, ``status``, ``best``, ``export``."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from rich.table import Table
from rich.text import Text

from metasearch import quantities
from metasearch.archive import CampaignArchive, CampaignSummary, Duplicates
from metasearch.cli import commanding, ensembles, health, ideas, insights, lanes, records
from metasearch.cli.console import console, print_json
from metasearch.cli.plot import step_plot
from metasearch.cli.references import opened
from metasearch.commands import hints_in_force
from metasearch.errors import UsageError
from metasearch.formats import language_of
from metasearch.printable import one_line, printable
from metasearch.program import Program

if TYPE_CHECKING:
    from rich.console import Console

    from metasearch.operators.idea_board import IdeaCounts


def list_campaigns(file: Path | None, *, as_json: bool) -> None:
    """All runs in the archive, newest first."""
    with opened(file) as archive:
        campaigns = archive.campaigns()
        unreadable = archive.unreadable()
        counted = {
            summary.id: ideas.board_of(archive.campaign(summary.id)).counts()
            for summary in campaigns
            if ideas.alone(summary)
        }
    if unreadable:
        names = one_line(", ".join(unreadable))
        sys.stderr.write(f"Left out, for their stored settings are not valid: {names}\n")
    if as_json:
        print_json([_status_record(each, {}, counted.get(each.id)) for each in campaigns])
        return
    if not campaigns:
        if not unreadable:
            console().print("The archive holds no campaign yet. Begin with 'metasearch run DIR'.")
        return
    titles = ("campaign", "state", "best", "evaluations", "strategy", "model", "cost", "begun")
    table = _table(*titles)
    for summary in campaigns:
        counts = counted.get(summary.id)
        table.add_row(
            summary.id,
            one_line(_state(summary), 40),
            ideas.best_text(counts) if counts else best_text(summary),
            f"{counts.ideas} ideas" if counts else str(summary.evaluations),
            one_line(summary.strategy, 40),
            one_line(", ".join(summary.models), 40),
            quantities.usd(summary.usage.usd),
            time.strftime("%Y-%m-%d %H:%M", time.localtime(summary.created)),
        )
    console().print(table)


def status(file: Path | None, campaign: str, *, as_json: bool) -> None:
    """Where one campaign stands."""
    with opened(file) as archive:
        run = archive.campaign(campaign)
        summary = run.summary()
        test = records.test_scores(run, summary.best)
        curve = [(point.evaluation, point.score) for point in run.curve()]
        arms = ensembles.lines_of(run)
        duplicates = run.duplicates()
        counts = ideas.board_of(run).counts() if ideas.alone(summary) else None
        learnt = insights.summary(run)
        fares = health.latest(run)
        hints = hints_in_force(run.commands())
        marks = run.marks()
        commands = run.latest_commands(5)
        in_force = run.settings_in_force()
        flight = run.in_flight()
    if as_json:
        told: dict[str, object] = {"ensembles": [line._asdict() for line in arms]}
        told["novelty"] = records.novelty(duplicates)
        told["health"] = asdict(fares) if fares else None
        told["hints"] = [commanding.record(each) for each in hints]
        told["favourites"], told["vetoes"] = list(marks.favourites), list(marks.vetoes)
        told["commands"] = [commanding.record(each) for each in commands]
        told["budget"] = in_force.budget.model_dump(mode="json")
        told["concurrency"] = in_force.concurrency
        told["in_flight"] = lanes.record(flight)
        print_json(_status_record(summary, test, counts) | told)
        return
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bright_black")
    facts.add_column()
    facts.add_row("campaign", summary.id)
    facts.add_row("state", _state(summary))
    if summary.settings.branched_from:
        facts.add_row("branched from", one_line(summary.settings.branched_from))
    facts.add_row("strategy", one_line(summary.strategy))
    facts.add_row("model", one_line(", ".join(summary.models)))
    budget = in_force.budget
    facts.add_row("best", ideas.best_text(counts) if counts else best_text(summary))
    if test:
        shown = (f"{name} {quantities.score(value)}" for name, value in test.items())
        facts.add_row("on test", one_line(", ".join(shown)))
    if counts:
        facts.add_row("ideas", _of_budget(counts.ideas, budget.ideas))
        facts.add_row("so far", ideas.counts_text(counts))
    else:
        facts.add_row("evaluations", _of_budget(summary.evaluations, budget.evaluations))
        facts.add_row("outcomes", quantities.outcomes(summary.outcomes))
    if duplicates.saved:
        facts.add_row("duplicates", _duplicates(duplicates))
    facts.add_row(
        "spent",
        f"{quantities.count(summary.usage.tokens)} tokens, {quantities.usd(summary.usage.usd)}, "
        f"{quantities.duration(summary.seconds)}",
    )
    for row in lanes.rows(flight):
        facts.add_row(*row)
    if fares:
        facts.add_row("health", str(fares))
    if learnt:
        facts.add_row("insights", learnt)
    for each in hints:
        facts.add_row(each.command.kind, one_line(f"{each.number} {each.command}", 200))
    if marks.favourites:
        facts.add_row("favourites", ", ".join(f"#{n}" for n in list(marks.favourites)[-20:]))
    if marks.vetoes:
        facts.add_row("vetoed", ", ".join(f"#{n}" for n in list(marks.vetoes)[-20:]))
    for each in commands:
        facts.add_row("command", commanding.line(each))
    out = console()
    out.print(facts)
    if arms:
        out.print()
        out.print(ensembles.table_of(arms))
    if len(curve) > 1:
        lines, high, low = step_plot(curve, summary.evaluations, 60, 6)
        out.print(f"\n{quantities.score(high)}\n" + "\n".join(lines) + f"\n{quantities.score(low)}")


def _duplicates(found: Duplicates) -> str:
    return (
        f"{found.saved} evaluations saved, {found.rate:.0%} of {found.proposals} proposals: "
        f"{found.exact} the same as an earlier one, {found.near} nearly; {found.different} made "
        "different when told"
    )


def best(file: Path | None, campaign: str, *, as_json: bool) -> None:
    """The best candidate of a campaign, with its program."""
    with opened(file) as archive:
        run = archive.campaign(campaign)
        summary = run.summary()
        if ideas.alone(summary):
            ideas.best(run, as_json=as_json)
            return
        if summary.best is None:
            raise UsageError(f"{summary.id} has no scored candidate yet.")
        candidate = summary.best
        if as_json:
            print_json(records.best(run, candidate, summary.settings.objectives))
            return
        program = run.program(candidate)
        seed = run.candidate(0)
        test = records.test_scores(run, candidate)
    out = console()
    out.print(Text(f"{summary.id}#{candidate.number}", style="bold"))
    for name in summary.settings.objectives:
        value = candidate.scores[name]
        over = ""
        if candidate.number and name in seed.scores:
            over = f"  ({quantities.change(value, seed.scores[name])} over the seed)"
        out.print(f"  {one_line(name)}  {quantities.score(value)}{over}")
    for name, value in test.items():
        out.print(f"  {one_line(name)} on test  {quantities.score(value)}")
    print_program(out, program)


def export(
    file: Path | None, campaign: str, format_: str, target: Path | None, *, as_json: bool
) -> None:
    """Write a campaign out, as a folder for people or as lines for programs."""
    from metasearch.archive.export import export_csv, export_folder, export_jsonl
    from metasearch.cli.report import export_report

    with opened(file) as archive:
        run = archive.campaign(campaign)
        if format_ == "csv" and ideas.alone(run.summary()):
            raise UsageError(
                f"{run.id} has ideas and no candidates to put into a table; take --format report, "
                "or jsonl."
            )
        if format_ == "folder" and ideas.alone(run.summary()):
            format_ = "report"  # a folder with the best, where that is no program
        if format_ in ("folder", "report"):
            target = target or Path(f"{run.id}-{'export' if format_ == 'folder' else 'report'}")
            if target.exists() and (not target.is_dir() or any(target.iterdir())):
                raise UsageError(f"{target} is there already; give another place with --to.")
            (export_folder if format_ == "folder" else export_report)(run, target)
        else:
            write = {"jsonl": export_jsonl, "csv": export_csv, "calls": _calls}[format_]
            if target is None:
                write(run, sys.stdout)
                return
            try:
                with target.open("x", encoding="utf-8", newline="") as stream:
                    write(run, stream)
            except FileExistsError:
                raise UsageError(
                    f"{target} is there already; give another place with --to."
                ) from None
    if as_json:
        print_json({"campaign": run.id, "format": format_, "to": str(target)})
    else:
        console().print(f"Wrote {printable(str(target))}.")


def _calls(run: CampaignArchive, stream: TextIO) -> None:
    from metasearch.archive.export import export_calls
    from metasearch.models.redaction import redact

    export_calls(run, stream, redact)


def strategies(*, as_json: bool) -> None:
    """The strategies that can be named, with their options."""
    from metasearch.strategies.registry import strategies as known

    found = known()
    if as_json:
        print_json(
            [
                {"name": s.name, "idea": s.idea, "paper": s.paper, "options": s.options}
                for s in found
            ]
        )
        return
    out = console()
    for strategy in found:
        out.print(Text.assemble((one_line(strategy.name), "bold"), f"  {one_line(strategy.idea)}"))
        out.print(Text(f"    {one_line(strategy.paper)}", style="bright_black"))
        for option, default in strategy.options.items():
            out.print(f"    {one_line(option)} = {one_line(default)}")


def _status_record(
    summary: CampaignSummary, test: dict[str, float], counts: IdeaCounts | None
) -> records.Record:
    found = records.status(summary, test)
    return found | ({"ideas": records.idea_counts(counts)} if counts else {})


def best_text(summary: CampaignSummary) -> str:
    """The best candidate's objectives, on one line."""
    if summary.best is None:
        return "none yet"
    scores = records.objective_scores(summary.best, summary.settings.objectives)
    shown = ", ".join(f"{name} {quantities.score(value)}" for name, value in scores.items())
    return one_line(f"{shown} (#{summary.best.number})")


def print_program(out: Console, program: Program) -> None:
    """The files, highlighted on a terminal; each under its name if there are several."""
    for path, text in program.files.items():
        out.print()
        if len(program.files) > 1:
            out.print(Text(f"=== {one_line(path)} ===", style="bold"))
        out.print(source_text(printable(text), path), soft_wrap=True)


def source_text(text: str, path: str) -> Text:
    """Printable source text, coloured for its language."""
    from rich.syntax import Syntax

    coloured = Syntax(
        text, language_of(path) or "text", theme="ansi_dark", background_color="default"
    ).highlight(text)
    coloured.rstrip()
    return coloured


def _state(summary: CampaignSummary) -> str:
    if summary.state == "running":
        return one_line(f"running ({summary.holder})")
    return one_line(f"{summary.state} ({summary.reason})" if summary.reason else summary.state)


def _of_budget(spent: int, limit: int | None) -> str:
    return str(spent) if limit is None else f"{spent} of {limit}"


def _table(*titles: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for title in titles:
        table.add_column(title)
    return table
