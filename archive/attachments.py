"""Files that evaluators attach: small ones stay, the bytes of large ones as the campaign says.

Large ones, such as checkpoints, are no shared blobs: each belongs to one measurement, so that its
bytes can be dropped without asking who else needs them. That it was there, its name, its size and
its digest, stays. Bytes are dropped in the transaction that settles a candidate, so there is no
moment at which a killed engine leaves too much, or too little.
"""

from __future__ import annotations

import hashlib
import sqlite3
from typing import NamedTuple

from metasearch.archive.core import SHORT_TEXT, stored_text
from metasearch.archive.queries import Queries
from metasearch.candidate import Artifact, EvaluationResult
from metasearch.objectives import gains

LARGE = 64 * 1024
"""Bytes above which ``evaluator.keep_artifacts`` decides whether an artifact's content stays."""

_ADD = """
INSERT INTO artifact (campaign, seq, position, name, media_type, blob) VALUES (?, ?, ?, ?, ?, ?)
"""
_ADD_LARGE = """
INSERT INTO large_artifact (campaign, seq, position, candidate, name, media_type, size, digest,
    zstd, data)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
# INDEXED BY: without statistics SQLite prefers to read all evaluations of the campaign.
_ENTRIES = """
SELECT name, media_type, size, digest, kept, seq, place, large FROM (
    SELECT e.seq, a.position AS place, a.name, a.media_type, b.size, a.blob AS digest, 1 AS kept,
        0 AS large
    FROM evaluation AS e INDEXED BY evaluation_candidate JOIN artifact AS a USING (campaign, seq)
        JOIN blob AS b ON b.digest = a.blob
    WHERE e.campaign = :campaign AND e.candidate = :candidate
    UNION ALL
    SELECT e.seq, l.position, l.name, l.media_type, l.size, l.digest, l.data IS NOT NULL, 1
    FROM evaluation AS e INDEXED BY evaluation_candidate
        JOIN large_artifact AS l USING (campaign, seq)
    WHERE e.campaign = :campaign AND e.candidate = :candidate
) ORDER BY seq, place
"""
_CONTENT = """
SELECT zstd, data FROM large_artifact WHERE campaign = ? AND seq = ? AND position = ?
"""
_KEPT = """
SELECT l.candidate, sum(l.size)
FROM large_artifact AS l INDEXED BY large_artifact_kept
    JOIN candidate AS c ON c.campaign = l.campaign AND c.number = l.candidate
WHERE l.campaign = ? AND l.data IS NOT NULL
GROUP BY l.candidate ORDER BY c.gain IS NOT NULL, c.gain, l.candidate
"""
_DROP = """
UPDATE large_artifact SET zstd = 0, data = NULL
WHERE campaign = ? AND candidate = ? AND data IS NOT NULL
"""


class ArtifactEntry(NamedTuple):
    """A file that the evaluator attached, without its content."""

    position: int
    """Counts a candidate's artifacts from 0."""
    name: str
    media_type: str
    size: int
    """In bytes."""
    digest: str
    """SHA-256 of its content."""
    kept: bool
    """Whether its content is still there."""


