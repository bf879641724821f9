"""Templates: everything is escaped, and numbers are written as on the command line."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from metasearch import endings, quantities
from metasearch.printable import one_line, printable
from metasearch.web import assets
from metasearch.web.controls import controls, marks

_MAX_SHOWN = 100_000


def prepare() -> None:
    """Compile all templates, which takes half a second: else each page's first reader waits."""
    for name in _environment.list_templates():
        _environment.get_template(name)


def page(request: Request, name: str, *, status: int = 200, **context: object) -> HTMLResponse:
    """A page from a template.

    Args:
        request: The request that it answers.
        name: Of the template.
        status: Of the answer.
        context: What the template shows. All of it is escaped.
    """
    text = _environment.get_template(name).render(request=request, **context)
    return HTMLResponse(text, status)


def from_text(text: str, **context: object) -> str:
    """What a template gives that is no file: for trying out parts of pages."""
    return _environment.from_string(text).render(**context)


def ago(then: float | None) -> str:
    """How long ago something was, in its largest unit: ``12 s ago``, ``42 min ago``."""
    if then is None:
        return "never"
    seconds = max(0, round(time.time() - then))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def utc(then: float) -> str:
    """A moment as ``2026-11-21 19:00 UTC``."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(then))


def iso(then: float) -> str:
    """A moment for machines."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(then))


def with_query(path: str, **parameters: object) -> str:
    """An address with those of the parameters that say something."""
    said = {name: str(value) for name, value in parameters.items() if value not in (None, "")}
    return f"{path}?{urlencode(said)}" if said else path


def segment(text: str) -> str:
    """A name as one part of a path."""
    return quote(text, safe="")


def shown(text: str) -> str:
    """Hostile text over several lines, with nothing invisible in it."""
    return printable(text, _MAX_SHOWN)


_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters.update(
    ago=ago,
    change=lambda value: f"{value:+.4g}",
    count=quantities.count,
    duration=quantities.duration,
    ending=endings.in_words,
    iso=iso,
    one_line=one_line,
    score=lambda value: f"{value:.6g}",
    segment=segment,
    shown=shown,
    size=quantities.size,
    usd=quantities.usd,
    utc=utc,
)
_environment.globals.update(
    asset=assets.address, controls=controls, marks=marks, with_query=with_query
)
