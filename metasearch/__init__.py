"""Evolve programs, models and agents with language models.

>>> import metasearch
>>> ending = metasearch.run("examples/circle_packing", evaluations=50)
>>> ending.report.best.scores
>>> metasearch.evaluate("examples/circle_packing").scores
>>> with metasearch.open_archive() as archive:
...     archive.campaigns()

The names below are imported when they are first used: ``import metasearch`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metasearch.api import evaluate as evaluate
    from metasearch.api import open_archive as open_archive
    from metasearch.api import run as run

__version__ = "0.1.0"

__all__ = ["__version__", "evaluate", "open_archive", "run"]


def __getattr__(name: str) -> object:
    if name in ("evaluate", "open_archive", "run"):
        from metasearch import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
