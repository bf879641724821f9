"""``metasearch init``: a campaign that runs as it is."""

from __future__ import annotations

import difflib
import shlex
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from metasearch.errors import UsageError

TEMPLATES = {"formula": "a short formula for measured data, with validation and test points"}
"""Name -> what it is; each is a folder of ``templates/``."""


def init(folder: Path, template: str) -> list[str]:
    """Write a template's files into a new or empty folder; the next two commands.

    Raises:
        UsageError: No such template, or a file is in the way.
    """
    if template not in TEMPLATES:
        close = difflib.get_close_matches(template, TEMPLATES, n=1, cutoff=0.5)
        hint = f"Did you mean {close[0]!r}?" if close else f"There is: {', '.join(TEMPLATES)}."
        raise UsageError(f"There is no template {template!r}. {hint}")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; name a folder that does not exist yet.")
    texts = {source.name: source.read_bytes() for source in _sources(template)}
    taken = sorted(name for name in texts if (folder / name).exists())
    if taken:
        raise UsageError(
            f"{folder} already has {', '.join(taken)}, and nothing is overwritten. "
            "Name a folder that does not exist yet."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            with (folder / name).open("xb") as stream:
                stream.write(text)
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror}.") from None
    place = shlex.quote(str(folder))
    return [f"metasearch evaluate {place}", f"metasearch run {place}"]


def _sources(template: str) -> list[Traversable]:
    folder = files("metasearch.cli") / "templates" / template
    return sorted((f for f in folder.iterdir() if f.is_file()), key=lambda f: f.name)
