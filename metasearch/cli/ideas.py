"""What the reading commands say of a campaign of ideas alone, which has no candidates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from metasearch.archive import CampaignArchive, CampaignSummary
from metasearch.cli import records
from metasearch.cli.console import console, print_json
from metasearch.errors import UsageError
from metasearch.printable import one_line, printable

if TYPE_CHECKING:
    from rich.console import Console

    from metasearch.operators.idea_board import IdeaBoard, IdeaCounts, RatedIdea
    from metasearch.operators.ratings import Rating

SHOWN = 10
"""Ideas in the ranking below the best one."""


def board_of(run: CampaignArchive) -> IdeaBoard:
    """All ideas of a run."""
    from metasearch.operators.idea_board import IdeaBoard  # with numpy, which other commands spare

    return IdeaBoard.of(run.all_facts())


def alone(summary: CampaignSummary) -> bool:
    """Whether a campaign has ideas and nothing to measure."""
    return not summary.settings.objectives


def rating_text(found: Rating) -> str:
    """``1270 ± 140``: the half-width of about 95 %."""
    low, high = found.interval
    return f"{found.value:.0f} ± {(high - low) / 2:.0f}"


def best_text(counts: IdeaCounts) -> str:
    """The best idea on one line."""
    if counts.best is None:
        return "none yet"
    return one_line(
        f"{rating_text(counts.best.rating)}, idea {counts.best.number}: {counts.best.idea.title}",
        200,
    )


def counts_text(counts: IdeaCounts) -> str:
    """How many of everything."""
    discarded = f" ({counts.discarded} discarded)" if counts.discarded else ""
    return (
        f"{counts.ideas} ideas{discarded}, {counts.reviews} reviews, "
        f"{counts.matches} matches with a verdict"
    )


def best(run: CampaignArchive, *, as_json: bool) -> None:
    """The best idea in full, and a ranking of the best."""
    board = board_of(run)
    counts = board.counts()
    if counts.best is None:
        raise UsageError(f"{run.id} has no idea yet that has passed its review.")
    if as_json:
        print_json(records.idea(board, counts.best))
        return
    out = console()
    _print(out, run, board, counts.best)
    out.print()
    out.print(_ranking(board.ranking()[:SHOWN]))


def show(run: CampaignArchive, number: int | None, *, as_json: bool) -> None:
    """One idea with its reviews and matches; without a number the best one."""
    if number is None:
        best(run, as_json=as_json)
        return
    board = board_of(run)
    each = _find(run, board, number)
    if as_json:
        print_json(records.idea(board, each))
    else:
        _print(console(), run, board, each)


def lineage(run: CampaignArchive, number: int | None, *, as_json: bool) -> None:
    """What an idea was made from, newest first."""
    board = board_of(run)
    found = board.counts().best if number is None else _find(run, board, number)
    if found is None:
        raise UsageError(f"{run.id} has no idea yet that has passed its review.")
    line = board.line(found.number)
    if as_json:
        print_json({"campaign": run.id, "lineage": [records.idea_line(each) for each in line]})
    else:
        console().print(_ranking(line))


def _find(run: CampaignArchive, board: IdeaBoard, number: int) -> RatedIdea:
    try:
        return board.idea(number)
    except KeyError:
        known = sorted(each.number for each in board.ranking())
        some = ", ".join(map(str, known[:20])) + (", ..." if len(known) > 20 else "")
        there = f"there are: {some}" if known else "it has none yet"
        raise UsageError(f"{run.id} has no idea {number}; {there}.") from None


def _ranking(ideas: list[RatedIdea]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for title in ("idea", "rating", "matches", "state", "made by", "from", "title"):
        table.add_column(title)
    for each in ideas:
        table.add_row(
            str(each.number),
            rating_text(each.rating),
            str(len(each.matches)),
            each.state,
            one_line(each.idea.operator, 40),
            ", ".join(map(str, each.idea.parents)),
            one_line(each.idea.title, 80),
        )
    return table


def _print(out: Console, run: CampaignArchive, board: IdeaBoard, each: RatedIdea) -> None:
    idea = each.idea
    out.print(Text(one_line(f"{run.id}, idea {each.number}: {idea.title}", 500), style="bold"))
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bright_black")
    facts.add_column()
    facts.add_row("rating", f"{rating_text(each.rating)} (95 %)")
    facts.add_row("state", each.state)
    facts.add_row("made by", one_line(idea.operator, 40))
    if idea.parents:
        facts.add_row("from ideas", ", ".join(map(str, idea.parents)))
    if children := board.children(each.number):
        facts.add_row("led to ideas", ", ".join(str(child.number) for child in children))
    out.print(facts)
    for title, text in (
        ("claim", idea.claim),
        ("mechanism", idea.mechanism),
        ("expected", idea.expected),
        ("assumptions", "\n".join(f"- {text}" for text in idea.assumptions)),
        *(
            (f"review ({review.method}): {review.verdict or 'no verdict'}", review.text)
            for review in each.reviews
        ),
    ):
        if text.strip():
            out.print()
            out.print(Text(one_line(title, 200), style="bold"))
            out.print(Text(printable(text).rstrip()), soft_wrap=True)
    if each.matches:
        out.print()
        out.print(Text("matches", style="bold"))
    for number in each.matches:
        match = board.matches[number]
        out.print(Text(one_line(f"{number}: {_outcome(match.contestants, match.shares)}", 200)))


def _outcome(contestants: tuple[int, ...], shares: tuple[float, ...] | None) -> str:
    told = " against ".join(map(str, contestants))
    if shares is None:
        return f"{told}: no valid verdict"
    return f"{told}: {' to '.join(f'{share:.2f}' for share in shares)}"