class Attachments(Queries):
    """The artifacts of one campaign."""

    _front: dict[int, tuple[float, ...]] | None = None
    """Gains of the candidates on the front, by number; folded once somebody asks."""

    def artifact_entries(self, number: int) -> list[ArtifactEntry]:
        """What the evaluator attached to a candidate, without reading it."""
        with self._database.reading() as connection:
            rows = self._attached(connection, number)
        return [_entry(position, row) for position, row in enumerate(rows)]

    def artifact(self, number: int, position: int) -> Artifact:
        """One file that the evaluator attached.

        Raises:
            KeyError: There is none at this place, or its content was not kept; says which.
        """
        with self._database.reading() as connection:
            rows = self._attached(connection, number)
            if position >= len(rows):
                raise KeyError(f"candidate #{number} has no artifact {position}")
            row = rows[position]
            if not row["kept"]:
                raise KeyError(f"the content of artifact {position} of #{number} was not kept")
            content = self._content(connection, row)
        return Artifact(name=row["name"], media_type=row["media_type"], content=content)

    def artifacts(self, number: int) -> list[Artifact]:
        """The files that the evaluator attached to a candidate, as far as they were kept."""
        with self._database.reading():  # one moment: an engine may drop some meanwhile
            kept = [entry.position for entry in self.artifact_entries(number) if entry.kept]
            return [self.artifact(number, position) for position in kept]

    def _attached(self, connection: sqlite3.Connection, number: int) -> list[sqlite3.Row]:
        key = {"campaign": self._campaign, "candidate": number}
        return connection.execute(_ENTRIES, key).fetchall()

    def _content(self, connection: sqlite3.Connection, row: sqlite3.Row) -> bytes:
        if not row["large"]:
            return self._blobs.read(row["digest"])
        key = (self._campaign, row["seq"], row["place"])
        zstd, data = connection.execute(_CONTENT, key).fetchone()
        return self._blobs.unpacked(row["digest"], row["size"], zstd, data)

    # -- within the transaction that adds a measurement ------------------------------------------

    def _attach(
        self, connection: sqlite3.Connection, seq: int, number: int, result: EvaluationResult
    ) -> None:
        """Store what a measurement has attached, and drop what is not to be kept any more."""
        settings = self._identity.settings.evaluator
        grown = False
        for position, artifact in enumerate(result.artifacts):
            key = (self._campaign, seq, position)
            name = stored_text(artifact.name, SHORT_TEXT)
            media_type = stored_text(artifact.media_type, SHORT_TEXT)
            content = artifact.content
            if len(content) <= LARGE:
                connection.execute(_ADD, (*key, name, media_type, self._blobs.add(content)))
                continue
            digest = hashlib.sha256(content).digest()
            stored = (0, None) if settings.keep_artifacts == "none" else self._blobs.packed(content)
            row = (*key, number, name, media_type, len(content), digest, *stored)
            connection.execute(_ADD_LARGE, row)
            grown = True
        if settings.keep_artifacts == "elites":
            self._drop_all_but(connection, self._elites(number))
        if grown and settings.artifact_space is not None:
            self._drop_beyond(connection, settings.artifact_space)

    def _drop_all_but(self, connection: sqlite3.Connection, elites: set[int]) -> None:
        for candidate, _ in connection.execute(_KEPT, (self._campaign,)).fetchall():
            if candidate not in elites:
                connection.execute(_DROP, (self._campaign, candidate))

    def _drop_beyond(self, connection: sqlite3.Connection, space: int) -> None:
        """Drop the content of the worst candidates until the rest has room."""
        kept = connection.execute(_KEPT, (self._campaign,)).fetchall()
        used = sum(size for _, size in kept)
        for candidate, size in kept:
            if used <= space:
                break
            connection.execute(_DROP, (self._campaign, candidate))
            used -= size

    def _elites(self, newest: int) -> set[int]:
        """The candidates on the front; of equal ones the oldest."""
        if self._front is None:
            self._front = {}
            settled = self.candidates()
        else:
            settled = iter((self.candidate(newest),))
        for candidate in settled:
            if candidate.scored and candidate.number not in self._front:
                mine = gains(self.objectives, candidate.scores)
                if not any(_covers(other, mine) for other in self._front.values()):
                    beaten = [n for n, other in self._front.items() if _covers(mine, other)]
                    for number in beaten:
                        del self._front[number]
                    self._front[candidate.number] = mine
        return set(self._front)


def _covers(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Whether one vector of gains is at least as good everywhere."""
    return all(a >= b for a, b in zip(one, other, strict=True))


def _entry(position: int, row: sqlite3.Row) -> ArtifactEntry:
    name, media_type, size = row["name"], row["media_type"], row["size"]
    return ArtifactEntry(position, name, media_type, size, row["digest"].hex(), bool(row["kept"]))
