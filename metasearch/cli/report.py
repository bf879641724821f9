"""``export --format report``: a campaign's ideas as a document to read, Markdown and one HTML page.

The Markdown is written first and the page made from it. What models wrote is quoted and escaped:
it can neither leave its quotation, nor become HTML, a link or a picture.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from metasearch import quantities
from metasearch.archive import CampaignArchive, CampaignSummary, Cost
from metasearch.cli import ideas, records
from metasearch.errors import UsageError
from metasearch.printable import one_line, printable

if TYPE_CHECKING:
    from metasearch.facts import Match, Review
    from metasearch.operators.idea_board import IdeaBoard, RatedIdea

_TITLE = 160
"""Characters of a title in headings and tables."""
_ACTIVE = re.compile(r"[\\`<>\[\]]")
_EVERYWHERE = re.compile(r"[\\`<>\[\]*_#|~!&]")


def export_report(run: CampaignArchive, folder: Path) -> None:
    """Write ``report.md``, ``report.html`` and ``ideas.json`` into an empty folder.

    Raises:
        UsageError: There is no idea yet, or the folder cannot be written.
    """
    from metasearch.cli.report_page import page

    board = ideas.board_of(run)
    if not board.ranking():
        raise UsageError(f"The campaign {run.id} has no ideas to report on yet.")
    summary = run.summary()
    text = report(summary, board, run.costs("role"))
    told = [records.idea(board, each) for each in board.ranking()]
    texts = {
        "report.md": text,
        "report.html": page(f"{summary.name}: ideas", text),
        "ideas.json": json.dumps(told, indent=2) + "\n",
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in texts.items():
            with (folder / name).open("x", encoding="utf-8", errors="replace") as stream:
                stream.write(content)
    except OSError as error:
        raise UsageError(
            f"Cannot export to {folder}: {error.strerror}: {error.filename}. "
            "Give another, empty folder."
        ) from None


def report(summary: CampaignSummary, board: IdeaBoard, costs: Sequence[Cost]) -> str:
    """The document in Markdown."""
    parts = [
        f"# {plain(summary.name)}: ideas and how they fared",
        _about(summary, board),
        *_goal(summary, board),
        *_overview(board),
        "## Ranking",
        _ranking(board),
        *(part for each in board.ranking() for part in _idea(board, each)),
        "## Matches",
        "The order is the one in which the judge saw the two; it was drawn by lot.",
        *(part for number, match in board.matches.items() for part in _match(number, match)),
        "## Cost",
        _cost(summary, costs),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def plain(text: str, limit: int = _TITLE) -> str:
    """One line of text in which no character has a meaning of its own."""
    return _EVERYWHERE.sub(_escaped, one_line(text, limit))


def quoted(text: str) -> str:
    """A text as a block quotation; its lists and emphasis stay, whatever could act does not."""
    lines = _ACTIVE.sub(_escaped, printable(text).strip()).split("\n")
    return "\n".join(f"> {line}".rstrip() for line in lines) if text.strip() else ""


def _escaped(found: re.Match[str]) -> str:
    return {"<": "&lt;", ">": "&gt;", "&": "&amp;"}.get(found[0], f"\\{found[0]}")


def _about(summary: CampaignSummary, board: IdeaBoard) -> str:
    models = ", ".join(plain(model) for model in summary.models)
    text = (
        f"Run {plain(summary.id)}, strategy {plain(summary.strategy)}, written by {models}: "
        f"{ideas.counts_text(board.counts())}. All of it are opinions of models about each "
        "other's ideas; nothing in it has been checked by experiment or by people."
    )
    if all(model.startswith("offline/") for model in summary.models):
        text += (
            "\n\n**The offline model knows nothing. Its ideas, reviews and verdicts are "
            "placeholders drawn by lot, which show what a report looks like.**"
        )
    return text


def _goal(summary: CampaignSummary, board: IdeaBoard) -> Iterator[str]:
    yield "## Goal"
    yield quoted(summary.settings.task)
    if board.plan is None:
        return
    for title, entries in (
        ("Ideas are judged by", board.plan.criteria),
        ("No idea may violate", board.plan.constraints),
        ("A good idea is like this", board.plan.attributes),
    ):
        if entries:
            yield f"**{title}**"
            yield _list(entries)


def _overview(board: IdeaBoard) -> Iterator[str]:
    if board.overview is not None:
        yield "## Overview"
        yield quoted(board.overview.text)
    if board.feedback:
        yield "**What the last look back asked everyone to mind**"
        yield quoted(board.feedback[-1])


def _list(entries: Sequence[str]) -> str:
    return "\n".join(quoted(f"- {' '.join(entry.split())}") for entry in entries)


def _ranking(board: IdeaBoard) -> str:
    rows = ["| idea | rating | matches | state | made by | title |", "|---|---|---|---|---|---|"]
    for each in board.ranking():
        cells = [
            _link("idea", each.number),
            ideas.rating_text(each.rating),
            str(len(each.matches)),
            each.state,
            plain(each.idea.operator),
            plain(each.idea.title),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    rows += ["", "Ratings are Bradley-Terry in Elo points, with about 95 %; 1200 is the average."]
    return "\n".join(rows)


def _link(kind: str, number: int) -> str:
    return f"[{number}](#{kind}-{number})"


def _idea(board: IdeaBoard, each: RatedIdea) -> Iterator[str]:
    idea = each.idea
    yield f"## Idea {each.number}"
    yield f"**{plain(idea.title)}**"
    about = [f"Rating {ideas.rating_text(each.rating)}", each.state]
    about.append(f"made by {plain(idea.operator)}")
    if idea.parents:
        about.append(f"from {', '.join(_link('idea', n) for n in idea.parents)}")
    if children := board.children(each.number):
        about.append(f"led to {', '.join(_link('idea', c.number) for c in children)}")
    yield "; ".join(about) + "."
    for title, text in (
        ("Claim", idea.claim),
        ("Mechanism", idea.mechanism),
        ("Expected", idea.expected),
    ):
        if text.strip():
            yield f"**{title}**"
            yield quoted(text)
    if idea.assumptions:
        yield "**Assumptions**"
        yield _list(idea.assumptions)
    for review in each.reviews:
        yield from _review(review)
    if each.matches:
        yield "**Matches**"
        lines = [_played(board.matches[n], n, each.number) for n in each.matches]
        yield "\n".join(f"- {line}" for line in lines)


def _review(review: Review) -> Iterator[str]:
    found = [review.verdict or "no verdict", review.label]
    if review.novelty is not None:
        found.append(f"novelty {review.novelty} of 5")
    yield f"**Review ({plain(review.method)}): {plain(', '.join(filter(None, found)))}**"
    yield quoted(review.text)
    for each in review.assumptions:
        holds = {True: "holds", False: "does not hold", None: "open"}[each.holds]
        weight = ", fundamental" if each.fundamental else ""
        yield quoted(f"- ({holds}{weight}) {' '.join(f'{each.claim} {each.check}'.split())}")


def _played(match: Match, number: int, idea: int) -> str:
    other = next(n for n in match.contestants if n != idea)
    told = f"[match {number}](#match-{number}) against idea {_link('idea', other)}"
    if match.shares is None:
        return f"{told}: no valid verdict"
    share = match.shares[match.contestants.index(idea)]
    word = "even" if share == 0.5 else "won" if share > 0.5 else "lost"
    return f"{told}: {word} ({share:.2f})"


def _match(number: int, match: Match) -> Iterator[str]:
    yield f"### Match {number}"
    told = " against ".join(f"idea {_link('idea', n)}" for n in match.contestants)
    verdict = "no valid verdict"
    if match.shares is not None:
        verdict = " to ".join(f"{share:.2f}" for share in match.shares)
    yield f"{told}: {verdict} ({match.mode})."
    for turn in match.transcript:
        yield f"**{plain(turn.speaker)}**"
        yield quoted(turn.text)
    if match.rationale.strip():
        yield "**Judge**"
        yield quoted(match.rationale)


def _cost(summary: CampaignSummary, costs: Sequence[Cost]) -> str:
    rows = ["| role | calls | in vain | tokens | USD |", "|---|---|---|---|---|"]
    for line in costs:
        cells = [plain(line.name), str(line.calls), str(line.vain)]
        cells += [quantities.count(line.usage.tokens), quantities.usd(line.usage.usd)]
        rows.append(f"| {' | '.join(cells)} |")
    usage = summary.usage
    rows += [
        "",
        f"Together {quantities.count(usage.tokens)} tokens, {quantities.usd(usage.usd)}, "
        f"{quantities.duration(summary.seconds)} of engine time.",
    ]
    return "\n".join(rows)
