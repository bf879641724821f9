"""One SQLite connection, and the one place that commits and translates database errors."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from metasearch.archive.blobs import MAX_BLOB_BYTES, Blobs
from metasearch.errors import ArchiveError

BUSY_SECONDS = 10.0
"""How long a write waits for another process's transaction."""

_MINIMUM_FREE = 1_000_000


class Database:
    """An open archive file.

    Args:
        path: The file. It exists, unless ``create``.
        read_only: Refuse every write; see later commits of others all the same.
        create: Let SQLite make the file.
        busy_seconds: How long to wait for another process's lock.
    """

    def __init__(
        self,
        path: Path,
        *,
        read_only: bool,
        create: bool = False,
        busy_seconds: float = BUSY_SECONDS,
    ) -> None:
        self.path = path
        self.read_only = read_only
        self._busy_seconds = busy_seconds
        with self.translated():
            try:
                self.connection = self._connect("ro" if read_only else "rwc" if create else "rw")
            except sqlite3.OperationalError as error:
                wal = path.with_name(path.name + "-wal")
                if not read_only or wal.exists() or error.sqlite_errorname != "SQLITE_CANTOPEN":
                    raise
                # A folder where nobody can write: the file is all there is, and stays as it is.
                self.connection = self._connect("ro&immutable=1")
        self.blobs = Blobs(self.connection, path)

    def _connect(self, mode: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"file:{quote(str(self.path.absolute()))}?mode={mode}",
            uri=True,
            timeout=self._busy_seconds,
            isolation_level=None,
            cached_statements=256,
            # A reader may be handed on from one thread of a server to the next.
            check_same_thread=not self.read_only,
        )
        try:
            connection.row_factory = sqlite3.Row
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_BLOB_BYTES + 1_000_000)
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA cell_size_check = ON")
            connection.execute("PRAGMA schema_version").fetchone()
        except BaseException:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Close the file; the write-ahead log is folded into it by the last one to close."""
        self.connection.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A write transaction: all of the block or nothing of it.

        Raises:
            ArchiveError: With the remedy; nothing of the block is stored.
        """
        connection = self.connection
        with self.translated():
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                # SQLite has ended the transaction itself after some errors (a full disk).
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A consistent snapshot for the reads of the block.

        Raises:
            ArchiveError: The file is damaged, or gone.
        """
        connection = self.connection
        with self.translated():
            if connection.in_transaction:
                yield connection
                return
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("COMMIT")

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turns database errors of the block into :class:`ArchiveError` with a remedy."""
        try:
            yield
        except sqlite3.Error as error:
            if isinstance(error, sqlite3.ProgrammingError | sqlite3.InterfaceError):
                raise  # Misuse of the driver, such as a closed connection: a bug, not the file.
            if isinstance(error, sqlite3.IntegrityError):
                raise ValueError(f"the archive cannot take this fact: {error}") from error
            raise ArchiveError(explain(self.path, error, self._busy_seconds)) from error
        except UnicodeDecodeError as error:
            # SQLite quotes a broken schema in its message.
            raise ArchiveError(damaged(self.path, "not text")) from error

    @contextmanager
    def checked(self) -> Iterator[None]:
        """Turns what the frozen types refuse to hold into :class:`ArchiveError`."""
        try:
            yield
        except (ValueError, KeyError) as error:
            what = f"a stored value is not valid: {str(error).splitlines()[0]}"
            raise ArchiveError(damaged(self.path, what)) from error


def explain(path: Path, error: sqlite3.Error, busy_seconds: float) -> str:
    """What a database error means for the person, and what to do about it."""
    # The driver itself has no name for text that is not UTF-8.
    name = getattr(error, "sqlite_errorname", "not text")
    if name == "SQLITE_FULL" or (name.startswith("SQLITE_IOERR") and _disk_is_full(path)):
        return (
            f"The disk of the archive {path} is full. Nothing stored is lost: "
            "free some space and run again."
        )
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL")):
        return (
            f"The archive {path} has been locked by another process for {busy_seconds:g} seconds. "
            "End the program that holds it, or use another file (--archive FILE)."
        )
    if name.startswith("SQLITE_READONLY"):
        return (
            f"The archive {path} cannot be written: the file or its folder is read-only. "
            "Change the permissions, or use another file (--archive FILE)."
        )
    if name.startswith("SQLITE_CANTOPEN"):
        return (
            f"The archive {path} cannot be opened: the file or its folder is not accessible or "
            "read-only. Change the permissions, or use another file (--archive FILE)."
        )
    if name == "SQLITE_NOTADB":
        return not_an_archive(path, "it is no SQLite database")
    if name.startswith("SQLITE_CORRUPT"):
        return damaged(path, str(error))
    if name.startswith("SQLITE_IOERR"):
        return f"Reading or writing the archive {path} failed ({error}). Check the disk."
    return damaged(path, f"{error}, {name}")


def not_an_archive(path: Path, why: str) -> str:
    """The message for a file that is something else."""
    return (
        f"{path} is not a metasearch archive: {why}. It was left as it is; "
        "name another file (--archive FILE)."
    )


def damaged(path: Path, what: str) -> str:
    """The message for an archive whose content is not what was once written."""
    return (
        f"The archive {path} is damaged ({what}). Restore a copy of it, or save what can be "
        f"read with: sqlite3 '{path}' .recover | sqlite3 recovered.db"
    )


def _disk_is_full(path: Path) -> bool:
    try:
        return shutil.disk_usage(path.parent).free < _MINIMUM_FREE
    except OSError:
        return False
