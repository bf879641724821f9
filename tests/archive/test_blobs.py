from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from metasearch.archive import blobs
from metasearch.archive.blobs import Blobs
from metasearch.errors import ArchiveError


@pytest.fixture(scope="module")
def store() -> Blobs:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute(
        "CREATE TABLE blob (key INTEGER PRIMARY KEY, digest BLOB UNIQUE, size, zstd, data)"
    )
    return Blobs(connection, Path("archive.db"))


def plant(store: Blobs, digest: bytes, size: int, packed: int, data: bytes) -> None:
    store._connection.execute(
        "INSERT OR REPLACE INTO blob (digest, size, zstd, data) VALUES (?, ?, ?, ?)",
        (digest, size, packed, data),
    )


@given(st.binary(max_size=5000) | st.binary(max_size=20).map(lambda b: b * 200))
def test_content_comes_back_from_its_sha256(store: Blobs, content: bytes) -> None:
    assert store.add(content) == hashlib.sha256(content).digest() == store.add(content)
    assert store.read(hashlib.sha256(content).digest()) == content


@given(st.text(st.characters(), max_size=500))
def test_any_text_comes_back_lone_surrogates_included(store: Blobs, text: str) -> None:
    assert store.read_text(store.add_text(text)) == text


@settings(max_examples=30)
@given(st.binary(min_size=200, max_size=3000), st.randoms())
def test_changed_content_is_never_given_out(store: Blobs, content: bytes, random: object) -> None:
    digest = store.add(content)
    row = store._connection.execute(
        "SELECT size, zstd, data FROM blob WHERE digest = ?", (digest,)
    ).fetchone()
    data = bytearray(row[2])
    data[len(data) // 2] ^= 0xFF
    plant(store, digest, row[0], row[1], bytes(data))
    with pytest.raises(ArchiveError, match="damaged"):
        store.read(digest)
    store._connection.execute("DELETE FROM blob WHERE digest = ?", (digest,))


def test_what_is_large_and_regular_is_stored_small(store: Blobs) -> None:
    digest = store.add(b"def pack(): ...\n" * 10_000)
    (size,) = store._connection.execute(
        "SELECT length(data) FROM blob WHERE digest = ?", (digest,)
    ).fetchone()
    assert size < 1000


def test_a_bomb_is_not_unpacked(store: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blobs, "MAX_BLOB_BYTES", 100_000)
    content = bytes(1_000_000)
    digest = hashlib.sha256(content).digest()
    for claimed in (len(content), 5, 100_000):
        plant(store, digest, claimed, 1, zstandard.compress(content))
        with pytest.raises(ArchiveError, match="size it claims"):
            store.read(digest)
    endless = zstandard.ZstdCompressor(write_content_size=False).compress(content)
    plant(store, digest, 50_000, 1, endless)
    with pytest.raises(ArchiveError, match="size it claims"):
        store.read(digest)
    plant(store, digest, len(content), 0, content)
    with pytest.raises(ArchiveError, match="too large"):
        store.read(digest)


def test_too_large_content_is_refused(store: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blobs, "MAX_BLOB_BYTES", 1000)
    with pytest.raises(ArchiveError, match="1001 bytes is too large"):
        store.add(bytes(1001))
    store.add(bytes(1000))


def test_a_missing_blob_is_damage(store: Blobs) -> None:
    with pytest.raises(ArchiveError, match="missing"):
        store.read(bytes(32))


def test_bytes_that_are_no_text_are_damage(store: Blobs) -> None:
    with pytest.raises(ArchiveError, match="not text"):
        store.read_text(store.add(b"\xff\xfe"))
