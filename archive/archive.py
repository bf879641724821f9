"""The archive file: opening it, and the campaigns in it."""

from __future__ import annotations

import contextlib
import difflib
import os
import secrets
import sqlite3
import string
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import platformdirs
from pydantic import ValidationError

from metasearch.archive import browse_campaigns, schema
from metasearch.archive.browse_campaigns import Best, ListedRun, RunPage, Wanted
from metasearch.archive.browse_candidates import Browsing
from metasearch.archive.columns import Columns
from metasearch.archive.core import Identity, evaluated, objective_of, stored_text
from metasearch.archive.costs import Costs
from metasearch.archive.database import BUSY_SECONDS, Database
from metasearch.archive.facts import CampaignSummary
from metasearch.archive.journal import Journal
from metasearch.archive.lease import Lease, holder, state_of
from metasearch.archive.mapping import as_usage
from metasearch.archive.neighbours import Neighbours
from metasearch.archive.records import Records
from metasearch.archive.relatives import Relatives
from metasearch.campaign import Campaign, CampaignFile
from metasearch.candidate import Outcome
from metasearch.errors import ArchiveError, CampaignChanged, UsageError
from metasearch.objectives import Objective


class UnreadableRun(ArchiveError):
    """What is stored of one run is not valid to this version; the other runs are."""


_ALPHABET = string.ascii_lowercase + string.digits

_CAMPAIGN = """
SELECT c.*, s.folder, s.settings, s.evaluator_digest FROM campaign AS c JOIN settings AS s
ON s.campaign = c.key AND s.seq = (SELECT max(seq) FROM settings WHERE campaign = c.key)
"""
_LIST = _CAMPAIGN + "WHERE ? IS NULL OR c.name = ? ORDER BY c.key DESC"
_BY_ID = _CAMPAIGN + "WHERE c.id = ?"
_LATEST = _CAMPAIGN + "WHERE c.name = ? ORDER BY c.key DESC LIMIT 1"
_CREATION = "SELECT created FROM campaign WHERE key = ?"
_NAMES = "SELECT name FROM campaign UNION SELECT id FROM campaign"
_ANY = "SELECT 1 FROM campaign LIMIT 1"
_PROGRESS = "SELECT * FROM progress WHERE campaign = ?"
_LEASE = "SELECT * FROM lease WHERE campaign = ?"
_ADD = """
INSERT INTO campaign (id, name, created, objective, direction, seed_digest)
VALUES (:id, :name, :created, :objective, :direction, :seed_digest)
"""
_ADD_SETTINGS = """
INSERT INTO settings (campaign, seq, folder, settings, evaluator_digest) VALUES (?, ?, ?, ?, ?)
"""
_ADD_FILE = """
INSERT INTO campaign_file (campaign, kind, seq, position, path, blob) VALUES (?, ?, ?, ?, ?, ?)
"""
_ADD_PROGRESS = """
INSERT INTO progress (campaign, seq, steps, candidates, scored, invalid, crashed, timed_out,
    out_of_memory, output_limit, rejected, input_tokens, output_tokens, cached_tokens,
    cache_write_tokens, reasoning_tokens, usd, unpriced, model_seconds, lost_usd, lost_unpriced,
    lost_tokens, best_gain, seconds, ended, reason)
VALUES (?, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.0, 0, 0.0, 0.0, 0, 0, NULL, 0.0, NULL, '')
"""
_CREATED = "INSERT INTO event (campaign, seq, at, kind, detail) VALUES (?, 1, ?, 'created', ?)"


def default_path() -> Path:
    """Where the archive is if nobody says otherwise: ``$METASEARCH_ARCHIVE``, or user data."""
    named = os.environ.get("METASEARCH_ARCHIVE")
    return Path(named) if named else platformdirs.user_data_path("metasearch") / "archive.db"


