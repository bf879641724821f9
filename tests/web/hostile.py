"""An archive in which everything that a model, a candidate or a file may say is hostile.

``hostile_archive`` makes it through the archive's own API; ``DONE`` is what a script that came
through would have done to the page.
"""

from __future__ import annotations

from pathlib import Path

from metasearch.archive import Archive, CampaignArchive
from metasearch.candidate import (
    Artifact,
    DeviceUse,
    EvaluationResult,
    Outcome,
    Place,
    Score,
    StageResult,
)
from metasearch.exchange import Message, Usage
from metasearch.facts import Idea, Insight, Match, Origin, Review, Selection, Turn, Value
from metasearch.program import Program
from tests.web.kit import add_run

DONE = "hostile"
"""The property of ``window`` that every script here sets."""

_SCRIPT = f"window.{DONE}=1"

TEXTS = {
    "script": f"<script>{_SCRIPT}</script>",
    "closing": f"</code></pre></bdi></textarea></title></script><script>{_SCRIPT}</script>",
    "handler": f'<img src=x onerror="{_SCRIPT}">',
    "attribute": f'" onmouseover="{_SCRIPT}" onfocus="{_SCRIPT}" autofocus tabindex="0" x="',
    "single quotes": f"' onload='{_SCRIPT}' style='position:fixed;inset:0' x='",
    "elsewhere": "<img src=http://evil.example/a.png><iframe src=//evil.example></iframe>",
    "style": "<style>body{display:none}</style><link rel=stylesheet href=//evil.example/x.css>",
    "base": "<base href=//evil.example/><meta http-equiv=refresh content='0;url=//evil.example'>",
    "htmx": '<b hx-get="//evil.example/x" hx-trigger="load" hx-on:load="window.hostile=1">b</b>',
    "partial": '<hx-partial hx-target="body"><p>gone</p></hx-partial>',
    "template": "{{ 7 * 7 }}{% include 'x' %}${7*7}",
    "markdown": (
        f"[click](javascript:{_SCRIPT}) ![p](http://evil.example/p.png) "
        f"<a href='javascript:{_SCRIPT}'>a</a> [ref]\n\n[ref]: javascript:{_SCRIPT}\n\n"
        f"```html\n<script>{_SCRIPT}</script>\n```\n<svg/onload={_SCRIPT}>\n"
    ),
    "terminal": "\x1b]0;owned\x07\x1b[2J\x1b[31m\x9b31m\x00\x08\r",
    "bidi": "safe \u202eevil\u202c \u2066x\u2069 \u200b\ufeff\u2028end\ud800",
    "zalgo": "a" + "\u0301" * 300,
    "form": "<form action=//evil.example><input name=a><button>Go</button></form>",
    "object": f"<object data='javascript:{_SCRIPT}'></object><embed src='javascript:{_SCRIPT}'>",
    "long line": "A" * 10_000_000,
}
"""What is put wherever a text may stand."""

SVG = (
    "<svg xmlns='http://www.w3.org/2000/svg' xmlns:x='http://www.w3.org/1999/xlink' width='90'"
    f" height='60' onload='{_SCRIPT}'><script>{_SCRIPT}</script><rect width='90' height='60'/>"
    "<image x:href='http://evil.example/i.png' width='9' height='9'/>"
    f"<foreignObject width='9' height='9'><body xmlns='http://www.w3.org/1999/xhtml'>"
    f"<img src='x' onerror='{_SCRIPT}'/></body></foreignObject></svg>"
).encode()
HTML = f"<html><body><script>{_SCRIPT}</script><h1>owned</h1></body></html>".encode()

