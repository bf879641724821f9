"""The archive's schema: making it, knowing its version, bringing an older one up to date.

``schema.sql`` is the newest schema, rendered from ``rows.py``; the migrations lead there
from every older one. A test holds the three together. Alembic, and SQLAlchemy with it, is
loaded for an upgrade only.
"""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from functools import cache
from pathlib import Path

from metasearch.archive.database import Database, damaged, not_an_archive
from metasearch.errors import ArchiveError

APPLICATION_ID = 0x4D535243
"""``MSRC``, in the file's header: tells an archive from other SQLite files."""

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008")
"""All schema versions, oldest first; each is a migration's name."""

MIGRATIONS = Path(__file__).parent / "migrations"

_SCHEMA = Path(__file__).parent / "schema.sql"


def is_new(path: Path) -> bool:
    """Whether nothing is there yet: no file, or an empty one.

    The file is not opened for that. To close it again would take away the locks that other
    connections of this process have on it (POSIX), and a server has some: another process could
    then write where they read.

    Raises:
        ArchiveError: If it is a folder, or cannot be looked at.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        return True
    except OSError as error:
        raise ArchiveError(
            f"The archive {path} cannot be read: {error.strerror}. "
            "Change the permissions, or use another file (--archive FILE)."
        ) from None
    if not stat.S_ISREG(status.st_mode):
        raise ArchiveError(not_an_archive(path, "it is a folder or a device"))
    return status.st_size == 0


def create(database: Database) -> None:
    """Make the tables in a new file, unless another process was faster."""
    with database.writing() as connection:
        if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return
        for statement in _SCHEMA.read_text("utf-8").split(";\n"):
            if statement.strip():
                connection.execute(statement)
        connection.execute(
            "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
            "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
        )
        connection.execute("INSERT INTO alembic_version VALUES (?)", (REVISIONS[-1],))
        # Part of the file's header, and so of this transaction.
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def check(database: Database) -> None:
    """Make sure that the file is an archive of this version's schema.

    Raises:
        ArchiveError: It is another program's, older, newer or damaged; with the remedy.
    """
    path, version = database.path, revision(database)
    if version in REVISIONS[:-1]:
        raise ArchiveError(
            f"The archive {path} has the older schema {version}; this version needs "
            f"{REVISIONS[-1]}. Bring it up to date with: "
            f"metasearch archive upgrade --archive '{path}'"
        )
    if version != REVISIONS[-1]:
        raise ArchiveError(
            f"The archive {path} has the schema {version!r}, which this version, at "
            f"{REVISIONS[-1]}, does not know: it was written by a newer metasearch. "
            "Upgrade metasearch (pip install --upgrade metasearch), or use another file."
        )
    with database.reading() as connection:
        found = _shape(connection)
    # Triggers, views and lax tables would let a file from elsewhere lie about its types.
    odd = sorted({str(row[0]) for row in found ^ _expected_shape()})
    if odd:
        raise ArchiveError(damaged(path, f"{', '.join(odd[:3])}: not as metasearch makes it"))


def revision(database: Database) -> str:
    """The name of the schema's version.

    Raises:
        ArchiveError: It is another program's file, or has no version.
    """
    with database.reading() as connection:
        if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise ArchiveError(
                not_an_archive(database.path, "it is an SQLite file of another program")
            )
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    if row is None:
        raise ArchiveError(damaged(database.path, "it has no schema version"))
    return str(row[0])


def _shape(connection: sqlite3.Connection) -> frozenset[tuple[object, ...]]:
    """Everything in the schema by name, and each table's columns with their types."""
    columns = connection.execute(
        'SELECT t.name, t.type, t.strict, c.name, c.type, c."notnull", c.pk '
        "FROM pragma_table_list AS t JOIN pragma_table_xinfo(t.name) AS c "
        "WHERE t.schema = 'main' AND t.name NOT LIKE 'sqlite_%' AND t.name <> 'alembic_version'"
    )
    rest = connection.execute(
        "SELECT name, type FROM sqlite_master WHERE type <> 'table' AND name NOT LIKE 'sqlite_%'"
    )
    return frozenset(tuple(row) for row in (*columns.fetchall(), *rest.fetchall()))


@cache
def _expected_shape() -> frozenset[tuple[object, ...]]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(_SCHEMA.read_text("utf-8"))
        return _shape(connection)


def upgrade(path: Path) -> tuple[str, str]:
    """Bring an archive to the newest schema, all in one transaction.

    Returns:
        The version it had and the one it has.

    Raises:
        ArchiveError: If it is missing, no archive, newer than this version, or locked.
    """
    if is_new(path):
        raise ArchiveError(f"There is no archive at {path} to upgrade.")
    database = Database(path, read_only=False)
    try:
        before = revision(database)
        if before in REVISIONS[:-1]:
            _migrate(database)
        check(database)
    finally:
        database.close()
    return before, REVISIONS[-1]


def _migrate(database: Database) -> None:
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine, event
    from sqlalchemy.exc import DBAPIError
    from sqlalchemy.pool import StaticPool

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    raw = database.connection
    raw.row_factory = None
    # Tables that a migration rebuilds are dropped and renamed; references are checked after.
    raw.execute("PRAGMA foreign_keys = OFF")
    engine = create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool)
    event.listen(engine, "begin", lambda begun: begun.exec_driver_sql("BEGIN IMMEDIATE"))
    with database.translated():
        try:
            with engine.begin() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
                broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
                if broken is not None:
                    raise ArchiveError(damaged(database.path, f"{broken[0]} refers to nothing"))
        except DBAPIError as error:
            raise (error.orig or error) from None
    raw.execute("PRAGMA foreign_keys = ON")
    raw.row_factory = sqlite3.Row


def prepare_for_writing(database: Database) -> None:
    """Let readers read while a writer writes; find out now if the file cannot be written."""
    with database.translated():
        database.connection.execute("PRAGMA journal_mode = WAL")
        database.connection.execute("PRAGMA journal_size_limit = 16777216")
    with database.writing():
        pass