class CampaignArchive(Lease, Browsing, Relatives, Columns, Journal, Records, Costs, Neighbours):
    """One campaign in an open archive: its facts to read, and to add to.

    Not to be shared between threads; every method is one short transaction.
    """

    def summary(self) -> CampaignSummary:
        """The campaign at a glance."""
        with self._database.reading() as connection:
            progress = self._progress(connection)
            lease = connection.execute(_LEASE, (self._campaign,)).fetchone()
            created = connection.execute(_CREATION, (self._campaign,)).fetchone()[0]
            best = self.best()
        alive = holder(lease)
        return CampaignSummary(
            id=self.id,
            name=self._identity.name,
            created=created,
            state=state_of(progress, lease, alive=alive is not None),
            reason=progress["reason"],
            holder="" if alive is None else str(alive),
            seconds=progress["seconds"],
            evaluations=evaluated(progress),
            outcomes={outcome.value: progress[outcome] for outcome in Outcome},
            best=best[0] if best else None,
            usage=as_usage(progress),
            settings=self.settings_in_force(),
            evaluator_digest=self.evaluator_digest,
            seed_digest=self.seed_digest,
        )

    def update(self, campaign: Campaign) -> None:
        """Continue with other settings, such as a larger budget, another evaluator or prompts.

        The earlier ones stay on record, and so does every score as it was measured.

        Raises:
            CampaignChanged: What best and curve go by would not be the same any more.
            CampaignBusy: Another engine runs it.
        """
        first, stored = _first_objective(campaign), self._identity.objective
        if first != stored:
            raise CampaignChanged(
                f"The first objective of {self.id} is {stored.name if stored else None!r}, not "
                f"{first.name if first else None!r} as now. Undo the change, or start another run "
                "with --fresh."
            )
        now = self._identity._replace(
            folder=stored_text(str(campaign.folder), 4096),
            settings=campaign.settings,
            evaluator_digest=campaign.evaluator_digest,
        )
        files = {}
        if now.evaluator_digest != self._identity.evaluator_digest:
            files["evaluator"] = campaign.evaluator_files
        if campaign.prompts and campaign.prompts != self._campaign_files("prompts"):
            files["prompts"] = campaign.prompts
        if now == self._identity and not files:
            return
        changed = _changed(self._identity.settings.model_dump(), now.settings.model_dump())
        with self._writing() as connection:
            self._refuse_if_held_elsewhere(connection)
            seq = self._advance(connection, facts=1).seq
            connection.execute(_ADD_SETTINGS, (self._campaign, seq, *_settings_of(campaign)))
            for kind, texts in files.items():
                _add_files(self._database, connection, self._campaign, seq, kind, texts)
            self._event(connection, seq, "changed", detail=", ".join([*changed, *files]))
        self._identity = now


def _first_objective(campaign: Campaign) -> Objective | None:
    return next(iter(campaign.objectives), None)


