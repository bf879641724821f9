"""Commands of people: written by anybody, answered by the engine, read by every step."""

from __future__ import annotations

import itertools
import json
import sqlite3
import time
from collections.abc import Iterable

from pydantic import TypeAdapter

from metasearch.archive.core import NOW, SHORT_TEXT, Core, stored_text
from metasearch.campaign import CampaignFile
from metasearch.commands import (
    MANY,
    AnyCommand,
    Command,
    Commanded,
    Extend,
    Favourite,
    Hint,
    Marks,
    Unmark,
    Veto,
    Withdraw,
    hints_in_force,
    settings_in_force,
)
from metasearch.errors import UsageError

_COMMAND: TypeAdapter[AnyCommand] = TypeAdapter(Command)

_ADD = """
INSERT INTO command (campaign, seq, number, at, who, kind, body, taken, answer)
VALUES (?, ?, ?, ?, ?, ?, ?, 0, '')
"""
_NEXT = "SELECT coalesce(max(number), -1) + 1 FROM command WHERE campaign = ?"
_AFTER = "SELECT * FROM command WHERE campaign = ? AND seq > ? ORDER BY seq"
_ONE = "SELECT * FROM command WHERE campaign = ? AND number = ?"
_LATEST = "SELECT * FROM command WHERE campaign = ? ORDER BY seq DESC LIMIT ?"
_WAITING = """
SELECT * FROM command INDEXED BY command_waiting
WHERE campaign = ? AND answered IS NULL ORDER BY seq
"""
_ANSWER = """
UPDATE command SET answered = ?, taken = ?, answer = ?
WHERE campaign = ? AND number = ? AND answered IS NULL
"""
# A candidate that is vetoed is no best to improve on any more.
_BEST_THAT_COUNTS = """
UPDATE progress SET best_gain = (
    SELECT gain FROM candidate WHERE campaign = :campaign AND gain IS NOT NULL
        AND number NOT IN (SELECT value FROM json_each(:vetoed))
    ORDER BY gain DESC LIMIT 1)
WHERE campaign = :campaign
"""
_SETTINGS = "SELECT seq, settings FROM settings WHERE campaign = ? AND seq <= ? ORDER BY seq"
_ISLAND = "SELECT max(island) FROM candidate WHERE campaign = ?"
_STEERED = "SELECT 1 FROM steered WHERE campaign = ? AND command = ? AND step = ?"
_STEER = "INSERT INTO steered (campaign, command, step, seq) VALUES (?, ?, ?, ?)"
# A step that has ended without a proposal has not tried what it was shown.
_TRIED = """
SELECT count(*) FROM steered JOIN step ON step.campaign = steered.campaign
    AND step.number = steered.step
WHERE steered.campaign = :campaign AND steered.command = :command AND steered.seq < :until
    AND steered.step <> :step AND (step.ended IS NULL OR step.ended > :until OR EXISTS
        (SELECT 1 FROM candidate AS c WHERE c.campaign = :campaign AND c.step = steered.step
            AND c.queued < :until))
"""
_BORN = """
SELECT c.number FROM steered JOIN candidate AS c
    ON c.campaign = steered.campaign AND c.step = steered.step AND c.queued > steered.seq
WHERE steered.campaign = ? AND steered.command = ? ORDER BY c.number
"""
# CROSS JOIN: the newest steps first, so that a limit ends the search.
_UNDER_WORDS = """
SELECT c.number, s.command
FROM steered AS s INDEXED BY steered_step
    CROSS JOIN command AS k ON k.campaign = s.campaign AND k.number = s.command
    CROSS JOIN candidate AS c ON c.campaign = s.campaign AND c.step = s.step AND c.queued > s.seq
WHERE s.campaign = ? AND k.kind IN ('hint', 'idea') ORDER BY s.step DESC LIMIT ?
"""
_UNDER = """
SELECT steered.command FROM candidate AS c JOIN steered
    ON steered.campaign = c.campaign AND steered.step = c.step AND steered.seq < c.queued
WHERE c.campaign = ? AND c.number = ? ORDER BY steered.command
"""


