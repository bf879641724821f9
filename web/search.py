"""The filter of candidates: ``score>2.6 operator:diff outcome:crashed -island:2 text:"hexagon"``.

Terms stand side by side and all must hold; a minus before a term turns it round. A word alone
is looked for in name, thought and error.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

from metasearch.archive import (
    Column,
    Comparison,
    OfColumn,
    OfMetric,
    OfNumbers,
    OfParent,
    OfText,
    Term,
)
from metasearch.candidate import Outcome
from metasearch.printable import one_line
from metasearch.web.errors import BadRequest

MAX_TERMS = 20

_TERM = re.compile(
    r"""(?P<minus>-?)
    (?:(?P<name>[^\s:<>="]+)(?P<sign><=|>=|[:<>=])(?P<value>"[^"]*"|[^\s"]*)
    |(?P<word>"[^"]*"|[^\s"]+))(?=\s|$)""",
    re.VERBOSE,
)
_SIGNS: dict[str, Comparison] = {":": "=", "=": "=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_NUMBERS: dict[str, Column] = {
    "number": "number",
    "step": "step",
    "length": "length",
    "island": "island",
}
_WORDS = ("operator", "model", "outcome")
_OTHERS = ("parent", "text")
_WAITING = "waiting"


def parse(text: str, metrics: Sequence[str]) -> list[Term]:
    """The terms of a filter.

    Args:
        text: As a person typed it.
        metrics: Names of the campaign's objectives and further metrics; ``score`` stands for the
            first one, unless one of them has that name.

    Raises:
        BadRequest: A term cannot be understood. Names it, and what may have been meant.
    """
    terms: list[Term] = []
    place = 0
    while place < len(text):
        if text[place].isspace():
            place += 1
            continue
        match = _TERM.match(text, place)
        if match is None:
            raise BadRequest(f"q: {_quoted(text[place:])} is no term; a quotation mark is open.")
        terms.append(_term(match, metrics))
        place = match.end()
        if len(terms) > MAX_TERMS:
            raise BadRequest(f"q: more than {MAX_TERMS} terms.")
    return terms


def _term(match: re.Match[str], metrics: Sequence[str]) -> Term:
    negated = bool(match["minus"])
    if match["word"] is not None:
        return Term(OfText(match["word"].strip('"')), negated)
    name, sign, value = match["name"], match["sign"], match["value"].strip('"')
    comparison = _SIGNS[sign]
    whole = _quoted(match[0])
    if name == "score" and "score" not in metrics:
        name = metrics[0]
    if name in metrics:
        return Term(OfMetric(name, comparison, _number(value, whole)), negated)
    if name == "number" and comparison == "=" and "," in value:
        return Term(OfNumbers(tuple(_count(part, whole) for part in value.split(","))), negated)
    if name in _NUMBERS:
        return Term(OfColumn(_NUMBERS[name], comparison, _number(value, whole)), negated)
    if name not in (*_WORDS, *_OTHERS):
        known = ["score", *metrics, *_NUMBERS, *_WORDS, *_OTHERS]
        raise BadRequest(f"q: {whole} names nothing that can be asked for. {_near(name, known)}")
    if comparison != "=":
        raise BadRequest(f"q: {whole} compares words; write {name}:{value or 'WORD'}.")
    if name == "text":
        return Term(OfText(value), negated)
    if name == "parent":
        return Term(OfParent(_count(value, whole)), negated)
    if name == "outcome":
        outcomes = [*map(str, Outcome), _WAITING]
        if value not in outcomes:
            raise BadRequest(f"q: {whole} is no outcome. {_near(value, outcomes)}")
        return Term(OfColumn("outcome", "=", None if value == _WAITING else value), negated)
    return Term(OfColumn("operator" if name == "operator" else "model", "=", value), negated)


def _number(value: str, whole: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if number != number:
        raise BadRequest(f"q: {whole} needs a number.")
    return number


def _count(value: str, whole: str) -> int:
    digits = value.removeprefix("#")
    if not re.fullmatch(r"[0-9]{1,15}", digits):
        raise BadRequest(f"q: {whole} needs the number of a candidate.")
    return int(digits)


def _near(word: str, known: Iterable[str]) -> str:
    known = list(dict.fromkeys(known))
    close = difflib.get_close_matches(word[:100], known, n=1, cutoff=0.5)
    return f"Did you mean {close[0]}?" if close else f"There are {', '.join(known)}."


def _quoted(text: str) -> str:
    return repr(one_line(text, 60))