def _changed(old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    """Names of settings that differ: ``task``, ``budget.usd``, ``models.prices``."""
    names = []
    for name, value in new.items():
        before = old.get(name)
        if isinstance(value, dict) and isinstance(before, dict):
            names += [f"{name}.{k}" for k in {**before, **value} if before.get(k) != value.get(k)]
        elif before != value:
            names.append(name)
    return names


def _settings_of(campaign: Campaign) -> tuple[str, str, str]:
    folder = stored_text(str(campaign.folder), 4096)
    return folder, campaign.settings.model_dump_json(), campaign.evaluator_digest


def _add_files(
    database: Database,
    connection: sqlite3.Connection,
    campaign: int,
    seq: int,
    kind: str,
    texts: Mapping[str, str],
) -> None:
    for position, (path, text) in enumerate(texts.items()):
        blob = database.blobs.add_text(text)
        connection.execute(_ADD_FILE, (campaign, kind, seq, position, path, blob))


class Archive:
    """An open archive file. Not to be shared between threads.

    Use :meth:`open`; an archive is a context manager that closes itself.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        create: bool = False,
        read_only: bool = False,
        busy_seconds: float = BUSY_SECONDS,
    ) -> Self:
        """Open an archive.

        Args:
            path: The file.
            create: Make it, and its folder, if it is not there.
            read_only: Refuse every write; see what a running engine adds all the same.
            busy_seconds: How long a write waits for other processes.

        Raises:
            ArchiveError: With the cause and the remedy.
        """
        path = Path(path)
        new = schema.is_new(path)
        if new and (read_only or not create):
            raise ArchiveError(
                f"There is no archive at {path}. 'metasearch run' makes one; "
                "name another with --archive FILE."
            )
        if new:
            _make_folder(path)
        database = Database(path, read_only=read_only, create=new, busy_seconds=busy_seconds)
        try:
            if new:
                schema.create(database)
            schema.check(database)
            if not read_only:
                schema.prepare_for_writing(database)
        except BaseException:
            database.close()
            raise
        return cls(database)

    @staticmethod
    def upgrade(path: Path | str) -> tuple[str, str]:
        """Bring an archive of an older schema up to date; its version before and after."""
        return schema.upgrade(Path(path))

    @property
    def path(self) -> Path:
        """The file."""
        return self._database.path

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def campaigns(self, name: str | None = None) -> list[CampaignSummary]:
        """All campaigns, or all runs of one name, newest first; but for :meth:`unreadable` ones."""
        with self._database.reading() as connection:
            found = []
            for row in connection.execute(_LIST, (name, name)).fetchall():
                with contextlib.suppress(UnreadableRun):
                    found.append(self._open(row).summary())
            return found

    def browse(self, wanted: Wanted) -> RunPage:
        """Runs in a list for people: found, sorted, and a page at a time."""
        found = browse_campaigns.list_runs(self._database, wanted)
        extended = browse_campaigns.extended(self._database)
        runs = tuple(
            run._replace(settings=self.campaign(run.id).settings_in_force())
            if run.key in extended
            else run
            for run in found.runs
        )
        return found._replace(runs=runs)

    def best_of(self, run: ListedRun) -> Best | None:
        """How a listed run came to its best score; ``None`` if nothing is scored."""
        return browse_campaigns.best_of(self._database, run)

    def unreadable(self) -> list[str]:
        """Ids of the runs that cannot be opened, newest first: their settings are not valid."""
        with self._database.reading() as connection:
            found = []
            for row in connection.execute(_LIST, (None, None)).fetchall():
                try:
                    self._open(row)
                except UnreadableRun:
                    found.append(row["id"])
            return found

    def find(self, ref: str) -> CampaignSummary:
        """A campaign by its id, or the latest run of a name.

        Raises:
            UsageError: There is none. Names the nearest ones.
        """
        return self.campaign(ref).summary()

    def campaign(self, ref: str) -> CampaignArchive:
        """A campaign by its id, or the latest run of a name, to read and write.

        Raises:
            UsageError: There is none. Names the nearest ones.
            ArchiveError: What is stored of it cannot be read.
        """
        with self._database.reading() as connection:
            row = connection.execute(_BY_ID, (ref,)).fetchone()
            row = row or connection.execute(_LATEST, (ref,)).fetchone()
            if row is not None:
                return self._open(row)
            empty = connection.execute(_ANY).fetchone() is None
        if empty:
            hint = "It has none yet: start one with 'metasearch run'."
        elif close := self.nearest(ref):
            hint = f"Did you mean {' or '.join(map(repr, close))}?"
        else:
            hint = "'metasearch list' shows those that it has."
        raise UsageError(f"The archive {self.path} has no campaign {ref!r}. {hint}")

    def nearest(self, ref: str) -> list[str]:
        """Up to three names and ids that look like one that is not there, the likeliest first."""
        with self._database.reading() as connection:
            names = [name for (name,) in connection.execute(_NAMES)]
        return difflib.get_close_matches(ref[:200], names, n=3, cutoff=0.4)

    def has(self, name: str) -> bool:
        """Whether there is a run of this name, readable or not."""
        with self._database.reading() as connection:
            return connection.execute(_LATEST, (name,)).fetchone() is not None

    def create(self, campaign: Campaign) -> CampaignArchive:
        """Add a new run of a campaign."""
        objective = _first_objective(campaign)
        now = time.time()
        row = {
            "id": f"{campaign.name}-{''.join(secrets.choice(_ALPHABET) for _ in range(6))}",
            "name": campaign.name,
            "created": now,
            "objective": objective.name if objective else "",
            "direction": objective.direction.value if objective else "",
            "seed_digest": campaign.seed_program.digest,
        }
        files = {"seed": campaign.seed_program.files, "evaluator": campaign.evaluator_files}
        files["prompts"] = campaign.prompts
        with self._database.writing() as connection:
            key = connection.execute(_ADD, row).lastrowid
            assert key is not None
            for kind, texts in files.items():
                _add_files(self._database, connection, key, 1, kind, texts)
            connection.execute(_ADD_PROGRESS, (key,))
            connection.execute(_ADD_SETTINGS, (key, 1, *_settings_of(campaign)))
            connection.execute(_CREATED, (key, now, campaign.name))
        return self.campaign(str(row["id"]))

    def _open(self, row: sqlite3.Row) -> CampaignArchive:
        try:
            identity = Identity(
                key=row["key"],
                id=row["id"],
                name=row["name"],
                folder=row["folder"],
                settings=CampaignFile.model_validate_json(row["settings"]),
                objective=objective_of(row["objective"], row["direction"]),
                evaluator_digest=row["evaluator_digest"],
                seed_digest=row["seed_digest"],
            )
        except ValueError as error:
            raise UnreadableRun(
                f"The run {row['id']} in the archive {self.path} cannot be read: its stored "
                f"settings are not valid ({_first_fault(error)}). The version of metasearch that "
                "stored it may read it; the archive's other runs are not affected."
            ) from error
        return CampaignArchive(self._database, identity)


def _first_fault(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False, include_input=False)[0]
    return ": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"])))


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArchiveError(
            f"The folder {path.parent} of the archive cannot be made: {error.strerror}. "
            "Use another file (--archive FILE)."
        ) from None