class Commands(Core):
    """What people have said to one campaign."""

    _known: tuple[Commanded, ...] = ()
    """As they were asked; commands never change but for their answers."""

    def command(self, command: AnyCommand, who: str) -> Commanded:
        """Add a command, whoever holds the campaign.

        Raises:
            UsageError: It speaks of what is not there, or too many wait already.
        """
        with self._writing() as connection:
            self._refuse_the_impossible(connection, command)
            waiting = len(connection.execute(_WAITING, (self._campaign,)).fetchall())
            if waiting >= MANY:
                raise UsageError(
                    f"{waiting} commands wait for an engine of {self._identity.id} already. "
                    "Start it with 'metasearch run DIR'; it answers them first."
                )
            seq = self._advance(connection, facts=1).seq
            number: int = connection.execute(_NEXT, (self._campaign,)).fetchone()[0]
            at, who = time.time(), stored_text(who, SHORT_TEXT)
            row = (number, at, who, command.kind, command.model_dump_json())
            connection.execute(_ADD, (self._campaign, seq, *row))
            told = Commanded(number=number, seq=seq, at=at, who=who, command=command)
            candidate = None
            if isinstance(command, Favourite | Veto | Unmark):
                candidate = command.candidate
                vetoed = json.dumps(list(Marks.of([*self.commands(until=seq), told]).vetoes))
                count = {"campaign": self._campaign, "vetoed": vetoed}
                connection.execute(_BEST_THAT_COUNTS, count)
            detail = stored_text(str(command), 500)
            self._event(connection, seq, "commanded", candidate=candidate, detail=detail)
        return told

    def answer_command(self, number: int, answer: str, *, taken: bool) -> None:
        """Say what came of a command, once."""
        with self._writing() as connection:
            seq = self._advance(connection, facts=1).seq
            row = (time.time(), taken, stored_text(answer, 1000), self._campaign, number)
            if not connection.execute(_ANSWER, row).rowcount:
                raise ValueError(f"command {number} does not wait for an answer")
            kind = "taken" if taken else "declined"
            self._event(connection, seq, kind, detail=stored_text(f"{number}: {answer}", 500))

    def waiting_commands(self) -> list[Commanded]:
        """Those that no engine has answered, oldest first."""
        return self._commanded(_WAITING)

    def commanded(self, number: int) -> Commanded:
        """One command; ``KeyError`` if there is none of this number."""
        found = self._commanded(_ONE, number)
        if not found:
            raise KeyError(f"the campaign {self._identity.id} has no command {number}")
        return found[0]

    def latest_commands(self, limit: int = 10) -> list[Commanded]:
        """The latest ones, newest first, with their answers."""
        return self._commanded(_LATEST, limit)

    def commands(self, *, until: int = NOW) -> list[Commanded]:
        """Those before a place in the order of facts, oldest first, without their answers."""
        last = self._known[-1].seq if self._known else 0
        self._known += tuple(self._commanded(_AFTER, last))
        return list(itertools.takewhile(lambda each: each.seq < until, self._known))

    def marks(self, *, until: int = NOW) -> Marks:
        """Favourites and vetoes at a place in the order of facts."""
        return Marks.of(self.commands(until=until))

    def settings_in_force(
        self, asked: CampaignFile | None = None, *, until: int = NOW
    ) -> CampaignFile:
        """The settings with the budget and concurrency that commands have given them.

        Args:
            asked: What a run is about to be continued with, as the last word.
            until: A place in the order of facts.
        """
        with self._database.reading() as connection:
            rows = connection.execute(_SETTINGS, (self._campaign, until)).fetchall()
        with self._database.checked():
            settings = [(seq, CampaignFile.model_validate_json(text)) for seq, text in rows]
        if asked is not None:
            settings.append((NOW, asked))
        return settings_in_force(settings, self.commands(until=until))

    # -- what became of hints -----------------------------------------------------------

    def show_steering(self, step: int, numbers: Iterable[int]) -> None:
        """Record that a step's prompts show what these commands said; a second time nothing."""
        with self._database.reading() as connection:
            new = [
                number
                for number in numbers
                if not connection.execute(_STEERED, (self._campaign, number, step)).fetchone()
            ]
        if not new:
            return
        with self._writing() as connection:
            seq = self._advance(connection, facts=1).seq
            for number in new:
                connection.execute(_STEER, (self._campaign, number, step, seq))
            detail = ", ".join(map(str, new))
            self._event(connection, seq, "steered", step=step, detail=detail)

    def times_tried(self, number: int, *, step: int = -1, until: int = NOW) -> int:
        """In how many other steps a hint was tried, or is being tried, at a place."""
        row = {"campaign": self._campaign, "command": number, "step": step, "until": until}
        with self._database.reading() as connection:
            count: int = connection.execute(_TRIED, row).fetchone()[0]
        return count

    def born_under(self, number: int) -> list[int]:
        """The candidates that were proposed after a prompt had shown what a command said."""
        with self._database.reading() as connection:
            return [n for (n,) in connection.execute(_BORN, (self._campaign, number))]

    def born_under_words(self, limit: int) -> dict[int, list[int]]:
        """Candidates of the latest steps whose prompts showed hints or ideas -> these commands."""
        found: dict[int, list[int]] = {}
        with self._database.reading() as connection:
            for number, command in connection.execute(_UNDER_WORDS, (self._campaign, limit)):
                found.setdefault(number, []).append(command)
        return found

    def steered_by(self, candidate: int) -> list[int]:
        """The commands that a candidate was born under."""
        with self._database.reading() as connection:
            return [n for (n,) in connection.execute(_UNDER, (self._campaign, candidate))]

    # -- helpers --------------------------------------------------------------------------

    def _commanded(self, query: str, *parameters: int) -> list[Commanded]:
        with self._database.reading() as connection:
            rows = connection.execute(query, (self._campaign, *parameters)).fetchall()
        with self._database.checked():
            return [
                Commanded(
                    number=row["number"],
                    seq=row["seq"],
                    at=row["at"],
                    who=row["who"],
                    command=_COMMAND.validate_json(row["body"]),
                    answered=row["answered"],
                    taken=bool(row["taken"]),
                    answer=row["answer"],
                )
                for row in rows
            ]

    def _refuse_the_impossible(self, connection: sqlite3.Connection, command: AnyCommand) -> None:
        match command:
            case Veto(candidate=0):
                raise UsageError(
                    "#0 is the seed program, which every strategy begins with; it cannot be "
                    "vetoed. Begin another campaign from a candidate: 'metasearch branch'."
                )
            case Favourite(candidate=number) | Veto(candidate=number) | Unmark(candidate=number):
                self._refuse_unknown(connection, number)
            case Hint(island=island, below=below):
                if below is not None:
                    self._refuse_unknown(connection, below)
                if island is not None:
                    self._refuse_unknown_island(connection, island)
            case Withdraw(hint=number):
                known = [each.number for each in hints_in_force(self.commands())]
                if number not in known:
                    there = ", ".join(map(str, known)) or "none"
                    raise UsageError(
                        f"{self._identity.id} has no hint {number} in force; there is: {there}."
                    )
            case Extend(limits=limits):
                budget = self.settings_in_force().budget.model_dump()
                for name, limit in limits.items():
                    now = budget[name]
                    if now is None:
                        raise UsageError(f"{self._identity.id} has no limit of {name} to extend.")
                    if limit <= now:
                        raise UsageError(
                            f"The limit of {name} is {now:g} already; an extension names the new "
                            f"limit, which is above that, not {limit:g}."
                        )

    def _refuse_unknown(self, connection: sqlite3.Connection, number: int) -> None:
        count = self._progress(connection)["candidates"]
        if number >= count:
            there = f"it has #0 to #{count - 1}" if count else "it has none yet"
            raise UsageError(f"{self._identity.id} has no candidate #{number}; {there}.")

    def _refuse_unknown_island(self, connection: sqlite3.Connection, island: int) -> None:
        last = connection.execute(_ISLAND, (self._campaign,)).fetchone()[0]
        if last is None or island > last:
            there = "it has none" if last is None else f"it has 0 to {last}"
            raise UsageError(f"{self._identity.id} has no island {island}; {there}.")
