"""Looking back: a model reads what was tried lately and says what is to be learnt from it.

The reflector of Mobile-Agent-E (arXiv 2501.11733). It writes tips, and it may name an edit to be
repeated: then the shortcut is taken from that edit itself, not from the model's memory of it, and
is kept only if performing it on the parent gives that very program.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence

from pydantic import BaseModel, Field

from metasearch.candidate import Candidate
from metasearch.exchange import Message
from metasearch.facts import Insight, Operation, Shortcut
from metasearch.operators.insights import InsightMemory
from metasearch.operators.parts import edit_diff, edit_line, result_line
from metasearch.operators.prompts import fence, shorten
from metasearch.operators.shortcuts import perform
from metasearch.program import Program
from metasearch.prompts import Draft, Part
from metasearch.step import Step

LESSONS = 3
"""Most insights of one look back."""
LOOKED_BACK_ON = 30
"""Latest candidates that the reflector sees."""
_KNOWN = 30
"""Insights that it sees, the most useful ones."""
_DIFFS = 3
"""Improvements whose edits it sees."""
_TEXT = 600
"""Characters of an insight."""
_SHORTCUT = 3_000
"""Characters of a shortcut, all its texts together."""
_HUNKS = 4
"""Places that a shortcut changes at most."""


class Lesson(BaseModel):
    """One lesson."""

    text: str = Field(description="what to do or to avoid in this task and why: 1 or 2 sentences")
    evidence: list[int] = Field(description="numbers of the attempts that show it, at least one")
    replaces: int | None = Field(
        description="number of the known lesson that this one is a better version of, or null"
    )
    repeat: int | None = Field(
        description="number of an attempt whose edit is worth repeating as it is, or null"
    )


class Lessons(BaseModel):
    """What the attempts teach."""

    lessons: list[Lesson] = Field(description=f"0 to {LESSONS} lessons, the surest first")


def question(ctx: Step, memory: InsightMemory, improved: Sequence[int]) -> list[Message]:
    """What a reflector is shown: the latest attempts, the best edits, the lessons known.

    Args:
        ctx: The step.
        memory: What is known.
        improved: Candidates that were better than their parents, the latest first.
    """
    attempts = [_attempt(ctx, candidate, improved) for candidate in _latest(ctx)]
    entries = memory.entries
    best = sorted(entries, key=lambda number: (-entries[number].utility, number))[:_KNOWN]
    known = [{"number": number, "entry": entries[number]} for number in sorted(best)]
    parts = [
        Part(text=ctx.render("insights_role", task=ctx.task)),
        Part(text=ctx.render("insights_attempts", attempts=attempts)),
    ]
    for number in improved[:_DIFFS]:
        candidate = ctx.archive.candidate(number)
        parent = ctx.archive.program(ctx.archive.candidate(candidate.parents[0]))
        diff = edit_diff(parent, ctx.archive.program(candidate), limit=3_000)
        text = ctx.render("insights_edit", number=number, diff=diff)
        parts.append(Part(text=text, priority=3, name=f"the edit of attempt {number}"))
    if known:
        text = ctx.render("insights_known", known=known)
        parts.append(Part(text=text, priority=2, name="known lessons"))
    parts.append(Part(text=ctx.render("insights_request", most=LESSONS)))
    return [Draft.of(parts)]


def insights_of(ctx: Step, answer: Lessons, memory: InsightMemory) -> Iterator[Insight]:
    """The lessons that stand on something, as facts: a tip each, and a shortcut if one is named.

    One whose evidence is no attempt that was shown, and one that is known word for word, is left
    out. A shortcut is an insight of its own, because it fits fewer programs than its tip.
    """
    shown = {candidate.number: candidate for candidate in _latest(ctx)}
    known = {_words(entry.text) for entry in memory.entries.values()}
    for lesson in answer.lessons[:LESSONS]:
        evidence = tuple(dict.fromkeys(n for n in lesson.evidence if n in shown))[:20]
        replaced = lesson.replaces if lesson.replaces in memory.entries else None
        found = [Insight(text=_short(lesson.text), evidence=evidence, replaces=replaced)]
        candidate = None if lesson.repeat is None else shown.get(lesson.repeat)
        if candidate is not None and (shortcut := _repeated(ctx, candidate)) is not None:
            text = _short(f"{shortcut.name}: {edit_line(candidate)}")
            found.append(Insight(text=text, evidence=(candidate.number,), shortcut=shortcut))
        for insight in found:
            if insight.text and insight.evidence and _words(insight.text) not in known:
                known.add(_words(insight.text))
                yield insight


def shown_insights(ctx: Step, insights: Mapping[int, Insight], memory: InsightMemory) -> str:
    """The part of a prompt that tells some insights, with their shortcuts and records.

    Args:
        ctx: The step.
        insights: What is shown, by number, in this order.
        memory: Knows their records.
    """
    lines = [
        {
            "entry": memory.entries[number],
            "edits": [] if insight.shortcut is None else _edits(insight.shortcut),
        }
        for number, insight in insights.items()
    ]
    return ctx.render("insights", insights=lines)


def shortcut_of(name: str, before: Program, after: Program) -> Shortcut | None:
    """The edit between two programs as a shortcut; ``None`` if it is none that can be repeated.

    It changes a few places of files that are there before and after, and each place is found by
    its own lines and one more on each side.
    """
    if set(before.files) != set(after.files):
        return None
    sequence: list[Operation] = []
    for path, old in before.files.items():
        one, other = old.split("\n"), after.files[path].split("\n")
        matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
        for group in matcher.get_grouped_opcodes(1) if one != other else ():
            a, b, c, d = group[0][1], group[-1][2], group[0][3], group[-1][4]
            arguments = {"path": path, "search": "\n".join(one[a:b]), "text": "\n".join(other[c:d])}
            sequence.append(Operation(name="replace", arguments=arguments))
    length = sum(len(text) for each in sequence for text in each.arguments.values())
    if not 0 < len(sequence) <= _HUNKS or length > _SHORTCUT:
        return None
    again = perform([(each.name, each.arguments) for each in sequence], {}, before)
    if not isinstance(again, Program) or again.files != after.files:
        return None
    return Shortcut(name=name, sequence=tuple(sequence))


def _repeated(ctx: Step, candidate: Candidate) -> Shortcut | None:
    """The edit of a scored candidate as a shortcut."""
    if not candidate.scored or not candidate.parents:
        return None
    before = ctx.archive.program(ctx.archive.candidate(candidate.parents[0]))
    return shortcut_of(f"The edit of #{candidate.number}", before, ctx.archive.program(candidate))


def _latest(ctx: Step) -> list[Candidate]:
    return list(ctx.archive.recent(LOOKED_BACK_ON))


def _attempt(ctx: Step, candidate: Candidate, improved: Sequence[int]) -> dict[str, object]:
    """A line of the log."""
    parent = ctx.archive.candidate(candidate.parents[0]) if candidate.parents else None
    return {
        "number": candidate.number,
        "edit": edit_line(candidate, 200),
        "result": result_line(candidate, ctx.task),
        "parent": None if parent is None else parent.number,
        "before": "" if parent is None else result_line(parent, ctx.task),
        "improved": candidate.number in improved,
    }


def _edits(shortcut: Shortcut) -> list[dict[str, str]]:
    return [
        {
            "path": each.arguments.get("path", ""),
            "search": fence(each.arguments.get("search", "")),
            "text": fence(each.arguments.get("text", "")),
        }
        for each in shortcut.sequence
    ]


def _short(text: str) -> str:
    return shorten(" ".join(text.split()), _TEXT)


def _words(text: str) -> str:
    return " ".join(text.lower().split())
