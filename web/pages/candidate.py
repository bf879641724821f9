"""One candidate: why it is good or why it failed, and where it comes from; each tab an address."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from metasearch.archive import ArtifactEntry, CampaignArchive
from metasearch.candidate import Candidate
from metasearch.web.api import candidates as api
from metasearch.web.api.common import MAX_TEXT, Found, Run
from metasearch.web.api.records import PICTURES, PLAIN
from metasearch.web.errors import NotFound
from metasearch.web.highlighting import coloured, visible_lines
from metasearch.web.pages.candidate_calls import cards, messages_of
from metasearch.web.pages.candidate_diff import WHOLE, differences
from metasearch.web.pages.candidate_head import changes, commands, head
from metasearch.web.rendering import page

router = APIRouter()

_HERE = "/c/{campaign}/{number:int}"
_ROOM = 100_000
"""Characters of a program, with what its markup adds, that one page of source has."""
_ANCESTORS = 50
_CHILDREN = 30
_CALLS = 40
_EXAMPLES = 50
"""Scores by example that a table shows."""
_READ = 20_000
"""Bytes of a text artifact that are shown."""
_ATTACHED = 20
"""Artifacts that are shown; the others are links."""

Place = Annotated[int, Query(ge=0, le=10**6)]


class _Listed(NamedTuple):
    """A file of the program in the list of the source tab."""

    path: str
    size: int


class _Attached(NamedTuple):
    """An artifact with what the page shows of it."""

    entry: ArtifactEntry
    picture: bool
    text: str


class _Relative(NamedTuple):
    """A candidate on a card, and how it differs from the one that it was made from."""

    candidate: Candidate
    changes: dict[str, float]


@router.get(_HERE)
def overview(request: Request, run: Run, found: Found) -> Response:
    """The candidate with what changed from its parent, or its program if it has none."""
    if found.digest is None:
        return logs(request, run, found)
    if not found.parents:
        return source(request, run, found, file=0, start=0)
    return diff(request, run, found, against="parent", context=3, file=None, start=0)


@router.get(_HERE + "/diff")
def diff(
    request: Request,
    run: Run,
    found: Found,
    against: Annotated[
        str, Query(pattern=r"^(parent|second|seed|#?[0-9]{1,15})$", max_length=20)
    ] = "parent",
    context: Annotated[int, Query(ge=0, le=WHOLE)] = 3,
    file: Annotated[int | None, Query(ge=0, le=10**6)] = None,
    start: Place = 0,
) -> Response:
    """What changed to it from a parent, the seed, or any other candidate."""
    base = _base(run, found, against)
    files = differences(
        api.program_of(run, base),
        api.program_of(run, found),
        context=context,
        only=file,
        start=start,
    )
    return _tab(
        request,
        run,
        found,
        "diff",
        base=base,
        against=against,
        context=context,
        file=file,
        files=files,
    )


@router.get(_HERE + "/source")
def source(request: Request, run: Run, found: Found, file: Place = 0, start: Place = 0) -> Response:
    """A file of its program, in colour; a long one in parts."""
    files = list(api.program_of(run, found).items())
    if not files:
        raise NotFound(f"Candidate #{found.number} has no program: its edit gave none.")
    if file >= len(files):
        raise NotFound(f"The program of #{found.number} has no file {file}.")
    path, text = files[file]
    lines = visible_lines(text)
    end = _fitting(lines, start)
    return _tab(
        request,
        run,
        found,
        "source",
        files=[_Listed(name, len(each.encode())) for name, each in files],
        file=file,
        path=path,
        start=start,
        total=len(lines),
        end=end,
        lines=coloured(lines[start:end], path),
    )


@router.get(_HERE + "/scores")
def scores(request: Request, run: Run, found: Found) -> Response:
    """How it was measured: stages, splits, repeats, and by example where there are few."""
    return _tab(
        request,
        run,
        found,
        "scores",
        evaluations=run.evaluations_of(found.number),
        objectives={objective.name: objective.direction for objective in run.objectives},
        most=_EXAMPLES,
    )


@router.get(_HERE + "/artifacts")
def artifacts(request: Request, run: Run, found: Found) -> Response:
    """What its evaluator attached; nothing of it is part of this page but as text."""
    attached = []
    for entry in run.artifact_entries(found.number):
        text = ""
        readable = entry.media_type in PLAIN or entry.media_type == "text/markdown"
        shown = entry.kept and entry.position < _ATTACHED
        if readable and entry.size <= MAX_TEXT and shown:
            content = run.artifact(found.number, entry.position).content
            text = content[:_READ].decode("utf-8", "replace")
        picture = entry.media_type in PICTURES and shown
        attached.append(_Attached(entry, picture, text))
    return _tab(request, run, found, "artifacts", attached=attached, read=_READ)


@router.get(_HERE + "/logs")
def logs(request: Request, run: Run, found: Found) -> Response:
    """Its error, what its evaluator said, and what it printed."""
    stdout, stderr = run.output(found)
    return _tab(request, run, found, "logs", stdout=stdout, stderr=stderr)


@router.get(_HERE + "/conversation")
def conversation(
    request: Request,
    run: Run,
    found: Found,
    reading: Literal["rendered", "plain", "request"] = "rendered",
    after: Place = 0,
) -> Response:
    """Every model call that led to it, and those that it made itself."""
    calls = run.conversation(found.number, after, _CALLS)
    shown = cards(calls, after, reading)
    return _tab(
        request,
        run,
        found,
        "conversation",
        led=[card for card in shown if card.exchange.asker is None],
        own=[card for card in shown if card.exchange.asker is not None],
        reading=reading,
        after=after,
        step=_CALLS,
        total=run.call_count(found.number),
    )


@router.get(_HERE + "/conversation/{call}/{position}")
def message(
    request: Request,
    run: Run,
    found: Found,
    call: Annotated[int, Path(ge=0, le=10**6)],
    position: Annotated[int, Path(ge=0, le=10**6)],
) -> Response:
    """One message as it was sent or received."""
    calls = run.conversation(found.number, call, 1)
    said = messages_of(calls[0]) if calls else []
    if position >= len(said):
        raise NotFound(f"The conversation of #{found.number} has no message {call}/{position}.")
    return _tab(request, run, found, "message", call=call, said=said[position])


@router.get(_HERE + "/lineage")
def lineage(request: Request, run: Run, found: Found) -> Response:
    """Its ancestors up to the seed, its children by score, and the best that came of it."""
    line = run.ancestors(found.number, _ANCESTORS)
    pairs = zip(line, [*line[1:], None], strict=True)
    ancestors = [_Relative(one, changes(run, one, parent)) for one, parent in pairs]
    children = run.best_children(found.number, _CHILDREN)
    return _tab(
        request,
        run,
        found,
        "lineage",
        ancestors=ancestors[1:],
        others=[run.candidate(number) for number in found.parents[1:20]],
        children=[_Relative(child, changes(run, child, found)) for child in children],
        descent=run.descent(found.number),
        most=_CHILDREN,
    )


@router.get(_HERE + "/facts")
def facts(request: Request, run: Run, found: Found) -> Response:
    """What the campaign has recorded about it besides: ideas, reviews, estimates, insights."""
    return _tab(request, run, found, "facts")


@router.get(_HERE + "/raw")
def raw(request: Request, run: Run, found: Found) -> Response:
    """All of it as JSON, as the API gives it."""
    text = api.candidate(run, found).model_dump_json(indent=2)
    return _tab(request, run, found, "raw", text=text)


def _tab(
    request: Request, run: CampaignArchive, found: Candidate, tab: str, **context: object
) -> Response:
    return page(
        request,
        f"candidate_{tab}.html",
        run=run,
        head=head(run, found),
        commands=commands(run, found, request.app.state.readers.path),
        tab="conversation" if tab == "message" else tab,
        status=200,
        **context,
    )


def _base(run: CampaignArchive, found: Candidate, against: str) -> Candidate:
    if against != "second":
        return api.base_of(run, found, against)
    if len(found.parents) < 2:
        raise NotFound(f"Candidate #{found.number} has no second parent.")
    return api.base_of(run, found, str(found.parents[1]))


def _fitting(lines: list[str], start: int) -> int:
    room = _ROOM
    for end in range(start, len(lines)):
        room -= 60 + 2 * len(lines[end])
        if room < 0:
            return max(end, start + 1)
    return len(lines)
