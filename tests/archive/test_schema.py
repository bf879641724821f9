"""Rows, schema.sql and migrations lead to one schema, and older archives come up to it."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from metasearch.archive import Archive, schema
from metasearch.archive.database import Database
from metasearch.archive.rows import METADATA, render
from metasearch.campaign import Campaign
from metasearch.errors import ArchiveError

SCHEMA = Path(schema.__file__).with_name("schema.sql")

PARTS = re.compile(r"\n|, (?![^(]*\))")
"""Between the lines of a definition, and the columns added to one of them by ALTER TABLE."""

ADDS_A_TABLE = """
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "LATEST"


def upgrade() -> None:
    op.create_table("mood", sa.Column("key", sa.Integer, primary_key=True), sqlite_strict=True)
    with op.batch_alter_table("campaign", table_kwargs={"sqlite_strict": True}) as campaign:
        campaign.add_column(sa.Column("mood", sa.Text))
"""


def definition(path: Path) -> dict[str, list[str]]:
    """What SQLite keeps of each thing in a schema; constraints may come in any order.

    A table that a migration has rebuilt has its name in quotes.
    """
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    found = {
        name: sorted(
            filter(
                None,
                (
                    " ".join(part.split()).rstrip(",")
                    for part in PARTS.split(sql.replace(f'"{name}"', name))
                ),
            )
        )
        for name, sql in rows
        if name != "alembic_version"
    }
    connection.close()
    return found


def test_the_schema_file_is_what_the_rows_say() -> None:
    remedy = "run: python -m metasearch.archive.rows > archive/schema.sql"
    assert SCHEMA.read_text("utf-8") == render(), remedy


def test_migrations_lead_to_the_same_schema(path: Path, tmp_path: Path) -> None:
    with Archive.open(path, create=True):
        pass
    migrated = tmp_path / "migrated.db"
    database = Database(migrated, read_only=False, create=True)
    schema._migrate(database)
    database.close()
    assert definition(migrated) == definition(path)
    assert set(METADATA.tables) < set(definition(path))


def test_revisions_are_the_migrations_there_are() -> None:
    files = sorted(file.name for file in (schema.MIGRATIONS / "versions").glob("[0-9]*.py"))
    assert [name.split("_")[0] for name in files] == list(schema.REVISIONS)


@pytest.fixture
def newer_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes this program one with a further revision."""

    def become(revision: str) -> None:
        folder = tmp_path / "migrations"
        shutil.copytree(schema.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
        latest = schema.REVISIONS[-1]
        (folder / "versions" / "9999_mood.py").write_text(revision.replace("LATEST", latest))
        newer = tmp_path / "newer.sql"
        newer.write_text(
            SCHEMA.read_text("utf-8").replace(
                "seed_digest TEXT NOT NULL,", "seed_digest TEXT NOT NULL, mood TEXT,"
            )
            + "CREATE TABLE mood (key INTEGER NOT NULL, PRIMARY KEY (key)) STRICT;\n"
        )
        monkeypatch.setattr(schema, "MIGRATIONS", folder)
        monkeypatch.setattr(schema, "_SCHEMA", newer)
        monkeypatch.setattr(schema, "REVISIONS", (*schema.REVISIONS, "9999"))
        schema._expected_shape.cache_clear()
        monkeypatch.setattr(schema, "_expected_shape", schema._expected_shape.__wrapped__)

    return become


@pytest.fixture
def old(path: Path, make_campaign: Callable[..., Campaign]) -> Path:
    with Archive.open(path, create=True) as archive:
        run = archive.create(make_campaign())
        run.open_step()
    return path


def test_an_older_archive_names_the_command_and_is_upgraded_by_it(
    old: Path, newer_program: Callable[[str], None]
) -> None:
    latest = schema.REVISIONS[-1]
    newer_program(ADDS_A_TABLE)
    for read_only in (False, True):
        with pytest.raises(ArchiveError, match=f"metasearch archive upgrade --archive '{old}'"):
            Archive.open(old, read_only=read_only)

    assert Archive.upgrade(old) == (latest, "9999")
    assert Archive.upgrade(old) == ("9999", "9999")

    with Archive.open(old) as archive:
        run = archive.campaign("packing")
        assert run.unfinished_steps()[0].number == 0
        assert run.open_step().number == 1
    assert {"mood", "campaign"} < set(definition(old))


def test_an_upgrade_that_fails_changes_nothing(
    old: Path, newer_program: Callable[[str], None]
) -> None:
    before = definition(old)
    newer_program(ADDS_A_TABLE + "    op.execute('INSERT INTO mood (nothing) VALUES (1)')\n")
    with pytest.raises(ArchiveError, match="nothing"):
        Archive.upgrade(old)
    assert definition(old) == before


def test_an_upgrade_that_breaks_references_changes_nothing(
    old: Path, newer_program: Callable[[str], None]
) -> None:
    before = definition(old)
    newer_program(ADDS_A_TABLE + "    op.execute('DELETE FROM campaign')\n")
    with pytest.raises(ArchiveError, match="refers to nothing"):
        Archive.upgrade(old)
    assert definition(old) == before
    connection = sqlite3.connect(old)
    assert connection.execute("SELECT count(*) FROM campaign").fetchone() == (1,)
    connection.close()


@pytest.mark.parametrize("revision", schema.REVISIONS)
def test_archives_of_every_released_schema_can_be_read(path: Path, revision: str) -> None:
    """``schemas/`` has one archive for each; keep them as they are."""
    dump = Path(__file__).with_name("schemas") / f"{revision}.sql"
    connection = sqlite3.connect(path)
    connection.executescript(dump.read_text("utf-8"))
    connection.close()

    assert Archive.upgrade(path) == (revision, schema.REVISIONS[-1])

    with Archive.open(path) as archive:
        summary = archive.find("packing")
        run = archive.campaign(summary.id)
        assert (summary.state, summary.reason) == ("finished", "evaluations")
        assert summary.best == run.candidate(2)
        assert [c.scores for c in run.candidates()][:3] == [{"radii": n} for n in range(3)]
        assert run.candidate(2).private_scores == {"secret": 3.0}
        assert run.candidate(3).error == "no code"
        assert run.program(run.candidate(1)).source == "x = 1\n"
        assert [c.number for c in run.lineage(2)] == [2, 1, 0]
        assert [e.reply for e in run.exchanges_of(1)] == ["reply 1"]
        assert [e.asker for e in run.exchanges_of(1)] == [None]
        assert [e.reply for e in run.exchanges_by(1)] == ["asked 1"]
        assert run.artifacts(0)[0].content == b"drawn"
        assert (run.candidate(1).model, run.candidate(1).temperature) == ("offline/evolve", 0.8)
        assert run.candidate(3).model is None
        assert run.resolved().settings.task == "Pack circles."
        titles = [str(recorded.fact) for recorded in run.all_facts()]
        assert titles == (["Larger numbers"] if revision >= "0002" else [])
        with run.hold():
            assert [s.number for s in run.unfinished_steps()] == [3]
            assert run.open_step().number == 4