ARTIFACTS = (
    Artifact(name="plot.svg", media_type="image/svg+xml", content=SVG),
    Artifact(name=f"{TEXTS['handler']}.html", media_type="text/html", content=HTML),
    Artifact(name="../../etc/passwd", media_type="text/plain", content=HTML),
    Artifact(name="not.png", media_type="image/png", content=HTML),
    Artifact(name="a.js", media_type="text/javascript\r\nX: y", content=_SCRIPT.encode()),
    Artifact(name="x.csv", media_type="text/csv", content=b"\xff\xfe" + TEXTS["script"].encode()),
)
METRIC = TEXTS["handler"]
"""The name of a metric."""

NAME = "hostile"
"""The campaign's."""


def hostile_archive(path: Path) -> None:
    """Write the archive: a candidate for each text, then some that failed with it."""
    with Archive.open(path, create=True) as archive:
        run = add_run(
            archive,
            NAME,
            task=TEXTS["closing"],
            objectives={"score": "maximize", METRIC: "minimize"},
            evaluator={"metrics": [TEXTS["closing"]], "private": [TEXTS["attribute"]]},
            models={"default": "offline/evolve"},
        )
        for number, text in enumerate(TEXTS.values()):
            _add(run, number, text, Outcome.SCORED)
        for number, text in enumerate(TEXTS.values(), len(TEXTS)):
            _add(run, number, text, list(Outcome)[1 + number % (len(Outcome) - 2)])


def _add(run: CampaignArchive, number: int, text: str, outcome: Outcome) -> None:
    step = run.open_step()
    run.record(step.number, 0, Selection(operator=text, candidates=(max(0, number - 1),)))
    idea = run.record(
        step.number,
        1,
        Idea(title=text, claim=text, mechanism=text, expected=text, operator=text),
    )
    review = Review(idea=idea.number, method=text, verdict="pass", text=text, label=text)
    run.record(step.number, 2, review)
    asked = [Message(role="system", content=text), Message(role=text[:50], content=text)]
    run.begin_exchange(
        step.number,
        0,
        role=text[:100],
        model=text[:100],
        messages=asked,
        parameters={"stop": text[:100]},
    )
    run.answer_exchange(
        step.number, 0, reply=text, finish_reason=text[:50], usage=Usage(usd=0.01, output_tokens=5)
    )
    files = {"program.py": f"x = {number}\n{text}\n", "<img src=x onerror=alert(1)>.md": text}
    run.queue_candidate(
        step.number,
        0,
        Program(files={path: body[:100_000] for path, body in files.items()}),
        parents=(number - 1, *range(max(0, number - 3), number - 1)) if number else (),
        operator=text[:200],
        name=text,
        thought=text,
        island=number % 3,
    )
    scores = {
        name: Score(value=number + 0.5, low=float(number), high=number + 1.0, samples=5)
        for name in ("score", METRIC, TEXTS["closing"], TEXTS["attribute"])
    }
    examples = {METRIC: (1.0, 2.0)}
    stage = StageResult(stage=text[:100], scores=scores, passed=True, seconds=1, examples=examples)
    scored = outcome is Outcome.SCORED
    run.place(number, Place(0, 1, (text[:100],)))
    run.sample_devices([DeviceUse(text[:100], text[:100], 0.5, 1, 2)])
    run.settle(
        number,
        EvaluationResult(
            outcome=outcome,
            stages=(stage,) if scored else (),
            feedback=text,
            error="" if scored else text,
            stdout=text,
            stderr=text,
            artifacts=ARTIFACTS,
        ),
    )
    insight = run.record(step.number, 3, Insight(text=text, evidence=(number,)))
    run.record(
        step.number,
        4,
        Origin(candidate=number, ideas=(idea.number,), insights=(insight.number,)),
    )
    run.record(step.number, 5, Value(candidate=number, score=1.0, explanation=text))
    if number:
        debate = (Turn(speaker=text, text=text),)
        match = Match(
            between="candidates",
            contestants=(number - 1, number),
            shares=(0.5, 0.5),
            rationale=text,
            judge=text,
            transcript=debate,
        )
        run.record(step.number, 6, match)
    run.end_step(step.number)
