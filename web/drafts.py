"""A campaign file while it is written: fields of a form, its text, and what is wrong where.

The text is the truth. A field that is changed is changed in the text, whose comments and order
stay as they are.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AbstractTable
from tomlkit.items import String as TomlString

from metasearch.campaign import Campaign
from metasearch.campaign_file import CAMPAIGN_FILE, load_campaign
from metasearch.errors import CampaignError
from metasearch.printable import one_line

FIELDS = {
    "name": "Name",
    "task": "Task",
    "strategy.name": "Strategy",
    "models.default": "Model",
    "concurrency": "Model calls in flight",
    "budget.evaluations": "Evaluations",
    "budget.usd": "USD",
    "budget.minutes": "Minutes",
}
"""Keys that the form has, and their labels; all else is changed in the text."""

_NUMBERS = {"concurrency", "budget.evaluations", "budget.usd", "budget.minutes"}


class Fault(NamedTuple):
    """Something wrong with a campaign file."""

    key: str
    """Dotted; empty if it is about the whole."""
    line: int | None
    text: str


class Draft(NamedTuple):
    """A text, and what it says."""

    text: str
    values: dict[str, str]
    """Of :data:`FIELDS`; empty where the text says nothing, or nothing that a form can hold."""
    faults: list[Fault]
    campaign: Campaign | None
    """What would be run; ``None`` if something is wrong."""


def draft(folder: Path, text: str) -> Draft:
    """Read and try a text."""
    text = text.replace("\r\n", "\n")
    campaign, faults = None, []
    try:
        campaign = load_campaign(folder, text=text)
    except CampaignError as error:
        faults = _faults(folder, str(error), text)
    return Draft(text, _values(text), faults, campaign)


def changed(text: str, key: str, value: str) -> str:
    """The text with another value of a field; an empty one takes the key out.

    A text that is no TOML stays as it is.
    """
    text = text.replace("\r\n", "\n")
    try:
        document = tomlkit.parse(text)
    except TOMLKitError:
        return text
    *sections, last = key.split(".")
    table: tomlkit.TOMLDocument | AbstractTable = document
    for section in sections:
        if section not in table:
            if not value.strip():
                return text
            table[section] = tomlkit.table()
        inner = table[section]
        if not isinstance(inner, AbstractTable):
            return text
        table = inner
    if not value.strip():
        table.pop(last, None)
    else:
        table[last] = _as_item(key, value)
    return tomlkit.dumps(document)


def _as_item(key: str, value: str) -> TomlString | int | float:
    value = value.replace("\r\n", "\n").strip()
    if key in _NUMBERS:
        try:
            return int(value)
        except ValueError:
            try:
                return float(value)
            except ValueError:
                pass  # its type is told as a fault, at its line
    return tomlkit.string(value, multiline="\n" in value)


def _values(text: str) -> dict[str, str]:
    try:
        raw: object = tomlkit.parse(text).unwrap()
    except TOMLKitError:
        return dict.fromkeys(FIELDS, "")
    values = {}
    for key in FIELDS:
        found: object = raw
        for part in key.split("."):
            found = found.get(part) if isinstance(found, dict) else None
        shown = isinstance(found, str | int | float) and not isinstance(found, bool)
        values[key] = str(found).strip() if shown else ""
    return values


def _faults(folder: Path, message: str, text: str) -> list[Fault]:
    """The lines of an error, each with the key that it names and where that stands."""
    prefix = f"{folder / CAMPAIGN_FILE}: "
    found = []
    for told in message.split("\n"):
        said = one_line(told.replace(prefix, "").replace(f"{folder}/", ""), 400)
        key = next(iter(re.findall(r"'([A-Za-z_][\w.-]*)'", said)), "")
        place = re.search(r"at line (\d+)", said)
        line = int(place[1]) if place else _line_of(text, key)
        found.append(Fault(key, line, said))
    return found


def _line_of(text: str, key: str) -> int | None:
    """Where a key stands; where its table begins if it is not there."""
    *sections, last = key.split(".")
    wanted, section, begun = ".".join(sections), "", None
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[\[?\s*([^\]]+?)\s*\]", line)
        if header:
            section = header[1].replace('"', "")
            if section == key:
                return number
            begun = number if section == wanted else begun
        elif section == wanted and re.match(rf'\s*"?{re.escape(last)}"?\s*=', line):
            return number
    return begun if wanted else None
